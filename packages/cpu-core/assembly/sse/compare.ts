// CMPccPS/PD/SS/SD, COMISS/SD, UCOMISS/SD. SDM Vol. 2A "CMPPS" Table 3-1; Vol. 2A "COMISS".
import { CF, PF, setStatus, ZF } from "../flags";
import { beginFloat, finishFloat } from "./mxcsr";
import { ORDER_EQUAL, ORDER_GREATER, ORDER_LESS, softCompare, softPredicate } from "./soft-compare";
import { bitsAt, comparables, everyLane, ordinary, putBits } from "./lanes";

function exactPredicates<T>(cpu: usize, dst: usize, a: v128, b: v128, predicate: u32): void {
  beginFloat(cpu);
  let r: v128;
  if (sizeof<T>() == 4) {
    r = i32x4.splat(<i32>softPredicate<T>(<u32>i32x4.extract_lane(a, 0), <u32>i32x4.extract_lane(b, 0), predicate));
    r = i32x4.replace_lane(r, 1, <i32>softPredicate<T>(<u32>i32x4.extract_lane(a, 1), <u32>i32x4.extract_lane(b, 1), predicate));
    r = i32x4.replace_lane(r, 2, <i32>softPredicate<T>(<u32>i32x4.extract_lane(a, 2), <u32>i32x4.extract_lane(b, 2), predicate));
    r = i32x4.replace_lane(r, 3, <i32>softPredicate<T>(<u32>i32x4.extract_lane(a, 3), <u32>i32x4.extract_lane(b, 3), predicate));
  } else {
    r = i64x2.splat(softPredicate<T>(i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0), predicate));
    r = i64x2.replace_lane(r, 1, softPredicate<T>(i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1), predicate));
  }
  if (finishFloat(cpu)) v128.store(dst, r);
}

/** Without NaNs NLT and NLE are plain negations, UNORD and ORD constants. */
// @ts-ignore: decorator
@inline
function comparePacked<T>(cpu: usize, dst: usize, src: usize, predicate: u32): void {
  const a = v128.load(dst), b = v128.load(src);
  if (!everyLane(v128.and(comparables<T>(a), comparables<T>(b)))) return exactPredicates<T>(cpu, dst, a, b, predicate);
  let r = i32x4.splat(0);
  if ((predicate & 3) == 0) r = sizeof<T>() == 4 ? f32x4.eq(a, b) : f64x2.eq(a, b);
  else if ((predicate & 3) == 1) r = sizeof<T>() == 4 ? f32x4.lt(a, b) : f64x2.lt(a, b);
  else if ((predicate & 3) == 2) r = sizeof<T>() == 4 ? f32x4.le(a, b) : f64x2.le(a, b);
  v128.store(dst, predicate & 4 ? v128.not(r) : r);
}
// @ts-ignore: decorator
@inline
function compareScalar<T>(cpu: usize, dst: usize, src: usize, predicate: u32): void {
  const a = load<T>(dst), b = load<T>(src);
  if (ordinary<T>(a) && ordinary<T>(b)) {
    const kind = predicate & 3;
    const holds = kind == 0 ? a == b : kind == 1 ? a < b : kind == 2 && a <= b;
    return putBits<T>(dst, holds != (predicate > 3) ? -1 : 0);
  }
  beginFloat(cpu);
  const r = softPredicate<T>(bitsAt<T>(dst), bitsAt<T>(src), predicate);
  if (finishFloat(cpu)) putBits<T>(dst, r);
}

export function cmpps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  comparePacked<f32>(cpu, dst, src, imm & 7);
}
export function cmppd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  comparePacked<f64>(cpu, dst, src, imm & 7);
}
export function cmpss(cpu: usize, dst: usize, src: usize, imm: u32): void {
  compareScalar<f32>(cpu, dst, src, imm & 7);
}
export function cmpsd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  compareScalar<f64>(cpu, dst, src, imm & 7);
}

/** Greater: none, less: CF, equal: ZF, unordered: ZF PF CF. OF, SF and AF are cleared. */
// @ts-ignore: decorator
@inline
function setOrder(cpu: usize, order: i32): void {
  setStatus(cpu, order == ORDER_GREATER ? 0 : order == ORDER_LESS ? CF : order == ORDER_EQUAL ? ZF : ZF | PF | CF);
}
// @ts-ignore: decorator
@inline
function compareToFlags<T>(cpu: usize, dst: usize, src: usize, quiet: bool): void {
  const a = load<T>(dst), b = load<T>(src);
  if (ordinary<T>(a) && ordinary<T>(b)) return setOrder(cpu, <i32>(a > b) - <i32>(a < b));
  beginFloat(cpu);
  const order = softCompare<T>(bitsAt<T>(dst), bitsAt<T>(src), quiet);
  if (finishFloat(cpu)) setOrder(cpu, order);
}

export function comiss(cpu: usize, dst: usize, src: usize, imm: u32): void {
  compareToFlags<f32>(cpu, dst, src, false);
}
export function comisd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  compareToFlags<f64>(cpu, dst, src, false);
}
export function ucomiss(cpu: usize, dst: usize, src: usize, imm: u32): void {
  compareToFlags<f32>(cpu, dst, src, true);
}
export function ucomisd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  compareToFlags<f64>(cpu, dst, src, true);
}
