// ROUNDPS/PD/SS/SD (imm8: bits 0-1 mode, bit 2 takes MXCSR's, bit 3 suppresses PE) and the dot products DPPS, DPPD. SDM Vol. 2A, 2B.
import { beginFloat, finishFloat, inexactIsFreeInAnyMode, rounding } from "./mxcsr";
import { softAdd, softMul } from "./soft-float";
import { integral, softRound } from "./soft-round";
import { bitsAt, ordinary, putBits } from "./lanes";

// @ts-ignore: decorator
@inline
function modeOf(imm: u32): u32 {
  return imm & 4 ? rounding() : imm & 3;
}
// @ts-ignore: decorator
@inline
function roundScalar<T>(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const x = load<T>(src);
  if (!(imm & 4) && ordinary<T>(x) && (imm & 8 || inexactIsFreeInAnyMode(cpu))) return store<T>(dst, integral<T>(x, imm & 3));
  beginFloat(cpu);
  const r = softRound<T>(bitsAt<T>(src), modeOf(imm), !(imm & 8));
  if (finishFloat(cpu)) putBits<T>(dst, r);
}
export function roundss(cpu: usize, dst: usize, src: usize, imm: u32): void {
  roundScalar<f32>(cpu, dst, src, imm);
}
export function roundsd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  roundScalar<f64>(cpu, dst, src, imm);
}
export function roundps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  beginFloat(cpu);
  const mode = modeOf(imm), inexact = !(imm & 8);
  const r0 = softRound<f32>(load<u32>(src), mode, inexact);
  const r1 = softRound<f32>(load<u32>(src, 4), mode, inexact);
  const r2 = softRound<f32>(load<u32>(src, 8), mode, inexact);
  const r3 = softRound<f32>(load<u32>(src, 12), mode, inexact);
  if (finishFloat(cpu)) v128.store(dst, i64x2(r0 | (r1 << 32), r2 | (r3 << 32)));
}
export function roundpd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  beginFloat(cpu);
  const mode = modeOf(imm), inexact = !(imm & 8);
  const low = softRound<f64>(load<u64>(src), mode, inexact);
  const high = softRound<f64>(load<u64>(src, 8), mode, inexact);
  if (finishFloat(cpu)) v128.store(dst, i64x2(low, high));
}

// imm8 bits 4-7 choose the products, the others count as +0; bits 0-3 choose where the sum goes. Each step rounds and may fault by itself.

// @ts-ignore: decorator
@inline
function product<T>(a: usize, b: usize, offset: usize, chosen: u32): u64 {
  return chosen ? softMul<T>(bitsAt<T>(a + offset), bitsAt<T>(b + offset)) : 0;
}
export function dpps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  beginFloat(cpu);
  const p0 = product<f32>(dst, src, 0, imm & 16), p1 = product<f32>(dst, src, 4, imm & 32);
  const p2 = product<f32>(dst, src, 8, imm & 64), p3 = product<f32>(dst, src, 12, imm & 128);
  if (!finishFloat(cpu)) return;
  beginFloat(cpu);
  const low = softAdd<f32>(p0, p1, 0), high = softAdd<f32>(p2, p3, 0);
  if (!finishFloat(cpu)) return;
  beginFloat(cpu);
  const sum = softAdd<f32>(low, high, 0);
  if (!finishFloat(cpu)) return;
  store<u32>(dst, imm & 1 ? <u32>sum : 0);
  store<u32>(dst, imm & 2 ? <u32>sum : 0, 4);
  store<u32>(dst, imm & 4 ? <u32>sum : 0, 8);
  store<u32>(dst, imm & 8 ? <u32>sum : 0, 12);
}
export function dppd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  beginFloat(cpu);
  const p0 = product<f64>(dst, src, 0, imm & 16), p1 = product<f64>(dst, src, 8, imm & 32);
  if (!finishFloat(cpu)) return;
  beginFloat(cpu);
  const sum = softAdd<f64>(p0, p1, 0);
  if (finishFloat(cpu)) v128.store(dst, i64x2(imm & 1 ? sum : 0, imm & 2 ? sum : 0));
}
