/**
 * Whether a frame will do as a page table or as a page of descriptors, and what it then holds on to. Every present entry of a table takes
 * a reference to what it names: leaves one of the kind that their rights ask for, others one to a table of the level below, which is
 * validated in turn. A failure gives back all that was taken. Xen's alloc_l1_table to alloc_l4_table and their inverses.
 */
import type { GuestMemory, Mfn } from "@paravane/paravirt-ops";
import { hypervisorHole, XEN_L4_SLOTS } from "../abi/arch-x86.js";
import { errno } from "../abi/errno.js";
import type { GuestBits } from "../abi/struct.js";
import { safeDescriptor } from "./descriptors.js";
import { frameOf, hasForbiddenBits, type Level, PRESENT, storedHigh, storedLow, WRITE } from "./entry.js";
import { type FrameTable, type FrameType, frameTypes, levelOf, type TypeContents } from "./frame-table.js";
import { StalePages } from "./stale-pages.js";
import { TablePlaces } from "./table-places.js";

const ENTRIES = 512;
const PAE_TOP_ENTRIES = 4;
/** The slot of a 32-bit top level under which Xen's own entries are. */
export const PAE_XEN_SLOT = 3;

/** Live words of a frame for reading, two for each entry. Not to be kept across guest execution. */
export function wordsOf(memory: GuestMemory, frame: Mfn): Uint32Array {
  const bytes = memory.view(frame * 4096, 4096);
  return new Uint32Array(bytes.buffer, bytes.byteOffset, 1024);
}

/** Low half of an entry of a frame of RAM. Views cost more than all that is looked up in most tables. */
export function lowHalf(memory: GuestMemory, frame: Mfn, index: number): number {
  return memory.readU32(frame * 4096 + index * 8);
}

/** Its high half. */
export function highHalf(memory: GuestMemory, frame: Mfn, index: number): number {
  return memory.readU32(frame * 4096 + index * 8 + 4);
}

/** Stores an entry; what was decoded from there is dropped. No processor runs between its halves. */
export function storeEntry(memory: GuestMemory, frame: Mfn, index: number, low: number, high: number): void {
  memory.writeU32(frame * 4096 + index * 8, low);
  memory.writeU32(frame * 4096 + index * 8 + 4, high);
}

/** Checks tables of a domain of one width. */
export class TableValidation implements TypeContents {
  /** Of tables, how many others of their level they name; below 0, how often they are named so. */
  readonly #linear = new Map<Mfn, number>();
  /** What processors may have cached of entries that have changed. */
  readonly stale = new StalePages();
  readonly #places: TablePlaces;
  /** First entry of a 32-bit guest's last second-level table that is Xen's. */
  readonly #firstXenL2: number;

  constructor(
    private readonly frames: FrameTable,
    private readonly memory: GuestMemory,
    readonly bits: GuestBits,
    /** First linear address that is Xen's. */
    holeStart: bigint = hypervisorHole[bits].start,
  ) {
    this.#firstXenL2 = Number((holeStart >> 21n) & 0x1ffn);
    this.#places = new TablePlaces(frames.ramFrames);
  }

  /** True for entries that are the guest's to set. */
  isGuestSlot(type: FrameType, index: number): boolean {
    if (type === frameTypes.l4) return index < XEN_L4_SLOTS.first || index >= XEN_L4_SLOTS.end;
    if (type === frameTypes.l2top) return index < this.#firstXenL2;
    if (type === frameTypes.l3 && this.bits === 32) return index < PAE_TOP_ENTRIES;
    return true;
  }

  /** The type of the table that an entry of a table of `type` must name; undefined for leaves. */
  childType(type: FrameType, index: number): FrameType | undefined {
    if (type === frameTypes.l1) return undefined;
    if (type === frameTypes.l4) return frameTypes.l3;
    if (type === frameTypes.l3) return this.bits === 32 && index === PAE_XEN_SLOT ? frameTypes.l2top : frameTypes.l2;
    return frameTypes.l1;
  }

  /** Takes what a present entry of a table names: 0, or a negative error. */
  getEntry(table: Mfn, type: FrameType, index: number, low: number, high: number): number {
    const level = levelOf(type)!;
    if (hasForbiddenBits(low, high, level, this.bits)) return -errno.EINVAL;
    const target = frameOf(low, high);
    const child = this.childType(type, index);
    if (child === undefined) return this.#getLeaf(target, (low & WRITE) !== 0);
    const error = this.frames.get(target, child);
    if (error === 0) this.#places.hang(target, table, type, index);
    return error === -errno.EINVAL && this.#getLinear(table, type, low, target) ? 0 : error;
  }

  /** Gives back what a present entry of a table names. */
  putEntry(table: Mfn, type: FrameType, low: number, high: number): void {
    const target = frameOf(low, high);
    if (type === frameTypes.l1) {
      if ((low & WRITE) === 0) this.frames.putAny(target);
      else this.frames.put(target);
      return;
    }
    // A table names its own level only where it is mapped by that, and then holds nothing of itself.
    if (target === table) return;
    if (levelOf(this.frames.typeOf(target)) === levelOf(type)) {
      this.#countLinear(table, -1);
      this.#countLinear(target, 1);
    } else if (this.frames.typeCountOf(target) <= (this.frames.isPinned(target) ? 2 : 1)) {
      // Nothing names it any more: a pin alone holds it, or it ends.
      this.#places.drop(target);
    }
    this.frames.put(target);
  }

  /** TypeContents.validate */
  validate(frame: Mfn, type: FrameType): number {
    if (type === frameTypes.segmentDescriptors) return this.#validateDescriptors(frame);
    const level = levelOf(type)!;
    const count = type === frameTypes.l3 && this.bits === 32 ? PAE_TOP_ENTRIES : ENTRIES;
    // Most entries of most tables are absent, and are passed over without a call.
    const words = wordsOf(this.memory, frame);
    for (let index = 0; index < count; index++) {
      if ((words[2 * index]! & PRESENT) === 0) continue;
      const error = this.#validateEntry(frame, type, level, index);
      if (error === 0) continue;
      this.#releaseEntries(frame, type, index);
      return error;
    }
    const error = type === frameTypes.l3 && this.bits === 32 ? this.#checkTopSlot(frame) : 0;
    if (error !== 0) this.#releaseEntries(frame, type, count);
    return error;
  }

  /** A present entry of a table of `type` changes. */
  revise(table: Mfn, type: FrameType, index: number): void {
    this.stale.note(type === frameTypes.l1 && this.bits === 64 ? this.#places.pageOf(table, index) : undefined);
  }

  /** TypeContents.release. What becomes of the frame now is nobody's affair. */
  release(frame: Mfn, type: FrameType): void {
    if (type === frameTypes.segmentDescriptors) return;
    this.stale.note(undefined);
    this.#releaseEntries(frame, type, type === frameTypes.l3 && this.bits === 32 ? PAE_TOP_ENTRIES : ENTRIES);
  }

  /** A present one. */
  #validateEntry(frame: Mfn, type: FrameType, level: Level, index: number): number {
    const low = lowHalf(this.memory, frame, index);
    const high = highHalf(this.memory, frame, index);
    if (!this.isGuestSlot(type, index)) {
      storeEntry(this.memory, frame, index, 0, 0);
      return 0;
    }
    const error = this.getEntry(frame, type, index, low, high);
    if (error !== 0) return error;
    const newLow = storedLow(low, high, level, this.bits);
    const newHigh = storedHigh(low, high, level, this.bits);
    if (newLow >>> 0 !== low || newHigh >>> 0 !== high) storeEntry(this.memory, frame, index, newLow, newHigh);
    return 0;
  }

  #releaseEntries(frame: Mfn, type: FrameType, count: number): void {
    const words = wordsOf(this.memory, frame);
    for (let index = 0; index < count; index++) {
      const low = words[2 * index]!;
      if ((low & PRESENT) === 0 || !this.isGuestSlot(type, index)) continue;
      this.putEntry(frame, type, low, words[2 * index + 1]!);
    }
  }

  /** The domain's frame, writable or not. A frame that is used otherwise is busy. */
  #getLeaf(target: Mfn, write: boolean): number {
    if (!this.frames.owns(target)) return target < this.frames.ramFrames ? -errno.EBUSY : -errno.EINVAL;
    if (write) return this.frames.get(target, frameTypes.writable) === 0 ? 0 : -errno.EBUSY;
    this.frames.getAny(target);
    return 0;
  }

  /**
   * Linear page tables: a table names itself or another of its level, for reading, and its guest finds entries where pages would be. One that
   * names others is named by none and the other way round, for a ring of tables would hold itself for ever.
   */
  #getLinear(table: Mfn, type: FrameType, low: number, target: Mfn): boolean {
    if ((low & WRITE) !== 0 || (this.bits === 32 && type === frameTypes.l3)) return false;
    if (target === table) return true;
    const other = this.frames.typeOf(target);
    if (levelOf(other) !== levelOf(type)) return false;
    if ((this.#linear.get(table) ?? 0) < 0 || (this.#linear.get(target) ?? 0) > 0) return false;
    if (this.frames.get(target, other) !== 0) return false;
    this.#countLinear(table, 1);
    this.#countLinear(target, -1);
    return true;
  }

  #countLinear(table: Mfn, change: number): void {
    const count = (this.#linear.get(table) ?? 0) + change;
    if (count === 0) this.#linear.delete(table);
    else this.#linear.set(table, count);
  }

  /** A 32-bit top level must have a table of its own in its last slot. */
  #checkTopSlot(frame: Mfn): number {
    const words = wordsOf(this.memory, frame);
    const low = words[2 * PAE_XEN_SLOT]!;
    if ((low & PRESENT) === 0) return -errno.EINVAL;
    const top = frameOf(low, words[2 * PAE_XEN_SLOT + 1]!);
    return this.frames.typeCountOf(top) === 1 ? 0 : -errno.EINVAL;
  }

  #validateDescriptors(frame: Mfn): number {
    for (let index = 0; index < ENTRIES; index++) {
      const words = wordsOf(this.memory, frame);
      const low = words[2 * index]!;
      const high = words[2 * index + 1]!;
      const safe = safeDescriptor(low, high, this.bits);
      if (safe === undefined) return -errno.EINVAL;
      if (safe.low !== low || safe.high !== high) storeEntry(this.memory, frame, index, safe.low, safe.high);
    }
    return 0;
  }
}
