// Integer vector operations that WebAssembly lacks, as functions of vectors; both register widths use them. SDM Vol. 2.

/** Bytes 0..15: the identity control of a swizzle, from which variable shuffles are made. A control byte of 16 or more gives zero. */
// @ts-ignore: decorator
@inline
export function identity(): v128 {
  return i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
/** `v` moved right by `count` bytes (0-16), zeroes coming in; left when negative (down to -16). */
// @ts-ignore: decorator
@inline
export function moveBytes(v: v128, count: i32): v128 {
  return i8x16.swizzle(v, i8x16.add(identity(), i8x16.splat(<i8>count)));
}
/** Byte i of the result is byte control[i] of the 32 bytes of `a`, then `b`; zero for 32 and more. */
// @ts-ignore: decorator
@inline
export function permuteBytes(a: v128, b: v128, control: v128): v128 {
  return v128.or(i8x16.swizzle(a, control), i8x16.swizzle(b, i8x16.sub(control, i8x16.splat(16))));
}
/** Low half of `low` with the low half of `high` above it. */
// @ts-ignore: decorator
@inline
export function joinHalves(low: v128, high: v128): v128 {
  return i8x16.shuffle(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
}

// -- unpack ------------------------------------------------------------------------------------------------------------------------

// @ts-ignore: decorator
@inline
export function unpackLowBytes(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
// @ts-ignore: decorator
@inline
export function unpackLowWords(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23);
}
// @ts-ignore: decorator
@inline
export function unpackLowDwords(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
}

// -- multiply ----------------------------------------------------------------------------------------------------------------------

// @ts-ignore: decorator
@inline
function upperWords(low: v128, high: v128): v128 {
  return i8x16.shuffle(low, high, 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31);
}
/** PMULHW. */
// @ts-ignore: decorator
@inline
export function multiplyHighS(a: v128, b: v128): v128 {
  return upperWords(i32x4.extmul_low_i16x8_s(a, b), i32x4.extmul_high_i16x8_s(a, b));
}
/** PMULHUW. */
// @ts-ignore: decorator
@inline
export function multiplyHighU(a: v128, b: v128): v128 {
  return upperWords(i32x4.extmul_low_i16x8_u(a, b), i32x4.extmul_high_i16x8_u(a, b));
}
/** PMULHRSW: as the host's Q15 product, but (-1) * (-1) wraps instead of saturating. */
// @ts-ignore: decorator
@inline
export function multiplyRounded(a: v128, b: v128): v128 {
  const r = i16x8.q15mulr_sat_s(a, b);
  const lowest = i16x8.splat(i16.MIN_VALUE);
  return v128.xor(r, v128.and(i16x8.eq(a, lowest), i16x8.eq(b, lowest)));
}
/** PMADDUBSW: unsigned bytes of `a` times signed bytes of `b`, neighbours added with saturation. */
// @ts-ignore: decorator
@inline
export function multiplyAddBytes(a: v128, b: v128): v128 {
  const even = i16x8.mul(v128.and(a, i16x8.splat(0x00ff)), i16x8.shr_s(i16x8.shl(b, 8), 8));
  const odd = i16x8.mul(i16x8.shr_u(a, 8), i16x8.shr_s(b, 8));
  return i16x8.add_sat_s(even, odd);
}
// @ts-ignore: decorator
@inline
function evenDwords(v: v128): v128 {
  return i8x16.shuffle(v, v, 0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11);
}
/** PMULUDQ. */
// @ts-ignore: decorator
@inline
export function multiplyEvenU(a: v128, b: v128): v128 {
  return i64x2.extmul_low_i32x4_u(evenDwords(a), evenDwords(b));
}

// -- sums and signs ----------------------------------------------------------------------------------------------------------------

/** PSADBW: sums of the absolute byte differences of each half. */
// @ts-ignore: decorator
@inline
export function sumOfDifferences(a: v128, b: v128): v128 {
  const difference = v128.or(i8x16.sub_sat_u(a, b), i8x16.sub_sat_u(b, a));
  const quarters = i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(difference));
  return i64x2.add(v128.and(quarters, i64x2.splat(0xffffffff)), i64x2.shr_u(quarters, 32));
}
// @ts-ignore: decorator
@inline
export function evenWords(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29);
}
// @ts-ignore: decorator
@inline
export function oddWords(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31);
}
// @ts-ignore: decorator
@inline
export function evenDwordsOf(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
}
// @ts-ignore: decorator
@inline
export function oddDwordsOf(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
}
/** PSIGNB: `a` negated where `b` is negative, zero where `b` is zero. */
// @ts-ignore: decorator
@inline
export function signBytes(a: v128, b: v128): v128 {
  const negative = i8x16.shr_s(b, 7);
  return v128.andnot(i8x16.sub(v128.xor(a, negative), negative), i8x16.eq(b, i8x16.splat(0)));
}
// @ts-ignore: decorator
@inline
export function signWords(a: v128, b: v128): v128 {
  const negative = i16x8.shr_s(b, 15);
  return v128.andnot(i16x8.sub(v128.xor(a, negative), negative), i16x8.eq(b, i16x8.splat(0)));
}
// @ts-ignore: decorator
@inline
export function signDwords(a: v128, b: v128): v128 {
  const negative = i32x4.shr_s(b, 31);
  return v128.andnot(i32x4.sub(v128.xor(a, negative), negative), i32x4.eq(b, i32x4.splat(0)));
}

// -- shifts: counts of the width and more give zero, or the sign ----------------------------------------------------------------------

// @ts-ignore: decorator
@inline
export function shiftLeftWords(v: v128, count: u64): v128 {
  return count > 15 ? i64x2.splat(0) : i16x8.shl(v, <i32>count);
}
// @ts-ignore: decorator
@inline
export function shiftLeftDwords(v: v128, count: u64): v128 {
  return count > 31 ? i64x2.splat(0) : i32x4.shl(v, <i32>count);
}
// @ts-ignore: decorator
@inline
export function shiftLeftQwords(v: v128, count: u64): v128 {
  return count > 63 ? i64x2.splat(0) : i64x2.shl(v, <i32>count);
}
// @ts-ignore: decorator
@inline
export function shiftRightWords(v: v128, count: u64): v128 {
  return count > 15 ? i64x2.splat(0) : i16x8.shr_u(v, <i32>count);
}
// @ts-ignore: decorator
@inline
export function shiftRightDwords(v: v128, count: u64): v128 {
  return count > 31 ? i64x2.splat(0) : i32x4.shr_u(v, <i32>count);
}
// @ts-ignore: decorator
@inline
export function shiftRightQwords(v: v128, count: u64): v128 {
  return count > 63 ? i64x2.splat(0) : i64x2.shr_u(v, <i32>count);
}
// @ts-ignore: decorator
@inline
export function shiftArithmeticWords(v: v128, count: u64): v128 {
  return i16x8.shr_s(v, count > 15 ? 15 : <i32>count);
}
// @ts-ignore: decorator
@inline
export function shiftArithmeticDwords(v: v128, count: u64): v128 {
  return i32x4.shr_s(v, count > 31 ? 31 : <i32>count);
}

// -- shuffle controls from an imm8 of four 2-bit fields -------------------------------------------------------------------------------

/** Swizzle control of four words within eight bytes (PSHUFLW, PSHUFW). */
// @ts-ignore: decorator
@inline
export function wordControl(imm: u32): u64 {
  const x = <u64>imm;
  const fields = (x & 3) | ((x & 0xc) << 14) | ((x & 0x30) << 28) | ((x & 0xc0) << 42);
  return fields * 0x0202 + 0x0100010001000100;
}
