// ADD SUB MUL DIV SQRT MIN MAX, ADDSUB and horizontal add and subtract, packed and scalar, single and double. SDM Vol. 2.
// Fast path: the host computes; its result is the architectural one when operands and result are ordinary (lanes.ts) and an inexact
// result changes no flag. Otherwise every lane goes through soft-float.ts.
import { beginFloat, finishFloat, inexactIsFree } from "./mxcsr";
import { signBit, softAdd, softDiv, softMul, softSqrt } from "./soft-float";
import { softMax, softMin } from "./soft-compare";
import { bitsAt, comparables, everyLane, ordinaries, ordinary, putBits, magnitudes, safelyNormal, safelyNormals, zeroes } from "./lanes";

const ADD: u32 = 0;
const SUB: u32 = 1;
const MUL: u32 = 2;
const DIV: u32 = 3;
const SQRT: u32 = 4;
const MIN: u32 = 5;
const MAX: u32 = 6;

function lane<T>(op: u32, a: u64, b: u64): u64 {
  switch (op) {
    case ADD:
      return softAdd<T>(a, b, 0);
    case SUB:
      return softAdd<T>(a, b, signBit<T>());
    case MUL:
      return softMul<T>(a, b);
    case DIV:
      return softDiv<T>(a, b);
    case SQRT:
      return softSqrt<T>(b);
    case MIN:
      return softMin<T>(a, b);
    default:
      return softMax<T>(a, b);
  }
}

function exactScalar<T>(cpu: usize, dst: usize, a: u64, b: u64, op: u32): void {
  beginFloat(cpu);
  const result = lane<T>(op, a, b);
  if (finishFloat(cpu)) putBits<T>(dst, result);
}

/** Lanes one by one; `op` for the even ones, `opOdd` for the odd ones. */
function exactPacked<T>(cpu: usize, dst: usize, a: v128, b: v128, op: u32, opOdd: u32): void {
  beginFloat(cpu);
  let r: v128;
  if (sizeof<T>() == 4) {
    r = i32x4.splat(<i32>lane<T>(op, <u32>i32x4.extract_lane(a, 0), <u32>i32x4.extract_lane(b, 0)));
    r = i32x4.replace_lane(r, 1, <i32>lane<T>(opOdd, <u32>i32x4.extract_lane(a, 1), <u32>i32x4.extract_lane(b, 1)));
    r = i32x4.replace_lane(r, 2, <i32>lane<T>(op, <u32>i32x4.extract_lane(a, 2), <u32>i32x4.extract_lane(b, 2)));
    r = i32x4.replace_lane(r, 3, <i32>lane<T>(opOdd, <u32>i32x4.extract_lane(a, 3), <u32>i32x4.extract_lane(b, 3)));
  } else {
    r = i64x2.splat(lane<T>(op, i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0)));
    r = i64x2.replace_lane(r, 1, lane<T>(opOdd, i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1)));
  }
  if (finishFloat(cpu)) v128.store(dst, r);
}

// -- scalar ------------------------------------------------------------------------------------------------------------------------

// @ts-ignore: decorator
@inline
function addScalar<T>(cpu: usize, dst: usize, src: usize): void {
  const a = load<T>(dst), b = load<T>(src), r = <T>(a + b);
  if (inexactIsFree(cpu) && ordinary<T>(a) && ordinary<T>(b) && ordinary<T>(r)) store<T>(dst, r);
  else exactScalar<T>(cpu, dst, bitsAt<T>(dst), bitsAt<T>(src), ADD);
}
// @ts-ignore: decorator
@inline
function subScalar<T>(cpu: usize, dst: usize, src: usize): void {
  const a = load<T>(dst), b = load<T>(src), r = <T>(a - b);
  if (inexactIsFree(cpu) && ordinary<T>(a) && ordinary<T>(b) && ordinary<T>(r)) store<T>(dst, r);
  else exactScalar<T>(cpu, dst, bitsAt<T>(dst), bitsAt<T>(src), SUB);
}
// @ts-ignore: decorator
@inline
function mulScalar<T>(cpu: usize, dst: usize, src: usize): void {
  const a = load<T>(dst), b = load<T>(src), r = <T>(a * b);
  if (inexactIsFree(cpu) && ordinary<T>(a) && ordinary<T>(b) && (safelyNormal<T>(r) || a == <T>0 || b == <T>0)) store<T>(dst, r);
  else exactScalar<T>(cpu, dst, bitsAt<T>(dst), bitsAt<T>(src), MUL);
}
// @ts-ignore: decorator
@inline
function divScalar<T>(cpu: usize, dst: usize, src: usize): void {
  const a = load<T>(dst), b = load<T>(src), r = <T>(a / b);
  if (inexactIsFree(cpu) && ordinary<T>(a) && ordinary<T>(b) && (safelyNormal<T>(r) || r == a)) store<T>(dst, r);
  else exactScalar<T>(cpu, dst, bitsAt<T>(dst), bitsAt<T>(src), DIV);
}
// @ts-ignore: decorator
@inline
function sqrtScalar<T>(cpu: usize, dst: usize, src: usize): void {
  const x = load<T>(src), r = <T>sqrt<T>(x);
  if (inexactIsFree(cpu) && ordinary<T>(x) && ordinary<T>(r)) store<T>(dst, r);
  else exactScalar<T>(cpu, dst, 0, bitsAt<T>(src), SQRT);
}
// @ts-ignore: decorator
@inline
function minScalar<T>(cpu: usize, dst: usize, src: usize): void {
  const a = load<T>(dst), b = load<T>(src);
  if (ordinary<T>(a) && ordinary<T>(b)) store<T>(dst, a < b ? a : b);
  else exactScalar<T>(cpu, dst, bitsAt<T>(dst), bitsAt<T>(src), MIN);
}
// @ts-ignore: decorator
@inline
function maxScalar<T>(cpu: usize, dst: usize, src: usize): void {
  const a = load<T>(dst), b = load<T>(src);
  if (ordinary<T>(a) && ordinary<T>(b)) store<T>(dst, a > b ? a : b);
  else exactScalar<T>(cpu, dst, bitsAt<T>(dst), bitsAt<T>(src), MAX);
}

// -- packed ------------------------------------------------------------------------------------------------------------------------

/** Both operands ordinary in every lane, and the result normal or an exact zero. */
// @ts-ignore: decorator
@inline
function hostIsRight<T>(cpu: usize, a: v128, b: v128, resultIsFine: v128): bool {
  return inexactIsFree(cpu) && everyLane(v128.and(v128.and(ordinaries<T>(a), ordinaries<T>(b)), resultIsFine));
}
// @ts-ignore: decorator
@inline
function addPacked<T>(cpu: usize, dst: usize, a: v128, b: v128): void {
  const r = sizeof<T>() == 4 ? f32x4.add(a, b) : f64x2.add(a, b);
  if (hostIsRight<T>(cpu, a, b, ordinaries<T>(r))) v128.store(dst, r);
  else exactPacked<T>(cpu, dst, a, b, ADD, ADD);
}
// @ts-ignore: decorator
@inline
function subPacked<T>(cpu: usize, dst: usize, a: v128, b: v128): void {
  const r = sizeof<T>() == 4 ? f32x4.sub(a, b) : f64x2.sub(a, b);
  if (hostIsRight<T>(cpu, a, b, ordinaries<T>(r))) v128.store(dst, r);
  else exactPacked<T>(cpu, dst, a, b, SUB, SUB);
}
/** a - b in the even lanes, a + b in the odd ones. */
// @ts-ignore: decorator
@inline
function addsubPacked<T>(cpu: usize, dst: usize, a: v128, b: v128): void {
  const turned = v128.xor(b, sizeof<T>() == 4 ? i64x2.splat(0x80000000) : i64x2(i64.MIN_VALUE, 0));
  const r = sizeof<T>() == 4 ? f32x4.add(a, turned) : f64x2.add(a, turned);
  if (hostIsRight<T>(cpu, a, b, ordinaries<T>(r))) v128.store(dst, r);
  else exactPacked<T>(cpu, dst, a, b, SUB, ADD);
}
// @ts-ignore: decorator
@inline
function mulPacked<T>(cpu: usize, dst: usize, a: v128, b: v128): void {
  const r = sizeof<T>() == 4 ? f32x4.mul(a, b) : f64x2.mul(a, b);
  const exactZero = v128.or(zeroes<T>(magnitudes<T>(a)), zeroes<T>(magnitudes<T>(b)));
  if (hostIsRight<T>(cpu, a, b, v128.or(safelyNormals<T>(r), exactZero))) v128.store(dst, r);
  else exactPacked<T>(cpu, dst, a, b, MUL, MUL);
}
// @ts-ignore: decorator
@inline
function divPacked<T>(cpu: usize, dst: usize, a: v128, b: v128): void {
  const r = sizeof<T>() == 4 ? f32x4.div(a, b) : f64x2.div(a, b);
  const exactZero = v128.andnot(zeroes<T>(magnitudes<T>(a)), zeroes<T>(magnitudes<T>(b)));
  if (hostIsRight<T>(cpu, a, b, v128.or(safelyNormals<T>(r), exactZero))) v128.store(dst, r);
  else exactPacked<T>(cpu, dst, a, b, DIV, DIV);
}
// @ts-ignore: decorator
@inline
function sqrtPacked<T>(cpu: usize, dst: usize, x: v128): void {
  const r = sizeof<T>() == 4 ? f32x4.sqrt(x) : f64x2.sqrt(x);
  if (hostIsRight<T>(cpu, x, x, ordinaries<T>(r))) v128.store(dst, r);
  else exactPacked<T>(cpu, dst, x, x, SQRT, SQRT);
}
// The host's pmin(y, x) is `x < y ? x : y`, which is MINPS x, y; pmax likewise.
// @ts-ignore: decorator
@inline
function minPacked<T>(cpu: usize, dst: usize, a: v128, b: v128): void {
  if (everyLane(v128.and(comparables<T>(a), comparables<T>(b)))) v128.store(dst, sizeof<T>() == 4 ? f32x4.pmin(b, a) : f64x2.pmin(b, a));
  else exactPacked<T>(cpu, dst, a, b, MIN, MIN);
}
// @ts-ignore: decorator
@inline
function maxPacked<T>(cpu: usize, dst: usize, a: v128, b: v128): void {
  if (everyLane(v128.and(comparables<T>(a), comparables<T>(b)))) v128.store(dst, sizeof<T>() == 4 ? f32x4.pmax(b, a) : f64x2.pmax(b, a));
  else exactPacked<T>(cpu, dst, a, b, MAX, MAX);
}

// -- instructions ------------------------------------------------------------------------------------------------------------------

export function addps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  addPacked<f32>(cpu, dst, v128.load(dst), v128.load(src));
}
export function addpd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  addPacked<f64>(cpu, dst, v128.load(dst), v128.load(src));
}
export function addss(cpu: usize, dst: usize, src: usize, imm: u32): void {
  addScalar<f32>(cpu, dst, src);
}
export function addsd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  addScalar<f64>(cpu, dst, src);
}
export function subps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  subPacked<f32>(cpu, dst, v128.load(dst), v128.load(src));
}
export function subpd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  subPacked<f64>(cpu, dst, v128.load(dst), v128.load(src));
}
export function subss(cpu: usize, dst: usize, src: usize, imm: u32): void {
  subScalar<f32>(cpu, dst, src);
}
export function subsd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  subScalar<f64>(cpu, dst, src);
}
export function mulps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  mulPacked<f32>(cpu, dst, v128.load(dst), v128.load(src));
}
export function mulpd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  mulPacked<f64>(cpu, dst, v128.load(dst), v128.load(src));
}
export function mulss(cpu: usize, dst: usize, src: usize, imm: u32): void {
  mulScalar<f32>(cpu, dst, src);
}
export function mulsd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  mulScalar<f64>(cpu, dst, src);
}
export function divps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  divPacked<f32>(cpu, dst, v128.load(dst), v128.load(src));
}
export function divpd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  divPacked<f64>(cpu, dst, v128.load(dst), v128.load(src));
}
export function divss(cpu: usize, dst: usize, src: usize, imm: u32): void {
  divScalar<f32>(cpu, dst, src);
}
export function divsd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  divScalar<f64>(cpu, dst, src);
}
export function sqrtps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  sqrtPacked<f32>(cpu, dst, v128.load(src));
}
export function sqrtpd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  sqrtPacked<f64>(cpu, dst, v128.load(src));
}
export function sqrtss(cpu: usize, dst: usize, src: usize, imm: u32): void {
  sqrtScalar<f32>(cpu, dst, src);
}
export function sqrtsd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  sqrtScalar<f64>(cpu, dst, src);
}
export function minps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  minPacked<f32>(cpu, dst, v128.load(dst), v128.load(src));
}
export function minpd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  minPacked<f64>(cpu, dst, v128.load(dst), v128.load(src));
}
export function minss(cpu: usize, dst: usize, src: usize, imm: u32): void {
  minScalar<f32>(cpu, dst, src);
}
export function minsd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  minScalar<f64>(cpu, dst, src);
}
export function maxps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  maxPacked<f32>(cpu, dst, v128.load(dst), v128.load(src));
}
export function maxpd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  maxPacked<f64>(cpu, dst, v128.load(dst), v128.load(src));
}
export function maxss(cpu: usize, dst: usize, src: usize, imm: u32): void {
  maxScalar<f32>(cpu, dst, src);
}
export function maxsd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  maxScalar<f64>(cpu, dst, src);
}
export function addsubps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  addsubPacked<f32>(cpu, dst, v128.load(dst), v128.load(src));
}
export function addsubpd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  addsubPacked<f64>(cpu, dst, v128.load(dst), v128.load(src));
}

// The even elements of (dst, src) in the order of the result, and the odd ones.
// @ts-ignore: decorator
@inline
function even32(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
}
// @ts-ignore: decorator
@inline
function odd32(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
}
// @ts-ignore: decorator
@inline
function even64(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
}
// @ts-ignore: decorator
@inline
function odd64(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
}

export function haddps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const a = v128.load(dst), b = v128.load(src);
  addPacked<f32>(cpu, dst, even32(a, b), odd32(a, b));
}
export function haddpd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const a = v128.load(dst), b = v128.load(src);
  addPacked<f64>(cpu, dst, even64(a, b), odd64(a, b));
}
export function hsubps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const a = v128.load(dst), b = v128.load(src);
  subPacked<f32>(cpu, dst, even32(a, b), odd32(a, b));
}
export function hsubpd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const a = v128.load(dst), b = v128.load(src);
  subPacked<f64>(cpu, dst, even64(a, b), odd64(a, b));
}
