/**
 * Which page tables a set of mapped ranges needs and in which frames they lie, before any of them is written. Tables of one range are
 * consecutive, top level first; a later range shares those that are there already.
 */
import type { GuestBits } from "../abi/struct.js";

/** Bits of linear address below one entry of a table of level 1 to 4. */
const SHIFT = [0, 12, 21, 30, 39] as const;
/** A 32-bit guest's mappings that end below this get tables up to the last slot of its top level, where Xen's own entries belong. */
const PAE_KERNEL_START = 0xc000_0000n;
const PAE_LAST_ADDRESS = 0xffff_ffffn;

/** A table: the level, the linear addresses that it is about, and its frame. */
export interface PlannedTable {
  readonly level: 1 | 2 | 3 | 4;
  /** Linear address shifted by what lies below the table. */
  readonly prefix: bigint;
  readonly pfn: number;
}

/** Linear address without sign extension. */
export function canonical48(address: bigint): bigint {
  return address & 0xffff_ffff_ffffn;
}

/** Index of `address` in a table of `level`. */
export function tableIndex(address: bigint, level: number): number {
  return Number((canonical48(address) >> BigInt(SHIFT[level]!)) & 0x1ffn);
}

/** Tables so far. */
export class TablePlan {
  readonly #tables = new Map<string, PlannedTable>();
  readonly levels: 3 | 4;

  constructor(readonly bits: GuestBits) {
    this.levels = bits === 64 ? 4 : 3;
  }

  /** In the order of their frames. */
  get tables(): readonly PlannedTable[] {
    return [...this.#tables.values()];
  }

  /** The table of `level` that translates `address`, if it is planned. */
  find(level: number, address: bigint): PlannedTable | undefined {
    return this.#tables.get(`${level}:${this.#prefix(level, address)}`);
  }

  /** How many tables more the range from `first` to `last`, both included, needs. */
  count(first: bigint, last: bigint): number {
    return [...this.#missing(first, last)].length;
  }

  /** Plans them from frame `pfn` on; the result is how many there are. */
  add(first: bigint, last: bigint, pfn: number): number {
    const missing = [...this.#missing(first, last)];
    for (const [index, { level, prefix }] of missing.entries()) {
      this.#tables.set(`${level}:${prefix}`, { level, prefix, pfn: pfn + index });
    }
    return missing.length;
  }

  *#missing(first: bigint, last: bigint): Generator<{ level: 1 | 2 | 3 | 4; prefix: bigint }> {
    for (let level = this.levels as 1 | 2 | 3 | 4; level >= 1; level--) {
      const end = this.#prefix(level, this.#extend(level, last));
      for (let prefix = this.#prefix(level, first); prefix <= end; prefix++) {
        if (!this.#tables.has(`${level}:${prefix}`)) yield { level, prefix };
      }
    }
  }

  #extend(level: number, last: bigint): bigint {
    return this.bits === 32 && level === 2 && last < PAE_KERNEL_START ? PAE_LAST_ADDRESS : last;
  }

  /** Above the entries of the table. */
  #prefix(level: number, address: bigint): bigint {
    return canonical48(address) >> BigInt(SHIFT[level]! + 9);
  }
}
