// FCOM, FUCOM, FCOMI, FUCOMI, FTST, FXAM (SDM Vol. 2A). FCOM answers IE for any NaN, FUCOM only for signalling ones.
// FCOMI and FUCOMI leave OF, SF and AF clear.
import { FPR, FSW, FTW } from "../../src/layout";
import { CF, PF, setCarryZero, setStatus, ZF } from "../flags";
import { classOf, DENORMAL, INFINITE, noteDenormal2, QNAN, SNAN, UNSUPPORTED, ZERO } from "./classify";
import { widen32, widen64, widenInteger } from "./convert";
import { begin1, begin2, conclude, isEmpty, mOf, pop, popped, seOf, settleCodes, st } from "./stack";
import { C0, C1, C2, C3, CC, DE, exc, EXP, IE, oM, oSe, SIGN, signal } from "./state";

const UNORDERED: u32 = C0 | C2 | C3;

/** Condition codes of a compared with b. */
function compare(aSe: u32, a: u64, bSe: u32, b: u64, quiet: bool): u32 {
  const x = classOf(aSe, a);
  const y = classOf(bSe, b);
  if (x >= QNAN || y >= QNAN) {
    if (!quiet || x >= SNAN || y >= SNAN) signal(IE);
    return UNORDERED;
  }
  noteDenormal2(x, y);
  if (x == ZERO && y == ZERO) return C3;
  if ((aSe ^ bSe) & SIGN) return aSe & SIGN ? C0 : 0;
  // same sign: exponent and significand order magnitudes, a pseudo-denormal having exponent 1
  const ea = exponentOf(aSe, a);
  const eb = exponentOf(bSe, b);
  if (ea == eb && a == b) return C3;
  const less = ea < eb || (ea == eb && a < b);
  return less != ((aSe & SIGN) != 0) ? C0 : 0;
}

function exponentOf(se: u32, m: u64): u32 {
  const e = se & EXP;
  return e == 0 && <i64>m < 0 ? 1 : e;
}

/** No answer of compareQuick's. */
const ASK: u32 = 1;

/** The same for values that are each normal or zero, ASK for all others. */
// @ts-ignore: decorator
@inline
function compareQuick(aSe: u32, a: u64, bSe: u32, b: u64): u32 {
  const ea = aSe & EXP;
  const eb = bSe & EXP;
  if (!(<i64>a < 0 ? ea - 1 < EXP - 1 : (a | ea) == 0) || !(<i64>b < 0 ? eb - 1 < EXP - 1 : (b | eb) == 0)) return ASK;
  if ((a | b) == 0) return C3;
  if ((aSe ^ bSe) & SIGN) return aSe & SIGN ? C0 : 0;
  if (ea == eb && a == b) return C3;
  return <u32>(ea < eb || (ea == eb && a < b)) == aSe >> 15 ? 0 : C0;
}

/** Condition codes of ST(0) and ST(i), ASK when one is empty, too. */
// @ts-ignore: decorator
@inline
function registersQuick(cpu: usize, i: u32): u32 {
  const full = load<u32>(cpu, FTW);
  const n = (load<u32>(cpu, FSW) >> 11) & 7;
  const other = (n + i) & 7;
  if (!((full >> n) & (full >> other) & 1)) return ASK;
  const a = cpu + FPR + (n << 4);
  const b = cpu + FPR + (other << 4);
  return compareQuick(seOf(a), mOf(a), seOf(b), mOf(b));
}

/** ST(0) compared with ST(i); false when an unmasked exception stops the instruction. */
function compareRegisters(cpu: usize, i: u32, quiet: bool): bool {
  const quick = registersQuick(cpu, i);
  if (quick != ASK) {
    store<u32>(cpu, (load<u32>(cpu, FSW) & ~(CC | C1)) | quick, FSW);
    return true;
  }
  let codes = UNORDERED;
  if (begin2(cpu, i)) codes = compare(seOf(st(cpu, 0)), mOf(st(cpu, 0)), seOf(st(cpu, i)), mOf(st(cpu, i)), quiet);
  return settleCodes(cpu, codes);
}

/** FCOM ST(i). */
export function x87Fcom(cpu: usize, i: u32): void {
  compareRegisters(cpu, i, false);
}

/** FCOMP ST(i). */
export function x87Fcomp(cpu: usize, i: u32): void {
  if (compareRegisters(cpu, i, false)) pop(cpu);
}

/** FCOMPP. */
export function x87Fcompp(cpu: usize, i: u32): void {
  if (!compareRegisters(cpu, 1, false)) return;
  pop(cpu);
  pop(cpu);
}

/** FUCOM ST(i). */
export function x87Fucom(cpu: usize, i: u32): void {
  compareRegisters(cpu, i, true);
}

/** FUCOMP ST(i). */
export function x87Fucomp(cpu: usize, i: u32): void {
  if (compareRegisters(cpu, i, true)) pop(cpu);
}

/** FUCOMPP. */
export function x87Fucompp(cpu: usize, i: u32): void {
  if (!compareRegisters(cpu, 1, true)) return;
  pop(cpu);
  pop(cpu);
}

/** ST(0) compared with the widened operand; `ready` is false after a stack fault. */
function compareOperand(cpu: usize, ready: bool): bool {
  if (ready && exc == 0) {
    const quick = compareQuick(seOf(st(cpu, 0)), mOf(st(cpu, 0)), oSe, oM);
    if (quick != ASK) {
      store<u32>(cpu, (load<u32>(cpu, FSW) & ~(CC | C1)) | quick, FSW);
      return true;
    }
  }
  return settleCodes(cpu, ready ? compare(seOf(st(cpu, 0)), mOf(st(cpu, 0)), oSe, oM, false) : UNORDERED);
}

function with32(cpu: usize, src: usize): bool {
  const ready = begin1(cpu, 0);
  if (ready) widen32(src);
  return compareOperand(cpu, ready);
}

function with64(cpu: usize, src: usize): bool {
  const ready = begin1(cpu, 0);
  if (ready) widen64(src);
  return compareOperand(cpu, ready);
}

function withInteger(cpu: usize, value: i64): bool {
  const ready = begin1(cpu, 0);
  if (ready) widenInteger(value);
  return compareOperand(cpu, ready);
}

/** FCOM m32. */
export function x87FcomM32(cpu: usize, src: usize): void {
  with32(cpu, src);
}

/** FCOM m64. */
export function x87FcomM64(cpu: usize, src: usize): void {
  with64(cpu, src);
}

/** FCOMP m32. */
export function x87FcompM32(cpu: usize, src: usize): void {
  if (with32(cpu, src)) pop(cpu);
}

/** FCOMP m64. */
export function x87FcompM64(cpu: usize, src: usize): void {
  if (with64(cpu, src)) pop(cpu);
}

/** FICOM m16. */
export function x87FcomI16(cpu: usize, src: usize): void {
  withInteger(cpu, load<i16>(src));
}

/** FICOM m32. */
export function x87FcomI32(cpu: usize, src: usize): void {
  withInteger(cpu, load<i32>(src));
}

/** FICOMP m16. */
export function x87FcompI16(cpu: usize, src: usize): void {
  if (withInteger(cpu, load<i16>(src))) pop(cpu);
}

/** FICOMP m32. */
export function x87FcompI32(cpu: usize, src: usize): void {
  if (withInteger(cpu, load<i32>(src))) pop(cpu);
}

/** FCOMI and FUCOMI: the codes go to CF, PF and ZF. */
// @ts-ignore: decorator
@inline
function compareToFlags(cpu: usize, i: u32, quiet: bool, pops: bool): void {
  const quick = registersQuick(cpu, i);
  if (quick == ASK) {
    if (compareToFlagsSlow(cpu, i, quiet) && pops) pop(cpu);
    return;
  }
  const fsw = load<u32>(cpu, FSW);
  store<u32>(cpu, pops ? popped(fsw) : fsw & ~C1, FSW);
  if (pops) store<u32>(cpu, load<u32>(cpu, FTW) & ~(1 << ((fsw >> 11) & 7)), FTW);
  setCarryZero(cpu, quick & C0 ? 1 : 0, quick & C3 ? 1 : 0);
}

function compareToFlagsSlow(cpu: usize, i: u32, quiet: bool): bool {
  let codes = UNORDERED;
  if (begin2(cpu, i)) codes = compare(seOf(st(cpu, 0)), mOf(st(cpu, 0)), seOf(st(cpu, i)), mOf(st(cpu, i)), quiet);
  if (!conclude(cpu, IE | DE)) return false;
  setStatus(cpu, (codes & C0 ? CF : 0) | (codes & C2 ? PF : 0) | (codes & C3 ? ZF : 0));
  return true;
}

/** FCOMI. */
export function x87Fcomi(cpu: usize, i: u32): void {
  compareToFlags(cpu, i, false, false);
}

/** FCOMIP. */
export function x87Fcomip(cpu: usize, i: u32): void {
  compareToFlags(cpu, i, false, true);
}

/** FUCOMI. */
export function x87Fucomi(cpu: usize, i: u32): void {
  compareToFlags(cpu, i, true, false);
}

/** FUCOMIP. */
export function x87Fucomip(cpu: usize, i: u32): void {
  compareToFlags(cpu, i, true, true);
}

/** FTST: ST(0) compared with 0.0. */
export function x87Ftst(cpu: usize, i: u32): void {
  settleCodes(cpu, begin1(cpu, 0) ? compare(seOf(st(cpu, 0)), mOf(st(cpu, 0)), 0, 0, false) : UNORDERED);
}

/** FXAM: class of ST(0) in C3, C2, C0, its sign in C1; no exceptions. */
export function x87Fxam(cpu: usize, i: u32): void {
  const se = seOf(st(cpu, 0));
  let codes = se & SIGN ? C1 : 0;
  if (isEmpty(cpu, 0)) codes |= C3 | C0;
  else codes |= examine(classOf(se, mOf(st(cpu, 0))));
  store<u32>(cpu, (load<u32>(cpu, FSW) & ~(CC | C1)) | codes, FSW);
}

function examine(kind: u32): u32 {
  if (kind == ZERO) return C3;
  if (kind == DENORMAL) return C3 | C2;
  if (kind == INFINITE) return C2 | C0;
  if (kind == UNSUPPORTED) return 0;
  return kind >= QNAN ? C0 : C2;
}
