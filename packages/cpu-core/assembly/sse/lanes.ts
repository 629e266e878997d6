// Reading and writing operands, and the test that lets the host's floating point stand in for ours.
// An operand is "ordinary" when it is a normal number or zero: no NaN, no infinityBits, nothing that DAZ or DE would care about.

const MIN32: i32 = 0x00800000; // smallest normal
const INF32: i32 = 0x7f800000;
const MIN64: i64 = 0x0010000000000000;
const INF64: i64 = 0x7ff0000000000000;

/** Bits of a scalar of T, in a u64. */
// @ts-ignore: decorator
@inline
export function bitsAt<T>(address: usize): u64 {
  return sizeof<T>() == 4 ? <u64>load<u32>(address) : load<u64>(address);
}
// @ts-ignore: decorator
@inline
export function putBits<T>(address: usize, bits: u64): void {
  if (sizeof<T>() == 4) store<u32>(address, <u32>bits);
  else store<u64>(address, bits);
}

/** Scalar: normal or zero. */
// @ts-ignore: decorator
@inline
export function ordinary<T>(x: T): bool {
  if (sizeof<T>() == 4) {
    const m = reinterpret<u32>(<f32>x) << 1;
    return m - 2 * MIN32 < <u32>(2 * (INF32 - MIN32)) || m == 0;
  }
  const m = reinterpret<u64>(<f64>x) << 1;
  return m - 2 * MIN64 < <u64>(2 * (INF64 - MIN64)) || m == 0;
}

/** Scalar: normal and above the smallest binade, where rounding up may have hidden tininess. */
// @ts-ignore: decorator
@inline
export function safelyNormal<T>(x: T): bool {
  if (sizeof<T>() == 4) return (reinterpret<u32>(<f32>x) << 1) - 4 * MIN32 < <u32>(2 * INF32 - 4 * MIN32);
  return (reinterpret<u64>(<f64>x) << 1) - 4 * MIN64 < <u64>(2 * INF64 - 4 * MIN64);
}

// The vector forms give all-ones lanes for yes. inRange is the unsigned check m - low < high - low, both sides moved by the sign bit.

// @ts-ignore: decorator
@inline
export function magnitudes<T>(v: v128): v128 {
  if (sizeof<T>() == 4) return v128.and(v, i32x4.splat(0x7fffffff));
  return v128.and(v, i64x2.splat(0x7fffffffffffffff));
}
// @ts-ignore: decorator
@inline
export function zeroes<T>(m: v128): v128 {
  if (sizeof<T>() == 4) return i32x4.eq(m, i32x4.splat(0));
  return i64x2.eq(m, i64x2.splat(0));
}
// @ts-ignore: decorator
@inline
function inRange<T>(m: v128, low32: i32, high32: i32, low64: i64, high64: i64): v128 {
  if (sizeof<T>() == 4) return i32x4.lt_s(i32x4.sub(m, i32x4.splat(low32 + i32.MIN_VALUE)), i32x4.splat(high32 - low32 + i32.MIN_VALUE));
  return i64x2.lt_s(i64x2.sub(m, i64x2.splat(low64 + i64.MIN_VALUE)), i64x2.splat(high64 - low64 + i64.MIN_VALUE));
}
/** Lanes that are normal or zero. */
// @ts-ignore: decorator
@inline
export function ordinaries<T>(v: v128): v128 {
  const m = magnitudes<T>(v);
  return v128.or(inRange<T>(m, MIN32, INF32, MIN64, INF64), zeroes<T>(m));
}
/** Lanes that are normal and above the smallest binade. */
// @ts-ignore: decorator
@inline
export function safelyNormals<T>(v: v128): v128 {
  return inRange<T>(magnitudes<T>(v), 2 * MIN32, INF32, 2 * MIN64, INF64);
}
/** Lanes that compare like ordinary numbers: normal, zero or infinite. */
// @ts-ignore: decorator
@inline
export function comparables<T>(v: v128): v128 {
  const m = magnitudes<T>(v);
  return v128.or(inRange<T>(m, MIN32, INF32 + 1, MIN64, INF64 + 1), zeroes<T>(m));
}
/** Every lane says yes. */
// @ts-ignore: decorator
@inline
export function everyLane(mask: v128): bool {
  return i8x16.all_true(mask);
}
