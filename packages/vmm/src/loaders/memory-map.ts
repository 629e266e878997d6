/**
 * The guest's physical memory map while a kernel is being placed: what is RAM, what the board took, what the loader put where.
 * RAM is [0, 0xa0000) and [1 MiB, size). Types are those of INT 15h E820 (ACPI 6.4 §15).
 */
import { type Gpa, HvError } from "@paravane/paravirt-ops";

/** E820 region types. */
export const E820 = { ram: 1, reserved: 2, acpi: 3, nvs: 4 } as const;
const LOW_MEMORY_END = 0xa0000;
const HIGH_MEMORY = 0x100000;

/** One row of the map that the guest gets. */
export interface MemoryRegion {
  readonly base: Gpa;
  readonly length: number;
  readonly type: number;
}

/** A range that something occupies; `reserved` ranges are told to the guest, the others are only kept apart from one another. */
interface Claim {
  readonly base: Gpa;
  readonly end: Gpa;
  readonly what: string;
  readonly type: number;
}

/** Where to look for free memory. */
export interface Placement {
  readonly length: number;
  readonly align: number;
  readonly min?: Gpa;
  /** Exclusive upper bound. */
  readonly max?: Gpa;
  readonly from: "top" | "bottom";
}

/** Guest memory while a kernel is placed. */
export class MemoryMap {
  readonly #claims: Claim[] = [];

  constructor(readonly ramBytes: number) {}

  /** Takes a range that the guest must not use, as the board asked for it. */
  reserve(base: Gpa, length: number, kind: "acpi" | "nvs" | "reserved"): void {
    this.#claims.push({ base, end: base + length, what: `${kind} memory`, type: E820[kind] });
  }

  /** Takes a range of RAM for a part of the image. @throws HvError "image/outside-memory" or "image/overlap" */
  claim(base: Gpa, length: number, what: string): void {
    const end = base + length;
    const inLow = base >= 0 && end <= LOW_MEMORY_END;
    const inHigh = base >= HIGH_MEMORY && end <= this.ramBytes;
    if (!inLow && !inHigh) {
      throw new HvError(
        "image/outside-memory",
        `${what} needs ${range(base, end)}, which is not memory of this machine (${mib(this.ramBytes)})`,
        {
          hint: end > this.ramBytes ? `give the machine at least ${mib(end)} of memory` : "link the image to addresses above 1 MiB",
        },
      );
    }
    const other = this.#claims.find((claim) => base < claim.end && claim.base < end);
    if (other !== undefined) {
      throw new HvError("image/overlap", `${what} at ${range(base, end)} overlaps ${other.what} at ${range(other.base, other.end)}`);
    }
    this.#claims.push({ base, end, what, type: E820.ram });
  }

  /** Finds free RAM and claims it; undefined when there is none. */
  place(wanted: Placement, what: string): Gpa | undefined {
    const { length, align } = wanted;
    const free = this.#free();
    if (wanted.from === "top") free.reverse();
    for (const gap of free) {
      const low = Math.max(gap.base, wanted.min ?? 0);
      const high = Math.min(gap.base + gap.length, wanted.max ?? Number.POSITIVE_INFINITY);
      const base = wanted.from === "top" ? Math.floor((high - length) / align) * align : Math.ceil(low / align) * align;
      if (base < low || base + length > high) continue;
      this.claim(base, length, what);
      return base;
    }
    return undefined;
  }

  /** The map for the guest: RAM without reserved ranges, and the reserved ranges, in order of address. */
  regions(): MemoryRegion[] {
    const told = this.#claims.filter((claim) => claim.type !== E820.ram);
    const reserved = told.map(({ base, end, type }) => ({ base, length: end - base, type }));
    const ram = this.#without(told).map(({ base, length }) => ({ base, length, type: E820.ram }));
    return [...ram, ...reserved].sort((a, b) => a.base - b.base);
  }

  #free(): { base: Gpa; length: number }[] {
    return this.#without(this.#claims);
  }

  #without(claims: readonly Claim[]): { base: Gpa; length: number }[] {
    const gaps: { base: Gpa; length: number }[] = [];
    const sorted = [...claims].sort((a, b) => a.base - b.base);
    for (const [start, stop] of [
      [0, Math.min(LOW_MEMORY_END, this.ramBytes)],
      [HIGH_MEMORY, this.ramBytes],
    ] as const) {
      let base: number = start;
      for (const claim of sorted) {
        if (claim.end <= base || claim.base >= stop) continue;
        if (claim.base > base) gaps.push({ base, length: claim.base - base });
        base = claim.end;
      }
      if (base < stop) gaps.push({ base, length: stop - base });
    }
    return gaps;
  }
}

/** Bytes as people write them. */
export function mib(bytes: number): string {
  return `${Math.ceil(bytes / 0x100000)} MiB`;
}

function range(base: number, end: number): string {
  return `0x${base.toString(16)}-0x${(end - 1).toString(16)}`;
}
