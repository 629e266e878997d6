// The arithmetic of the common case, written so that it needs no other function: every exception masked, rounding to nearest at full
// precision, normal operands and a normal result. Each function writes the destination and FSW and answers true, or has done nothing
// and answers false; then the general way (arith.ts) has to be gone. Why the results are the same: docs/decisions/2026-11-exact-floating-point.md.
import { FCW, FSW } from "../../src/layout";
import { put } from "./stack";
import { BIAS, C1, EXP, INTEGER, PE, SIGN } from "./state";
import { div128, mulHigh, remainder } from "./wide";

export const ADD: i32 = 0;
export const SUB: i32 = 1;
export const SUBR: i32 = 2;
export const MUL: i32 = 3;
export const DIV: i32 = 4;
export const DIVR: i32 = 5;

/** FCW's masks, precision and rounding control, and what they are by default. */
const CONTROL: u32 = 0xf3f;
const DEFAULT: u32 = 0x33f;
/** Bit 9 of FSW is C1. */
const C1_SHIFT: u64 = 9;

/** Whether FCW is such that the quick ways apply. */
// @ts-ignore: decorator
@inline
export function plain(cpu: usize): bool {
  return (load<u32>(cpu, FCW) & CONTROL) == DEFAULT;
}

// @ts-ignore: decorator
@inline
function normal(se: u32): bool {
  return (se & EXP) - 1 < EXP - 1;
}

/** Rounds (hi:lo), whose top bit is set, to the nearest 64-bit significand, ties to even. `fsw`: FSW but for PE and C1. */
// @ts-ignore: decorator
@inline
function finish(cpu: usize, reg: usize, fsw: u32, sign: u32, e: u32, hi: u64, lo: u64): bool {
  const up = (lo >> 63) & (<u64>(lo << 1 != 0) | hi);
  hi += up;
  if (hi == 0) {
    hi = INTEGER;
    e += 1;
  }
  if (e - 1 >= EXP - 1) return false;
  put(reg, sign | e, hi);
  store<u32>(cpu, fsw | (<u32>(lo != 0) << 5) | <u32>(up << C1_SHIFT), FSW);
  return true;
}

/**
 * The same operations where an operand is zero and the other one zero or normal. Not for 0 / 0 and x / 0, nor for a sum of unlike zeroes,
 * whose sign is a matter of rounding.
 */
function zeroOperand(op: i32, cpu: usize, reg: usize, fsw: u32, aSe: u32, a: u64, bSe: u32, b: u64): bool {
  const aZero = (a | (aSe & EXP)) == 0;
  const bZero = (b | (bSe & EXP)) == 0;
  if (!(aZero || (<i64>a < 0 && normal(aSe))) || !(bZero || (<i64>b < 0 && normal(bSe)))) return false;
  if (op == ADD) {
    if (aZero && bZero && (aSe ^ bSe) & SIGN) return false;
    if (aZero) put(reg, bSe, b);
    else put(reg, aSe, a);
  } else {
    if (op == DIV && bZero) return false;
    put(reg, (aSe ^ bSe) & SIGN, 0);
  }
  store<u32>(cpu, fsw, FSW);
  return true;
}

/** reg = a + b. */
// @ts-ignore: decorator
@inline
function quickAdd(cpu: usize, reg: usize, fsw: u32, aSe: u32, a: u64, bSe: u32, b: u64): bool {
  if (<i64>(a & b) >= 0 || !normal(aSe) || !normal(bSe)) return zeroOperand(ADD, cpu, reg, fsw, aSe, a, bSe, b);
  let ea = aSe & EXP;
  let eb = bSe & EXP;
  let sign = aSe & SIGN;
  let hi: u64;
  let lo: u64;
  const opposite = ((aSe ^ bSe) & SIGN) != 0;
  if (ea < eb || (ea == eb && a < b)) {
    const m = a;
    a = b;
    b = m;
    const e = ea;
    ea = eb;
    eb = e;
    sign = bSe & SIGN;
  }
  const d = <u64>(ea - eb);
  if (d > 63) return false;
  lo = (b << 1) << (63 - d);
  hi = b >> d;
  if (opposite) {
    hi = a - hi - <u64>(lo != 0);
    lo = 0 - lo;
    if (<i64>hi >= 0) {
      if (hi == 0) {
        if (lo == 0) {
          put(reg, 0, 0);
          store<u32>(cpu, fsw, FSW);
          return true;
        }
        hi = lo;
        lo = 0;
        ea -= 64;
      }
      const s = clz(hi);
      hi = (hi << s) | ((lo >> 1) >> (63 - s));
      lo <<= s;
      ea -= <u32>s;
    }
  } else {
    hi += a;
    if (hi < a) {
      lo = (lo >> 1) | (lo & 1) | (hi << 63);
      hi = (hi >> 1) | INTEGER;
      ea += 1;
    }
  }
  return finish(cpu, reg, fsw, sign, ea, hi, lo);
}

/** reg = a * b. */
// @ts-ignore: decorator
@inline
function quickMultiply(cpu: usize, reg: usize, fsw: u32, aSe: u32, a: u64, bSe: u32, b: u64): bool {
  if (<i64>(a & b) >= 0 || !normal(aSe) || !normal(bSe)) return zeroOperand(MUL, cpu, reg, fsw, aSe, a, bSe, b);
  let hi = mulHigh(a, b);
  let lo = a * b;
  const short = (hi >> 63) ^ 1;
  hi = (hi << short) | ((lo >> 63) & short);
  lo <<= short;
  return finish(cpu, reg, fsw, (aSe ^ bSe) & SIGN, (aSe & EXP) + (bSe & EXP) - <u32>(BIAS - 1) - <u32>short, hi, lo);
}

/** reg = a / b. */
// @ts-ignore: decorator
@inline
function quickDivide(cpu: usize, reg: usize, fsw: u32, aSe: u32, a: u64, bSe: u32, b: u64): bool {
  if (<i64>(a & b) >= 0 || !normal(aSe) || !normal(bSe)) return zeroOperand(DIV, cpu, reg, fsw, aSe, a, bSe, b);
  const less = <u64>(a < b);
  const q = div128(a >> (1 - less), (a << 63) & (less - 1), b);
  const r = remainder;
  // the fraction below the quotient: nothing, less than one half, or more; one half would need a divisor of fewer bits
  const lo = <u64>(r != 0) | (<u64>(r > b - r) << 63);
  return finish(cpu, reg, fsw, (aSe ^ bSe) & SIGN, (aSe & EXP) - (bSe & EXP) + <u32>BIAS - <u32>less, q, lo);
}

/** reg = a `op` b, FSW = `fsw` and what the operation raises. */
// @ts-ignore: decorator
@inline
export function quick(op: i32, cpu: usize, reg: usize, fsw: u32, aSe: u32, a: u64, bSe: u32, b: u64): bool {
  if (op == ADD) return quickAdd(cpu, reg, fsw, aSe, a, bSe, b);
  if (op == SUB) return quickAdd(cpu, reg, fsw, aSe, a, bSe ^ SIGN, b);
  if (op == SUBR) return quickAdd(cpu, reg, fsw, bSe, b, aSe ^ SIGN, a);
  if (op == MUL) return quickMultiply(cpu, reg, fsw, aSe, a, bSe, b);
  if (op == DIV) return quickDivide(cpu, reg, fsw, aSe, a, bSe, b);
  return quickDivide(cpu, reg, fsw, bSe, b, aSe, a);
}
