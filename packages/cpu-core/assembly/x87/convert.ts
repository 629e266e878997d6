// Memory formats to extended and back (SDM Vol. 1 section 4.2, 4.8.3.4, 8.5.1).
import { classOf, INFINITE, normalExponent, QNAN, SNAN, UNSUPPORTED, ZERO } from "./classify";
import { narrow, toInteger } from "./round";
import { BIAS, DE, exc, EXP, IE, INTEGER, QUIET, setExc, setOperand, SIGN, signal } from "./state";

/** Single precision into the operand; a denormal raises DE, a signalling NaN stays one. */
// @ts-ignore: decorator
@inline
export function widen32(src: usize): void {
  const bits = load<u32>(src);
  const sign = (bits >> 16) & SIGN;
  const e = (bits >> 23) & 0xff;
  const fraction = (<u64>bits & 0x7fffff) << 40;
  if (e - 1 < 0xfe) return setOperand(sign | (e + BIAS - 127), INTEGER | fraction);
  widenRest(sign, e, fraction, BIAS - 126);
}

/** Double precision into the operand. */
// @ts-ignore: decorator
@inline
export function widen64(src: usize): void {
  const bits = load<u64>(src);
  const sign = <u32>(bits >> 48) & SIGN;
  const e = <u32>(bits >> 52) & 0x7ff;
  const fraction = (bits << 12) >> 1;
  if (e - 1 < 0x7fe) return setOperand(sign | (e + BIAS - 1023), INTEGER | fraction);
  widenRest(sign, e, fraction, BIAS - 1022);
}

/** Zero, denormal, infinity, NaN. */
function widenRest(sign: u32, e: u32, fraction: u64, tiny: i32): void {
  if (e != 0) return setOperand(sign | EXP, INTEGER | fraction);
  if (fraction == 0) return setOperand(sign, 0);
  signal(DE);
  const n = <i32>clz(fraction);
  setOperand(sign | <u32>(tiny - n), fraction << n);
}

/** Signed integer into the operand. */
export function widenInteger(value: i64): void {
  if (value == 0) return setOperand(0, 0);
  const sign: u32 = value < 0 ? SIGN : 0;
  const m = <u64>(value < 0 ? 0 - value : value);
  const n = <u32>clz(m);
  setOperand(sign | (BIAS + 63 - n), m << n);
}

/** What FST stores in double precision. */
export function toDouble(se: u32, m: u64): u64 {
  return (<u64>(se & SIGN) << 48) | toFloat(se, m, 53);
}

/** What FST stores in single precision. */
export function toSingle(se: u32, m: u64): u32 {
  return ((se & SIGN) << 16) | <u32>toFloat(se, m, 24);
}

/** Encoding without the sign; a default NaN carries its own. Stores do not report denormal operands. */
function toFloat(se: u32, m: u64, bits: u32): u64 {
  const infinite: u64 = bits == 53 ? 0x7ff0000000000000 : 0x7f800000;
  const kind = classOf(se, m);
  if (kind == ZERO) return 0;
  if (kind == INFINITE) return infinite;
  if (kind == UNSUPPORTED) {
    setExc(IE);
    return bits == 53 ? 0xfff8000000000000 : 0xffc00000;
  }
  if (kind >= QNAN) {
    if (kind == SNAN) setExc(IE);
    return infinite | (((m | QUIET) << 1) >> (65 - bits));
  }
  return narrow(se & SIGN, normalExponent(se, m), m << clz(m), bits);
}

/** Signed integer of `bits` bits under rounding mode `rc`; the integer indefinite with IE when it does not fit. */
export function toSigned(se: u32, m: u64, bits: u32, rc: u32): i64 {
  const indefinite = <i64>(~(<u64>0) << (bits - 1));
  const kind = classOf(se, m);
  if (kind == ZERO) return 0;
  if (kind >= INFINITE) {
    setExc(IE);
    return indefinite;
  }
  const value = toInteger(se & SIGN, normalExponent(se, m), m << clz(m), rc);
  const limit = <u64>1 << (bits - 1);
  if (exc & IE || value > limit || (value == limit && !(se & SIGN))) {
    setExc(IE);
    return indefinite;
  }
  return se & SIGN ? <i64>(0 - value) : <i64>value;
}
