// Far JMP, CALL and RET (SDM Vol. 2A "CALL", "JMP", Vol. 2B "RET"): real-address and virtual-8086 mode, conforming and non-conforming code,
// call gates of 16, 32 and 64 bits with stack switch, task gates and TSSs.
import {
  AUX_OP16,
  AUX_OP64,
  CPL,
  CS,
  EFER,
  GPR,
  MODE,
  MODE_PE,
  MODE_V86,
  RIP,
  SEG_ACCESS,
  SEG_LIMIT,
  SEG_SELECTOR,
  SS,
  U_AUX,
  U_IMM,
  U_SEG,
} from "../../src/layout";
import { GP, NP, faulted, raiseError } from "../fault";
import { getFlags } from "../flags";
import { rd16, rd32, rd64 } from "../memory/access";
import { canonical, segAddress, uopOffset } from "../memory/segmentation";
import {
  ACC_CODE,
  ACC_CONFORMING,
  ACC_DB,
  ACC_L,
  ACC_P,
  ACC_S,
  EFER_LMA,
  RSP,
  TYPE_CALL16,
  TYPE_CALL32,
  TYPE_TASK_GATE,
  TYPE_TSS16,
  TYPE_TSS32,
} from "./bits";
import {
  baseOf,
  descAccess,
  descAt,
  descHigh,
  descLow,
  dplOf,
  limitOf,
  markAccessed,
  raiseSelector,
  readDescriptor,
  readHighBase,
  segmentAt,
  setNullSegment,
  setRealSegment,
  setSegment,
  setV86Segment,
  useDescriptor,
} from "./descriptor";
import { innerHigh, innerLow, innerSp, innerSs, readInnerStack, readInnerStack64 } from "./inner-stack";
import { checkReturnCode, checkReturnIp, checkReturnStack, dropInnerSegments, returnStack } from "./iret";
import { updateModeOfCode } from "./mode";
import { stackCommit, stackCommitSwitch, stackCurrent, stackPop, stackPush, stackSkip, stackSwitch, stackSwitch64 } from "./stack";
import { TASK_CALL, TASK_JMP, taskSwitch } from "./task";

function longMode(cpu: usize): bool {
  return (load<u32>(cpu, EFER) & EFER_LMA) != 0;
}

/** CS:rIP of the next instruction. */
function pushReturn(cpu: usize, size: u32): bool {
  return stackPush(cpu, load<u32>(segmentAt(cpu, CS), SEG_SELECTOR), size) && stackPush(cpu, load<u64>(cpu, RIP), size);
}

/** Real-address and virtual-8086 mode. */
function farReal(cpu: usize, selector: u32, offset: u64, size: u32, call: bool): void {
  const v86 = (load<u32>(cpu, MODE) & MODE_V86) != 0;
  if (call) {
    stackCurrent(cpu, 0);
    if (!pushReturn(cpu, size)) return;
  }
  if (offset > <u64>(v86 ? 0xffff : load<u32>(segmentAt(cpu, CS), SEG_LIMIT))) {
    raiseError(cpu, GP, 0);
    return;
  }
  if (call) stackCommit(cpu);
  if (v86) setV86Segment(cpu, CS, selector);
  else setRealSegment(cpu, CS, selector);
  store<u64>(cpu, offset, RIP);
}

/** Is `offset` inside the present descriptor, the target code segment? #GP(0) otherwise. */
function checkTargetIp(cpu: usize, offset: u64): bool {
  const long = longMode(cpu) && (descAccess & ACC_L) != 0;
  if (long ? canonical(offset) : offset <= <u64>limitOf(descLow, descHigh)) return true;
  raiseError(cpu, GP, 0);
  return false;
}

/** Goes on at the same privilege; the target's descriptor is the present one and has been checked. */
function farWithin(cpu: usize, selector: u32, offset: u64, size: u32, call: bool): void {
  if (call) {
    stackCurrent(cpu, 0);
    if (!pushReturn(cpu, size)) return;
  }
  if (!checkTargetIp(cpu, offset) || !markAccessed(cpu)) return;
  if (call) stackCommit(cpu);
  setSegment(cpu, CS, (selector & ~3) | load<u32>(cpu, CPL), descLow, descHigh);
  store<u64>(cpu, offset, RIP);
}

/** A code segment named directly; its descriptor is the present one. */
function farCode(cpu: usize, selector: u32, offset: u64, size: u32, call: bool): void {
  const access = descAccess;
  const cpl = load<u32>(cpu, CPL);
  const dpl = dplOf(access);
  const allowed = access & ACC_CONFORMING ? dpl <= cpl : (selector & 3) <= cpl && dpl == cpl;
  if (!allowed || (longMode(cpu) && (access & (ACC_L | ACC_DB)) == (ACC_L | ACC_DB))) {
    raiseSelector(cpu, GP, selector);
    return;
  }
  if (!(access & ACC_P)) {
    raiseSelector(cpu, NP, selector);
    return;
  }
  farWithin(cpu, selector, offset, size, call);
}

/** Copies `count` parameters of `size` bytes from the caller's stack to the cursor's. */
function copyParameters(cpu: usize, count: u32, size: u32): bool {
  const wide = (load<u32>(segmentAt(cpu, SS), SEG_ACCESS) & ACC_DB) != 0;
  const mask: u64 = wide ? 0xffffffff : 0xffff;
  const sp = load<u64>(cpu, GPR + RSP);
  while (count > 0) {
    count--;
    const linear = segAddress(cpu, SS, (sp + <u64>(count * size)) & mask, size, false);
    if (faulted(cpu)) return false;
    const value: u32 = size == 4 ? rd32(cpu, linear) : rd16(cpu, linear);
    if (faulted(cpu) || !stackPush(cpu, value, size)) return false;
  }
  return true;
}

/** MORE-PRIVILEGE of a call gate: a new stack from the TSS. The target's descriptor is the present one. */
function callInner(cpu: usize, selector: u32, offset: u64, size: u32, parameters: u32): void {
  const low = descLow;
  const high = descHigh;
  const at = descAt;
  const dpl = dplOf(descAccess);
  const long = longMode(cpu);
  if (long) {
    if (!readInnerStack64(cpu, 4 + 8 * dpl)) return;
    stackSwitch64(cpu, innerSp, dpl, 0);
  } else {
    if (!readInnerStack(cpu, dpl)) return;
    const access = (innerHigh >> 8) & 0xf0ff;
    stackSwitch(cpu, innerSp, baseOf(innerLow, innerHigh), limitOf(innerLow, innerHigh), access, dpl, innerSs & 0xfffc);
  }
  const oldSp = load<u64>(cpu, GPR + RSP);
  if (!stackPush(cpu, load<u32>(segmentAt(cpu, SS), SEG_SELECTOR), size) || !stackPush(cpu, oldSp, size)) return;
  if (!copyParameters(cpu, parameters, size) || !pushReturn(cpu, size)) return;
  useDescriptor(low, high, at);
  if (!checkTargetIp(cpu, offset) || !markAccessed(cpu)) return;
  if (long) {
    setNullSegment(cpu, SS, dpl);
    store<u32>(segmentAt(cpu, SS), dpl << 5, SEG_ACCESS);
  } else setSegment(cpu, SS, innerSs, innerLow, innerHigh);
  stackCommitSwitch(cpu);
  setSegment(cpu, CS, (selector & ~3) | dpl, low, descHigh);
  store<u32>(cpu, dpl, CPL);
  store<u64>(cpu, offset, RIP);
}

/** Through a call gate, whose descriptor is the present one. */
function farGate(cpu: usize, gate: u32, call: bool): void {
  const long = longMode(cpu);
  const size: u32 = long ? 8 : descAccess & 8 ? 4 : 2;
  const selector = descLow >> 16;
  const parameters = long ? 0 : descHigh & 0x1f;
  let offset = <u64>(size == 2 ? descLow & 0xffff : (descHigh & 0xffff0000) | (descLow & 0xffff));
  if (long) {
    offset |= readHighBase(cpu, gate, GP);
    if (faulted(cpu)) return;
  }
  if (!(selector & 0xfffc)) {
    raiseError(cpu, GP, 0);
    return;
  }
  if (!readDescriptor(cpu, selector, GP)) return;
  const access = descAccess;
  const cpl = load<u32>(cpu, CPL);
  const dpl = dplOf(access);
  const conforming = (access & ACC_CONFORMING) != 0;
  if (
    (access & (ACC_S | ACC_CODE)) != (ACC_S | ACC_CODE) ||
    dpl > cpl ||
    (!call && !conforming && dpl != cpl) ||
    (long && (access & (ACC_L | ACC_DB)) != ACC_L)
  ) {
    raiseSelector(cpu, GP, selector);
    return;
  }
  if (!(access & ACC_P)) {
    raiseSelector(cpu, NP, selector);
    return;
  }
  if (call && !conforming && dpl < cpl) {
    callInner(cpu, selector, offset, size, parameters);
    return;
  }
  farWithin(cpu, selector, offset, size, call);
}

/** Call gates, task gates and TSSs; the descriptor is the present one. */
function farSystem(cpu: usize, selector: u32, call: bool): void {
  const type = descAccess & 0x1f;
  const dpl = dplOf(descAccess);
  const gate = type == TYPE_CALL32 || (type == TYPE_CALL16 && !longMode(cpu));
  const task = !longMode(cpu) && (type == TYPE_TASK_GATE || type == TYPE_TSS16 || type == TYPE_TSS32);
  if ((!gate && !task) || dpl < load<u32>(cpu, CPL) || dpl < (selector & 3)) {
    raiseSelector(cpu, GP, selector);
    return;
  }
  if (!(descAccess & ACC_P)) {
    raiseSelector(cpu, NP, selector);
    return;
  }
  if (gate) farGate(cpu, selector, call);
  else taskSwitch(cpu, type == TYPE_TASK_GATE ? descLow >> 16 : selector, call ? TASK_CALL : TASK_JMP, false, 0, getFlags(cpu));
}

function far(cpu: usize, selector: u32, offset: u64, size: u32, call: bool): void {
  if (!(load<u32>(cpu, MODE) & MODE_PE)) farReal(cpu, selector, offset, size, call);
  else if (!(selector & 0xfffc)) raiseError(cpu, GP, 0);
  else if (readDescriptor(cpu, selector, GP)) {
    if ((descAccess & (ACC_S | ACC_CODE)) == (ACC_S | ACC_CODE)) farCode(cpu, selector, offset, size, call);
    else if (descAccess & ACC_S) raiseSelector(cpu, GP, selector);
    else farSystem(cpu, selector, call);
  }
  if (!faulted(cpu)) updateModeOfCode(cpu);
}

function sizeOf(u: usize): u32 {
  const aux = load<u32>(u, U_AUX);
  return aux & AUX_OP64 ? 8 : aux & AUX_OP16 ? 2 : 4;
}

/** ptr16:16, ptr16:32. */
function immediate(cpu: usize, u: usize, call: bool): void {
  const size = sizeOf(u);
  const offset = load<u32>(u, U_IMM);
  far(cpu, load<u16>(u, U_IMM + 4), size == 2 ? offset & 0xffff : offset, size, call);
}

/** m16:16, m16:32, m16:64. */
function indirect(cpu: usize, u: usize, call: bool): void {
  const size = sizeOf(u);
  const linear = segAddress(cpu, load<u8>(u, U_SEG) & 7, uopOffset(cpu, u), size + 2, false);
  if (faulted(cpu)) return;
  const offset: u64 = size == 8 ? rd64(cpu, linear) : size == 4 ? <u64>rd32(cpu, linear) : <u64>rd16(cpu, linear);
  if (faulted(cpu)) return;
  const selector = rd16(cpu, linear + <u64>size);
  if (!faulted(cpu)) far(cpu, selector, offset, size, call);
}

export function jmpFar(cpu: usize, u: usize): void {
  immediate(cpu, u, false);
}
export function callFar(cpu: usize, u: usize): void {
  immediate(cpu, u, true);
}
export function jmpFarIndirect(cpu: usize, u: usize): void {
  indirect(cpu, u, false);
}
export function callFarIndirect(cpu: usize, u: usize): void {
  indirect(cpu, u, true);
}

function retFarReal(cpu: usize, cs: u32, ip: u64, release: u32): void {
  const v86 = (load<u32>(cpu, MODE) & MODE_V86) != 0;
  if (ip > <u64>(v86 ? 0xffff : load<u32>(segmentAt(cpu, CS), SEG_LIMIT))) {
    raiseError(cpu, GP, 0);
    return;
  }
  stackSkip(release);
  stackCommit(cpu);
  if (v86) setV86Segment(cpu, CS, cs);
  else setRealSegment(cpu, CS, cs);
  store<u64>(cpu, ip, RIP);
}

function retFarProtected(cpu: usize, cs: u32, ip: u64, size: u32, release: u32): void {
  if (!checkReturnCode(cpu, cs)) return;
  const cpl = load<u32>(cpu, CPL);
  const rpl = cs & 3;
  const low = descLow;
  const high = descHigh;
  const at = descAt;
  const long = longMode(cpu) && (descAccess & ACC_L) != 0;
  let sp: u64 = 0;
  let ss: u32 = 0;
  stackSkip(release);
  if (rpl > cpl) {
    sp = stackPop(cpu, size);
    if (faulted(cpu)) return;
    ss = <u32>stackPop(cpu, size) & 0xffff;
    if (faulted(cpu)) return;
    if (!checkReturnStack(cpu, ss, rpl, long)) return;
    useDescriptor(low, high, at);
  }
  if (!checkReturnIp(cpu, ip) || !markAccessed(cpu)) return;
  setSegment(cpu, CS, cs, low, descHigh);
  store<u64>(cpu, ip, RIP);
  if (rpl == cpl) {
    stackCommit(cpu);
    return;
  }
  returnStack(cpu, ss, sp + <u64>release, rpl, long);
  store<u32>(cpu, rpl, CPL);
  dropInnerSegments(cpu, rpl);
}

/** RET far, with U_IMM bytes of parameters to release. */
export function retFar(cpu: usize, u: usize): void {
  const size = sizeOf(u);
  const release = <u32>load<u16>(u, U_IMM);
  stackCurrent(cpu, 0);
  const ip = stackPop(cpu, size);
  if (faulted(cpu)) return;
  const cs = <u32>stackPop(cpu, size) & 0xffff;
  if (faulted(cpu)) return;
  if (load<u32>(cpu, MODE) & MODE_PE) retFarProtected(cpu, cs, ip, size, release);
  else retFarReal(cpu, cs, ip, release);
  if (!faulted(cpu)) updateModeOfCode(cpu);
}
