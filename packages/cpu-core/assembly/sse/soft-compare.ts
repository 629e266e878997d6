// Comparisons, minimum and maximum on bit patterns, with MXCSR's flags. SDM Vol. 2A "CMPPS" Table 3-1, "MINPS", "COMISS".
// Only bits travel here, so a signalling NaN is never touched by the host's floating point.
import { MX_IE, signalFlags } from "./mxcsr";
import { flushed, isNaNBits, isSignalling, noteDenormal, signBit } from "./soft-float";

export const ORDER_LESS: i32 = -1;
export const ORDER_EQUAL: i32 = 0;
export const ORDER_GREATER: i32 = 1;
export const ORDER_UNORDERED: i32 = 2;

/** Order of two numbers, neither of them a NaN. */
function orderOf<T>(a: u64, b: u64): i32 {
  const x = signedValue<T>(a);
  const y = signedValue<T>(b);
  return <i32>(x > y) - <i32>(x < y);
}
// @ts-ignore: decorator
@inline
function signedValue<T>(bits: u64): i64 {
  const size = <i64>(bits & ~signBit<T>());
  return bits & signBit<T>() ? 0 - size : size;
}

/** Compares and signals: IE for a signalling NaN, or for any NaN when `quiet` is false; DE for a denormal that DAZ has left. */
export function softCompare<T>(aIn: u64, bIn: u64, quiet: bool): i32 {
  const a = flushed<T>(aIn);
  const b = flushed<T>(bIn);
  if (isNaNBits<T>(a) || isNaNBits<T>(b)) {
    if (!quiet || isSignalling<T>(a) || isSignalling<T>(b)) signalFlags(MX_IE);
    return ORDER_UNORDERED;
  }
  noteDenormal<T>(a);
  noteDenormal<T>(b);
  return orderOf<T>(a, b);
}

/** CMPccPS predicate (imm8 bits 0-2): EQ LT LE UNORD NEQ NLT NLE ORD. All ones or zero. */
export function softPredicate<T>(a: u64, b: u64, predicate: u32): u64 {
  const quiet = (predicate & 3) == 0 || (predicate & 3) == 3;
  const order = softCompare<T>(a, b, quiet);
  let holds: bool;
  switch (predicate & 3) {
    case 0:
      holds = order == ORDER_EQUAL;
      break;
    case 1:
      holds = order == ORDER_LESS;
      break;
    case 2:
      holds = order <= ORDER_EQUAL;
      break;
    default:
      holds = order == ORDER_UNORDERED;
      break;
  }
  return holds != (predicate > 3) ? (sizeof<T>() == 4 ? 0xffffffff : 0xffffffffffffffff) : 0;
}

/** MINPS: the second operand unless the first is less; so it is also the answer for NaNs and for two zeros. */
export function softMin<T>(a: u64, b: u64): u64 {
  return softCompare<T>(a, b, false) == ORDER_LESS ? flushed<T>(a) : flushed<T>(b);
}
/** MAXPS, likewise. */
export function softMax<T>(a: u64, b: u64): u64 {
  return softCompare<T>(a, b, false) == ORDER_GREATER ? flushed<T>(a) : flushed<T>(b);
}
