/**
 * PVH direct boot: Xen docs/misc/pvh, public/arch-x86/hvm/start_info.h. 32-bit protected mode, paging off, EBX = hvm_start_info.
 * The entry comes from the note XEN_ELFNOTE_PHYS32_ENTRY; no hypercalls are offered by the bare machine.
 */
import { type ElfImage, type GuestImage, HvError } from "@paravane/paravirt-ops";
import { type BootTarget, enterProtectedMode, placeLow, zeroTerminated } from "./boot-target.js";
import { initrdTooLarge } from "./bzimage.js";
import { placeSegments } from "./segments.js";

const XEN_ELFNOTE_PHYS32_ENTRY = 18;
const XEN_HVM_START_MAGIC_VALUE = 0x336ec578;
const START_INFO_BYTES = 56;
const MODLIST_ENTRY_BYTES = 32;
const MEMMAP_ENTRY_BYTES = 24;
const PAGE_BYTES = 0x1000;

/** The PVH entry of an image, or undefined. The note's value has 4 or 8 bytes. */
export function pvhEntry(elf: ElfImage): number | undefined {
  const note = elf.notes.find(({ owner, type, bytes }) => owner === "Xen" && type === XEN_ELFNOTE_PHYS32_ENTRY && bytes.byteLength >= 4);
  if (note === undefined) return undefined;
  return new DataView(note.bytes.buffer, note.bytes.byteOffset).getUint32(0, true);
}

/** Places the segments, the initrd and hvm_start_info, and sets the boot processor to the PVH entry. */
export function bootPvh(image: GuestImage, elf: ElfImage, target: BootTarget): void {
  const entry = pvhEntry(elf);
  if (entry === undefined) throw new HvError("image/no-boot-protocol", "the kernel has no PVH entry note");
  const { memory, vcpu } = target;
  const kernelEnd = placeSegments(elf.segments, target);
  const text = zeroTerminated(image.commandLine);
  const commandLine = placeLow(target, text.byteLength, "command line", 16);
  memory.write(commandLine, text);

  const info = placeLow(target, START_INFO_BYTES, "hvm_start_info", 16);
  memory.writeU32(info, XEN_HVM_START_MAGIC_VALUE);
  memory.writeU32(info + 4, 1);
  memory.writeU64(info + 24, BigInt(commandLine));
  memory.writeU64(info + 32, BigInt(target.rsdp ?? 0));
  const { initrd } = image;
  if (initrd !== undefined && initrd.byteLength > 0) {
    const base = target.map.place({ length: initrd.byteLength, align: PAGE_BYTES, min: kernelEnd, from: "bottom" }, "the initrd");
    if (base === undefined) throw initrdTooLarge(initrd.byteLength, target);
    memory.write(base, initrd);
    const list = placeLow(target, MODLIST_ENTRY_BYTES, "module list", 16);
    memory.writeU64(list, BigInt(base));
    memory.writeU64(list + 8, BigInt(initrd.byteLength));
    memory.writeU32(info + 12, 1);
    memory.writeU64(info + 16, BigInt(list));
  }
  const regions = target.map.regions();
  const memmap = placeLow(target, regions.length * MEMMAP_ENTRY_BYTES, "memory map", 16);
  regions.forEach(({ base, length, type }, index) => {
    const at = memmap + index * MEMMAP_ENTRY_BYTES;
    memory.writeU64(at, BigInt(base));
    memory.writeU64(at + 8, BigInt(length));
    memory.writeU32(at + 16, type);
  });
  memory.writeU64(info + 40, BigInt(memmap));
  memory.writeU32(info + 48, regions.length);

  enterProtectedMode(target, entry, { code: 0x08, data: 0x10 });
  vcpu.registers.set("rbx", BigInt(info));
}
