// FSIN, FCOS, FSINCOS, FPTAN and FPATAN (SDM Vol. 1 section 8.3.8). As in the hardware, arguments are reduced by a pi of 66 bits, exactly,
// and from 2^63 on C2 is set instead. Results are rounded by RC to 64 bits.
import { FSW } from "../../src/layout";
import { classOf, DENORMAL, INFINITE, nanOf, nanOf2, normalExponent, noteDenormal2, QNAN, ZERO } from "./classify";
import { alternating, divWide, mulFraction, normalize, setWide, shiftRight, timesLess, toFraction, xe, xh, xl } from "./fixed";
import { roundFull } from "./round";
import { begin1, begin2, isEmpty, mOf, pop, push, seOf, settle, st } from "./stack";
import {
  BIAS, C1, C2, DE, EXP, IE, INTEGER, invalid, NAN_M, NAN_SE, rM, rSe, setExc, setResult, SF, SIGN, signal,
} from "./state";
import { ATAN, COS, ODD, PI_HI, PI_LO, SIN } from "./tables";
import { div128, mulHigh } from "./wide";

/** floor(pi * 2^64), the hardware's pi: upper 64 of its 66 bits, and the rest. */
const PI66_TOP: u64 = 0xc90fdaa22168c234;
const PI66_HI: u64 = 3;
const PI66_LO: u64 = 0x243f6a8885a308d3;

// what the reduction leaves: |x| = quadrant * pi/2 + r
let quadrant: u32 = 0;
let rSign: u32 = 0;
let rE: i32 = 0;
let rHi: u64 = 0;
let rLo: u64 = 0;
let zHi: u64 = 0; // r squared, a fraction
let zLo: u64 = 0;

/** Reduces a magnitude below 2^63 to |r| <= pi/4. */
function reduceAngle(e: i32, m: u64): void {
  quadrant = 0;
  rSign = 0;
  setWide(e, m, 0);
  if (e > BIAS - 1 || (e == BIAS - 1 && m > PI66_TOP)) {
    // in units of 2^-65 the argument is the 128-bit integer n, and pi/2 the 66-bit one
    const k = e - BIAS + 2;
    let hi = k == 64 ? m : m >> (64 - k);
    let lo: u64 = k == 64 ? 0 : m << k;
    let q = div128(hi >> 2, (hi << 62) | (lo >> 2), PI66_TOP);
    // n - q * pi/2; the quotient by the upper 64 bits is at most one too large
    const ph = mulHigh(q, PI66_LO) + q * PI66_HI;
    const pl = q * PI66_LO;
    hi = hi - ph - <u64>(lo < pl);
    lo -= pl;
    if (<i64>hi < 0) {
      q -= 1;
      lo += PI66_LO;
      hi += PI66_HI + <u64>(lo < PI66_LO);
    }
    // to the nearest multiple
    const oh = PI66_HI - hi - <u64>(PI66_LO < lo);
    const ol = PI66_LO - lo;
    if (hi > oh || (hi == oh && lo > ol)) {
      q += 1;
      rSign = SIGN;
      hi = oh;
      lo = ol;
    }
    quadrant = <u32>q & 3;
    setWide(BIAS + 127 - 65, hi, lo);
    normalize();
  }
  rE = xe;
  rHi = xh;
  rLo = xl;
  toFraction();
  mulFraction(xh, xl, xh, xl);
  zHi = xh;
  zLo = xl;
}

/** Accumulator = sin r. */
function sinReduced(): void {
  alternating(SIN, 11, zHi, zLo);
  mulFraction(zHi, zLo, xh, xl);
  timesLess(rE, rHi, rLo, xh, xl);
}

/** Accumulator = cos r, always a little below one. */
function cosReduced(): void {
  alternating(COS, 11, zHi, zLo);
  mulFraction(zHi, zLo, xh, xl);
  setWide(BIAS - 1, ~xh, ~xl);
  normalize();
}

/** Result = sine of the reduced angle plus `quarters` quarter turns, for an argument of sign `sign`. */
function sineOf(quarters: u32, sign: u32): void {
  const n = quadrant + quarters;
  if (n & 1) cosReduced();
  else {
    sinReduced();
    sign ^= rSign;
  }
  roundFull(n & 2 ? sign ^ SIGN : sign, xe, xh, xl | 1);
}

/** Whether the argument is a number to compute with; otherwise the result is there already. `zero` says what a zero argument gives. */
function angle(se: u32, m: u64, zeroSe: u32, zeroM: u64): bool {
  const kind = classOf(se, m);
  if (kind >= QNAN) nanOf(se, m, kind);
  else if (kind == INFINITE) invalid();
  else if (kind == ZERO) setResult(zeroSe, zeroM);
  else {
    if (kind == DENORMAL) signal(DE);
    reduceAngle(normalExponent(se, m), m << clz(m));
    return true;
  }
  return false;
}

/** Whether ST(0) is a finite number of 2^63 or more; if so C2 is set and the instruction is over. */
function outOfRange(cpu: usize): bool {
  const e = seOf(st(cpu, 0)) & EXP;
  if (e < <u32>BIAS + 63 || e == EXP || <i64>mOf(st(cpu, 0)) >= 0) return false;
  store<u32>(cpu, (load<u32>(cpu, FSW) & ~C1) | C2, FSW);
  return true;
}

/** Ends an instruction that was in range: the result goes to ST(0). */
function settleInRange(cpu: usize): bool {
  store<u32>(cpu, load<u32>(cpu, FSW) & ~C2, FSW);
  return settle(cpu, 0);
}

/** FSIN. */
export function x87Fsin(cpu: usize, i: u32): void {
  if (begin1(cpu, 0)) {
    if (outOfRange(cpu)) return;
    const se = seOf(st(cpu, 0));
    if (angle(se, mOf(st(cpu, 0)), se, 0)) sineOf(0, se & SIGN);
  }
  settleInRange(cpu);
}

/** FCOS. */
export function x87Fcos(cpu: usize, i: u32): void {
  if (begin1(cpu, 0)) {
    if (outOfRange(cpu)) return;
    if (angle(seOf(st(cpu, 0)), mOf(st(cpu, 0)), BIAS, INTEGER)) sineOf(1, 0);
  }
  settleInRange(cpu);
}

/** Starts FSINCOS and FPTAN, which also push; false with the default NaN as result after a stack fault. */
function beginBoth(cpu: usize): bool {
  if (!begin1(cpu, 0)) return false;
  if (isEmpty(cpu, 7)) return true;
  setExc(IE | SF | C1);
  setResult(NAN_SE, NAN_M);
  return false;
}

/** FSINCOS: the sine replaces ST(0), then the cosine is pushed. */
export function x87Fsincos(cpu: usize, i: u32): void {
  const ready = beginBoth(cpu);
  if (ready && outOfRange(cpu)) return;
  let cosSe = NAN_SE;
  let cosM = NAN_M;
  if (ready) {
    const se = seOf(st(cpu, 0));
    const m = mOf(st(cpu, 0));
    if (angle(se, m, BIAS, INTEGER)) {
      sineOf(1, 0);
      cosSe = rSe;
      cosM = rM;
      sineOf(0, se & SIGN);
    } else {
      cosSe = rSe;
      cosM = rM;
      if (m == 0 && (se & EXP) == 0) setResult(se, 0);
    }
  }
  if (settleInRange(cpu)) push(cpu, cosSe, cosM);
}

/** FPTAN: the tangent replaces ST(0), then 1.0 is pushed. */
export function x87Fptan(cpu: usize, i: u32): void {
  const ready = beginBoth(cpu);
  if (ready && outOfRange(cpu)) return;
  let oneSe = NAN_SE;
  let oneM = NAN_M;
  if (ready) {
    const se = seOf(st(cpu, 0));
    const m = mOf(st(cpu, 0));
    const kind = classOf(se, m);
    if (angle(se, m, se, 0)) tangent(se & SIGN);
    if (kind < INFINITE) {
      oneSe = BIAS;
      oneM = INTEGER;
    } else {
      oneSe = rSe;
      oneM = rM;
    }
  }
  if (settleInRange(cpu)) push(cpu, oneSe, oneM);
}

/** Result = tangent of the reduced angle, for an argument of sign `sign`. */
function tangent(sign: u32): void {
  cosReduced();
  const ce = xe;
  const ch = xh;
  const cl = xl;
  sinReduced();
  if (quadrant & 1) {
    divWide(ce, ch, cl, xe, xh, xl);
    sign ^= SIGN;
  } else divWide(xe, xh, xl, ce, ch, cl);
  roundFull(sign ^ rSign, xe, xh, xl | 1);
}

/** FPATAN: the angle of the point (ST(0), ST(1)) replaces ST(1), then pop. */
export function x87Fpatan(cpu: usize, i: u32): void {
  if (begin2(cpu, 1)) arcTangent(seOf(st(cpu, 1)), mOf(st(cpu, 1)), seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  if (settle(cpu, 1)) pop(cpu);
}

/** `quarters` quarter turns of pi/4 with `sign`. */
function eighths(sign: u32, count: u64): void {
  mulEighths(count);
  roundFull(sign, xe, xh, xl);
}

/** Accumulator = count * pi/4, count 1 to 4. */
function mulEighths(count: u64): void {
  // pi/4 as a fraction with two zero bits in front
  const hi = PI_HI >> 2;
  const lo = (PI_LO >> 2) | (PI_HI << 62);
  setWide(BIAS + 1, hi * count + mulHigh(lo, count), lo * count);
  normalize();
}

function arcTangent(ySe: u32, y: u64, xSe: u32, x: u64): void {
  const a = classOf(ySe, y);
  const b = classOf(xSe, x);
  if (a >= QNAN || b >= QNAN) return nanOf2(ySe, y, a, xSe, x, b);
  noteDenormal2(a, b);
  const sign = ySe & SIGN;
  const left = (xSe & SIGN) != 0;
  if (a == INFINITE) return eighths(sign, b == INFINITE ? (left ? 3 : 1) : 2);
  if (b == INFINITE || a == ZERO) {
    if (left) return eighths(sign, 4);
    return setResult(sign, 0);
  }
  if (b == ZERO) return eighths(sign, 2);
  const ye = normalExponent(ySe, y);
  const xe_ = normalExponent(xSe, x);
  y <<= clz(y);
  x <<= clz(x);
  const steep = ye > xe_ || (ye == xe_ && y > x);
  if (steep) slopeAngle(xe_, x, ye, y);
  else slopeAngle(ye, y, xe_, x);
  if (!steep && !left) return roundFull(sign, xe, xh, xl | 1);
  // pi/2 - angle, pi/2 + angle or pi - angle, with two integer bits
  shiftRight(xh, xl, min(BIAS + 1 - xe, 128));
  const h = xh;
  const l = xl;
  const count: u64 = steep ? 2 : 4;
  const ph = (PI_HI >> 2) * count + mulHigh((PI_LO >> 2) | (PI_HI << 62), count);
  const pl = ((PI_LO >> 2) | (PI_HI << 62)) * count;
  if (steep && left) setWide(BIAS + 1, ph + h + <u64>(pl + l < pl), pl + l);
  else setWide(BIAS + 1, ph - h - <u64>(pl < l), pl - l);
  normalize();
  roundFull(sign, xe, xh, xl | 1);
}

/** Accumulator = atan(a / b) for 0 < a <= b: angle of the nearest k/16 plus the series of what is left. */
function slopeAngle(ae: i32, a: u64, be: i32, b: u64): void {
  const d = be - ae;
  // 16a/b to the nearest integer, from the upper 32 bits
  const k: u64 = d > 5 ? 0 : ((a >> 27) / ((b >> 32) << d) + 1) >> 1;
  if (k == 0) {
    divWide(ae, a, 0, be, b, 0);
    const e = xe;
    const h = xh;
    const l = xl;
    oddSeries();
    timesLess(e, h, l, xh, xl);
    return;
  }
  // (16a - kb) / (16b + ka) with b = b << d
  const bh = d == 0 ? 0 : b >> (64 - d);
  const bl = b << d;
  const kbh = bh * k + mulHigh(bl, k);
  const kbl = bl * k;
  let nh = (a >> 60) - kbh - <u64>(a << 4 < kbl);
  let nl = (a << 4) - kbl;
  const below = <i64>nh < 0;
  if (below) {
    nl = 0 - nl;
    nh = ~nh + <u64>(nl == 0);
  }
  const table = ATAN + (<usize>k << 4);
  if ((nh | nl) == 0) {
    setWide(BIAS - 1, load<u64>(table), load<u64>(table, 8));
    return normalize();
  }
  const kal = a * k;
  const sl = (bl << 4) + kal;
  const sh = (bh << 4) + (bl >> 60) + mulHigh(a, k) + <u64>(sl < kal);
  setWide(BIAS, sh, sl);
  normalize();
  const de = xe;
  const dh = xh;
  const dl = xl;
  setWide(BIAS, nh, nl);
  normalize();
  divWide(xe, xh, xl, de, dh, dl);
  const e = xe;
  const h = xh;
  const l = xl;
  oddSeries();
  timesLess(e, h, l, xh, xl);
  toFraction();
  const th = load<u64>(table);
  const tl = load<u64>(table, 8);
  if (below) setWide(BIAS - 1, th - xh - <u64>(tl < xl), tl - xl);
  else setWide(BIAS - 1, th + xh + <u64>(tl + xl < tl), tl + xl);
  normalize();
}

/** (xh, xl) = t^2/3 - t^4/5 + ... for the accumulator t, at most 1/32 or so. */
function oddSeries(): void {
  toFraction();
  mulFraction(xh, xl, xh, xl);
  const h = xh;
  const l = xl;
  alternating(ODD, 9, h, l);
  mulFraction(h, l, xh, xl);
}
