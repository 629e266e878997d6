// Stacks: a cursor over the current stack, or over one being switched to, that pushes and pops with limit and canonical checks and
// moves rSP only when everything has succeeded. Widths: SS.B chooses SP or ESP; 64-bit mode uses RSP.
import {
  AUX_OP32, AUX_OP64, CPL, GPR, MODE, MODE_64, MODE_FLAT, MODE_SS32, MODE_V86, SEG_ACCESS, SEG_BASE, SEG_LIMIT, SS, U_AUX,
} from "../../src/layout";
import { SS_, faulted, raiseError } from "../fault";
import { readAs, writeAs } from "../memory/access";
import { canonical, withinLimit } from "../memory/segmentation";
import { currentArray } from "../memory/tlb";
import { ACC_DB, RSP } from "./bits";
import { segmentAt } from "./descriptor";

/** The cursor: where the stack pointer would be now. */
export let stackSp: u64 = 0;
let stackMask: u64 = 0;
let stackBase: u64 = 0;
let stackLimit: u32 = 0;
let stackAccess: u32 = 0;
let stackArray: u32 = 0;
let stackError: u32 = 0;
let stackLong: bool = false;

/** Puts the cursor on SS:rSP. `error` is the error code of #SS. */
export function stackCurrent(cpu: usize, error: u32): void {
  const segment = segmentAt(cpu, SS);
  stackSp = load<u64>(cpu, GPR + RSP);
  stackBase = load<u64>(segment, SEG_BASE);
  stackLimit = load<u32>(segment, SEG_LIMIT);
  stackAccess = load<u32>(segment, SEG_ACCESS);
  stackLong = (load<u32>(cpu, MODE) & MODE_64) != 0;
  stackMask = stackLong ? <u64>-1 : stackAccess & ACC_DB ? 0xffffffff : 0xffff;
  stackArray = currentArray(cpu);
  stackError = error;
}

/** Rights to access a stack with when it is used at `cpl`. */
function arrayFor(cpu: usize, cpl: u32): u32 {
  return cpl == load<u32>(cpu, CPL) ? currentArray(cpu) : cpl == 3 ? 0 : 1;
}

/** Puts the cursor on a stack described by a segment that is not loaded yet; `cpl` is the privilege it will be used at. */
export function stackSwitch(cpu: usize, sp: u64, base: u32, limit: u32, access: u32, cpl: u32, error: u32): void {
  stackSp = sp;
  stackBase = base;
  stackLimit = limit;
  stackAccess = access;
  stackLong = false;
  stackMask = access & ACC_DB ? 0xffffffff : 0xffff;
  stackArray = arrayFor(cpu, cpl);
  stackError = error;
}

/** Puts the cursor on a 64-bit stack. */
export function stackSwitch64(cpu: usize, sp: u64, cpl: u32, error: u32): void {
  stackSp = sp;
  stackLong = true;
  stackMask = -1;
  stackArray = arrayFor(cpu, cpl);
  stackError = error;
}

/** Linear address of `size` bytes at stack offset `sp`; #SS when outside. */
function stackLinear(cpu: usize, sp: u64, size: u32): u64 {
  if (stackLong) {
    if (!canonical(sp) || !canonical(sp + <u64>(size - 1))) raiseError(cpu, SS_, stackError);
    return sp;
  }
  if (!withinLimit(stackLimit, stackAccess, sp, size)) raiseError(cpu, SS_, stackError);
  return (stackBase + sp) & 0xffffffff;
}

/** Pushes 2, 4 or 8 bytes. False: a fault is pending. */
export function stackPush(cpu: usize, value: u64, size: u32): bool {
  const sp = (stackSp - <u64>size) & stackMask;
  const linear = stackLinear(cpu, sp, size);
  if (faulted(cpu)) return false;
  writeAs(cpu, linear, value, size, stackArray);
  if (faulted(cpu)) return false;
  stackSp = (stackSp & ~stackMask) | sp;
  return true;
}

/** Reads 2, 4 or 8 bytes at the cursor without moving it. */
export function stackPeek(cpu: usize, size: u32): u64 {
  const linear = stackLinear(cpu, stackSp & stackMask, size);
  return faulted(cpu) ? 0 : readAs(cpu, linear, size, stackArray);
}

/** Moves the cursor up. */
export function stackSkip(bytes: u64): void {
  stackSp = (stackSp & ~stackMask) | ((stackSp + bytes) & stackMask);
}

/** Pops 2, 4 or 8 bytes. */
export function stackPop(cpu: usize, size: u32): u64 {
  const value = stackPeek(cpu, size);
  if (!faulted(cpu)) stackSkip(size);
  return value;
}

/** Makes the cursor the stack pointer, in the width of the stack: the bits above stay, but a 32-bit write clears the upper half. */
export function stackCommit(cpu: usize): void {
  if (stackMask == 0xffff) store<u16>(cpu, <u16>stackSp, GPR + RSP);
  else if (stackMask == 0xffffffff) store<u64>(cpu, stackSp & 0xffffffff, GPR + RSP);
  else store<u64>(cpu, stackSp, GPR + RSP);
}

/** Makes the cursor the stack pointer after a stack switch: all of rSP was loaded. */
export function stackCommitSwitch(cpu: usize): void {
  store<u64>(cpu, stackLong ? stackSp : stackSp & 0xffffffff, GPR + RSP);
}

/** Is the stack flat, outside virtual-8086 mode, and as wide as the operands of `u`? Common cases (isa/system-sem) are about no other. */
export function plainStack(cpu: usize, u: usize): bool {
  const mode = load<u32>(cpu, MODE);
  const aux = load<u32>(u, U_AUX);
  if (mode & MODE_64) return (aux & AUX_OP64) != 0;
  return (mode & (MODE_FLAT | MODE_SS32 | MODE_V86)) == (MODE_FLAT | MODE_SS32) && (aux & AUX_OP32) != 0;
}

/** PUSH of 2, 4 or 8 bytes on any stack. */
export function pushSlow(cpu: usize, value: u64, size: u32): void {
  stackCurrent(cpu, 0);
  if (stackPush(cpu, value, size)) stackCommit(cpu);
}

/** POP of 2, 4 or 8 bytes from any stack; rSP has moved unless a fault is pending. */
export function popSlow(cpu: usize, size: u32): u64 {
  stackCurrent(cpu, 0);
  const value = stackPop(cpu, size);
  if (!faulted(cpu)) stackCommit(cpu);
  return value;
}
