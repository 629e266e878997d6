// F2XM1, FYL2X and FYL2XP1 (SDM Vol. 1 section 8.3.9). Results are rounded by RC to 64 bits.
// Outside the documented ranges the answers are those of AMD processors: F2XM1 beyond +-1 and FYL2XP1 from -1 down return ST(0), inexact.
import { classOf, DENORMAL, INFINITE, nanOf, nanOf2, normalExponent, noteDenormal2, QNAN, ZERO } from "./classify";
import {
  alternating, ascending, divWide, mulFraction, mulWide, normalize, setWide, shiftRight, timesLess, timesMore, toFraction, xe, xh, xl,
} from "./fixed";
import { roundFull } from "./round";
import { begin1, begin2, mOf, pop, seOf, settle, st } from "./stack";
import { BIAS, DE, infinity, INTEGER, invalid, PE, setResult, SIGN, signal, ZE } from "./state";
import { EXP, LN2_HI, LN2_LO, LOG2E_HI, LOG2E_LO, ODD } from "./tables";

const SQRT2: u64 = 0xb504f333f9de6484;

/** F2XM1. */
export function x87F2xm1(cpu: usize, i: u32): void {
  if (begin1(cpu, 0)) powerLessOne(seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  settle(cpu, 0);
}

function powerLessOne(se: u32, m: u64): void {
  const kind = classOf(se, m);
  if (kind >= QNAN) return nanOf(se, m, kind);
  const sign = se & SIGN;
  if (kind == ZERO) return setResult(se, 0);
  if (kind == INFINITE) return sign ? setResult(SIGN | BIAS, INTEGER) : setResult(se, m);
  if (kind == DENORMAL) signal(DE);
  const e = normalExponent(se, m);
  m <<= clz(m);
  if (e > BIAS || (e == BIAS && m != INTEGER)) {
    signal(PE);
    return setResult(se, m);
  }
  // r = |x| ln 2; e^r - 1 = r (1 + r (1/2 + r/6 + ...)), alternating for negative x
  mulWide(e, m, 0, BIAS - 1, LN2_HI, LN2_LO);
  const re = xe;
  const rh = xh;
  const rl = xl;
  toFraction();
  const fh = xh;
  const fl = xl;
  if (sign) {
    alternating(EXP, 21, fh, fl);
    mulFraction(fh, fl, xh, xl);
    timesLess(re, rh, rl, xh, xl);
  } else {
    ascending(EXP, 21, fh, fl);
    mulFraction(fh, fl, xh, xl);
    timesMore(re, rh, rl, xh, xl);
  }
  roundFull(sign, xe, xh, xl | 1);
}

/** FYL2X: ST(1) times the binary logarithm of ST(0) replaces ST(1), then pop. */
export function x87Fyl2x(cpu: usize, i: u32): void {
  if (begin2(cpu, 1)) logarithm(seOf(st(cpu, 1)), mOf(st(cpu, 1)), seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  if (settle(cpu, 1)) pop(cpu);
}

function logarithm(ySe: u32, y: u64, xSe: u32, x: u64): void {
  const a = classOf(ySe, y);
  const b = classOf(xSe, x);
  if (a >= QNAN || b >= QNAN) return nanOf2(ySe, y, a, xSe, x, b);
  if (xSe & SIGN && b != ZERO) return invalid();
  const sign = ySe & SIGN;
  if (b == ZERO) {
    if (a == ZERO) return invalid();
    if (a != INFINITE) signal(ZE);
    return infinity(sign ^ SIGN);
  }
  const e = normalExponent(xSe, x);
  if (b != INFINITE) x <<= clz(x);
  const one = e == BIAS && x == INTEGER;
  if (b == INFINITE ? a == ZERO : one && a == INFINITE) return invalid();
  noteDenormal2(a, b);
  if (b == INFINITE) return infinity(sign);
  const less: u32 = e < BIAS ? SIGN : 0;
  if (a == INFINITE) return infinity(sign ^ less);
  if (a == ZERO || one) return setResult(sign ^ less, 0);
  const logSign = binaryLogarithm(e, x, 0);
  timesOrdinate(sign ^ logSign, ySe, y);
}

/** Result = the accumulator, whose low bits tell whether it is exact, times |y|. */
function timesOrdinate(sign: u32, ySe: u32, y: u64): void {
  const inexact = xl & 1;
  const e = normalExponent(ySe, y);
  mulWide(xe, xh, xl, e, y << clz(y), 0);
  roundFull(sign, xe, xh, xl | inexact);
}

/**
 * Accumulator = magnitude of log2 of the floating value (e, hi:lo), not 1; returns its sign. The lowest bit is set unless the
 * logarithm is an integer.
 */
function binaryLogarithm(e: i32, hi: u64, lo: u64): u32 {
  let n = e - BIAS;
  let below = false; // significand taken in [sqrt(1/2), 1) instead of [1, sqrt(2))
  if (hi > SQRT2) {
    n += 1;
    below = true;
  }
  if (!below && hi == INTEGER && lo == 0) {
    integerPart(n);
    normalize();
    return n < 0 ? SIGN : 0;
  }
  // s = (w - 1) / (w + 1), with w = hi:lo over 2^128 or 2^127
  let nh = hi - INTEGER;
  let nl = lo;
  if (below) {
    nl = 0 - lo;
    nh = 0 - hi - <u64>(lo != 0);
  }
  // denominator halved to fit: (hi:lo + one) / 2
  const half = (lo >> 1) | (hi << 63);
  const dh = (hi >> 1) + (below ? INTEGER : INTEGER >> 1);
  setWide(BIAS, nh, nl);
  normalize();
  const ne = xe;
  const ah = xh;
  const al = xl;
  setWide(BIAS + 1, dh, half);
  normalize();
  divWide(ne, ah, al, xe, xh, xl);
  logarithmOfRatio();
  if (n == 0) return below ? SIGN : 0;
  // add the integer: both as fractions of 2^16
  shiftRight(xh, xl, BIAS + 15 - xe);
  const fh = xh;
  const fl = xl | 1;
  integerPart(n);
  if (below == n < 0) {
    const l = xl + fl;
    setWide(BIAS + 15, xh + fh + <u64>(l < fl), l);
  } else setWide(BIAS + 15, xh - fh - <u64>(xl < fl), xl - fl);
  normalize();
  xlSticky();
  return n < 0 ? SIGN : 0;
}

/** Accumulator = |n|, not normalised, in the format of exponent BIAS + 15. */
function integerPart(n: i32): void {
  setWide(BIAS + 15, <u64>(n < 0 ? -n : n) << 48, 0);
}

function xlSticky(): void {
  setWide(xe, xh, xl | 1);
}

/** Accumulator = 2 / ln 2 * atanh(s) for the accumulator s. */
function logarithmOfRatio(): void {
  const e = xe;
  const h = xh;
  const l = xl;
  toFraction();
  mulFraction(xh, xl, xh, xl);
  const zh = xh;
  const zl = xl;
  ascending(ODD, 16, zh, zl);
  mulFraction(zh, zl, xh, xl);
  timesMore(e, h, l, xh, xl);
  mulWide(xe, xh, xl, BIAS + 1, LOG2E_HI, LOG2E_LO);
  xlSticky();
}

/** FYL2XP1: ST(1) times the binary logarithm of ST(0) + 1 replaces ST(1), then pop. */
export function x87Fyl2xp1(cpu: usize, i: u32): void {
  if (begin2(cpu, 1)) logarithmPlusOne(seOf(st(cpu, 1)), mOf(st(cpu, 1)), seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  if (settle(cpu, 1)) pop(cpu);
}

function logarithmPlusOne(ySe: u32, y: u64, xSe: u32, x: u64): void {
  const a = classOf(ySe, y);
  const b = classOf(xSe, x);
  if (a >= QNAN || b >= QNAN) return nanOf2(ySe, y, a, xSe, x, b);
  const sign = (ySe ^ xSe) & SIGN;
  const negative = (xSe & SIGN) != 0;
  if (b == INFINITE) {
    if (negative || a == ZERO) return invalid();
    noteDenormal2(a, b);
    return infinity(sign);
  }
  if (b == ZERO) {
    if (a == INFINITE) return invalid();
    noteDenormal2(a, b);
    return setResult(sign, 0);
  }
  noteDenormal2(a, b);
  const e = normalExponent(xSe, x);
  if (negative && e >= BIAS) {
    signal(PE);
    return setResult(xSe, x);
  }
  if (a == INFINITE) return infinity(sign);
  if (a == ZERO) return setResult(sign, 0);
  x <<= clz(x);
  if (e < BIAS - 2) smallLogarithm(e, x, negative);
  else {
    plusOne(e, x, negative);
    binaryLogarithm(xe, xh, xl);
  }
  signal(PE); // even when 1 + x is a power of two
  timesOrdinate(sign, ySe, y);
}

/** Accumulator = magnitude of log2(1 + x) for |x| < 1/4: s = x / (2 + x). */
function smallLogarithm(e: i32, x: u64, negative: bool): void {
  shiftRight(x, 0, min(BIAS + 1 - e, 128));
  // 2 has its top bit at 2^126 in the format of exponent BIAS + 2
  const two = INTEGER >> 1;
  shiftRight(xh, xl, 1);
  if (negative) setWide(BIAS + 2, two - xh - <u64>(xl != 0), 0 - xl);
  else setWide(BIAS + 2, two + xh, xl);
  normalize();
  divWide(e, x, 0, xe, xh, xl);
  logarithmOfRatio();
}

/** Accumulator = 1 + x for |x| >= 1/4, x > -1. */
function plusOne(e: i32, x: u64, negative: bool): void {
  if (e >= BIAS + 127) return setWide(e, x, 1);
  if (e > BIAS) {
    // x is larger: 1 goes below its top bit
    shiftRight(INTEGER >> 1, 0, e - BIAS);
    const low = (x << 63) + xl;
    setWide(e + 1, (x >> 1) + xh + <u64>(low < xl), low);
  } else {
    shiftRight(x, 0, BIAS + 1 - e);
    if (negative) setWide(BIAS + 1, (INTEGER >> 1) - xh - <u64>(xl != 0), 0 - xl);
    else setWide(BIAS + 1, (INTEGER >> 1) + xh, xl);
  }
  normalize();
}
