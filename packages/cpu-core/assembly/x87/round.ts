// Rounding to the extended format under FCW.RC and FCW.PC (SDM Vol. 1 sections 4.8.4, 8.1.5.2, 8.1.5.3), and to single, double and integer
// for stores. Results of arithmetic come in as sign, biased exponent and 128 significand bits whose top bit is set.
import {
  BIAS, C1, control, EXP, IE, infinity, INTEGER, OE, PE, RC_DOWN, RC_NEAREST, RC_UP, roundingMode, setResult, signal, UE,
  UNMASKED_BIAS,
} from "./state";
import { shiftedHigh, shiftedLow } from "./wide";

const HALF: u64 = 0x8000000000000000;

/** Whether a magnitude with last bit `odd` and non-zero remainder `rest` (1.0 = 2^64) is rounded away from zero. */
// @ts-ignore: decorator
@inline
export function roundsUp(rc: u32, sign: u32, odd: u64, rest: u64): bool {
  if (rc == RC_NEAREST) return rest > HALF || (rest == HALF && (odd & 1) != 0);
  return sign ? rc == RC_DOWN : rc == RC_UP;
}

/** Rounds to the precision of FCW.PC. */
export function roundPack(sign: u32, e: i32, hi: u64, lo: u64): void {
  const drop = precisionDrop();
  if (<u32>(e - 1) >= EXP - 2) return roundTo(sign, e, hi, lo, drop);
  // neither overflow nor underflow is possible
  let ulp: u64 = 1;
  if (drop) {
    ulp <<= drop;
    lo = (hi << (64 - drop)) | <u64>(lo != 0);
    hi &= 0 - ulp;
  }
  if (lo == 0) return setResult(sign | e, hi);
  if (roundsUp(roundingMode(), sign, hi >> drop, lo)) {
    signal(PE | C1);
    hi += ulp;
    if (hi == 0) {
      hi = INTEGER;
      e += 1;
    }
  } else signal(PE);
  setResult(sign | e, hi);
}

/** Rounds to 64 bits whatever FCW.PC says: what loads, FSCALE and the transcendental instructions do. */
export function roundFull(sign: u32, e: i32, hi: u64, lo: u64): void {
  roundTo(sign, e, hi, lo, 0);
}

/** Low significand bits that FCW.PC drops. */
// @ts-ignore: decorator
@inline
function precisionDrop(): u32 {
  const pc = control & 0x300;
  return pc == 0x300 ? 0 : pc == 0x200 ? 11 : pc == 0 ? 40 : 0;
}

/** Any exponent, any precision: `drop` low bits of `hi` are not kept. */
function roundTo(sign: u32, e: i32, hi: u64, lo: u64, drop: u32): void {
  const rc = roundingMode();
  const ulp = <u64>1 << drop;
  if (e <= 0) return roundTiny(sign, e, hi, lo, drop);
  const rest = drop == 0 ? lo : (hi << (64 - drop)) | <u64>(lo != 0);
  hi &= ~(ulp - 1);
  let up = false;
  if (rest != 0 && roundsUp(rc, sign, hi >> drop, rest)) {
    up = true;
    hi += ulp;
    if (hi == 0) {
      hi = INTEGER;
      e += 1;
    }
  }
  if (e >= <i32>EXP) {
    if (!(control & OE)) {
      signal(rest != 0 ? (up ? OE | PE | C1 : OE | PE) : OE);
      e -= UNMASKED_BIAS;
      if (e >= <i32>EXP) return infinity(sign);
      return setResult(sign | e, hi);
    }
    signal(OE | PE);
    if (rc == RC_NEAREST || rc == (sign ? RC_DOWN : RC_UP)) {
      signal(C1);
      return infinity(sign);
    }
    return setResult(sign | (EXP - 1), ~(ulp - 1));
  }
  if (rest != 0) signal(up ? PE | C1 : PE);
  setResult(sign | e, hi);
}

/** Exponent 0 or less: denormal results and unmasked underflow. Tininess is detected after rounding. */
function roundTiny(sign: u32, e: i32, hi: u64, lo: u64, drop: u32): void {
  const rc = roundingMode();
  const ulp = <u64>1 << drop;
  if (!(control & UE)) {
    // as if the exponent had no lower bound
    let rest = drop == 0 ? lo : (hi << (64 - drop)) | <u64>(lo != 0);
    let m = hi & ~(ulp - 1);
    let x = e;
    let up = false;
    if (rest != 0 && roundsUp(rc, sign, m >> drop, rest)) {
      up = true;
      m += ulp;
      if (m == 0) {
        m = INTEGER;
        x += 1;
      }
    }
    if (rest != 0) signal(up ? PE | C1 : PE);
    if (x > 0) return setResult(sign | x, m);
    signal(UE);
    x += UNMASKED_BIAS;
    if (x <= 0) return setResult(sign, 0);
    return setResult(sign | x, m);
  }
  let tiny = true;
  if (e == 0) {
    const all = ~(ulp - 1);
    const rest = drop == 0 ? lo : (hi << (64 - drop)) | <u64>(lo != 0);
    tiny = !((hi & all) == all && rest != 0 && roundsUp(rc, sign, 1, rest));
  }
  const n = <u32>(1 - e);
  const sticky = <u64>(lo != 0);
  let low = shiftedLow(hi, n);
  hi = shiftedHigh(hi, n);
  low |= sticky;
  if (n < 64) low |= lo >> n;
  const rest = drop == 0 ? low : (hi << (64 - drop)) | <u64>(low != 0);
  hi &= ~(ulp - 1);
  if (rest != 0) {
    signal(tiny ? UE | PE : PE);
    if (roundsUp(rc, sign, hi >> drop, rest)) {
      signal(C1);
      hi += ulp;
    }
  }
  setResult(sign | <u32>(<i64>hi < 0), hi);
}

/**
 * A finite non-zero value in double (`bits` = 53) or single (24) precision, as its encoding without the sign. When overflow or underflow
 * is unmasked the caller stores nothing, so the returned value does not matter then.
 */
export function narrow(sign: u32, e: i32, m: u64, bits: u32): u64 {
  const rc = roundingMode();
  const drop = 64 - bits;
  const top = bits == 53 ? 0x7ff : 0xff;
  let x = e - BIAS + (top >> 1);
  let rest: u64;
  let tiny = false;
  const ulp = <u64>1 << drop;
  if (x <= 0) {
    rest = m << bits;
    tiny = !(x == 0 && m >> drop == ((<u64>1 << bits) - 1) && rest != 0 && roundsUp(rc, sign, 1, rest));
    const n = <u32>(1 - x);
    const low = shiftedLow(m, n);
    m = shiftedHigh(m, n);
    rest = (m << bits) | <u64>(low != 0);
    x = 1;
  } else rest = m << bits;
  m &= ~(ulp - 1);
  let up = false;
  if (rest != 0 && roundsUp(rc, sign, m >> drop, rest)) {
    up = true;
    m += ulp;
    if (m == 0 && x > 0) {
      m = INTEGER;
      x += 1;
    }
  }
  if (x >= top) {
    signal(OE | PE);
    if (rc == RC_NEAREST || rc == (sign ? RC_DOWN : RC_UP)) {
      signal(C1);
      return <u64>top << (bits - 1);
    }
    return (<u64>top << (bits - 1)) - 1;
  }
  if (rest != 0) signal(up ? PE | C1 : PE);
  if (tiny && (rest != 0 || !(control & UE))) signal(UE);
  // the integer bit adds one to the exponent field of normal numbers
  return (<u64>(x - 1) << (bits - 1)) + (m >> drop);
}

/** Magnitude of a finite value rounded to an integer under `rc`, or IE when it exceeds 64 bits. PE and C1 as for FIST. */
export function toInteger(sign: u32, e: i32, m: u64, rc: u32): u64 {
  const shift = BIAS + 63 - e;
  if (shift <= 0) {
    if (shift == 0) return m;
    signal(IE);
    return 0;
  }
  const rest = shiftedLow(m, shift);
  m = shiftedHigh(m, shift);
  if (rest == 0) return m;
  signal(PE);
  if (roundsUp(rc, sign, m, rest)) {
    signal(C1);
    m += 1;
    if (m == 0) signal(IE);
  }
  return m;
}
