// PUSHF, POPF, PUSHA, POPA, ENTER, LEAVE (SDM Vol. 2), on stacks of every width.
import {
  AUX_OP16,
  AUX_OP64,
  CPL,
  CR4,
  EFLAGS,
  GPR,
  INTR,
  MODE,
  MODE_64,
  MODE_SS32,
  MODE_V86,
  RESTART,
  SS,
  U_AUX,
  U_IMM,
} from "../../src/layout";
import { GP, faulted, raiseError } from "../fault";
import { AC, ID, IF, IOPL, RF, TF, VIF, VIP, VM, getFlags, setFlags } from "../flags";
import { probeWrite, rd16, rd32, rd64 } from "../memory/access";
import { segAddress } from "../memory/segmentation";
import { CR4_VME, RBP, RSP } from "./bits";
import { BASIC } from "./iret";
import { updateMode } from "./mode";
import { pushSlow, stackCommit, stackCurrent, stackPop, stackPush, stackSkip, stackSp } from "./stack";

function sizeOf(u: usize): u32 {
  const aux = load<u32>(u, U_AUX);
  return aux & AUX_OP64 ? 8 : aux & AUX_OP16 ? 2 : 4;
}

/** Virtual-8086 mode with IOPL < 3: PUSHF and POPF are #GP(0), or work on VIF under CR4.VME with a 16-bit operand. */
function virtualFlags(cpu: usize): bool {
  return (load<u32>(cpu, MODE) & MODE_V86) != 0 && (load<u32>(cpu, EFLAGS) & IOPL) != IOPL;
}

export function pushFlags(cpu: usize, u: usize): void {
  const size = sizeOf(u);
  let flags = getFlags(cpu) & ~(VM | RF);
  if (virtualFlags(cpu)) {
    if (size != 2 || !(load<u32>(cpu, CR4) & CR4_VME)) {
      raiseError(cpu, GP, 0);
      return;
    }
    flags = (flags & ~IF) | IOPL | ((flags & VIF) >> 10);
  }
  pushSlow(cpu, flags, size);
}

export function popFlags(cpu: usize, u: usize): void {
  const size = sizeOf(u);
  const old = getFlags(cpu);
  const virtual = virtualFlags(cpu);
  if (virtual && (size != 2 || !(load<u32>(cpu, CR4) & CR4_VME))) {
    raiseError(cpu, GP, 0);
    return;
  }
  stackCurrent(cpu, 0);
  const value = <u32>stackPop(cpu, size);
  if (faulted(cpu)) return;
  if (virtual && (value & TF || (value & IF && old & VIP))) {
    raiseError(cpu, GP, 0);
    return;
  }
  stackCommit(cpu);
  let mask = BASIC;
  if (size != 2) mask |= AC | ID;
  const cpl = load<u32>(cpu, CPL);
  if (!virtual && cpl <= (old & IOPL) >> 12) mask |= IF;
  if (cpl == 0) mask |= IOPL;
  let flags = (old & ~mask & ~RF) | (value & mask);
  if (virtual) flags = (flags & ~VIF) | ((value & IF) << 10);
  setFlags(cpu, flags);
  if ((old ^ flags) & AC) updateMode(cpu);
  if (flags & TF || (flags & ~old & IF && load<u32>(cpu, INTR))) store<u32>(cpu, 1, RESTART);
}

export function pushAll(cpu: usize, u: usize): void {
  const size = sizeOf(u);
  stackCurrent(cpu, 0);
  for (let i: u32 = 0; i < 8; i++) {
    if (!stackPush(cpu, load<u64>(cpu + (<usize>i << 3), GPR), size)) return;
  }
  stackCommit(cpu);
}

export function popAll(cpu: usize, u: usize): void {
  const size = sizeOf(u);
  stackCurrent(cpu, 0);
  const start = stackSp;
  for (let i: u32 = 0; i < 8; i++) {
    stackPop(cpu, size); // first only to see whether all can be read
    if (faulted(cpu)) return;
  }
  stackSkip(start - stackSp);
  for (let i: i32 = 7; i >= 0; i--) {
    const value = stackPop(cpu, size);
    if (i == 4) continue; // the image of SP is skipped
    if (size == 2) store<u16>(cpu + (<usize>i << 3), <u16>value, GPR);
    else store<u64>(cpu + (<usize>i << 3), value, GPR);
  }
  stackCommit(cpu);
}

/** Mask of the stack pointer: SS.B and 64-bit mode. */
function stackWidth(cpu: usize): u64 {
  const mode = load<u32>(cpu, MODE);
  return mode & MODE_64 ? <u64>-1 : mode & MODE_SS32 ? 0xffffffff : 0xffff;
}

function storeStackRegister(cpu: usize, slot: usize, value: u64, mask: u64): void {
  if (mask == 0xffff) store<u16>(cpu + slot, <u16>value);
  else store<u64>(cpu + slot, value & mask);
}

function readStack(cpu: usize, offset: u64, size: u32): u64 {
  const linear = segAddress(cpu, SS, offset, size, false);
  if (faulted(cpu)) return 0;
  return size == 8 ? rd64(cpu, linear) : size == 4 ? <u64>rd32(cpu, linear) : <u64>rd16(cpu, linear);
}

/** ENTER: a frame with `level` display pointers and `bytes` of locals. The final stack pointer must be writable. */
export function enterFrame(cpu: usize, u: usize): void {
  const size = sizeOf(u);
  const bytes = <u64>load<u16>(u, U_IMM);
  const level = load<u32>(u, U_IMM + 4) & 31;
  const mask = stackWidth(cpu);
  stackCurrent(cpu, 0);
  if (!stackPush(cpu, load<u64>(cpu, GPR + RBP), size)) return;
  const frame = stackSp;
  let bp = load<u64>(cpu, GPR + RBP);
  for (let i: u32 = 1; i < level; i++) {
    bp = (bp & ~mask) | ((bp - <u64>size) & mask);
    const value = readStack(cpu, bp & mask, size);
    if (faulted(cpu) || !stackPush(cpu, value, size)) return;
  }
  if (level && !stackPush(cpu, frame, size)) return;
  stackSkip(-bytes);
  const last = segAddress(cpu, SS, stackSp & mask, size, true);
  if (faulted(cpu) || !probeWrite(cpu, last, size)) return;
  stackCommit(cpu);
  if (size == 2) store<u16>(cpu, <u16>frame, GPR + RBP);
  else storeStackRegister(cpu, GPR + RBP, frame, mask);
}

/** LEAVE: rSP = rBP at the stack's width, then POP rBP. */
export function leaveSlow(cpu: usize, u: usize): void {
  const size = sizeOf(u);
  const mask = stackWidth(cpu);
  const bp = load<u64>(cpu, GPR + RBP);
  const value = readStack(cpu, bp & mask, size);
  if (faulted(cpu)) return;
  storeStackRegister(cpu, GPR + RSP, bp + <u64>size, mask);
  if (size == 2) store<u16>(cpu, <u16>value, GPR + RBP);
  else store<u64>(cpu, value, GPR + RBP);
}
