// FADD, FMUL, FSUB, FSUBR, FDIV, FDIVR in all their forms, FSQRT, FABS, FCHS (SDM Vol. 2A).
// Forms: plain, ST(0) op ST(i) to ST(0); To, ST(i) op ST(0) to ST(i); P, the same and pop; M32, M64, I16, I32, ST(0) op memory to ST(0).
// The reversed instructions exchange the operands of the operation, not its destination.
import { add, divide, multiply, squareRoot, subtract } from "./arith";
import { widen32, widen64, widenInteger } from "./convert";
import { begin1, begin2, mOf, pop, seOf, settle, st } from "./stack";
import { oM, oSe, setResult, SIGN } from "./state";

/** FADD ST(0), ST(i). */
export function x87Fadd(cpu: usize, i: u32): void {
  if (begin2(cpu, i)) add(seOf(st(cpu, 0)), mOf(st(cpu, 0)), seOf(st(cpu, i)), mOf(st(cpu, i)));
  settle(cpu, 0);
}

/** FADD ST(i), ST(0). */
export function x87FaddTo(cpu: usize, i: u32): void {
  if (begin2(cpu, i)) add(seOf(st(cpu, i)), mOf(st(cpu, i)), seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  settle(cpu, i);
}

/** FADDP ST(i), ST(0). */
export function x87FaddP(cpu: usize, i: u32): void {
  if (begin2(cpu, i)) add(seOf(st(cpu, i)), mOf(st(cpu, i)), seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  if (settle(cpu, i)) pop(cpu);
}

/** FADD m32. */
export function x87FaddM32(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widen32(src);
    add(seOf(st(cpu, 0)), mOf(st(cpu, 0)), oSe, oM);
  }
  settle(cpu, 0);
}

/** FADD m64. */
export function x87FaddM64(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widen64(src);
    add(seOf(st(cpu, 0)), mOf(st(cpu, 0)), oSe, oM);
  }
  settle(cpu, 0);
}

/** FIADD m16. */
export function x87FaddI16(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widenInteger(load<i16>(src));
    add(seOf(st(cpu, 0)), mOf(st(cpu, 0)), oSe, oM);
  }
  settle(cpu, 0);
}

/** FIADD m32. */
export function x87FaddI32(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widenInteger(load<i32>(src));
    add(seOf(st(cpu, 0)), mOf(st(cpu, 0)), oSe, oM);
  }
  settle(cpu, 0);
}

/** FMUL ST(0), ST(i). */
export function x87Fmul(cpu: usize, i: u32): void {
  if (begin2(cpu, i)) multiply(seOf(st(cpu, 0)), mOf(st(cpu, 0)), seOf(st(cpu, i)), mOf(st(cpu, i)));
  settle(cpu, 0);
}

/** FMUL ST(i), ST(0). */
export function x87FmulTo(cpu: usize, i: u32): void {
  if (begin2(cpu, i)) multiply(seOf(st(cpu, i)), mOf(st(cpu, i)), seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  settle(cpu, i);
}

/** FMULP ST(i), ST(0). */
export function x87FmulP(cpu: usize, i: u32): void {
  if (begin2(cpu, i)) multiply(seOf(st(cpu, i)), mOf(st(cpu, i)), seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  if (settle(cpu, i)) pop(cpu);
}

/** FMUL m32. */
export function x87FmulM32(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widen32(src);
    multiply(seOf(st(cpu, 0)), mOf(st(cpu, 0)), oSe, oM);
  }
  settle(cpu, 0);
}

/** FMUL m64. */
export function x87FmulM64(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widen64(src);
    multiply(seOf(st(cpu, 0)), mOf(st(cpu, 0)), oSe, oM);
  }
  settle(cpu, 0);
}

/** FIMUL m16. */
export function x87FmulI16(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widenInteger(load<i16>(src));
    multiply(seOf(st(cpu, 0)), mOf(st(cpu, 0)), oSe, oM);
  }
  settle(cpu, 0);
}

/** FIMUL m32. */
export function x87FmulI32(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widenInteger(load<i32>(src));
    multiply(seOf(st(cpu, 0)), mOf(st(cpu, 0)), oSe, oM);
  }
  settle(cpu, 0);
}

/** FSUB ST(0), ST(i). */
export function x87Fsub(cpu: usize, i: u32): void {
  if (begin2(cpu, i)) subtract(seOf(st(cpu, 0)), mOf(st(cpu, 0)), seOf(st(cpu, i)), mOf(st(cpu, i)));
  settle(cpu, 0);
}

/** FSUB ST(i), ST(0). */
export function x87FsubTo(cpu: usize, i: u32): void {
  if (begin2(cpu, i)) subtract(seOf(st(cpu, i)), mOf(st(cpu, i)), seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  settle(cpu, i);
}

/** FSUBP ST(i), ST(0). */
export function x87FsubP(cpu: usize, i: u32): void {
  if (begin2(cpu, i)) subtract(seOf(st(cpu, i)), mOf(st(cpu, i)), seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  if (settle(cpu, i)) pop(cpu);
}

/** FSUB m32. */
export function x87FsubM32(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widen32(src);
    subtract(seOf(st(cpu, 0)), mOf(st(cpu, 0)), oSe, oM);
  }
  settle(cpu, 0);
}

/** FSUB m64. */
export function x87FsubM64(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widen64(src);
    subtract(seOf(st(cpu, 0)), mOf(st(cpu, 0)), oSe, oM);
  }
  settle(cpu, 0);
}

/** FISUB m16. */
export function x87FsubI16(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widenInteger(load<i16>(src));
    subtract(seOf(st(cpu, 0)), mOf(st(cpu, 0)), oSe, oM);
  }
  settle(cpu, 0);
}

/** FISUB m32. */
export function x87FsubI32(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widenInteger(load<i32>(src));
    subtract(seOf(st(cpu, 0)), mOf(st(cpu, 0)), oSe, oM);
  }
  settle(cpu, 0);
}

/** FSUBR ST(0), ST(i). */
export function x87Fsubr(cpu: usize, i: u32): void {
  if (begin2(cpu, i)) subtract(seOf(st(cpu, i)), mOf(st(cpu, i)), seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  settle(cpu, 0);
}

/** FSUBR ST(i), ST(0). */
export function x87FsubrTo(cpu: usize, i: u32): void {
  if (begin2(cpu, i)) subtract(seOf(st(cpu, 0)), mOf(st(cpu, 0)), seOf(st(cpu, i)), mOf(st(cpu, i)));
  settle(cpu, i);
}

/** FSUBRP ST(i), ST(0). */
export function x87FsubrP(cpu: usize, i: u32): void {
  if (begin2(cpu, i)) subtract(seOf(st(cpu, 0)), mOf(st(cpu, 0)), seOf(st(cpu, i)), mOf(st(cpu, i)));
  if (settle(cpu, i)) pop(cpu);
}

/** FSUBR m32. */
export function x87FsubrM32(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widen32(src);
    subtract(oSe, oM, seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  }
  settle(cpu, 0);
}

/** FSUBR m64. */
export function x87FsubrM64(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widen64(src);
    subtract(oSe, oM, seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  }
  settle(cpu, 0);
}

/** FISUBR m16. */
export function x87FsubrI16(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widenInteger(load<i16>(src));
    subtract(oSe, oM, seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  }
  settle(cpu, 0);
}

/** FISUBR m32. */
export function x87FsubrI32(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widenInteger(load<i32>(src));
    subtract(oSe, oM, seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  }
  settle(cpu, 0);
}

/** FDIV ST(0), ST(i). */
export function x87Fdiv(cpu: usize, i: u32): void {
  if (begin2(cpu, i)) divide(seOf(st(cpu, 0)), mOf(st(cpu, 0)), seOf(st(cpu, i)), mOf(st(cpu, i)));
  settle(cpu, 0);
}

/** FDIV ST(i), ST(0). */
export function x87FdivTo(cpu: usize, i: u32): void {
  if (begin2(cpu, i)) divide(seOf(st(cpu, i)), mOf(st(cpu, i)), seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  settle(cpu, i);
}

/** FDIVP ST(i), ST(0). */
export function x87FdivP(cpu: usize, i: u32): void {
  if (begin2(cpu, i)) divide(seOf(st(cpu, i)), mOf(st(cpu, i)), seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  if (settle(cpu, i)) pop(cpu);
}

/** FDIV m32. */
export function x87FdivM32(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widen32(src);
    divide(seOf(st(cpu, 0)), mOf(st(cpu, 0)), oSe, oM);
  }
  settle(cpu, 0);
}

/** FDIV m64. */
export function x87FdivM64(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widen64(src);
    divide(seOf(st(cpu, 0)), mOf(st(cpu, 0)), oSe, oM);
  }
  settle(cpu, 0);
}

/** FIDIV m16. */
export function x87FdivI16(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widenInteger(load<i16>(src));
    divide(seOf(st(cpu, 0)), mOf(st(cpu, 0)), oSe, oM);
  }
  settle(cpu, 0);
}

/** FIDIV m32. */
export function x87FdivI32(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widenInteger(load<i32>(src));
    divide(seOf(st(cpu, 0)), mOf(st(cpu, 0)), oSe, oM);
  }
  settle(cpu, 0);
}

/** FDIVR ST(0), ST(i). */
export function x87Fdivr(cpu: usize, i: u32): void {
  if (begin2(cpu, i)) divide(seOf(st(cpu, i)), mOf(st(cpu, i)), seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  settle(cpu, 0);
}

/** FDIVR ST(i), ST(0). */
export function x87FdivrTo(cpu: usize, i: u32): void {
  if (begin2(cpu, i)) divide(seOf(st(cpu, 0)), mOf(st(cpu, 0)), seOf(st(cpu, i)), mOf(st(cpu, i)));
  settle(cpu, i);
}

/** FDIVRP ST(i), ST(0). */
export function x87FdivrP(cpu: usize, i: u32): void {
  if (begin2(cpu, i)) divide(seOf(st(cpu, 0)), mOf(st(cpu, 0)), seOf(st(cpu, i)), mOf(st(cpu, i)));
  if (settle(cpu, i)) pop(cpu);
}

/** FDIVR m32. */
export function x87FdivrM32(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widen32(src);
    divide(oSe, oM, seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  }
  settle(cpu, 0);
}

/** FDIVR m64. */
export function x87FdivrM64(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widen64(src);
    divide(oSe, oM, seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  }
  settle(cpu, 0);
}

/** FIDIVR m16. */
export function x87FdivrI16(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widenInteger(load<i16>(src));
    divide(oSe, oM, seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  }
  settle(cpu, 0);
}

/** FIDIVR m32. */
export function x87FdivrI32(cpu: usize, src: usize): void {
  if (begin1(cpu, 0)) {
    widenInteger(load<i32>(src));
    divide(oSe, oM, seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  }
  settle(cpu, 0);
}

/** FSQRT. */
export function x87Fsqrt(cpu: usize, i: u32): void {
  if (begin1(cpu, 0)) squareRoot(seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  settle(cpu, 0);
}

/** FABS: any pattern, only the sign. */
export function x87Fabs(cpu: usize, i: u32): void {
  if (begin1(cpu, 0)) setResult(seOf(st(cpu, 0)) & ~SIGN, mOf(st(cpu, 0)));
  settle(cpu, 0);
}

/** FCHS: any pattern, only the sign. */
export function x87Fchs(cpu: usize, i: u32): void {
  if (begin1(cpu, 0)) setResult(seOf(st(cpu, 0)) ^ SIGN, mOf(st(cpu, 0)));
  settle(cpu, 0);
}
