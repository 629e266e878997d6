// Exact IEEE 754 binary32 and binary64 arithmetic on bit patterns, with MXCSR's rounding, DAZ, FTZ and flags. T is f32 or f64; a value
// travels as u64 with its bits at the bottom. Between unpacking and packing a number is sign, exponent and a 64-bit significand:
//   magnitude = significand / 2^62 * 2^exponent, bit 62 set, bit 0 sticky.
// SDM Vol. 1 §4.8 (formats, NaNs), §4.9.1 (exceptions), Table 4-7 (which NaN results).
import {
  controls, MX_DAZ, MX_DE, MX_FTZ, MX_IE, MX_OE, MX_OM, MX_PE, MX_UE, MX_UM, MX_ZE, RC_DOWN, RC_NEAREST, RC_UP, RC_ZERO, rounding,
  signalFlags,
} from "./mxcsr";

// @ts-ignore: decorator
@inline
function fractionBits<T>(): u64 {
  return sizeof<T>() == 4 ? 23 : 52;
}
// @ts-ignore: decorator
@inline
function bias<T>(): i32 {
  return sizeof<T>() == 4 ? 127 : 1023;
}
/** The sign bit of the format. */
// @ts-ignore: decorator
@inline
export function signBit<T>(): u64 {
  return sizeof<T>() == 4 ? 0x80000000 : 0x8000000000000000;
}
/** Positive infinity. */
// @ts-ignore: decorator
@inline
export function infinityBits<T>(): u64 {
  return sizeof<T>() == 4 ? 0x7f800000 : 0x7ff0000000000000;
}
// @ts-ignore: decorator
@inline
function quietBit<T>(): u64 {
  return (<u64>1) << (fractionBits<T>() - 1);
}
// @ts-ignore: decorator
@inline
function magnitude<T>(x: u64): u64 {
  return x & ~signBit<T>();
}

/** NaN of either kind. */
// @ts-ignore: decorator
@inline
export function isNaNBits<T>(x: u64): bool {
  return magnitude<T>(x) > infinityBits<T>();
}
/** A NaN whose quiet bit is clear. */
// @ts-ignore: decorator
@inline
export function isSignalling<T>(x: u64): bool {
  return isNaNBits<T>(x) && !(x & quietBit<T>());
}
// @ts-ignore: decorator
@inline
function isDenormal<T>(x: u64): bool {
  return magnitude<T>(x) - 1 < ((<u64>1) << fractionBits<T>()) - 1;
}

/** The operand as the arithmetic sees it: a denormal becomes a zero of its sign under DAZ. */
export function flushed<T>(x: u64): u64 {
  return isDenormal<T>(x) && controls(MX_DAZ) ? x & signBit<T>() : x;
}
/** Signals DE for a denormal that DAZ has left. */
// @ts-ignore: decorator
@inline
export function noteDenormal<T>(x: u64): void {
  if (isDenormal<T>(x)) signalFlags(MX_DE);
}

/** Invalid operation: IE and the default NaN ("real indefinite"). */
export function invalidResult<T>(): u64 {
  signalFlags(MX_IE);
  return signBit<T>() | infinityBits<T>() | quietBit<T>();
}
/** Result when the only operand is a NaN. */
export function quieted<T>(x: u64): u64 {
  if (isSignalling<T>(x)) signalFlags(MX_IE);
  return x | quietBit<T>();
}
/** Result when at least one of two operands is a NaN: the first that is one. */
export function propagated<T>(a: u64, b: u64): u64 {
  if (isSignalling<T>(a) || isSignalling<T>(b)) signalFlags(MX_IE);
  return (isNaNBits<T>(a) ? a : b) | quietBit<T>();
}

let exponent: i32 = 0;

/** Significand of a finite non-zero number; its exponent is left in `exponent`. */
function unpack<T>(x: u64): u64 {
  const fraction = x & (((<u64>1) << fractionBits<T>()) - 1);
  const biased = <i32>(magnitude<T>(x) >> fractionBits<T>());
  if (biased == 0) {
    const shift = clz<u64>(fraction) - 1;
    exponent = 63 - <i32>shift - bias<T>() - <i32>fractionBits<T>();
    return fraction << shift;
  }
  exponent = biased - bias<T>();
  return (fraction | ((<u64>1) << fractionBits<T>())) << (62 - fractionBits<T>());
}

// @ts-ignore: decorator
@inline
function shiftRightSticky(x: u64, count: i32): u64 {
  if (count == 0) return x;
  if (count > 63) return <u64>(x != 0);
  return (x >> count) | <u64>(x << (64 - count) != 0);
}

/** What rounding adds below the last kept bit, for `dropped` bits to go. */
function increment(sign: u64, dropped: u64): u64 {
  const mode = rounding();
  if (mode == RC_NEAREST) return (<u64>1) << (dropped - 1);
  if (mode == RC_ZERO) return 0;
  return (mode == RC_UP) == (sign == 0) ? ((<u64>1) << dropped) - 1 : 0;
}

/** Rounds to the format and signals OE, UE and PE. Tininess is detected after rounding; FTZ acts only while UE is masked. */
export function roundAndPack<T>(sign: u64, exponentIn: i32, significandIn: u64): u64 {
  const dropped = 62 - fractionBits<T>();
  const mask = ((<u64>1) << dropped) - 1;
  const half = (<u64>1) << (dropped - 1);
  const up = increment(sign, dropped);
  let significand = significandIn;
  let biased = exponentIn + bias<T>();
  let tiny = false;
  if (biased <= 0) {
    tiny = biased < 0 || significand + up < 0x8000000000000000;
    if (tiny && controls(MX_FTZ) && controls(MX_UM)) {
      signalFlags(MX_UE | MX_PE);
      return sign;
    }
    significand = shiftRightSticky(significand, 1 - biased);
    biased = 0;
  }
  const rest = significand & mask;
  let kept = (significand + up) >> dropped;
  if (rest == half && rounding() == RC_NEAREST) kept &= ~(<u64>1);
  // `kept` holds the hidden bit, so adding it to one exponent less carries both roundings up: to the next power and out of the denormals.
  const base: u64 = biased > 0 ? <u64>(biased - 1) << fractionBits<T>() : 0;
  const packed = base + kept;
  if (packed >= infinityBits<T>()) {
    signalFlags(MX_OE);
    if (rest || controls(MX_OM)) signalFlags(MX_PE);
    return sign | (infinityBits<T>() - <u64>(rounding() != RC_NEAREST && up == 0));
  }
  if (rest) signalFlags(MX_PE);
  if (tiny && (rest || !controls(MX_UM))) signalFlags(MX_UE);
  return sign | packed;
}

/** a + b, or a - b when `negate` is the sign bit. */
export function softAdd<T>(aIn: u64, bIn: u64, negate: u64): u64 {
  const a = flushed<T>(aIn);
  let b = flushed<T>(bIn);
  if (isNaNBits<T>(a) || isNaNBits<T>(b)) return propagated<T>(a, b);
  noteDenormal<T>(a);
  noteDenormal<T>(b);
  b ^= negate;
  if (magnitude<T>(a) == infinityBits<T>()) return b == (a ^ signBit<T>()) ? invalidResult<T>() : a;
  if (magnitude<T>(b) == infinityBits<T>()) return b;
  const cancelled: u64 = rounding() == RC_DOWN ? signBit<T>() : 0;
  if (magnitude<T>(a) == 0) return magnitude<T>(b) == 0 ? (a == b ? a : cancelled) : repacked<T>(b);
  if (magnitude<T>(b) == 0) return repacked<T>(a);
  const swap = magnitude<T>(a) < magnitude<T>(b);
  const large = swap ? b : a;
  const small = swap ? a : b;
  const smallSignificand = unpack<T>(small);
  const smallExponent = exponent;
  const significand = unpack<T>(large);
  const aligned = shiftRightSticky(smallSignificand, exponent - smallExponent);
  const sign = large & signBit<T>();
  if (!((a ^ b) & signBit<T>())) {
    const sum = significand + aligned;
    if (<i64>sum < 0) return roundAndPack<T>(sign, exponent + 1, shiftRightSticky(sum, 1));
    return roundAndPack<T>(sign, exponent, sum);
  }
  const difference = significand - aligned;
  if (difference == 0) return cancelled;
  const shift = clz<u64>(difference) - 1;
  return roundAndPack<T>(sign, exponent - <i32>shift, difference << shift);
}

/** A finite non-zero number through roundAndPack: a denormal result may still be flushed or signal UE. */
function repacked<T>(x: u64): u64 {
  const significand = unpack<T>(x);
  return roundAndPack<T>(x & signBit<T>(), exponent, significand);
}

function multiplyHigh(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff, a1 = a >> 32, b0 = b & 0xffffffff, b1 = b >> 32;
  const low = a0 * b0;
  const middle1 = a1 * b0 + (low >> 32);
  const middle2 = a0 * b1 + (middle1 & 0xffffffff);
  return a1 * b1 + (middle1 >> 32) + (middle2 >> 32);
}

export function softMul<T>(aIn: u64, bIn: u64): u64 {
  const a = flushed<T>(aIn);
  const b = flushed<T>(bIn);
  if (isNaNBits<T>(a) || isNaNBits<T>(b)) return propagated<T>(a, b);
  noteDenormal<T>(a);
  noteDenormal<T>(b);
  const sign = (a ^ b) & signBit<T>();
  if (magnitude<T>(a) == infinityBits<T>()) return magnitude<T>(b) == 0 ? invalidResult<T>() : sign | infinityBits<T>();
  if (magnitude<T>(b) == infinityBits<T>()) return magnitude<T>(a) == 0 ? invalidResult<T>() : sign | infinityBits<T>();
  if (magnitude<T>(a) == 0 || magnitude<T>(b) == 0) return sign;
  const sa = unpack<T>(a);
  const ea = exponent;
  const sb = unpack<T>(b);
  const product = multiplyHigh(sa << 1, sb) | <u64>((sa << 1) * sb != 0);
  if (product >> 62) return roundAndPack<T>(sign, ea + exponent + 1, product);
  return roundAndPack<T>(sign, ea + exponent, product << 1);
}

// Division and square root take the host's correctly rounded binary64 result of the significands, scaled to [1, 4), and compare it with
// the true one: the remainder fits 64 bits, and its sign is all that directed rounding and exactness need.

// @ts-ignore: decorator
@inline
function unitFloat(significand: u64): f64 {
  return reinterpret<f64>(((significand >> 10) & 0x000fffffffffffff) | 0x3ff0000000000000);
}
// @ts-ignore: decorator
@inline
function nudged(quotient: u64, remainder: i64): u64 {
  return (quotient << 10) + <u64>(<i64>(remainder > 0) - <i64>(remainder < 0));
}

export function softDiv<T>(aIn: u64, bIn: u64): u64 {
  const a = flushed<T>(aIn);
  const b = flushed<T>(bIn);
  if (isNaNBits<T>(a) || isNaNBits<T>(b)) return propagated<T>(a, b);
  const sign = (a ^ b) & signBit<T>();
  const ma = magnitude<T>(a);
  const mb = magnitude<T>(b);
  if ((ma == 0 && mb == 0) || (ma == infinityBits<T>() && mb == infinityBits<T>())) return invalidResult<T>();
  if (mb == 0 && ma != infinityBits<T>()) {
    signalFlags(MX_ZE);
    return sign | infinityBits<T>();
  }
  noteDenormal<T>(a);
  noteDenormal<T>(b);
  if (ma == infinityBits<T>()) return sign | infinityBits<T>();
  if (ma == 0 || mb == infinityBits<T>()) return sign;
  const sa = unpack<T>(a);
  const ea = exponent;
  const sb = unpack<T>(b);
  const quotientBits = reinterpret<u64>(unitFloat(sa) / unitFloat(sb));
  const quotient = (quotientBits & 0x000fffffffffffff) | 0x0010000000000000;
  const quotientExponent = <i32>(quotientBits >> 52) - 1023; // 0 or -1
  const remainder = <i64>(((sa >> 10) << (52 - quotientExponent)) - quotient * (sb >> 10));
  return roundAndPack<T>(sign, ea - exponent + quotientExponent, nudged(quotient, remainder));
}

export function softSqrt<T>(xIn: u64): u64 {
  const x = flushed<T>(xIn);
  if (isNaNBits<T>(x)) return quieted<T>(x);
  if (magnitude<T>(x) == 0) return x;
  if (x & signBit<T>()) return invalidResult<T>();
  noteDenormal<T>(x);
  if (x == infinityBits<T>()) return x;
  const significand = unpack<T>(x);
  const odd = exponent & 1;
  const rootBits = reinterpret<u64>(sqrt<f64>(unitFloat(significand) * (odd ? 2.0 : 1.0)));
  const root = (rootBits & 0x000fffffffffffff) | 0x0010000000000000;
  const remainder = <i64>(((significand >> 10) << (52 + odd)) - root * root);
  return roundAndPack<T>(0, exponent >> 1, nudged(root, remainder));
}

/** binary64 to binary32. */
export function softNarrow(xIn: u64): u64 {
  const x = flushed<f64>(xIn);
  const sign = (x >> 32) & signBit<f32>();
  if (isNaNBits<f64>(x)) return sign | ((quieted<f64>(x) & 0x000fffffffffffff) >> 29) | infinityBits<f32>();
  noteDenormal<f64>(x);
  if (magnitude<f64>(x) == 0) return sign;
  if (magnitude<f64>(x) == infinityBits<f64>()) return sign | infinityBits<f32>();
  const significand = unpack<f64>(x);
  return roundAndPack<f32>(sign, exponent, significand);
}

/** binary32 to binary64, always exact. */
export function softWiden(xIn: u64): u64 {
  const x = flushed<f32>(xIn);
  if (isNaNBits<f32>(x)) return ((x & signBit<f32>()) << 32) | ((quieted<f32>(x) & 0x007fffff) << 29) | infinityBits<f64>();
  noteDenormal<f32>(x);
  return reinterpret<u64>(<f64>reinterpret<f32>(<u32>x));
}

/** A signed integer to the format. */
export function softFromInteger<T>(value: i64): u64 {
  if (value == 0) return 0;
  const sign: u64 = value < 0 ? signBit<T>() : 0;
  const size: u64 = value < 0 ? 0 - <u64>value : <u64>value;
  if (<i64>size < 0) return roundAndPack<T>(sign, 63, size >> 1); // only -2^63
  const shift = clz<u64>(size) - 1;
  return roundAndPack<T>(sign, 62 - <i32>shift, size << shift);
}
