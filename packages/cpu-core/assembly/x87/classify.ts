// What an 80-bit pattern means (SDM Vol. 1 section 8.2 and table 8-3), and the NaN rules of table 4-7 as the x87 applies them.
import { DE, EXP, IE, INTEGER, invalid, NAN_M, NAN_SE, QUIET, setExc, setResult, SIGN, signal } from "./state";

export const ZERO: u32 = 0;
export const DENORMAL: u32 = 1;
export const NORMAL: u32 = 2;
export const INFINITE: u32 = 3;
export const QNAN: u32 = 4;
export const SNAN: u32 = 5;
export const UNSUPPORTED: u32 = 6;

/** Class of a value; pseudo-denormals count as denormals. */
export function classOf(se: u32, m: u64): u32 {
  const e = se & EXP;
  if (e == 0) return m == 0 ? ZERO : DENORMAL;
  if (<i64>m >= 0) return UNSUPPORTED; // unnormal, pseudo-infinity, pseudo-NaN
  if (e != EXP) return NORMAL;
  if (m == INTEGER) return INFINITE;
  return m & QUIET ? QNAN : SNAN;
}

// @ts-ignore: decorator
@inline
export function isNormal(se: u32, m: u64): bool {
  return (se & EXP) - 1 < EXP - 1 && <i64>m < 0;
}

/** Result of a one-operand instruction whose operand has class QNAN, SNAN or UNSUPPORTED. */
export function nanOf(se: u32, m: u64, kind: u32): void {
  if (kind == UNSUPPORTED) return invalid();
  setExc(kind == SNAN ? IE : 0);
  setResult(se, m | QUIET);
}

/**
 * Result of a two-operand instruction where at least one class is QNAN, SNAN or UNSUPPORTED: a quiet NaN wins over a signalling one,
 * else the larger significand, else the positive one.
 */
export function nanOf2(aSe: u32, a: u64, aKind: u32, bSe: u32, b: u64, bKind: u32): void {
  if (aKind == UNSUPPORTED || bKind == UNSUPPORTED) return invalid();
  setExc(aKind == SNAN || bKind == SNAN ? IE : 0);
  let first: bool;
  if (aKind < QNAN) first = false;
  else if (bKind < QNAN) first = true;
  else if (aKind != bKind) first = aKind == QNAN;
  else if (a != b) first = a > b;
  else first = (aSe & SIGN) == 0;
  if (first) setResult(aSe, a | QUIET);
  else setResult(bSe, b | QUIET);
}

/** Exponent of a non-zero finite value once its significand is shifted left until the integer bit is set. */
// @ts-ignore: decorator
@inline
export function normalExponent(se: u32, m: u64): i32 {
  const e = <i32>(se & EXP);
  return (e == 0 ? 1 : e) - <i32>clz(m);
}

/** Raises DE when either class is DENORMAL. */
export function noteDenormal2(aKind: u32, bKind: u32): void {
  if (aKind == DENORMAL || bKind == DENORMAL) signal(DE);
}

/** The default NaN as a result, exceptions untouched. */
export function resultIndefinite(): void {
  setResult(NAN_SE, NAN_M);
}
