// 128-bit arithmetic for the transcendental instructions: unsigned fractions (hi:lo over 2^128) and floating values (hi:lo over 2^127,
// top bit set, times 2 to the biased exponent e). Results are left in (xe, xh, xl). Products and quotients may be short by a few units in the last
// place, some 2^60 times less than what rounding to 64 bits can show.
import { BIAS } from "./state";
import { div128, mulHigh, remainder } from "./wide";

export let xe: i32 = 0;
export let xh: u64 = 0;
export let xl: u64 = 0;

/** Sets the accumulator. */
// @ts-ignore: decorator
@inline
export function setWide(e: i32, hi: u64, lo: u64): void {
  xe = e;
  xh = hi;
  xl = lo;
}

/** (xh, xl) = a * b for fractions. */
// @ts-ignore: decorator
@inline
export function mulFraction(ah: u64, al: u64, bh: u64, bl: u64): void {
  let hi = mulHigh(ah, bh);
  let lo = ah * bh;
  const c1 = mulHigh(ah, bl);
  const c2 = mulHigh(al, bh);
  lo += c1;
  hi += <u64>(lo < c1);
  lo += c2;
  xh = hi + <u64>(lo < c2);
  xl = lo;
}

/** Shifts the accumulator left until its top bit is set; it is not zero. */
export function normalize(): void {
  if (xh == 0) {
    xh = xl;
    xl = 0;
    xe -= 64;
  }
  const n = <i32>clz(xh);
  if (n == 0) return;
  xh = (xh << n) | (xl >> (64 - n));
  xl <<= n;
  xe -= n;
}

/** (xh, xl) = hi:lo shifted right by n. */
export function shiftRight(hi: u64, lo: u64, n: i32): void {
  if (n == 0) {
    xh = hi;
    xl = lo;
  } else if (n < 64) {
    xh = hi >> n;
    xl = (lo >> n) | (hi << (64 - n));
  } else {
    xh = 0;
    xl = n < 128 ? hi >> (n - 64) : 0;
  }
}

/** Floating product. */
export function mulWide(ae: i32, ah: u64, al: u64, be: i32, bh: u64, bl: u64): void {
  mulFraction(ah, al, bh, bl);
  xe = ae + be - BIAS + 1;
  normalize();
}

/** Floating quotient. */
export function divWide(ae: i32, ah: u64, al: u64, be: i32, bh: u64, bl: u64): void {
  // dividend halved, so that the first digit cannot overflow
  let q1 = div128(ah >> 1, (al >> 1) | (ah << 63), bh);
  let rh = remainder;
  const ph = mulHigh(q1, bl);
  const pl = q1 * bl;
  let rl = 0 - pl;
  let negative = rh < ph + <u64>(pl != 0) || (ph == ~(<u64>0) && pl != 0);
  rh = rh - ph - <u64>(pl != 0);
  while (negative) {
    q1 -= 1;
    const low = rl + bl;
    const carry = <u64>(low < rl);
    const high = rh + bh + carry;
    negative = !(high < rh || (high == rh && carry));
    rl = low;
    rh = high;
  }
  const q0 = rh >= bh ? ~(<u64>0) : div128(rh, rl, bh);
  setWide(ae - be + BIAS, q1, q0);
  normalize();
}

/** (xh, xl) = the accumulator, a floating value less than one, as a fraction. */
export function toFraction(): void {
  shiftRight(xh, xl, BIAS - 1 - xe);
}

/** Fraction c0 - z(c1 - z(c2 - ...)) of the first `n` coefficients. */
export function alternating(table: usize, n: i32, zh: u64, zl: u64): void {
  let at = table + ((n - 1) << 4);
  let hi = load<u64>(at);
  let lo = load<u64>(at, 8);
  while (at > table) {
    at -= 16;
    mulFraction(zh, zl, hi, lo);
    const c = load<u64>(at, 8);
    lo = c - xl;
    hi = load<u64>(at) - xh - <u64>(c < xl);
  }
  xh = hi;
  xl = lo;
}

/** Fraction c0 + z(c1 + z(c2 + ...)) of the first `n` coefficients, less than one. */
export function ascending(table: usize, n: i32, zh: u64, zl: u64): void {
  let at = table + ((n - 1) << 4);
  let hi = load<u64>(at);
  let lo = load<u64>(at, 8);
  while (at > table) {
    at -= 16;
    mulFraction(zh, zl, hi, lo);
    const c = load<u64>(at, 8);
    lo = c + xl;
    hi = load<u64>(at) + xh + <u64>(lo < c);
  }
  xh = hi;
  xl = lo;
}

/** Accumulator = the floating value m times (1 - u), u being a fraction well below one. */
export function timesLess(e: i32, mh: u64, ml: u64, uh: u64, ul: u64): void {
  mulFraction(mh, ml, uh, ul);
  // at least one unit less: the true product is never exact
  const drop = xl + 1;
  const hi = xh + <u64>(drop == 0);
  setWide(e, mh - hi - <u64>(ml < drop), ml - drop);
  normalize();
}

/** Accumulator = the floating value m times (1 + u). */
export function timesMore(e: i32, mh: u64, ml: u64, uh: u64, ul: u64): void {
  mulFraction(mh, ml, uh, ul);
  let lo = xl + ml;
  let hi = xh + mh + <u64>(lo < ml);
  if (hi < mh) {
    lo = (lo >> 1) | (hi << 63);
    hi = (hi >> 1) | 0x8000000000000000;
    e += 1;
  }
  setWide(e, hi, lo | 1);
}
