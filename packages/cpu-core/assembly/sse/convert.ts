// CVT*: between integers, single and double, in XMM, MMX and general registers. SDM Vol. 2A.
// A fast path is taken under the same conditions as in arith.ts; truncating conversions do not look at the rounding mode.
import { beginFloat, finishFloat, inexactIsFree, inexactIsFreeInAnyMode, RC_ZERO, rounding } from "./mxcsr";
import { softFromInteger, softNarrow, softWiden } from "./soft-float";
import { softToInt32, softToInt64 } from "./soft-round";
import { bitsAt, everyLane, magnitudes, ordinaries, ordinary, putBits, safelyNormal, safelyNormals, zeroes } from "./lanes";
import { putMmx } from "./operands";

// -- packed integers to floating point --------------------------------------------------------------------------------------------

// @ts-ignore: decorator
@inline
function singleOf(value: i32): i32 {
  return <i32>softFromInteger<f32>(value);
}
export function cvtdq2ps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const x = v128.load(src);
  if (inexactIsFree(cpu)) return v128.store(dst, f32x4.convert_i32x4_s(x));
  beginFloat(cpu);
  let r = i32x4.splat(singleOf(i32x4.extract_lane(x, 0)));
  r = i32x4.replace_lane(r, 1, singleOf(i32x4.extract_lane(x, 1)));
  r = i32x4.replace_lane(r, 2, singleOf(i32x4.extract_lane(x, 2)));
  r = i32x4.replace_lane(r, 3, singleOf(i32x4.extract_lane(x, 3)));
  if (finishFloat(cpu)) v128.store(dst, r);
}
export function cvtdq2pd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  v128.store(dst, f64x2.convert_low_i32x4_s(v128.load64_zero(src)));
}
/** CVTPI2PS: the upper half of the register stays. */
export function cvtpi2ps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  beginFloat(cpu);
  const low = <u32>singleOf(load<i32>(src));
  const high = <u32>singleOf(load<i32>(src, 4));
  if (!finishFloat(cpu)) return;
  store<u64>(dst, low | (<u64>high << 32));
}

// -- packed floating point to integers --------------------------------------------------------------------------------------------

function exactToInt32x4(cpu: usize, dst: usize, x: v128, truncate: bool): void {
  beginFloat(cpu);
  const mode = truncate ? RC_ZERO : rounding();
  let r = i32x4.splat(softToInt32<f32>(<u32>i32x4.extract_lane(x, 0), mode));
  r = i32x4.replace_lane(r, 1, softToInt32<f32>(<u32>i32x4.extract_lane(x, 1), mode));
  r = i32x4.replace_lane(r, 2, softToInt32<f32>(<u32>i32x4.extract_lane(x, 2), mode));
  r = i32x4.replace_lane(r, 3, softToInt32<f32>(<u32>i32x4.extract_lane(x, 3), mode));
  if (finishFloat(cpu)) v128.store(dst, r);
}
/** Every magnitude is below 2^31 (so no NaN either). */
// @ts-ignore: decorator
@inline
function fitInt32(x: v128): bool {
  return everyLane(f32x4.lt(f32x4.abs(x), f32x4.splat(2147483648.0)));
}
export function cvtps2dq(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const x = v128.load(src);
  if (inexactIsFree(cpu) && fitInt32(x)) v128.store(dst, i32x4.trunc_sat_f32x4_s(f32x4.nearest(x)));
  else exactToInt32x4(cpu, dst, x, false);
}
export function cvttps2dq(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const x = v128.load(src);
  if (inexactIsFreeInAnyMode(cpu) && fitInt32(x)) v128.store(dst, i32x4.trunc_sat_f32x4_s(x));
  else exactToInt32x4(cpu, dst, x, true);
}

/** Two elements of T at `src` to two 32-bit integers in one u64; the caller has begun. */
// @ts-ignore: decorator
@inline
function pairToInt32<T>(src: usize, mode: u32): u64 {
  const low = softToInt32<T>(bitsAt<T>(src), mode);
  return low | (<u64>softToInt32<T>(bitsAt<T>(src + sizeof<T>()), mode) << 32);
}
// @ts-ignore: decorator
@inline
function pairToXmm<T>(cpu: usize, dst: usize, src: usize, truncate: bool): void {
  beginFloat(cpu);
  const r = pairToInt32<T>(src, truncate ? RC_ZERO : rounding());
  if (finishFloat(cpu)) v128.store(dst, i64x2(r, 0));
}
// @ts-ignore: decorator
@inline
function pairToMmx<T>(cpu: usize, dst: usize, src: usize, truncate: bool): void {
  beginFloat(cpu);
  const r = pairToInt32<T>(src, truncate ? RC_ZERO : rounding());
  if (finishFloat(cpu)) putMmx(dst, r);
}
export function cvtpd2dq(cpu: usize, dst: usize, src: usize, imm: u32): void {
  pairToXmm<f64>(cpu, dst, src, false);
}
export function cvttpd2dq(cpu: usize, dst: usize, src: usize, imm: u32): void {
  pairToXmm<f64>(cpu, dst, src, true);
}
export function cvtps2pi(cpu: usize, dst: usize, src: usize, imm: u32): void {
  pairToMmx<f32>(cpu, dst, src, false);
}
export function cvttps2pi(cpu: usize, dst: usize, src: usize, imm: u32): void {
  pairToMmx<f32>(cpu, dst, src, true);
}
export function cvtpd2pi(cpu: usize, dst: usize, src: usize, imm: u32): void {
  pairToMmx<f64>(cpu, dst, src, false);
}
export function cvttpd2pi(cpu: usize, dst: usize, src: usize, imm: u32): void {
  pairToMmx<f64>(cpu, dst, src, true);
}

// -- single and double ------------------------------------------------------------------------------------------------------------

export function cvtps2pd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const x = v128.load64_zero(src);
  if (everyLane(ordinaries<f32>(x))) return v128.store(dst, f64x2.promote_low_f32x4(x));
  beginFloat(cpu);
  const low = softWiden(<u32>i32x4.extract_lane(x, 0));
  const high = softWiden(<u32>i32x4.extract_lane(x, 1));
  if (finishFloat(cpu)) v128.store(dst, i64x2(low, high));
}
/** Each of the two low lanes' yes or no, twice as wide. */
// @ts-ignore: decorator
@inline
function widened(mask: v128): v128 {
  return i64x2.extend_low_i32x4_s(mask);
}
export function cvtpd2ps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const x = v128.load(src), r = f32x4.demote_f64x2_zero(x);
  const fits = v128.or(widened(safelyNormals<f32>(r)), zeroes<f64>(magnitudes<f64>(x)));
  if (inexactIsFree(cpu) && everyLane(v128.and(ordinaries<f64>(x), fits))) return v128.store(dst, r);
  beginFloat(cpu);
  const low = softNarrow(load<u64>(src));
  const high = softNarrow(load<u64>(src, 8));
  if (finishFloat(cpu)) v128.store(dst, i64x2(low | (high << 32), 0));
}
export function cvtss2sd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const x = load<f32>(src);
  if (ordinary<f32>(x)) return store<f64>(dst, <f64>x);
  beginFloat(cpu);
  const r = softWiden(load<u32>(src));
  if (finishFloat(cpu)) store<u64>(dst, r);
}
export function cvtsd2ss(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const x = load<f64>(src), r = <f32>x;
  if (inexactIsFree(cpu) && ordinary<f64>(x) && (safelyNormal<f32>(r) || x == 0)) return store<f32>(dst, r);
  beginFloat(cpu);
  const exact = softNarrow(load<u64>(src));
  if (finishFloat(cpu)) store<u32>(dst, <u32>exact);
}

// -- general registers ------------------------------------------------------------------------------------------------------------

// @ts-ignore: decorator
@inline
function fromInteger<T>(cpu: usize, dst: usize, value: i64): void {
  const r = <T>value;
  if (inexactIsFree(cpu)) return store<T>(dst, r);
  beginFloat(cpu);
  const exact = softFromInteger<T>(value);
  if (finishFloat(cpu)) putBits<T>(dst, exact);
}
export function cvtsi2ss32(cpu: usize, dst: usize, src: usize, imm: u32): void {
  fromInteger<f32>(cpu, dst, load<i32>(src));
}
export function cvtsi2ss64(cpu: usize, dst: usize, src: usize, imm: u32): void {
  fromInteger<f32>(cpu, dst, load<i64>(src));
}
export function cvtsi2sd64(cpu: usize, dst: usize, src: usize, imm: u32): void {
  fromInteger<f64>(cpu, dst, load<i64>(src));
}

/** Truncation of what fits, when it is exact or PE is free. False: not done. */
// @ts-ignore: decorator
@inline
function truncatedInt32<T>(cpu: usize, dst: usize, src: usize): bool {
  const x = load<T>(src);
  if (!(abs<T>(x) < <T>2147483648.0)) return false;
  const value = <i32>x;
  if (<T>value != x && !inexactIsFreeInAnyMode(cpu)) return false;
  store<u64>(dst, <u32>value);
  return true;
}
// @ts-ignore: decorator
@inline
function scalarToInt32<T>(cpu: usize, dst: usize, src: usize, truncate: bool): void {
  if (truncate && truncatedInt32<T>(cpu, dst, src)) return;
  beginFloat(cpu);
  const r = softToInt32<T>(bitsAt<T>(src), truncate ? RC_ZERO : rounding());
  if (finishFloat(cpu)) store<u64>(dst, r);
}
// @ts-ignore: decorator
@inline
function scalarToInt64<T>(cpu: usize, dst: usize, src: usize, truncate: bool): void {
  beginFloat(cpu);
  const r = softToInt64<T>(bitsAt<T>(src), truncate ? RC_ZERO : rounding());
  if (finishFloat(cpu)) store<u64>(dst, r);
}
export function cvtss2si32(cpu: usize, dst: usize, src: usize, imm: u32): void {
  scalarToInt32<f32>(cpu, dst, src, false);
}
export function cvtss2si64(cpu: usize, dst: usize, src: usize, imm: u32): void {
  scalarToInt64<f32>(cpu, dst, src, false);
}
export function cvttss2si32(cpu: usize, dst: usize, src: usize, imm: u32): void {
  scalarToInt32<f32>(cpu, dst, src, true);
}
export function cvttss2si64(cpu: usize, dst: usize, src: usize, imm: u32): void {
  scalarToInt64<f32>(cpu, dst, src, true);
}
export function cvtsd2si32(cpu: usize, dst: usize, src: usize, imm: u32): void {
  scalarToInt32<f64>(cpu, dst, src, false);
}
export function cvtsd2si64(cpu: usize, dst: usize, src: usize, imm: u32): void {
  scalarToInt64<f64>(cpu, dst, src, false);
}
export function cvttsd2si32(cpu: usize, dst: usize, src: usize, imm: u32): void {
  scalarToInt32<f64>(cpu, dst, src, true);
}
export function cvttsd2si64(cpu: usize, dst: usize, src: usize, imm: u32): void {
  scalarToInt64<f64>(cpu, dst, src, true);
}
