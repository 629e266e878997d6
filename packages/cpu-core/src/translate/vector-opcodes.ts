/** WebAssembly's vector and floating-point instructions by name: their opcodes, prefix byte above. Core Specification §5.4.8, §5.4.7. */
import type { FloatCompare, FloatConversion, FloatOp, VectorOp, VectorShift, VectorSummary } from "../isa/vector-sem.js";

const SIMD = 0xfd00;

/** Those with immediates or on memory. */
export enum Vector {
  load = 0xfd00,
  store = 0xfd0b,
  constant = 0xfd0c,
  shuffle = 0xfd0d,
  swizzle = 0xfd0e,
  load32Zero = 0xfd5c,
  load64Zero = 0xfd5d,
  f32Constant = 0x43,
  f64Constant = 0x44,
}

export const isVectorLoad = (op: number): boolean => op === Vector.load || op === Vector.load32Zero || op === Vector.load64Zero;

/** By lane width. */
export const SPLAT: Readonly<Record<number, number>> = { 8: SIMD | 0x0f, 16: SIMD | 0x10, 32: SIMD | 0x11, 64: SIMD | 0x12 };
export const EXTRACT: Readonly<Record<number, number>> = { 8: SIMD | 0x16, 16: SIMD | 0x19, 32: SIMD | 0x1b, 64: SIMD | 0x1d };
export const REPLACE: Readonly<Record<number, number>> = { 8: SIMD | 0x17, 16: SIMD | 0x1a, 32: SIMD | 0x1c, 64: SIMD | 0x1e };
export const FLOAT_EXTRACT = { f32: SIMD | 0x1f, f64: SIMD | 0x21 } as const;
export const FLOAT_REPLACE = { f32: SIMD | 0x20, f64: SIMD | 0x22 } as const;
export const REINTERPRET = { f32: 0xbc, f64: 0xbd } as const;

const LANES = new Set<number>([EXTRACT, REPLACE, FLOAT_EXTRACT, FLOAT_REPLACE].flatMap((table) => Object.values(table)));
/** Does a lane number follow? */
export const takesLane = (op: number): boolean => LANES.has(op);

type Lanes = "i8x16" | "i16x8" | "i32x4" | "i64x2" | "f32x4" | "f64x2";
/** `names` of `lanes` at consecutive opcodes from `first`; "-" leaves a gap. */
const run = (lanes: Lanes, first: number, names: string): [string, number][] =>
  names
    .split(" ")
    .map((name, i): [string, number] => [`${lanes}.${name}`, SIMD | (first + i)])
    .filter(([name]) => !name.endsWith("-"));

const comparisons = (lanes: Lanes, first: number): [string, number][] => run(lanes, first, "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u");

export const VECTOR_OPS = Object.fromEntries([
  ["v128.not", SIMD | 0x4d],
  ["v128.and", SIMD | 0x4e],
  ["v128.andnot", SIMD | 0x4f],
  ["v128.or", SIMD | 0x50],
  ["v128.xor", SIMD | 0x51],
  ["v128.bitselect", SIMD | 0x52],
  ["v128.any_true", SIMD | 0x53],
  ["i8x16.swizzle", Vector.swizzle],
  ...comparisons("i8x16", 0x23),
  ...comparisons("i16x8", 0x2d),
  ...comparisons("i32x4", 0x37),
  ...run("f32x4", 0x41, "eq ne lt gt le ge"),
  ...run("f64x2", 0x47, "eq ne lt gt le ge"),
  ...run("f32x4", 0x5e, "demote_f64x2_zero"),
  ...run("f64x2", 0x5f, "promote_low_f32x4"),
  ...run("i8x16", 0x60, "abs neg popcnt all_true bitmask narrow_i16x8_s narrow_i16x8_u"),
  ...run("f32x4", 0x67, "ceil floor trunc nearest"),
  ...run("i8x16", 0x6b, "shl shr_s shr_u add add_sat_s add_sat_u sub sub_sat_s sub_sat_u"),
  ...run("f64x2", 0x74, "ceil floor"),
  ...run("i8x16", 0x76, "min_s min_u max_s max_u"),
  ...run("f64x2", 0x7a, "trunc"),
  ...run("i8x16", 0x7b, "avgr_u"),
  ...run("i16x8", 0x7c, "extadd_pairwise_i8x16_s extadd_pairwise_i8x16_u"),
  ...run("i32x4", 0x7e, "extadd_pairwise_i16x8_s extadd_pairwise_i16x8_u"),
  ...run("i16x8", 0x80, "abs neg q15mulr_sat_s all_true bitmask narrow_i32x4_s narrow_i32x4_u extend_low_i8x16_s - extend_low_i8x16_u -"),
  ...run("i16x8", 0x8b, "shl shr_s shr_u add add_sat_s add_sat_u sub sub_sat_s sub_sat_u"),
  ...run("f64x2", 0x94, "nearest"),
  ...run("i16x8", 0x95, "mul min_s min_u max_s max_u - avgr_u"),
  ...run("i32x4", 0xa0, "abs neg - all_true bitmask - - extend_low_i16x8_s - extend_low_i16x8_u - shl shr_s shr_u add - - sub - - - mul"),
  ...run("i32x4", 0xb6, "min_s min_u max_s max_u dot_i16x8_s -"),
  ...run("i32x4", 0xbc, "extmul_low_i16x8_s extmul_high_i16x8_s extmul_low_i16x8_u extmul_high_i16x8_u"),
  ...run("i64x2", 0xc0, "abs neg - all_true bitmask - - extend_low_i32x4_s - extend_low_i32x4_u - shl shr_s shr_u add - - sub - - - mul"),
  ...run("i64x2", 0xd6, "eq ne lt_s gt_s le_s ge_s extmul_low_i32x4_s - extmul_low_i32x4_u -"),
  ...run("f32x4", 0xe0, "abs neg - sqrt add sub mul div min max pmin pmax"),
  ...run("f64x2", 0xec, "abs neg - sqrt add sub mul div min max pmin pmax"),
  ...run("i32x4", 0xf8, "trunc_sat_f32x4_s"),
  ...run("f32x4", 0xfa, "convert_i32x4_s"),
  ...run("i32x4", 0xfc, "trunc_sat_f64x2_s_zero"),
  ...run("f64x2", 0xfe, "convert_low_i32x4_s"),
]) as Readonly<Record<VectorOp | VectorShift | VectorSummary, number>>;

const scalars = (names: string, f32: number, f64: number): [string, number][] =>
  names.split(" ").flatMap((name, i): [string, number][] => [
    [`f32.${name}`, f32 + i],
    [`f64.${name}`, f64 + i],
  ]);

export const FLOAT_OPS = Object.fromEntries([
  ...scalars("eq ne lt gt le ge", 0x5b, 0x61),
  ...scalars("abs neg ceil floor trunc nearest sqrt add sub mul div", 0x8b, 0x99),
  ["f32.convert_i64_s", 0xb4],
  ["f64.convert_i64_s", 0xb9],
  ["f32.demote_f64", 0xb6],
  ["f64.promote_f32", 0xbb],
  ["i64.trunc_sat_f32_s", 0xfc04],
  ["i64.trunc_sat_f64_s", 0xfc06],
]) as Readonly<Record<FloatOp | FloatCompare | FloatConversion, number>>;
