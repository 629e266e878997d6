import { type GuestMemory, type HvError, isHvError } from "@paravane/paravirt-ops";
import { RecordingMemory, RecordingVcpu, spin } from "@paravane/paravirt-ops/conformance";
import { describe, expect, test } from "vitest";
import { bzImage, elf, fields, multibootKernel, pvhKernel } from "../../test/images.js";
import { bootImage } from "./boot.js";
import type { BootTarget } from "./boot-target.js";
import { inspectImage } from "./detect.js";
import { E820, MemoryMap } from "./memory-map.js";

const MIB = 0x100000;

function target(
  ramBytes = 64 * MIB,
  memory = new RecordingMemory(ramBytes),
): BootTarget & { readonly vcpu: RecordingVcpu; readonly memory: RecordingMemory } {
  const map = new MemoryMap(ramBytes);
  map.reserve(0x9fc00, 0x400, "reserved");
  return { memory, map, vcpu: new RecordingVcpu(0, spin), rsdp: 0x9fc00 };
}

const text = (memory: GuestMemory, at: number): string => {
  let found = "";
  for (; memory.readU8(at) !== 0; at++) found += String.fromCharCode(memory.readU8(at));
  return found;
};

const code = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (isHvError(error)) return (error as HvError).code;
    throw error;
  }
  return "no error";
};

describe("bzImage", () => {
  test("a 64-bit kernel starts at +0x200 in long mode with the low 4 GiB mapped to themselves", () => {
    const at = target();
    expect(bootImage(inspectImage(bzImage()), at)).toBe("linux64");
    const { registers } = at.vcpu;
    expect(registers.get("rip")).toBe(0x1000200n);
    expect(registers.get("cr0")).toBe(0x80000011n);
    expect(registers.get("cr4")).toBe(0x20n);
    expect(registers.get("efer")).toBe(0x500n);
    expect(registers.segment("cs")).toEqual({ selector: 0x10, base: 0n, limit: 0xffffffff, access: 0xa09b });
    expect(registers.segment("ss").selector).toBe(0x18);
    expect(registers.get("rflags")).toBe(2n);
    for (const address of [0, 0x1000200, 0x9fc00, 0xfee00000, 0xffffffff]) {
      const entry = (table: bigint, index: number) => at.memory.readU64(Number(table & ~0xfffn) + 8 * index);
      const directory = entry(entry(registers.get("cr3"), 0), Math.floor(address / 2 ** 30));
      const leaf = entry(directory, Math.floor(address / 2 ** 21) % 512);
      expect(leaf & 0x83n).toBe(0x83n);
      expect(Number(leaf & ~0xfffn)).toBe(Math.floor(address / 2 ** 21) * 2 ** 21);
    }
  });

  test("the zero page carries header, command line, initrd, ACPI root and the memory map", () => {
    const at = target();
    const initrd = Uint8Array.from({ length: 5000 }, (_, index) => index);
    bootImage(inspectImage(bzImage(), { initrd, commandLine: "console=ttyS0 quiet" }), at);
    const { memory } = at;
    const zeroPage = Number(at.vcpu.registers.get("rsi"));
    expect(memory.readU32(zeroPage + 0x202)).toBe(0x53726448);
    expect(memory.readU8(zeroPage + 0x210)).toBe(0xff);
    expect(text(memory, memory.readU32(zeroPage + 0x228))).toBe("console=ttyS0 quiet");
    const ramdisk = memory.readU32(zeroPage + 0x218);
    expect(memory.readU32(zeroPage + 0x21c)).toBe(5000);
    expect(ramdisk).toBe(64 * MIB - 8192);
    expect(memory.view(ramdisk, 5000)).toEqual(initrd);
    expect(memory.readU64(zeroPage + 0x70)).toBe(0x9fc00n);
    expect(memory.readU8(zeroPage + 0x1ef)).toBe(0);
    const rows = Array.from({ length: memory.readU8(zeroPage + 0x1e8) }, (_, index) => {
      const row = zeroPage + 0x2d0 + 20 * index;
      return [Number(memory.readU64(row)), Number(memory.readU64(row + 8)), memory.readU32(row + 16)];
    });
    expect(rows).toEqual([
      [0, 0x9fc00, E820.ram],
      [0x9fc00, 0x400, E820.reserved],
      [MIB, 63 * MIB, E820.ram],
    ]);
    expect(memory.readU8(0x1000000)).toBe(0x90);
  });

  test("a 32-bit kernel starts in flat protected mode with paging off", () => {
    const at = target();
    expect(bootImage(inspectImage(bzImage({ bits: 32 })), at)).toBe("linux32");
    const { registers } = at.vcpu;
    expect(registers.get("rip")).toBe(0x1000000n);
    expect(registers.get("cr0")).toBe(0x11n);
    expect(registers.segment("cs")).toMatchObject({ selector: 0x10, access: 0xc09b });
    const gdt = Number(registers.table("gdtr").base);
    expect(at.memory.readU64(gdt + 0x10)).toBe(0x00cf9b000000ffffn);
    expect(at.memory.readU64(gdt + 0x18)).toBe(0x00cf93000000ffffn);
  });

  test("a 64-bit kernel can be started by its 32-bit entry when asked", () => {
    const at = target();
    expect(bootImage(inspectImage(bzImage()), at, "linux32")).toBe("linux32");
    expect(at.vcpu.registers.get("efer")).toBe(0n);
  });

  test("a kernel whose preferred place is not there goes where it fits, aligned", () => {
    const at = target(16 * MIB);
    bootImage(inspectImage(bzImage()), at);
    expect(at.vcpu.registers.get("rip")).toBe(0x200200n);
  });

  test("a kernel that cannot be relocated goes to 1 MiB", () => {
    const at = target();
    bootImage(inspectImage(bzImage({ relocatable: false })), at);
    expect(at.vcpu.registers.get("rip")).toBe(0x100200n);
  });

  test("too little memory, too large an initrd and too long a command line are named", () => {
    expect(code(() => bootImage(inspectImage(bzImage({ initBytes: 32 * MIB })), target(8 * MIB)))).toBe("image/outside-memory");
    expect(code(() => bootImage(inspectImage(bzImage(), { initrd: new Uint8Array(70 * MIB) }), target()))).toBe("image/initrd-too-large");
    expect(code(() => bootImage(inspectImage(bzImage(), { commandLine: "x".repeat(2048) }), target()))).toBe("image/command-line");
  });

  test("a truncated kernel says how much is missing", () => {
    const whole = bzImage();
    for (const length of [0x210, 1000, 1024, 3000, whole.byteLength - 16]) {
      expect(code(() => inspectImage(whole.subarray(0, length)))).toBe("image/truncated");
    }
  });

  test("the payload is unpacked by an injected decompressor, once asked for", async () => {
    const packed = Uint8Array.of(0x02, 0x21, 0x4c, 0x18, 1, 2, 3, 4, 0, 0, 0, 0);
    const kernel = pvhKernel();
    fields(packed, [8, 4, kernel.byteLength]);
    const file = bzImage({ payload: packed });
    const image = inspectImage(file, {
      decompressors: {
        lz4: (bytes, size) => {
          expect([bytes.byteLength, size]).toEqual([8, kernel.byteLength]);
          return kernel;
        },
      },
    });
    expect((await image.payload!()).protocols).toEqual(["pvh"]);
    await expect(inspectImage(file).payload!()).rejects.toMatchObject({ code: "image/no-decompressor" });
    const broken = inspectImage(file, {
      decompressors: {
        lz4: () => {
          throw new RangeError("bad data");
        },
      },
    });
    await expect(broken.payload!()).rejects.toMatchObject({ code: "image/payload" });
  });
});

describe("PVH", () => {
  test("the entry note starts a 32-bit processor with EBX at hvm_start_info", () => {
    const at = target();
    const initrd = new Uint8Array(100).fill(7);
    expect(bootImage(inspectImage(pvhKernel(), { initrd, commandLine: "root=/dev/vda" }), at)).toBe("pvh");
    const { registers } = at.vcpu;
    expect(registers.get("rip")).toBe(0x100040n);
    expect(registers.get("cr0")).toBe(0x11n);
    const info = Number(registers.get("rbx"));
    const { memory } = at;
    expect(memory.readU32(info)).toBe(0x336ec578);
    expect(memory.readU32(info + 4)).toBe(1);
    expect(text(memory, Number(memory.readU64(info + 24)))).toBe("root=/dev/vda");
    expect(memory.readU64(info + 32)).toBe(0x9fc00n);
    const module = Number(memory.readU64(info + 16));
    expect(memory.readU32(info + 12)).toBe(1);
    expect(memory.view(Number(memory.readU64(module)), 100)).toEqual(initrd);
    const map = Number(memory.readU64(info + 40));
    expect(memory.readU32(info + 48)).toBe(3);
    expect([memory.readU64(map), memory.readU64(map + 8), memory.readU32(map + 16)]).toEqual([0n, 0x9fc00n, 1]);
  });

  test("memory behind a segment's bytes is zero", () => {
    const at = target();
    at.memory.fill(0x100000, 16384, 0xee);
    bootImage(inspectImage(pvhKernel()), at);
    expect(at.memory.readU8(0x100fff)).toBe(0xf4);
    expect(at.memory.view(0x101000, 4096).every((byte) => byte === 0)).toBe(true);
    expect(at.memory.readU8(0x102000)).toBe(0xee);
  });
});

describe("multiboot", () => {
  test("the kernel gets its magic, memory sizes, command line, module and map", () => {
    const at = target(128 * MIB);
    const initrd = new TextEncoder().encode("NR_CPUS=2\n");
    expect(bootImage(inspectImage(multibootKernel(), { initrd, commandLine: "a b" }), at)).toBe("multiboot1");
    const { registers } = at.vcpu;
    expect(registers.get("rip")).toBe(0x400010n);
    expect(registers.get("rax")).toBe(0x2badb002n);
    const mbi = Number(registers.get("rbx"));
    const { memory } = at;
    expect(memory.readU32(mbi) & 0x4d).toBe(0x4d);
    expect(memory.readU32(mbi + 4)).toBe(0x9fc00 / 1024);
    expect(memory.readU32(mbi + 8)).toBe(127 * 1024);
    expect(text(memory, memory.readU32(mbi + 16))).toBe("kernel a b");
    expect(memory.readU32(mbi + 20)).toBe(1);
    const module = memory.readU32(mbi + 24);
    const [start, end] = [memory.readU32(module), memory.readU32(module + 4)];
    expect(memory.view(start, end - start)).toEqual(initrd);
    expect(start % 4096).toBe(0);
    expect(memory.readU32(mbi + 44)).toBe(3 * 24);
    expect(memory.readU32(memory.readU32(mbi + 48))).toBe(20);
  });

  test("a kernel in low memory keeps its place; the boot tables go around it", () => {
    const at = target();
    bootImage(inspectImage(multibootKernel(0x8000), { commandLine: "x" }), at);
    expect(at.memory.view(0x8000, 64).every((byte) => byte === 0xf4)).toBe(true);
    expect(at.vcpu.registers.get("rip")).toBe(0x8010n);
  });

  test("an image that is not ELF is placed by its header's addresses", () => {
    const file = fields(
      new Uint8Array(512).fill(0x90),
      [16, 4, 0x1badb002],
      [20, 4, 0x10000],
      [24, 4, -(0x1badb002 + 0x10000) >>> 0],
      [28, 4, 0x200010],
      [32, 4, 0x200000],
      [36, 4, 0],
      [40, 4, 0x201000],
      [44, 4, 0x200080],
    );
    const at = target();
    at.memory.fill(0x200000, 0x2000, 0xee);
    bootImage(inspectImage(file), at);
    expect(at.vcpu.registers.get("rip")).toBe(0x200080n);
    expect(at.memory.readU8(0x2001ff)).toBe(0x90);
    expect(at.memory.readU8(0x200200)).toBe(0);
    expect(at.memory.readU8(0x201000)).toBe(0xee);
  });

  test("a header that demands what nobody knows is refused", () => {
    const file = fields(new Uint8Array(64), [0, 4, 0x1badb002], [4, 4, 0x10008], [8, 4, -(0x1badb002 + 0x10008) >>> 0]);
    expect(code(() => inspectImage(file))).toBe("image/multiboot");
  });
});

describe("placement", () => {
  test("segments outside memory, in the hole under 1 MiB or over one another are refused", () => {
    const page = new Uint8Array(16);
    const boot = (...physical: number[]) => {
      const file = elf({
        bits: 32,
        multiboot: true,
        segments: physical.map((address) => ({ physical: address, bytes: page, memoryBytes: 0x2000 })),
      });
      return code(() => bootImage(inspectImage(file), target()));
    };
    expect(boot(0x400000)).toBe("no error");
    expect(boot(63 * MIB + 0xff000)).toBe("image/outside-memory");
    expect(boot(0xf0000000)).toBe("image/outside-memory");
    expect(boot(0x9f000)).toBe("image/outside-memory");
    expect(boot(0xc0000)).toBe("image/outside-memory");
    expect(boot(0x400000, 0x401000)).toBe("image/overlap");
  });

  test("a 64-bit segment above 2^53 is outside memory, not an accident", () => {
    const file = pvhKernel();
    fields(file, [64 + 24, 8, 0xffff_8000_0000_0000n]);
    expect(code(() => bootImage(inspectImage(file), target()))).toBe("image/outside-memory");
  });
});

describe("what else a file can be", () => {
  const named = (bytes: Uint8Array): string => {
    try {
      inspectImage(bytes);
    } catch (error) {
      return `${(error as HvError).code}: ${(error as HvError).message}`;
    }
    return "accepted";
  };
  const start = (length: number, at: number, content: string | number[]) => {
    const bytes = new Uint8Array(length).fill(0x80);
    bytes.set(typeof content === "string" ? [...content].map((char) => char.charCodeAt(0)) : content, at);
    return bytes;
  };

  test.each([
    ["an empty file", new Uint8Array(0), /image\/empty/],
    ["a text file", new TextEncoder().encode("#!/bin/sh\necho hello\n"), /is text/],
    ["random bytes", start(100, 0, [1, 2, 3]), /no known kind.*01 02 03/],
    ["an arm64 kernel", start(100, 0x38, "ARMd"), /arm64/],
    ["gzip", start(100, 0, [0x1f, 0x8b]), /gzip/],
    ["a package", start(100, 0, "!<arch>\ndebian-binary"), /Debian package/],
    ["an initrd", start(200, 0, "070701"), /cpio/],
    ["a disk", start(512, 510, [0x55, 0xaa]), /raw disk.*BIOS/],
    ["an ISO image", start(0x9000, 0x8001, "CD001"), /ISO 9660/],
    ["a firmware image", start(0x20000, 0x1fff0, [0xea]), /firmware/],
    ["a dynamic program", elf({ interpreter: true }), /image\/user-program.*user space/],
    ["a static program", elf({ notes: [{ owner: "GNU", type: 1, bytes: new Uint8Array(16) }] }), /image\/no-boot-protocol/],
    ["an ELF for another machine", elf({ machine: 183 }), /arm64/],
    ["a short ELF", elf().subarray(0, 30), /image\/truncated/],
  ])("%s is called by its name", (_what, bytes, message) => {
    expect(named(bytes)).toMatch(message);
  });

  test("a last note that says more than there is, as GRUB's does, is taken as far as it goes", () => {
    const note = { owner: "Xen", type: 9, bytes: new TextEncoder().encode("yes\0") };
    const file = elf({ notes: [note] });
    const header = Buffer.from(file).indexOf("Xen\0") - 12;
    new DataView(file.buffer, file.byteOffset).setUint32(header + 4, 12, true);
    expect(inspectImage(file).elf?.notes).toEqual([note]);
  });

  test("a Xen PV kernel is an image for a backend, not for the bare machine", () => {
    const image = inspectImage(elf({ notes: [{ owner: "Xen", type: 1, bytes: new Uint8Array(8) }] }));
    expect(image.protocols).toEqual([]);
    expect(code(() => bootImage(image, target()))).toBe("image/no-boot-protocol");
  });
});

describe("hostile images", () => {
  /** Boots or is refused with an HvError; anything else fails the test. */
  const memory = new RecordingMemory(8 * MIB);
  const survive = (bytes: Uint8Array) => {
    try {
      const image = inspectImage(bytes, { initrd: new Uint8Array(10), commandLine: "x" });
      image.elf?.symbols();
      if (image.protocols.length > 0) bootImage(image, target(8 * MIB, memory));
    } catch (error) {
      if (!isHvError(error)) throw error;
    }
  };
  let seed = 12345;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const kernels = [bzImage({ preferred: 0x200000 }), pvhKernel(), multibootKernel(), elf({ bits: 32, multiboot: true })];

  test("every truncation of every kind of kernel is survived", () => {
    for (const kernel of kernels)
      for (let length = 0; length < kernel.byteLength; length += 1 + (length >> 6)) survive(kernel.subarray(0, length));
  });

  test("random bytes are survived", () => {
    for (let round = 0; round < 500; round++) survive(Uint8Array.from({ length: random(600) }, () => random(256)));
  });

  test("kernels with damaged headers are survived", () => {
    for (let round = 0; round < 2000; round++) {
      const bytes = kernels[round % kernels.length]!.slice();
      for (let hit = 0; hit <= random(4); hit++)
        bytes[random(Math.min(bytes.byteLength, round % 2 === 0 ? 0x280 : 200))] = random(2) === 0 ? 0xff : random(256);
      survive(bytes);
    }
  });
});
