// 64 x 64 and 128 / 64 bit integer arithmetic, which WebAssembly lacks.

const LOW: u64 = 0xffffffff;

/** Upper half of the 128-bit product. */
// @ts-ignore: decorator
@inline
export function mulHigh(a: u64, b: u64): u64 {
  const al = a & LOW;
  const ah = a >> 32;
  const bl = b & LOW;
  const bh = b >> 32;
  const m1 = ah * bl + ((al * bl) >> 32);
  const m2 = al * bh + (m1 & LOW);
  return ah * bh + (m1 >> 32) + (m2 >> 32);
}

/** Remainder of the last `div128`. */
export let remainder: u64 = 0;

/** Quotient of (hi:lo) / d; d has its top bit set and is greater than hi. */
export function div128(hi: u64, lo: u64, d: u64): u64 {
  const dh = d >> 32;
  const dl = d & LOW;
  let q1 = hi / dh;
  let r = hi - q1 * dh;
  while (q1 > LOW || q1 * dl > ((r << 32) | (lo >> 32))) {
    q1 -= 1;
    r += dh;
    if (r > LOW) break;
  }
  const mid = ((hi << 32) | (lo >> 32)) - q1 * d;
  let q0 = mid / dh;
  r = mid - q0 * dh;
  while (q0 > LOW || q0 * dl > ((r << 32) | (lo & LOW))) {
    q0 -= 1;
    r += dh;
    if (r > LOW) break;
  }
  remainder = ((mid << 32) | (lo & LOW)) - q0 * d;
  return (q1 << 32) + q0;
}

/** `m` shifted right by `n` (0 or more) in a 128-bit frame, lower half with a sticky bit. */
// @ts-ignore: decorator
@inline
export function shiftedLow(m: u64, n: u32): u64 {
  if (n < 64) return n == 0 ? 0 : m << (64 - n);
  if (n == 64) return m;
  if (n < 128) return (m >> (n - 64)) | <u64>(m << (128 - n) != 0);
  return <u64>(m != 0);
}

/** Upper half that goes with `shiftedLow`. */
// @ts-ignore: decorator
@inline
export function shiftedHigh(m: u64, n: u32): u64 {
  return n < 64 ? m >> n : 0;
}
