// Rounding to an integer, in the format (ROUNDxx) and into a register (CVTx2SI). The host's nearest, floor, ceil and trunc are exact, so
// nothing is done bit by bit; a signalling NaN is handled before it meets host arithmetic.
// SDM Vol. 2B "ROUNDPD" Table 4-18, Vol. 2A "CVTSD2SI".
import { MX_IE, MX_PE, RC_DOWN, RC_NEAREST, RC_UP, signalFlags } from "./mxcsr";
import { flushed, isNaNBits, quieted } from "./soft-float";

/** x rounded to an integral value under mode RC_*. */
// @ts-ignore: decorator
@inline
export function integral<T>(x: T, mode: u32): T {
  if (mode == RC_NEAREST) return nearest<T>(x);
  if (mode == RC_DOWN) return floor<T>(x);
  if (mode == RC_UP) return ceil<T>(x);
  return trunc<T>(x);
}

/** ROUNDxx: DE is never signalled; PE only if `inexact`. */
export function softRound<T>(bits: u64, mode: u32, inexact: bool): u64 {
  const clean = flushed<T>(bits);
  if (isNaNBits<T>(clean)) return quieted<T>(clean);
  if (sizeof<T>() == 4) {
    const x = reinterpret<f32>(<u32>clean);
    const r = integral<f32>(x, mode);
    if (inexact && r != x) signalFlags(MX_PE);
    return reinterpret<u32>(r);
  }
  const x = reinterpret<f64>(clean);
  const r = integral<f64>(x, mode);
  if (inexact && r != x) signalFlags(MX_PE);
  return reinterpret<u64>(r);
}

/** T to a signed 32-bit integer, zero-extended; what does not fit (NaN included) is IE and the integer indefinite. */
export function softToInt32<T>(bits: u64, mode: u32): u32 {
  const clean = flushed<T>(bits);
  const x = sizeof<T>() == 4 ? <f64>reinterpret<f32>(<u32>clean) : reinterpret<f64>(clean);
  const r = integral<f64>(x, mode);
  if (!(r >= -2147483648.0 && r <= 2147483647.0)) {
    signalFlags(MX_IE);
    return 0x80000000;
  }
  if (r != x) signalFlags(MX_PE);
  return <u32><i32>r;
}

/** T to a signed 64-bit integer, likewise. */
export function softToInt64<T>(bits: u64, mode: u32): u64 {
  const clean = flushed<T>(bits);
  const x = sizeof<T>() == 4 ? <f64>reinterpret<f32>(<u32>clean) : reinterpret<f64>(clean);
  const r = integral<f64>(x, mode);
  if (!(r >= -9223372036854775808.0 && r < 9223372036854775808.0)) {
    signalFlags(MX_IE);
    return 0x8000000000000000;
  }
  if (r != x) signalFlags(MX_PE);
  return <u64><i64>r;
}
