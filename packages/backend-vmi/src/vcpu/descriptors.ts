/** Descriptors as numbers, and what a kernel at CPL 1 needs them to be. SDM Vol. 3A §3.4.5, §6.11. */
import type { SegmentCache } from "@paravane/paravirt-ops";

const ACCESS_SHIFT = 40n;
const DPL_MASK = 3n << 45n;
const DPL_ONE = 1n << 45n;
const NON_SYSTEM = 1n << 44n;
const TYPE_MASK = 15n << ACCESS_SHIFT;
/** System types through which privilege could change: 16-bit and 32-bit call gates, task gates. */
const GATE_TYPES: ReadonlySet<bigint> = new Set([4n, 5n, 12n]);

/** A kernel's segment at level 1 instead of 0; gates to other levels are none. Everything else is what it is. */
export function raised(descriptor: bigint): bigint {
  if ((descriptor & NON_SYSTEM) === 0n) return GATE_TYPES.has((descriptor & TYPE_MASK) >> ACCESS_SHIFT) ? 0n : descriptor;
  return (descriptor & DPL_MASK) === 0n ? descriptor | DPL_ONE : descriptor;
}

/** The segment register that a descriptor gives. */
export function cacheOf(selector: number, descriptor: bigint): SegmentCache {
  const low = Number(descriptor & 0xffffffffn);
  const high = Number(descriptor >> 32n);
  const base = ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff000000)) >>> 0;
  const limit = (low & 0xffff) | (high & 0xf0000);
  const pages = (high & 0x800000) !== 0;
  return {
    selector,
    base: BigInt(base),
    limit: pages ? limit * 0x1000 + 0xfff : limit,
    access: (high >>> 8) & 0xf0ff,
  };
}

/** Bits of a segment's access: type, S, DPL, P. */
export const access = {
  code: (value: number): boolean => (value & 0x18) === 0x18,
  present: (value: number): boolean => (value & 0x80) !== 0,
  type: (value: number): number => value & 0x1f,
  dpl: (value: number): number => (value >> 5) & 3,
} as const;

/** System descriptor types. */
export const systemTypes = { ldt: 2, tss: 9, busyTss: 11 } as const;
