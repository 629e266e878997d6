/** Arithmetic on 64-bit counters as two 32-bit halves, so that nothing is allocated where timers are armed. */

const TWO_32 = 2 ** 32;
const TWO_64 = 2 ** 64;

/** A 64-bit value. */
export interface Halves {
  low: number;
  high: number;
}

/** Adds a whole number below 2^53 to `value`, modulo 2^64. */
export function advance(value: Halves, by: number): void {
  const low = value.low + (by % TWO_32);
  value.high = (value.high + Math.floor(by / TWO_32) + (low >= TWO_32 ? 1 : 0)) >>> 0;
  value.low = low >>> 0;
}

/** How far `from` has to go up to reach `to`, modulo 2^64; exact below 2^53. */
export function distance(from: Halves, to: Halves): number {
  const difference = (to.high - from.high) * TWO_32 + (to.low - from.low);
  return difference < 0 ? difference + TWO_64 : difference;
}

/** The same for the low halves alone, modulo 2^32. */
export function distance32(from: Halves, to: Halves): number {
  return (to.low - from.low) >>> 0;
}
