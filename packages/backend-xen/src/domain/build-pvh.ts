/**
 * Builds a PVH domain: segments at their physical addresses, hvm_start_info with command line, memory map and module after them, the ramdisk
 * from the next page on. public/arch-x86/hvm/start_info.h.
 */
import { type ElfImage, type GuestMemory, HvError, MEMORY_LAYOUT } from "@paravane/paravirt-ops";
import { HVM_START_MAGIC, hvm_memmap_table_entry, hvm_modlist_entry, hvm_start_info } from "../abi/services.js";
import { type Layout, StructView } from "../abi/struct.js";
import type { XenNotes } from "./notes.js";
import { latin1 } from "./start-info.js";

/** RAM, as memory maps say it. */
export const E820_RAM = 1;
const E820_RESERVED = 2;
const E820_ACPI = 3;
/** Pages at the end of RAM that are not the kernel's: ACPI's tables, xenstore, console. */
const TABLE_PAGES = 6;
const SPECIAL_PAGES = TABLE_PAGES + 2;
/** What lies behind RAM and is not the guest's to use for anything else. */
const HYPERVISOR_BYTES = 32 * 0x100000;
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
  /** ACPI's tables for their place; the root pointer comes first. */
  tables(base: number): Uint8Array;
}

/** A domain that lies in memory. */
export interface PvhDomainImage {
  readonly entry: number;
  readonly startInfo: number;
  readonly memoryMap: readonly MemoryRange[];
  /** Frames of the rings. */
  readonly console: number;
  readonly xenstore: number;
}

/** RAM of a PVH domain: the gap below 1 MiB and the last pages are not for the kernel, and the map says so. */
export function pvhMemoryMap(bytes: number): readonly MemoryRange[] {
  const { lowEnd, highStart } = MEMORY_LAYOUT;
  const special = bytes - SPECIAL_PAGES * 4096;
  return [
    { base: 0, length: Math.min(lowEnd, bytes), type: E820_RAM },
    { base: lowEnd, length: highStart - lowEnd, type: E820_RESERVED },
    { base: highStart, length: special - highStart, type: E820_RAM },
    { base: special, length: TABLE_PAGES * 4096, type: E820_ACPI },
    { base: special + TABLE_PAGES * 4096, length: (SPECIAL_PAGES - TABLE_PAGES) * 4096 + HYPERVISOR_BYTES, type: E820_RESERVED },
  ].filter(({ length }) => length > 0);
}

/** Builds it. @throws HvError "image/outside-memory", "image/no-boot-protocol" */
export function buildPvh({ elf, notes, ramdisk, commandLine, tables }: PvhSource, memory: GuestMemory): PvhDomainImage {
  if (notes.phys32Entry === undefined) throw new HvError("image/no-boot-protocol", "the kernel has no PVH entry note");
  const special = memory.size - SPECIAL_PAGES * 4096;
  const put = (address: number, bytes: Uint8Array, length: number, what: string): void => {
    if (!memory.contains(address, length) || address + length > special) {
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
  info.set("rsdp_paddr", special);
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
  memory.fill(special, SPECIAL_PAGES * 4096, 0);
  memory.write(special, tables(special));
  const xenstore = special / 4096 + TABLE_PAGES;
  return { entry: notes.phys32Entry, startInfo: start, memoryMap: map, xenstore, console: xenstore + 1 };
}
