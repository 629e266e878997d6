/**
 * The vocabulary of vector instructions: that of Sem, and WebAssembly's own SIMD and floating-point instructions by their names and with their
 * standard meaning (WebAssembly Core Specification §4.3). A value is an integer as in Sem, a whole XMM register, or a float.
 * Readings: text of the interpreter (interp/text-vector.ts) and the translator's expressions (translate/vector-code.ts).
 */
import type { Arithmetic } from "./float-range.js";
import type { FlagEffect, Sem, Width } from "./sem.js";

type Integers = "i8x16" | "i16x8" | "i32x4" | "i64x2";
type Floats = "f32x4" | "f64x2";
/** Lanes of a vector by type; each is also a scalar type without the count. */
export type FloatType = "f32" | "f64";

/** Instructions that make a vector of one to three vectors. */
export type VectorOp =
  | `v128.${"not" | "and" | "andnot" | "or" | "xor" | "bitselect"}`
  | "i8x16.swizzle"
  | `${Integers}.${"eq" | "gt_s" | "lt_s" | "abs" | "add" | "sub"}`
  | `${"i8x16" | "i16x8"}.${"add_sat_s" | "add_sat_u" | "sub_sat_s" | "sub_sat_u" | "avgr_u"}`
  | `${"i8x16" | "i16x8" | "i32x4"}.${"min_s" | "min_u" | "max_s" | "max_u"}`
  | `${"i16x8" | "i32x4"}.mul`
  | `i8x16.narrow_i16x8_${"s" | "u"}`
  | `i16x8.narrow_i32x4_${"s" | "u"}`
  | `i16x8.extend_low_i8x16_${"s" | "u"}`
  | `i32x4.extend_low_i16x8_${"s" | "u"}`
  | `i64x2.extend_low_i32x4_${"s" | "u"}`
  | `i32x4.extmul_${"low" | "high"}_i16x8_${"s" | "u"}`
  | `i64x2.extmul_low_i32x4_${"s" | "u"}`
  | "i16x8.extadd_pairwise_i8x16_u"
  | "i32x4.extadd_pairwise_i16x8_u"
  | "i32x4.dot_i16x8_s"
  | "i16x8.q15mulr_sat_s"
  | `${Floats}.${"add" | "sub" | "mul" | "div" | "sqrt" | "pmin" | "pmax" | "eq" | "lt" | "le" | "abs" | "nearest" | "floor" | "ceil" | "trunc"}`
  | "f32x4.convert_i32x4_s"
  | "f64x2.convert_low_i32x4_s"
  | "f64x2.promote_low_f32x4"
  | "f32x4.demote_f64x2_zero"
  | "i32x4.trunc_sat_f32x4_s"
  | "i32x4.trunc_sat_f64x2_s_zero";

/** Instructions that shift each lane by a number modulo its width. */
export type VectorShift = `${Integers}.${"shl" | "shr_u"}` | `${Integers}.shr_s`;
/** Instructions that make an integer of a vector: a bit a lane, or 0 or 1. */
export type VectorSummary = `${Integers}.${"bitmask" | "all_true"}` | "v128.any_true";
/** Instructions that make a float of one or two floats. */
export type FloatOp = `${FloatType}.${"add" | "sub" | "mul" | "div" | "sqrt" | "abs" | "nearest" | "floor" | "ceil" | "trunc"}`;
/** Comparisons of two floats, giving 0 or 1. */
export type FloatCompare = `${FloatType}.${"eq" | "lt" | "le"}`;
/** Conversions between a 64-bit integer and a float, and between floats; to an integer by truncation, with saturation. */
export type FloatConversion = `${FloatType}.convert_i64_s` | `i64.trunc_sat_${FloatType}_s` | "f32.demote_f64" | "f64.promote_f32";

/** What a reading can know of a float or a vector: that the number, or each lane, is normal or zero. */
export type Ordinary = FloatType | Floats;

export interface VectorSem<V> extends Sem<V> {
  vector(op: VectorOp, ...operands: V[]): V;
  vectorShift(op: VectorShift, a: V, count: V): V;
  summary(op: VectorSummary, a: V): V;
  /** The 16 bytes of two 64-bit integers, the lower ones first. */
  halves(low: V, high: V): V;
  /** The same integer of `bits` in every lane. */
  splat(bits: Width, value: V): V;
  /** Byte i is byte `lanes[i]` of the 32 bytes of a, then b. */
  shuffle(a: V, b: V, lanes: readonly number[]): V;
  /** The same by the bytes of a vector; a byte of 32 or more gives zero. */
  permute(a: V, b: V, control: V): V;
  /** Lane number `index` of width `bits`, zero-extended. */
  lane(a: V, bits: Width, index: number): V;
  withLane(a: V, bits: Width, index: number, value: V): V;
  selectVector(condition: V, ifTrue: V, ifFalse: V): V;
  /** Names a vector or a float that is used more than once. */
  name(a: V): V;

  /** The lowest lane as a float. */
  float(type: FloatType, a: V): V;
  withFloat(type: FloatType, a: V, value: V): V;
  floatOp(op: FloatOp, ...operands: V[]): V;
  floatCompare(op: FloatCompare, a: V, b: V): V;
  convert(op: FloatConversion, a: V): V;
  selectFloat(condition: V, ifTrue: V, ifFalse: V): V;
  /** The bits of a float, zero-extended. */
  floatBits(type: FloatType, a: V): V;
  floatConstant(type: FloatType, value: number): V;

  /** 1 when `first` is, else what `otherwise` says, which is then not asked for. */
  orElse(first: V, otherwise: () => V): V;
  /** 1 when MXCSR (SDM Vol. 1 §10.2.3), masked with `mask`, is `value`. */
  mxcsrIs(mask: number, value: number): V;
  /** MXCSR.PE: an inexact result leaves no trace. */
  inexactIsSet(): V;
  /** True when this reading knows that the value is normal or zero (each lane of it). */
  isOrdinary(type: Ordinary, a: V): boolean;
  /** True when this reading has seen to it that the values are normal or zero (each lane of them). */
  ensureOrdinary(type: Ordinary, values: readonly V[]): boolean;
  /** What is left to hold for `result` to be right but for PE, when this reading knows so by ranges (float-range.ts). */
  withinRange(type: Ordinary, operation: Arithmetic, operands: readonly V[], result: V): V | undefined;
  /** The first vector register, which some blends imply. */
  xmm0(): V;
}

/** What a vector instruction does. */
export interface VectorEffect<V> {
  /** The written operand: a vector for a vector operand, else an integer. */
  readonly out?: V;
  /** Flags, as after an operation of 32 bits. */
  readonly flags?: FlagEffect<V>;
  /** When this is zero nothing of the above holds, and the entry's exact function does the instruction. */
  readonly sound?: V;
  /** What is known of `out` when it is sound. */
  readonly ordinary?: Ordinary;
}
