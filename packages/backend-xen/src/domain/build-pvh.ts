/**
 * Builds a PVH domain: segments at their physical addresses, hvm_start_info with command line, memory map and module after them, the ramdisk
 * from the next page on. public/arch-x86/hvm/start_info.h.
 */
import { type ElfImage, type GuestMemory, HvError, MEMORY_LAYOUT } from "@paravane/paravirt-ops";
import { HVM_START_MAGIC, hvm_memmap_table_entry, hvm_modlist_entry, hvm_start_info } from "../abi/services.js";
import { type Layout, StructView } from "../abi/struct.js";
import type { XenNotes } from "./notes.js";
import { latin1 } from "./start-info.js";

const E820_RAM = 1;
const E820_RESERVED = 2;
const pageUp = (address: number): number => Math.ceil(address / 4096) * 4096;

/** A range of the memory map. */
export interface MemoryRange {
  readonly base: number;
  readonly length: number;
  readonly type: number;
}

/** What a PVH domain is built of. */
export interface PvhSource {
  readonly elf: ElfImage;
  readonly notes: XenNotes;
  /** Unpacked. */
  readonly ramdisk: Uint8Array | undefined;
  readonly commandLine: string;
  /** Physical address of ACPI's root pointer, 0 without tables. */
  readonly rsdp: number;
}

/** A domain that lies in memory. */
export interface PvhDomainImage {
  readonly entry: number;
  readonly startInfo: number;
  readonly memoryMap: readonly MemoryRange[];
}

/** RAM of a PVH domain: the gap below 1 MiB is not RAM, and says so. */
export function pvhMemoryMap(bytes: number): readonly MemoryRange[] {
  const { lowEnd, highStart } = MEMORY_LAYOUT;
  return [
    { base: 0, length: Math.min(lowEnd, bytes), type: E820_RAM },
    { base: lowEnd, length: highStart - lowEnd, type: E820_RESERVED },
    { base: highStart, length: Math.max(0, bytes - highStart), type: E820_RAM },
  ].filter(({ length }) => length > 0);
}

/** Builds it. @throws HvError "image/outside-memory", "image/no-boot-protocol" */
export function buildPvh({ elf, notes, ramdisk, commandLine, rsdp }: PvhSource, memory: GuestMemory): PvhDomainImage {
  if (notes.phys32Entry === undefined) throw new HvError("image/no-boot-protocol", "the kernel has no PVH entry note");
  const put = (address: number, bytes: Uint8Array, length: number, what: string): void => {
    if (!memory.contains(address, length)) {
      throw new HvError("image/outside-memory", `the ${what} at 0x${address.toString(16)} does not fit into the domain's memory`);
    }
    memory.fill(address, length, 0);
    memory.write(address, bytes);
  };
  for (const { physical, bytes, memoryBytes } of elf.segments) put(physical, bytes, memoryBytes, "kernel");
  const kernelEnd = Math.max(...elf.segments.map(({ physical, memoryBytes }) => physical + memoryBytes));
  const start = pageUp(kernelEnd);
  const map = pvhMemoryMap(memory.size);
  const text = latin1(`${commandLine}\0`);
  const modules = start + hvm_start_info[64].size;
  const commandAt = modules + hvm_modlist_entry[64].size;
  const mapAt = Math.ceil((commandAt + text.byteLength) / 8) * 8;
  const end = mapAt + map.length * hvm_memmap_table_entry[64].size;
  const block = new Uint8Array(end - start);
  const view = <Name extends string>(layout: Layout<Name>, at: number): StructView<Name> =>
    new StructView(layout, block.subarray(at - start, at - start + layout.size));
  const info = view(hvm_start_info[64], start);
  info.set("magic", HVM_START_MAGIC);
  info.set("version", 1);
  info.set("cmdline_paddr", commandAt);
  info.set("rsdp_paddr", rsdp);
  info.set("memmap_paddr", mapAt);
  info.set("memmap_entries", map.length);
  block.set(text, commandAt - start);
  for (const [index, { base, length, type }] of map.entries()) {
    const entry = view(hvm_memmap_table_entry[64], mapAt + index * hvm_memmap_table_entry[64].size);
    entry.set("addr", base);
    entry.set("size", length);
    entry.set("type", type);
  }
  if (ramdisk !== undefined && ramdisk.byteLength > 0) {
    const at = pageUp(end);
    put(at, ramdisk, ramdisk.byteLength, "ramdisk");
    info.set("nr_modules", 1);
    info.set("modlist_paddr", modules);
    const module = view(hvm_modlist_entry[64], modules);
    module.set("paddr", at);
    module.set("size", ramdisk.byteLength);
  }
  put(start, block, block.byteLength, "start info");
  return { entry: notes.phys32Entry, startInfo: start, memoryMap: map };
}
