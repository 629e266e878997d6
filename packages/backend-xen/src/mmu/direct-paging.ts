/**
 * What a guest does with its page tables: changes entries, pins and unpins tables, names the ones to start from. All changes go through
 * the frame table, so that whatever a guest tries, no table is writable and every count is what the tables say.
 */
import type { GuestMemory, Mfn } from "@paravane/paravirt-ops";
import { errno } from "../abi/errno.js";
import type { GuestBits } from "../abi/struct.js";
import { ACCESSED, DIRTY, frameOf, hasForbiddenBits, PRESENT, sameRights, storedHigh, storedLow } from "./entry.js";
import { type FrameTable, type FrameType, frameTypes, levelOf } from "./frame-table.js";
import { highHalf, lowHalf, PAE_XEN_SLOT, storeEntry, type TableValidation } from "./table-validation.js";

const LEVEL_SHIFT = 9n;

/** Where the leaf of a linear address is. */
export interface LeafSlot {
  readonly table: Mfn;
  readonly index: number;
}

/** The page tables of a domain. */
export class DirectPaging {
  constructor(
    readonly frames: FrameTable,
    readonly validation: TableValidation,
    private readonly memory: GuestMemory,
  ) {}

  get bits(): GuestBits {
    return this.validation.bits;
  }

  /** Type of the tables at which translation starts. */
  get rootType(): FrameType {
    return this.bits === 64 ? frameTypes.l4 : frameTypes.l3;
  }

  /** An entry of a table, halves first low then high. */
  readEntry(table: Mfn, index: number): readonly [number, number] {
    return [lowHalf(this.memory, table, index), highHalf(this.memory, table, index)];
  }

  /**
   * Sets an entry of a frame that is a page table: 0, or a negative error with nothing changed. `keepAccessed` merges the accessed and dirty
   * bits that the processor has set.
   */
  setEntry(table: Mfn, index: number, low: number, high: number, keepAccessed = false): number {
    const type = this.frames.typeOf(table);
    const level = levelOf(type);
    if (level === undefined) return -errno.EINVAL;
    if (!this.validation.isGuestSlot(type, index)) return type === frameTypes.l2top ? -errno.EPERM : -errno.EINVAL;
    if (this.bits === 32 && type === frameTypes.l3 && index === PAE_XEN_SLOT) return -errno.EINVAL;
    const oldLow = lowHalf(this.memory, table, index);
    const oldHigh = highHalf(this.memory, table, index);
    if ((oldLow & PRESENT) !== 0) this.validation.revise(table, type, index);
    const kept = keepAccessed ? oldLow & (ACCESSED | DIRTY) : 0;
    if ((low & PRESENT) === 0) {
      this.#store(table, index, low | kept, high);
      if ((oldLow & PRESENT) !== 0) this.validation.putEntry(table, type, oldLow, oldHigh);
      return 0;
    }
    if (hasForbiddenBits(low, high, level, this.bits)) return -errno.EINVAL;
    const newLow = storedLow(low | kept, high, level, this.bits);
    const newHigh = storedHigh(low, high, level, this.bits);
    const unchanged = (oldLow & PRESENT) !== 0 && sameRights(oldLow, oldHigh, newLow, newHigh);
    if (!unchanged) {
      const error = this.validation.getEntry(table, type, index, low, high);
      if (error !== 0) return error;
    }
    this.#store(table, index, newLow, newHigh);
    if (!unchanged && (oldLow & PRESENT) !== 0) this.validation.putEntry(table, type, oldLow, oldHigh);
    return 0;
  }

  /** Pins a table of a level: 0, or -EINVAL when it is pinned already or will not do. Other errors come from its entries. */
  pin(frame: Mfn, type: FrameType): number {
    if (!this.frames.owns(frame)) return -errno.EINVAL;
    const error = this.frames.get(frame, type);
    if (error !== 0) return error;
    if (this.frames.isPinned(frame)) {
      this.frames.put(frame);
      return -errno.EINVAL;
    }
    this.frames.setPinned(frame, true);
    return 0;
  }

  /** Undoes a pin: 0, or -EINVAL when there is none. */
  unpin(frame: Mfn): number {
    if (!this.frames.isPinned(frame)) return -errno.EINVAL;
    this.frames.setPinned(frame, false);
    this.frames.put(frame);
    return 0;
  }

  /** The leaf's place for a linear address under `root`, or undefined where a table is missing on the way. */
  leafSlot(root: Mfn, address: bigint): LeafSlot | undefined {
    let table = root;
    for (let level = this.bits === 64 ? 4 : 3; level > 1; level--) {
      const index = indexOf(address, level);
      if (!this.validation.isGuestSlot(this.frames.typeOf(table), index)) return undefined;
      const [low, high] = this.readEntry(table, index);
      if ((low & PRESENT) === 0) return undefined;
      table = frameOf(low, high);
    }
    return this.frames.typeOf(table) === frameTypes.l1 ? { table, index: indexOf(address, 1) } : undefined;
  }

  /** The frame that is mapped at a linear address under `root`. */
  frameAt(root: Mfn, address: bigint): Mfn | undefined {
    const slot = this.leafSlot(root, address);
    if (slot === undefined) return undefined;
    const [low, high] = this.readEntry(slot.table, slot.index);
    return (low & PRESENT) === 0 ? undefined : frameOf(low, high);
  }

  #store(table: Mfn, index: number, low: number, high: number): void {
    storeEntry(this.memory, table, index, low, high);
  }
}

function indexOf(address: bigint, level: number): number {
  return Number((address >> (12n + LEVEL_SHIFT * BigInt(level - 1))) & 0x1ffn);
}
