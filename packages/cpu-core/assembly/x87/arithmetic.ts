// FADD, FMUL, FSUB, FSUBR, FDIV, FDIVR in all their forms, FSQRT, FABS, FCHS (SDM Vol. 2A).
// Forms: plain, ST(0) op ST(i) to ST(0); To, ST(i) op ST(0) to ST(i); P, the same and pop; M32, M64, I16, I32, ST(0) op memory to ST(0).
// The reversed instructions exchange the operands of the operation, not its destination. Each form first tries the quick way.
import { FPR, FSW, FTW } from "../../src/layout";
import { add, divide, multiply, squareRoot, subtract } from "./arith";
import { widen32, widen64, widenInteger } from "./convert";
import { ADD, DIV, DIVR, MUL, plain, quick, SUB, SUBR } from "./quick";
import { begin1, begin2, mOf, pop, popped, seOf, settle, st } from "./stack";
import { BIAS, C1, INTEGER, oM, oSe, SIGN } from "./state";

/** a `op` b into the result. */
function operate(op: i32, aSe: u32, a: u64, bSe: u32, b: u64): void {
  switch (op) {
    case ADD:
      return add(aSe, a, bSe, b);
    case SUB:
      return subtract(aSe, a, bSe, b);
    case SUBR:
      return subtract(bSe, b, aSe, a);
    case MUL:
      return multiply(aSe, a, bSe, b);
    case DIV:
      return divide(aSe, a, bSe, b);
    default:
      return divide(bSe, b, aSe, a);
  }
}

function plainForm(op: i32, cpu: usize, i: u32): void {
  if (begin2(cpu, i)) operate(op, seOf(st(cpu, 0)), mOf(st(cpu, 0)), seOf(st(cpu, i)), mOf(st(cpu, i)));
  settle(cpu, 0);
}

function toForm(op: i32, cpu: usize, i: u32): bool {
  if (begin2(cpu, i)) operate(op, seOf(st(cpu, i)), mOf(st(cpu, i)), seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  return settle(cpu, i);
}

function form32(op: i32, cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widen32(src);
    operate(op, seOf(st(cpu, 0)), mOf(st(cpu, 0)), oSe, oM);
  }
  settle(cpu, 0);
}

function form64(op: i32, cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widen64(src);
    operate(op, seOf(st(cpu, 0)), mOf(st(cpu, 0)), oSe, oM);
  }
  settle(cpu, 0);
}

function integerForm(op: i32, cpu: usize, value: i64): void {
  if (begin1(cpu, 0)) {
    widenInteger(value);
    operate(op, seOf(st(cpu, 0)), mOf(st(cpu, 0)), oSe, oM);
  }
  settle(cpu, 0);
}

// @ts-ignore: decorator
@inline
function quickPlain(op: i32, cpu: usize, i: u32): void {
  const fsw = load<u32>(cpu, FSW);
  const full = load<u32>(cpu, FTW);
  const top = (fsw >> 11) & 7;
  const other = (top + i) & 7;
  if (plain(cpu) && (full >> top) & (full >> other) & 1) {
    const a = cpu + FPR + (top << 4);
    const b = cpu + FPR + (other << 4);
    if (quick(op, cpu, a, fsw & ~C1, seOf(a), mOf(a), seOf(b), mOf(b))) return;
  }
  plainForm(op, cpu, i);
}

// @ts-ignore: decorator
@inline
function quickTo(op: i32, cpu: usize, i: u32, pops: bool): void {
  const fsw = load<u32>(cpu, FSW);
  const full = load<u32>(cpu, FTW);
  const top = (fsw >> 11) & 7;
  const other = (top + i) & 7;
  if (plain(cpu) && (full >> top) & (full >> other) & 1) {
    const a = cpu + FPR + (other << 4);
    const b = cpu + FPR + (top << 4);
    if (quick(op, cpu, a, pops ? popped(fsw) : fsw & ~C1, seOf(a), mOf(a), seOf(b), mOf(b))) {
      if (pops) store<u32>(cpu, full & ~(1 << top), FTW);
      return;
    }
  }
  if (toForm(op, cpu, i) && pops) pop(cpu);
}

// @ts-ignore: decorator
@inline
function quick32(op: i32, cpu: usize, src: usize): void {
  const fsw = load<u32>(cpu, FSW);
  const top = (fsw >> 11) & 7;
  const bits = load<u32>(src);
  const e = (bits >> 23) & 0xff;
  if (plain(cpu) && (load<u32>(cpu, FTW) >> top) & <u32>(e - 1 < 0xfe)) {
    const a = cpu + FPR + (top << 4);
    if (quick(op, cpu, a, fsw & ~C1, seOf(a), mOf(a), ((bits >> 16) & SIGN) | (e + <u32>(BIAS - 127)), INTEGER | (<u64>bits << 40))) return;
  }
  form32(op, cpu, src);
}

// @ts-ignore: decorator
@inline
function quick64(op: i32, cpu: usize, src: usize): void {
  const fsw = load<u32>(cpu, FSW);
  const top = (fsw >> 11) & 7;
  const bits = load<u64>(src);
  const e = <u32>(bits >> 52) & 0x7ff;
  if (plain(cpu) && (load<u32>(cpu, FTW) >> top) & <u32>(e - 1 < 0x7fe)) {
    const a = cpu + FPR + (top << 4);
    if (quick(op, cpu, a, fsw & ~C1, seOf(a), mOf(a), (<u32>(bits >> 48) & SIGN) | (e + <u32>(BIAS - 1023)), INTEGER | (bits << 11))) return;
  }
  form64(op, cpu, src);
}

/** FADD ST(0), ST(i). */
export function x87Fadd(cpu: usize, i: u32): void {
  quickPlain(ADD, cpu, i);
}

/** FADD ST(i), ST(0). */
export function x87FaddTo(cpu: usize, i: u32): void {
  quickTo(ADD, cpu, i, false);
}

/** FADDP ST(i), ST(0). */
export function x87FaddP(cpu: usize, i: u32): void {
  quickTo(ADD, cpu, i, true);
}

/** FADD m32. */
export function x87FaddM32(cpu: usize, src: usize): void {
  quick32(ADD, cpu, src);
}

/** FADD m64. */
export function x87FaddM64(cpu: usize, src: usize): void {
  quick64(ADD, cpu, src);
}

/** FIADD m16. */
export function x87FaddI16(cpu: usize, src: usize): void {
  integerForm(ADD, cpu, load<i16>(src));
}

/** FIADD m32. */
export function x87FaddI32(cpu: usize, src: usize): void {
  integerForm(ADD, cpu, load<i32>(src));
}

/** FMUL ST(0), ST(i). */
export function x87Fmul(cpu: usize, i: u32): void {
  quickPlain(MUL, cpu, i);
}

/** FMUL ST(i), ST(0). */
export function x87FmulTo(cpu: usize, i: u32): void {
  quickTo(MUL, cpu, i, false);
}

/** FMULP ST(i), ST(0). */
export function x87FmulP(cpu: usize, i: u32): void {
  quickTo(MUL, cpu, i, true);
}

/** FMUL m32. */
export function x87FmulM32(cpu: usize, src: usize): void {
  quick32(MUL, cpu, src);
}

/** FMUL m64. */
export function x87FmulM64(cpu: usize, src: usize): void {
  quick64(MUL, cpu, src);
}

/** FIMUL m16. */
export function x87FmulI16(cpu: usize, src: usize): void {
  integerForm(MUL, cpu, load<i16>(src));
}

/** FIMUL m32. */
export function x87FmulI32(cpu: usize, src: usize): void {
  integerForm(MUL, cpu, load<i32>(src));
}

/** FSUB ST(0), ST(i). */
export function x87Fsub(cpu: usize, i: u32): void {
  quickPlain(SUB, cpu, i);
}

/** FSUB ST(i), ST(0). */
export function x87FsubTo(cpu: usize, i: u32): void {
  quickTo(SUB, cpu, i, false);
}

/** FSUBP ST(i), ST(0). */
export function x87FsubP(cpu: usize, i: u32): void {
  quickTo(SUB, cpu, i, true);
}

/** FSUB m32. */
export function x87FsubM32(cpu: usize, src: usize): void {
  quick32(SUB, cpu, src);
}

/** FSUB m64. */
export function x87FsubM64(cpu: usize, src: usize): void {
  quick64(SUB, cpu, src);
}

/** FISUB m16. */
export function x87FsubI16(cpu: usize, src: usize): void {
  integerForm(SUB, cpu, load<i16>(src));
}

/** FISUB m32. */
export function x87FsubI32(cpu: usize, src: usize): void {
  integerForm(SUB, cpu, load<i32>(src));
}

/** FSUBR ST(0), ST(i). */
export function x87Fsubr(cpu: usize, i: u32): void {
  quickPlain(SUBR, cpu, i);
}

/** FSUBR ST(i), ST(0). */
export function x87FsubrTo(cpu: usize, i: u32): void {
  quickTo(SUBR, cpu, i, false);
}

/** FSUBRP ST(i), ST(0). */
export function x87FsubrP(cpu: usize, i: u32): void {
  quickTo(SUBR, cpu, i, true);
}

/** FSUBR m32. */
export function x87FsubrM32(cpu: usize, src: usize): void {
  quick32(SUBR, cpu, src);
}

/** FSUBR m64. */
export function x87FsubrM64(cpu: usize, src: usize): void {
  quick64(SUBR, cpu, src);
}

/** FISUBR m16. */
export function x87FsubrI16(cpu: usize, src: usize): void {
  integerForm(SUBR, cpu, load<i16>(src));
}

/** FISUBR m32. */
export function x87FsubrI32(cpu: usize, src: usize): void {
  integerForm(SUBR, cpu, load<i32>(src));
}

/** FDIV ST(0), ST(i). */
export function x87Fdiv(cpu: usize, i: u32): void {
  quickPlain(DIV, cpu, i);
}

/** FDIV ST(i), ST(0). */
export function x87FdivTo(cpu: usize, i: u32): void {
  quickTo(DIV, cpu, i, false);
}

/** FDIVP ST(i), ST(0). */
export function x87FdivP(cpu: usize, i: u32): void {
  quickTo(DIV, cpu, i, true);
}

/** FDIV m32. */
export function x87FdivM32(cpu: usize, src: usize): void {
  quick32(DIV, cpu, src);
}

/** FDIV m64. */
export function x87FdivM64(cpu: usize, src: usize): void {
  quick64(DIV, cpu, src);
}

/** FIDIV m16. */
export function x87FdivI16(cpu: usize, src: usize): void {
  integerForm(DIV, cpu, load<i16>(src));
}

/** FIDIV m32. */
export function x87FdivI32(cpu: usize, src: usize): void {
  integerForm(DIV, cpu, load<i32>(src));
}

/** FDIVR ST(0), ST(i). */
export function x87Fdivr(cpu: usize, i: u32): void {
  quickPlain(DIVR, cpu, i);
}

/** FDIVR ST(i), ST(0). */
export function x87FdivrTo(cpu: usize, i: u32): void {
  quickTo(DIVR, cpu, i, false);
}

/** FDIVRP ST(i), ST(0). */
export function x87FdivrP(cpu: usize, i: u32): void {
  quickTo(DIVR, cpu, i, true);
}

/** FDIVR m32. */
export function x87FdivrM32(cpu: usize, src: usize): void {
  quick32(DIVR, cpu, src);
}

/** FDIVR m64. */
export function x87FdivrM64(cpu: usize, src: usize): void {
  quick64(DIVR, cpu, src);
}

/** FIDIVR m16. */
export function x87FdivrI16(cpu: usize, src: usize): void {
  integerForm(DIVR, cpu, load<i16>(src));
}

/** FIDIVR m32. */
export function x87FdivrI32(cpu: usize, src: usize): void {
  integerForm(DIVR, cpu, load<i32>(src));
}

/** FSQRT. */
export function x87Fsqrt(cpu: usize, i: u32): void {
  if (begin1(cpu, 0)) squareRoot(seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  settle(cpu, 0);
}

/** FABS: any pattern, only the sign. */
export function x87Fabs(cpu: usize, i: u32): void {
  const fsw = load<u32>(cpu, FSW);
  const n = (fsw >> 11) & 7;
  if ((load<u32>(cpu, FTW) >> n) & 1) {
    store<u16>(cpu + (n << 4), <u16>(load<u16>(cpu + (n << 4), FPR + 8) & ~SIGN), FPR + 8);
    store<u32>(cpu, fsw & ~C1, FSW);
    return;
  }
  begin1(cpu, 0);
  settle(cpu, 0);
}

/** FCHS: any pattern, only the sign. */
export function x87Fchs(cpu: usize, i: u32): void {
  const fsw = load<u32>(cpu, FSW);
  const n = (fsw >> 11) & 7;
  if ((load<u32>(cpu, FTW) >> n) & 1) {
    store<u16>(cpu + (n << 4), <u16>(load<u16>(cpu + (n << 4), FPR + 8) ^ SIGN), FPR + 8);
    store<u32>(cpu, fsw & ~C1, FSW);
    return;
  }
  begin1(cpu, 0);
  settle(cpu, 0);
}
