import { RecordingMemory, RecordingRegisters } from "@paravane/paravirt-ops/conformance";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { elfKernel, plainNotes, xenNotes } from "../../test/images.js";
import { StructView } from "../abi/struct.js";
import { hvm_start_info } from "../abi/services.js";
import { start_info } from "../abi/xen.js";
import { startPv, startPvh } from "./boot-vcpu.js";
import { buildPv } from "./build-pv.js";
import { buildPvh } from "./build-pvh.js";
import { domainFrames } from "./frame-list.js";
import { readNotes } from "./notes.js";
import { pvhTables } from "./pvh-tables.js";
import { unpackRamdisk } from "./ramdisk.js";

const MIB = 0x100000;
const SHARED_INFO = 0x12345;

function domain(bits: 64 | 32, changes: Parameters<typeof plainNotes>[0] = {}, ramdisk?: Uint8Array) {
  const memory = new RecordingMemory(16 * MIB);
  const elf = elfKernel({ machine: bits === 64 ? 62 : 3, notes: plainNotes(changes), physical: 0x100000, code: Uint8Array.of(1, 2, 3) });
  const p2m = domainFrames(memory, "scrambled", 1);
  const notes = readNotes(elf)!;
  const built = buildPv({ elf, notes, ramdisk, commandLine: "console=hvc0" }, memory, p2m, SHARED_INFO);
  const info = new StructView(start_info[bits], memory.view(p2m[built.layout.startInfo]! * 4096, 4096));
  /** Linear to physical by the domain's own tables, and the flags of the leaf. */
  const walk = (address: bigint): { physical: number; flags: number } | undefined => {
    let table = built.root;
    for (let level = bits === 64 ? 4 : 3; ; level--) {
      const index = Number((address >> BigInt(3 + 9 * level)) & 0x1ffn);
      const entry = memory.readU64(table * 4096 + index * 8);
      if ((entry & 1n) === 0n) return undefined;
      table = Number((entry >> 12n) & 0xffff_ffffn);
      if (level === 1) return { physical: table * 4096 + Number(address & 0xfffn), flags: Number(entry & 0xfffn) };
    }
  };
  return { memory, p2m, built, info, walk };
}

describe.each([64, 32] as const)("a %i-bit PV domain", (bits) => {
  test("finds its kernel, its first page and its list of frames at linear addresses", () => {
    const { memory, p2m, info, built, walk } = domain(bits);
    const code = walk(0x100000n)!;
    expect([...memory.view(code.physical, 4)]).toEqual([1, 2, 3, 0]);
    expect(code.physical).toBe(p2m[0x100]! * 4096);
    expect(walk(built.startInfo)!.physical).toBe(p2m[built.layout.startInfo]! * 4096);
    const list = walk(info.wide("mfn_list"))!.physical;
    for (const pfn of [0, 1, 200]) {
      expect(bits === 64 ? Number(memory.readU64(list + 8 * pfn)) : memory.readU32(list + 4 * pfn)).toBe(p2m[pfn]);
    }
  });

  test("has all of its boot area mapped and writable, but for the tables", () => {
    const { built, walk, info } = domain(bits);
    const { tables, mappedPages } = built.layout;
    for (let pfn = 0; pfn < mappedPages; pfn++) {
      const isTable = pfn >= tables.first && pfn < tables.first + tables.count;
      expect(walk(BigInt(pfn) * 4096n)?.flags, `pfn ${pfn}`).toBe(isTable ? 0x21 : 0x23);
    }
    expect(walk(BigInt(mappedPages) * 4096n)).toBeUndefined();
    expect([info.get("pt_base"), info.get("nr_pt_frames")]).toEqual([tables.first * 4096, tables.count]);
  });

  test("is told its size, its shared page, its rings and its command line", () => {
    const { info, p2m, built } = domain(bits);
    expect(String.fromCharCode(...info.field("magic")).replace(/\0+$/, "")).toBe(bits === 64 ? "xen-3.0-x86_64" : "xen-3.0-x86_32p");
    expect(info.get("nr_pages")).toBe(p2m.length);
    expect(info.get("shared_info")).toBe(SHARED_INFO * 4096);
    expect([info.get("store_evtchn"), info.get("console.domU.evtchn")]).toEqual([1, 2]);
    expect(info.get("store_mfn")).toBe(p2m[built.layout.xenstore]);
    expect(info.get("flags")).toBe(0x10);
    expect(String.fromCharCode(...info.field("cmd_line").subarray(0, 13))).toBe("console=hvc0\0");
  });

  test("finds a ramdisk mapped, or by frame when it asks for that", () => {
    const ramdisk = new Uint8Array(5000).fill(0x5a);
    const mapped = domain(bits, {}, ramdisk);
    const at = mapped.walk(mapped.info.wide("mod_start"))!;
    expect([mapped.memory.readU8(at.physical), mapped.info.get("mod_len")]).toEqual([0x5a, 5000]);
    const byFrame = domain(bits, { MOD_START_PFN: 1 }, ramdisk);
    const pfn = byFrame.info.get("mod_start");
    expect(byFrame.info.get("flags") & 8).toBe(8);
    expect([pfn, byFrame.memory.readU8(byFrame.p2m[pfn + 1]! * 4096)]).toEqual([byFrame.built.layout.mappedPages, 0x5a]);
  });

  test("gets a page of calls where its note says", () => {
    const { memory, walk } = domain(bits, { HYPERCALL_PAGE: 0x105000 });
    const slot = [...memory.view(walk(0x105000n)!.physical + 32 * 17, 16)];
    if (bits === 64) expect(slot).toEqual([0x51, 0x41, 0x53, 0xb8, 17, 0, 0, 0, 0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3, 0xcc, 0xcc]);
    else expect(slot.slice(0, 8)).toEqual([0xb8, 17, 0, 0, 0, 0xcd, 0x82, 0xc3]);
  });
});

test("a 64-bit kernel may have its list of frames mapped far from itself", () => {
  const { memory, p2m, built, info, walk } = domain(64, { VIRT_BASE: 0xffff_ffff_8000_0000n, INIT_P2M: 0x80_0000_0000n });
  expect([info.wide("mfn_list"), info.get("first_p2m_pfn"), info.get("nr_p2m_frames")]).toEqual([
    0x80_0000_0000n,
    built.layout.p2m.first,
    built.layout.p2m.count + 3,
  ]);
  expect(memory.readU64(walk(0x80_0000_0000n + 8n * 77n)!.physical)).toBe(BigInt(p2m[77]!));
});

test("a kernel without PAE is refused by name", () => {
  expect(() => domain(32, { PAE_MODE: "no" })).toThrowError(expect.objectContaining({ code: "image/xen-pae" }));
});

test("machine frames are a permutation that the seed decides, or ascend", () => {
  const memory = new RecordingMemory(8 * MIB);
  const scrambled = domainFrames(memory, "scrambled", 7);
  expect(scrambled).toEqual(domainFrames(memory, "scrambled", 7));
  expect(scrambled).not.toEqual(domainFrames(memory, "scrambled", 8));
  const identity = domainFrames(memory, "identity", 7);
  expect([identity.length, identity[0], identity.at(-1)]).toEqual([0x700, 0x100, 0x7ff]);
  expect([...scrambled].sort((a, b) => a - b)).toEqual([...identity]);
});

describe("the ramdisk", () => {
  test("is unpacked when it is gzip, and left alone otherwise", async () => {
    const plain = new Uint8Array(100_000).map((_, index) => index);
    expect(await unpackRamdisk(gzipSync(plain), 1e6)).toEqual(plain);
    expect(await unpackRamdisk(plain, 1e6)).toBe(plain);
  });

  test("is left alone when it is damaged or would not fit", async () => {
    const packed = new Uint8Array(gzipSync(new Uint8Array(1_000_000)));
    expect(await unpackRamdisk(packed, 1000)).toBe(packed);
    const cut = packed.subarray(0, 100);
    expect(await unpackRamdisk(cut, 1e7)).toBe(cut);
  });
});

describe("the first vCPU", () => {
  test("of a PV domain starts as Xen starts it", () => {
    const registers = new RecordingRegisters();
    startPv(registers, {
      bits: 64,
      entry: 0xffffffff8304c1c0n,
      stack: 0xffffffff83e27000n,
      startInfo: 0xffffffff83e00000n,
      root: 0x6e203000n,
    });
    const named = ["rip", "rsp", "rsi", "cr0", "cr3", "cr4", "dr6", "dr7"] as const;
    expect(named.map((name) => registers.get(name).toString(16))).toEqual([
      "ffffffff8304c1c0",
      "ffffffff83e27000",
      "ffffffff83e00000",
      "80050033",
      "6e203000",
      "660",
      "ffff0ff0",
      "400",
    ]);
    expect([registers.segment("cs").selector, registers.segment("ss").selector, registers.segment("ds").selector]).toEqual([
      0xe033, 0xe02b, 0,
    ]);
    startPv(registers, { bits: 32, entry: 0n, stack: 0x5cf000n, startInfo: 0x5c2000n, root: 0n });
    expect(["cs", "ss", "ds", "gs"].map((name) => registers.segment(name as "cs").selector)).toEqual([0xe019, 0xe021, 0xe021, 0xe021]);
  });

  test("of a PVH domain is in protected mode, with EBX at hvm_start_info", () => {
    const registers = new RecordingRegisters();
    startPvh(registers, 0x1000850, 0x3e00000);
    expect([registers.get("rip"), registers.get("rbx"), registers.get("cr0"), registers.get("cr4"), registers.get("rflags")]).toEqual([
      0x1000850n,
      0x3e00000n,
      0x11n,
      0n,
      2n,
    ]);
  });
});

test("a PVH domain has hvm_start_info after its kernel and the ramdisk after that", () => {
  const memory = new RecordingMemory(16 * MIB);
  const elf = elfKernel({ notes: xenNotes({ PHYS32_ENTRY: 0x100010 }), physical: 0x100000 });
  const ramdisk = new Uint8Array(9000).fill(3);
  const built = buildPvh({ elf, notes: readNotes(elf)!, ramdisk, commandLine: "quiet", tables: (base) => pvhTables(2, base) }, memory);
  expect([built.entry, built.startInfo]).toEqual([0x100010, 0x110000]);
  const info = new StructView(hvm_start_info[64], memory.view(built.startInfo, 56));
  expect([info.get("magic"), info.get("version"), info.get("nr_modules"), info.get("rsdp_paddr")]).toEqual([0x336ec578, 1, 1, 0xff8000]);
  const module = info.get("modlist_paddr");
  expect([memory.readU64(module), memory.readU64(module + 8)]).toEqual([0x111000n, 9000n]);
  expect(memory.readU8(0x111000 + 8999)).toBe(3);
  expect(String.fromCharCode(...memory.view(info.get("cmdline_paddr"), 6))).toBe("quiet\0");
  const map = info.get("memmap_paddr");
  expect(info.get("memmap_entries")).toBe(5);
  expect([memory.readU64(map + 48), memory.readU64(map + 56), memory.readU32(map + 64)]).toEqual([0x100000n, 0xef8000n, 1]);
  expect([memory.readU64(map + 72), memory.readU64(map + 80), memory.readU32(map + 88)]).toEqual([0xff8000n, 0x6000n, 3]);
  expect([built.xenstore, built.console]).toEqual([0xffe, 0xfff]);
  expect(String.fromCharCode(...memory.view(0xff8000, 8))).toBe("RSD PTR ");
});
