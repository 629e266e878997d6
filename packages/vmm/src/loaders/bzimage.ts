/**
 * Boots a bzImage without its real-mode part: Linux Documentation/arch/x86/boot, "32-bit Boot Protocol" and "64-bit Boot Protocol",
 * zero-page.rst. Left out: setup_data, EFI handover, video modes (the kernel finds no console hardware described).
 */
import { type GuestImage, type Gpa, HvError, type LinuxSetup } from "@paravane/paravirt-ops";
import { type BootTarget, enterLongMode, enterProtectedMode, placeLow, zeroTerminated } from "./boot-target.js";
import { mib } from "./memory-map.js";

const ZERO_PAGE_BYTES = 4096;
const HEADER_START = 0x1f1;
const E820_MAX = 128;
const ENTRY64_OFFSET = 0x200;
const BOOT_CS = 0x10;
const BOOT_DS = 0x18;
const PAGE_BYTES = 0x1000;

/** Places the kernel, its initrd, command line and zero page, and sets the boot processor to the entry. */
export function bootBzImage(image: GuestImage, setup: LinuxSetup, protocol: "linux32" | "linux64", target: BootTarget): void {
  const { memory, vcpu } = target;
  const load = placeKernel(image, setup, target);
  const initrd = placeInitrd(image, setup, target);
  const commandLine = placeCommandLine(image, setup, target);
  const zeroPage = placeLow(target, ZERO_PAGE_BYTES, "zero page");

  const headerEnd = 0x202 + image.file[0x201]!;
  memory.write(zeroPage + HEADER_START, image.file.subarray(HEADER_START, headerEnd));
  memory.writeU64(zeroPage + 0x070, BigInt(target.rsdp ?? 0));
  memory.writeU32(zeroPage + 0x1e0, Math.min(0xffffffff, (memory.size - 0x100000) / 1024)); // alt_mem_k
  memory.writeU16(zeroPage + 0x1fa, 0xffff); // vid_mode: leave the display as it is
  memory.writeU8(zeroPage + 0x210, 0xff); // type_of_loader: one without a number
  memory.writeU32(zeroPage + 0x214, load); // code32_start
  memory.writeU32(zeroPage + 0x218, initrd);
  memory.writeU32(zeroPage + 0x21c, image.initrd?.byteLength ?? 0);
  memory.writeU32(zeroPage + 0x228, commandLine);

  // The map is taken last, when nothing more will be reserved.
  const regions = target.map.regions().slice(0, E820_MAX);
  memory.writeU8(zeroPage + 0x1e8, regions.length);
  regions.forEach(({ base, length, type }, index) => {
    memory.writeU64(zeroPage + 0x2d0 + 20 * index, BigInt(base));
    memory.writeU64(zeroPage + 0x2d8 + 20 * index, BigInt(length));
    memory.writeU32(zeroPage + 0x2e0 + 20 * index, type);
  });

  for (const name of ["rax", "rbx", "rcx", "rdx", "rbp", "rdi", "rsp"] as const) vcpu.registers.set(name, 0n);
  vcpu.registers.set("rsi", BigInt(zeroPage));
  const selectors = { code: BOOT_CS, data: BOOT_DS };
  if (protocol === "linux64") enterLongMode(target, load + ENTRY64_OFFSET, selectors);
  else enterProtectedMode(target, load, selectors);
}

/** Where the kernel wants to be, or the first place that it accepts. */
function placeKernel(image: GuestImage, setup: LinuxSetup, target: BootTarget): Gpa {
  const bytes = image.file.subarray(setup.protectedModeOffset);
  const length = Math.max(bytes.byteLength, setup.initBytes);
  let load: Gpa | undefined;
  if (setup.relocatable) {
    const align = setup.alignment;
    load =
      target.map.place({ length, align, min: setup.preferredAddress, from: "bottom" }, "the kernel") ??
      target.map.place({ length, align, min: 0x100000, from: "bottom" }, "the kernel");
    if (load === undefined) {
      throw new HvError(
        "image/outside-memory",
        `the kernel needs ${mib(length)} to unpack itself, and the machine has ${mib(target.map.ramBytes)}`,
        {
          hint: `give the machine at least ${mib(0x100000 + align + length)} of memory`,
        },
      );
    }
  } else {
    load = 0x100000;
    target.map.claim(load, length, "the kernel");
  }
  target.memory.write(load, bytes);
  return load;
}

/** As high as the kernel can reach. */
function placeInitrd(image: GuestImage, setup: LinuxSetup, target: BootTarget): Gpa {
  const { initrd } = image;
  if (initrd === undefined || initrd.byteLength === 0) return 0;
  const wanted = { length: initrd.byteLength, align: PAGE_BYTES, min: 0x100000, max: setup.initrdLimit + 1, from: "top" } as const;
  const base = target.map.place(wanted, "the initrd");
  if (base === undefined) throw initrdTooLarge(initrd.byteLength, target);
  target.memory.write(base, initrd);
  return base;
}

/** The error for an initrd that finds no place, whatever the boot protocol. */
export function initrdTooLarge(length: number, target: BootTarget): HvError {
  return new HvError(
    "image/initrd-too-large",
    `the initrd of ${mib(length)} does not fit beside the kernel into ${mib(target.map.ramBytes)} of memory`,
    {
      hint: "give the machine more memory, or shrink the initrd",
    },
  );
}

function placeCommandLine(image: GuestImage, setup: LinuxSetup, target: BootTarget): Gpa {
  const text = zeroTerminated(image.commandLine);
  if (text.byteLength - 1 > setup.commandLineLimit) {
    throw new HvError(
      "image/command-line",
      `the command line has ${text.byteLength - 1} characters; this kernel takes ${setup.commandLineLimit}`,
    );
  }
  const base = placeLow(target, text.byteLength, "command line", 16);
  target.memory.write(base, text);
  return base;
}
