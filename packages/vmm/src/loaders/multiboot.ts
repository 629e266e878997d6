/**
 * Multiboot 1: Multiboot Specification 0.6.96 §3.2 (machine state) and §3.3 (boot information). One module, given as the initrd.
 * Memory sizes, command line and memory map are always filled in, since kernels read them whether or not they asked.
 * Left out: video modes, drives, APM, a.out symbols.
 */
import { type GuestImage, type Gpa, HvError, type MultibootHeader } from "@paravane/paravirt-ops";
import { type BootTarget, enterProtectedMode, placeLow, zeroTerminated } from "./boot-target.js";
import { initrdTooLarge } from "./bzimage.js";
import { placeSegments } from "./segments.js";

const BOOTLOADER_MAGIC = 0x2badb002;
const MBI_BYTES = 120;
const MODULE_BYTES = 16;
const MMAP_ENTRY_BYTES = 24;
const PAGE_BYTES = 0x1000;
/** mbi flags: memory sizes, command line, modules, memory map, loader name. */
const MBI_MEMORY = 1 << 0;
const MBI_CMDLINE = 1 << 2;
const MBI_MODS = 1 << 3;
const MBI_MMAP = 1 << 6;
const MBI_LOADER = 1 << 9;

/** Places the kernel, its module and the boot information, and sets the boot processor to the entry. */
export function bootMultiboot(image: GuestImage, header: MultibootHeader, target: BootTarget): void {
  const { memory, vcpu } = target;
  const { entry, end } = placeKernel(image, header, target);
  const mbi = placeLow(target, MBI_BYTES, "multiboot information", 16);
  let flags = MBI_MEMORY | MBI_CMDLINE | MBI_MMAP | MBI_LOADER;

  const { initrd } = image;
  if (initrd !== undefined) {
    const base = target.map.place({ length: Math.max(1, initrd.byteLength), align: PAGE_BYTES, min: end, from: "bottom" }, "the module");
    if (base === undefined) throw initrdTooLarge(initrd.byteLength, target);
    memory.write(base, initrd);
    const modules = placeLow(target, MODULE_BYTES, "module list", 16);
    memory.writeU32(modules, base);
    memory.writeU32(modules + 4, base + initrd.byteLength);
    memory.writeU32(modules + 8, placeText(target, "", "module's command line"));
    memory.writeU32(mbi + 20, 1);
    memory.writeU32(mbi + 24, modules);
    flags |= MBI_MODS;
  }

  const regions = target.map.regions();
  const map = placeLow(target, regions.length * MMAP_ENTRY_BYTES, "memory map", 16);
  regions.forEach(({ base, length, type }, index) => {
    const at = map + index * MMAP_ENTRY_BYTES;
    memory.writeU32(at, MMAP_ENTRY_BYTES - 4);
    memory.writeU64(at + 4, BigInt(base));
    memory.writeU64(at + 12, BigInt(length));
    memory.writeU32(at + 20, type);
  });
  const low = regions.find(({ base }) => base === 0)?.length ?? 0;
  const high = regions.find(({ base }) => base === 0x100000)?.length ?? 0;
  memory.writeU32(mbi, flags);
  memory.writeU32(mbi + 4, low >> 10);
  memory.writeU32(mbi + 8, Math.floor(high / 1024));
  memory.writeU32(mbi + 16, placeText(target, `kernel ${image.commandLine}`.trimEnd(), "command line"));
  memory.writeU32(mbi + 44, regions.length * MMAP_ENTRY_BYTES);
  memory.writeU32(mbi + 48, map);
  memory.writeU32(mbi + 64, placeText(target, "paravane", "loader's name"));

  enterProtectedMode(target, entry, { code: 0x08, data: 0x10 });
  vcpu.registers.set("rax", BigInt(BOOTLOADER_MAGIC));
  vcpu.registers.set("rbx", BigInt(mbi));
}

function placeText(target: BootTarget, text: string, what: string): Gpa {
  const bytes = zeroTerminated(text);
  const base = placeLow(target, bytes.byteLength, what, 16);
  target.memory.write(base, bytes);
  return base;
}

/** By the header's addresses when it gives them (§3.1.3), by the ELF program headers otherwise. */
function placeKernel(image: GuestImage, header: MultibootHeader, target: BootTarget): { entry: Gpa; end: Gpa } {
  const { addresses } = header;
  if (addresses === undefined) {
    if (image.elf === undefined)
      throw new HvError("image/multiboot", "the multiboot kernel is no ELF file and its header gives no addresses");
    return { entry: Number(image.elf.entry), end: placeSegments(image.elf.segments, target) };
  }
  const start = header.offset - (addresses.header - addresses.load);
  const loadBytes = addresses.loadEnd === 0 ? image.file.byteLength - start : addresses.loadEnd - addresses.load;
  if (start < 0 || loadBytes < 0 || start + loadBytes > image.file.byteLength) {
    throw new HvError("image/truncated", "the multiboot header's addresses reach outside the file");
  }
  const memoryBytes = Math.max(loadBytes, addresses.bssEnd === 0 ? 0 : addresses.bssEnd - addresses.load);
  const bytes = image.file.subarray(start, start + loadBytes);
  return {
    entry: addresses.entry,
    end: placeSegments([{ physical: addresses.load, linear: BigInt(addresses.load), bytes, memoryBytes }], target),
  };
}
