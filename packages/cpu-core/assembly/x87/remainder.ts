// FPREM, FPREM1, FSCALE, FXTRACT, FRNDINT (SDM Vol. 2A). None of them obeys FCW.PC.
import { FSW } from "../../src/layout";
import { classOf, DENORMAL, INFINITE, nanOf, nanOf2, normalExponent, noteDenormal2, QNAN, ZERO } from "./classify";
import { widenInteger } from "./convert";
import { roundFull, toInteger } from "./round";
import { begin1, begin2, isEmpty, mOf, push, seOf, settle, st } from "./stack";
import {
  BIAS, C0, C1, C2, C3, CC, DE, EXP, IE, infinity, invalid, NAN_M, NAN_SE, oM, oSe, rM, roundingMode, rSe, setExc,
  setResult, SF, SIGN, signal, ZE,
} from "./state";
import { div128, remainder } from "./wide";

/** Answer of `reduce` without a quotient: C0 and C3 stay, C1 and C2 become 0. */
const NO_QUOTIENT: u32 = 0xffffffff;

/** FPREM: the remainder of a truncated quotient. */
export function x87Fprem(cpu: usize, i: u32): void {
  partialRemainder(cpu, false);
}

/** FPREM1: the remainder of the quotient rounded to nearest even. */
export function x87Fprem1(cpu: usize, i: u32): void {
  partialRemainder(cpu, true);
}

function partialRemainder(cpu: usize, nearest: bool): void {
  let codes = NO_QUOTIENT;
  if (begin2(cpu, 1)) codes = reduce(seOf(st(cpu, 0)), mOf(st(cpu, 0)), seOf(st(cpu, 1)), mOf(st(cpu, 1)), nearest);
  if (!settle(cpu, 0)) return;
  if (codes == NO_QUOTIENT) store<u32>(cpu, load<u32>(cpu, FSW) & ~C2, FSW);
  else store<u32>(cpu, (load<u32>(cpu, FSW) & ~(CC | C1)) | codes, FSW);
}

/**
 * Leaves the (partial) remainder as result; returns the quotient's low bits in C0 C3 C1, C2 while the reduction is
 * incomplete, or NO_QUOTIENT.
 */
function reduce(aSe: u32, a: u64, bSe: u32, b: u64, nearest: bool): u32 {
  const x = classOf(aSe, a);
  const y = classOf(bSe, b);
  if (x >= QNAN || y >= QNAN) {
    nanOf2(aSe, a, x, bSe, b, y);
    return NO_QUOTIENT;
  }
  if (x == INFINITE || y == ZERO) {
    invalid();
    return NO_QUOTIENT;
  }
  noteDenormal2(x, y);
  if (x == ZERO || y == INFINITE) {
    setResult(aSe, a);
    return 0;
  }
  let sign = aSe & SIGN;
  const ea = normalExponent(aSe, a);
  const eb = normalExponent(bSe, b);
  a <<= clz(a);
  b <<= clz(b);
  const d = ea - eb;
  if (d < 0 && !(nearest && d == -1)) {
    roundFull(sign, ea, a, 0);
    return 0;
  }
  if (d >= 64) {
    // one step that clears between 32 and 63 bits
    const n = 32 + (d & 31);
    let r = a >= b ? a - b : a;
    div128(r >> (64 - n), r << n, b);
    r = remainder;
    if (r == 0) setResult(sign, 0);
    else roundFull(sign, ea - n - <i32>clz(r), r << clz(r), 0);
    return C2;
  }
  let q: u64 = 0;
  let r = a;
  let e = eb;
  if (d < 0) {
    e = ea; // a / 2 against b: compare with twice the scale
  } else {
    if (r >= b) {
      q = 1;
      r -= b;
    }
    if (d > 0) {
      q = (q << d) + div128(r >> (64 - d), r << d, b);
      r = remainder;
    }
  }
  if (nearest) {
    if (d < 0) {
      // |a| is less than b; above b / 2 the quotient is 1 and the remainder a - b, in units of a's last place (2b - a)
      if (a > b) {
        q = 1;
        sign ^= SIGN;
        r = (b - (a - b));
      }
    } else {
      const rest = b - r;
      if (r > rest || (r == rest && q & 1)) {
        q += 1;
        sign ^= SIGN;
        r = rest;
      }
    }
  }
  if (r == 0) setResult(aSe & SIGN, 0);
  else roundFull(sign, e - <i32>clz(r), r << clz(r), 0);
  const bits = <u32>q;
  return (bits & 4 ? C0 : 0) | (bits & 2 ? C3 : 0) | (bits & 1 ? C1 : 0);
}

/** FSCALE: ST(0) times 2 to the truncated ST(1). */
export function x87Fscale(cpu: usize, i: u32): void {
  if (begin2(cpu, 1)) scale(seOf(st(cpu, 0)), mOf(st(cpu, 0)), seOf(st(cpu, 1)), mOf(st(cpu, 1)));
  settle(cpu, 0);
}

function scale(aSe: u32, a: u64, bSe: u32, b: u64): void {
  const x = classOf(aSe, a);
  const y = classOf(bSe, b);
  if (x >= QNAN || y >= QNAN) return nanOf2(aSe, a, x, bSe, b, y);
  const sign = aSe & SIGN;
  if (y == INFINITE) {
    if (bSe & SIGN) {
      if (x == INFINITE) return invalid();
      noteDenormal2(x, y);
      return setResult(sign, 0);
    }
    if (x == ZERO) return invalid();
    noteDenormal2(x, y);
    return infinity(sign);
  }
  noteDenormal2(x, y);
  if (x == ZERO || x == INFINITE) return setResult(aSe, a);
  let n = 0;
  if (y != ZERO) {
    const e = normalExponent(bSe, b) - BIAS;
    if (e >= 0) n = e > 16 ? 0x20000 : <i32>(b << clz(b) >> (63 - e));
    if (bSe & SIGN) n = -n;
  }
  roundFull(sign, normalExponent(aSe, a) + n, a << clz(a), 0);
}

/** FXTRACT: the exponent replaces ST(0), then the significand is pushed. */
export function x87Fxtract(cpu: usize, i: u32): void {
  let mSe: u32 = NAN_SE;
  let m: u64 = NAN_M;
  let ready = begin1(cpu, 0);
  if (ready && !isEmpty(cpu, 7)) {
    setExc(IE | SF | C1);
    setResult(NAN_SE, NAN_M);
    ready = false;
  }
  if (ready) {
    const se = seOf(st(cpu, 0));
    m = mOf(st(cpu, 0));
    mSe = se;
    const kind = classOf(se, m);
    if (kind >= QNAN) {
      nanOf(se, m, kind);
      mSe = rSe;
      m = rM;
    } else if (kind == INFINITE) infinity(0);
    else if (kind == ZERO) {
      signal(ZE);
      infinity(SIGN);
    } else {
      if (kind == DENORMAL) signal(DE);
      widenInteger(normalExponent(se, m) - BIAS);
      setResult(oSe, oM);
      mSe = (se & SIGN) | BIAS;
      m <<= clz(m);
    }
  }
  if (!settle(cpu, 0)) return;
  push(cpu, mSe, m);
}

/** FRNDINT: ST(0) rounded to an integer by RC. */
export function x87Frndint(cpu: usize, i: u32): void {
  if (begin1(cpu, 0)) roundToInteger(seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  settle(cpu, 0);
}

function roundToInteger(se: u32, m: u64): void {
  const kind = classOf(se, m);
  if (kind >= QNAN) return nanOf(se, m, kind);
  if (kind == DENORMAL) signal(DE);
  if (kind == ZERO || kind == INFINITE || (se & EXP) >= <u32>BIAS + 63) return setResult(se, m);
  const value = toInteger(se & SIGN, normalExponent(se, m), m << clz(m), roundingMode());
  if (value == 0) return setResult(se & SIGN, 0);
  const n = <i32>clz(value);
  setResult((se & SIGN) | <u32>(BIAS + 63 - n), value << n);
}
