// Addition, multiplication, division and square root of extended values (SDM Vol. 1 section 8.3, tables 3-14 ff. of Vol. 2A for the special
// cases). Each takes values as (se, m) and leaves its result and exceptions in the unit's registers.
import { classOf, DENORMAL, INFINITE, isNormal, nanOf, nanOf2, normalExponent, noteDenormal2, QNAN, ZERO } from "./classify";
import { roundPack } from "./round";
import { BIAS, DE, EXP, infinity, INTEGER, invalid, RC_DOWN, roundingMode, setResult, SIGN, signal, ZE } from "./state";
import { div128, mulHigh, remainder, shiftedHigh, shiftedLow } from "./wide";

/** a + b. */
export function add(aSe: u32, a: u64, bSe: u32, b: u64): void {
  if (isNormal(aSe, a) && isNormal(bSe, b)) return addFinite(aSe & SIGN, aSe & EXP, a, bSe & SIGN, bSe & EXP, b);
  const x = classOf(aSe, a);
  const y = classOf(bSe, b);
  if (x >= QNAN || y >= QNAN) return nanOf2(aSe, a, x, bSe, b, y);
  if (x == INFINITE && y == INFINITE && (aSe ^ bSe) & SIGN) return invalid();
  noteDenormal2(x, y);
  if (x == INFINITE) return setResult(aSe, a);
  if (y == INFINITE) return setResult(bSe, b);
  if (x == ZERO && y == ZERO) {
    if ((aSe ^ bSe) & SIGN) return setResult(zeroSign(), 0);
    return setResult(aSe, 0);
  }
  if (x == ZERO) return roundPack(bSe & SIGN, normalExponent(bSe, b), b << clz(b), 0);
  if (y == ZERO) return roundPack(aSe & SIGN, normalExponent(aSe, a), a << clz(a), 0);
  addFinite(aSe & SIGN, normalExponent(aSe, a), a << clz(a), bSe & SIGN, normalExponent(bSe, b), b << clz(b));
}

/** a - b. */
export function subtract(aSe: u32, a: u64, bSe: u32, b: u64): void {
  if (isNormal(aSe, a) && isNormal(bSe, b)) return addFinite(aSe & SIGN, aSe & EXP, a, (bSe & SIGN) ^ SIGN, bSe & EXP, b);
  const x = classOf(aSe, a);
  const y = classOf(bSe, b);
  if (x >= QNAN || y >= QNAN) return nanOf2(aSe, a, x, bSe, b, y); // a NaN keeps its sign
  add(aSe, a, bSe ^ SIGN, b);
}

/** Sign of an exact zero sum of values that are not. */
function zeroSign(): u32 {
  return roundingMode() == RC_DOWN ? SIGN : 0;
}

function addFinite(sa: u32, ea: i32, a: u64, sb: u32, eb: i32, b: u64): void {
  if (ea < eb || (ea == eb && a < b)) {
    const s = sa;
    sa = sb;
    sb = s;
    const e = ea;
    ea = eb;
    eb = e;
    const m = a;
    a = b;
    b = m;
  }
  const d = <u32>(ea - eb);
  let lo = shiftedLow(b, d);
  let hi = shiftedHigh(b, d);
  if (sa == sb) {
    hi += a;
    if (hi < a) {
      lo = (lo >> 1) | (lo & 1) | (hi << 63);
      hi = (hi >> 1) | INTEGER;
      ea += 1;
    }
    return roundPack(sa, ea, hi, lo);
  }
  hi = a - hi - <u64>(lo != 0);
  lo = 0 - lo;
  if (hi == 0) {
    if (lo == 0) return setResult(zeroSign(), 0);
    hi = lo;
    lo = 0;
    ea -= 64;
  }
  const s = <i32>clz(hi);
  if (s) {
    hi = (hi << s) | (lo >> (64 - s));
    lo <<= s;
    ea -= s;
  }
  roundPack(sa, ea, hi, lo);
}

/** a * b. */
export function multiply(aSe: u32, a: u64, bSe: u32, b: u64): void {
  if (isNormal(aSe, a) && isNormal(bSe, b)) return multiplyFinite((aSe ^ bSe) & SIGN, (aSe & EXP) + (bSe & EXP), a, b);
  const x = classOf(aSe, a);
  const y = classOf(bSe, b);
  if (x >= QNAN || y >= QNAN) return nanOf2(aSe, a, x, bSe, b, y);
  if ((x == INFINITE && y == ZERO) || (x == ZERO && y == INFINITE)) return invalid();
  noteDenormal2(x, y);
  const sign = (aSe ^ bSe) & SIGN;
  if (x == INFINITE || y == INFINITE) return infinity(sign);
  if (x == ZERO || y == ZERO) return setResult(sign, 0);
  multiplyFinite(sign, normalExponent(aSe, a) + normalExponent(bSe, b), a << clz(a), b << clz(b));
}

function multiplyFinite(sign: u32, e: i32, a: u64, b: u64): void {
  let hi = mulHigh(a, b);
  let lo = a * b;
  e -= BIAS - 1;
  if (<i64>hi >= 0) {
    hi = (hi << 1) | (lo >> 63);
    lo <<= 1;
    e -= 1;
  }
  roundPack(sign, e, hi, lo);
}

/** a / b. */
export function divide(aSe: u32, a: u64, bSe: u32, b: u64): void {
  if (isNormal(aSe, a) && isNormal(bSe, b)) return divideFinite((aSe ^ bSe) & SIGN, <i32>(aSe & EXP) - <i32>(bSe & EXP), a, b);
  const x = classOf(aSe, a);
  const y = classOf(bSe, b);
  if (x >= QNAN || y >= QNAN) return nanOf2(aSe, a, x, bSe, b, y);
  if (x == y && (x == ZERO || x == INFINITE)) return invalid();
  const sign = (aSe ^ bSe) & SIGN;
  if (y == ZERO) {
    if (x != INFINITE) signal(ZE);
    return infinity(sign);
  }
  noteDenormal2(x, y);
  if (x == INFINITE) return infinity(sign);
  if (x == ZERO || y == INFINITE) return setResult(sign, 0);
  divideFinite(sign, normalExponent(aSe, a) - normalExponent(bSe, b), a << clz(a), b << clz(b));
}

function divideFinite(sign: u32, e: i32, a: u64, b: u64): void {
  e += BIAS;
  let q: u64;
  if (a < b) {
    e -= 1;
    q = div128(a, 0, b);
  } else q = div128(a >> 1, a << 63, b);
  const r = remainder;
  // the fraction below the quotient, as less than, equal to or more than one half
  const lo: u64 = r == 0 ? 0 : r > b - r ? INTEGER | 1 : r == b - r ? INTEGER : 1;
  roundPack(sign, e, q, lo);
}

/** Square root of a. */
export function squareRoot(aSe: u32, a: u64): void {
  const x = classOf(aSe, a);
  if (x >= QNAN) return nanOf(aSe, a, x);
  if (x == ZERO) return setResult(aSe, 0);
  if (aSe & SIGN) return invalid();
  if (x == INFINITE) return setResult(aSe, a);
  if (x == DENORMAL) signal(DE);
  const e = normalExponent(aSe, a) - BIAS;
  const m = a << clz(a);
  // an even exponent in front of a radicand of 127 or 128 bits
  let hi = m;
  let lo: u64 = 0;
  if (!(e & 1)) {
    hi = m >> 1;
    lo = m << 63;
  }
  root(hi, lo);
  roundPack(0, (e >> 1) + BIAS, rootValue, rootRest);
}

let rootValue: u64 = 0;
let rootRest: u64 = 0; // fraction below it: 0, below one half, or above (a root is never halfway)

/** floor(sqrt(hi:lo)) for hi >= 2^62, in two 32-bit digits. */
function root(hi: u64, lo: u64): void {
  let s = <u64>sqrt<f64>(<f64>hi);
  if (s > 0xffffffff) s = 0xffffffff;
  while (s * s > hi) s -= 1;
  while (s < 0xffffffff && (s + 1) * (s + 1) <= hi) s += 1;
  const r = hi - s * s; // at most 2s
  // second digit q = floor((r:lo.high) / 2s); r may have 33 bits, so halve numerator and denominator
  const halfHi = (r << 31) | (lo >> 33);
  let q = halfHi / s;
  let u = ((halfHi - q * s) << 1) | ((lo >> 32) & 1); // remainder against 2s
  if (q > 0xffffffff) {
    u += (q - 0xffffffff) * (s << 1);
    q = 0xffffffff;
  }
  // remainder u * 2^32 + low32(lo) - q^2, up to 66 bits and possibly negative
  const low = (u << 32) | (lo & 0xffffffff);
  const q2 = q * q;
  let rest = low - q2;
  let top = <i64>(u >> 32) - <i64>(low < q2);
  let value = (s << 32) + q;
  while (top < 0) {
    value -= 1;
    const step = (value << 1) | 1;
    const carry = (value >> 63) + <u64>(rest + step < rest);
    rest += step;
    top += <i64>carry;
  }
  rootValue = value;
  // rest > value means above the middle: (value + 1/2)^2 = value^2 + value + 1/4
  rootRest = top > 0 || rest > value ? INTEGER | 1 : rest == 0 ? 0 : 1;
}
