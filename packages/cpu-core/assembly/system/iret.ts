// IRET, IRETD, IRETQ in every mode (SDM Vol. 2A "IRET/IRETD/IRETQ"): same and outer level, return to virtual-8086 mode, nested tasks.
import {
  AUX_OP32,
  AUX_OP64,
  CPL,
  CR4,
  CS,
  DS,
  EFER,
  EFLAGS,
  ES,
  FETCH_WATCH,
  FS,
  GPR,
  GS,
  MODE,
  MODE_64,
  MODE_PE,
  MODE_V86,
  NMI_BLOCKED,
  RESTART,
  RIP,
  SEG_ACCESS,
  SEG_LIMIT,
  SEG_SELECTOR,
  SEG_SELECTOR,
  SS,
  STEP_TF,
  U_AUX,
} from "../../src/layout";
import { GP, NP, faulted, raiseError } from "../fault";
import { AC, DF, ID, IF, IOPL, NT, OF, RF, TF, VIF, VIP, VM, getFlags, setFlags } from "../flags";
import { canonical } from "../memory/segmentation";
import { ACC_CODE, ACC_CONFORMING, ACC_DB, ACC_L, ACC_P, ACC_S, CR4_VME, EFER_LMA, RSP } from "./bits";
import {
  descAccess,
  descAt,
  descHigh,
  descLow,
  dplOf,
  limitOf,
  markAccessed,
  raiseSelector,
  readDescriptor,
  segmentAt,
  setNullSegment,
  setRealSegment,
  setSegment,
  setV86Segment,
  useDescriptor,
} from "./descriptor";
import { checkStackSegment, innerHigh, innerLow } from "./inner-stack";
import { updateModeOfCode } from "./mode";
import { stackCommit, stackCurrent, stackPop } from "./stack";
import { taskReturn } from "./task";

/** The flags that IRET and POPF always load. */
export const BASIC: u32 = 0xd5 | TF | DF | OF | NT;

/** Loads EFLAGS as a return does; RF is kept only where someone can see it: instruction breakpoints. */
export function returnFlags(cpu: usize, value: u32, mask: u32): void {
  const flags = (getFlags(cpu) & ~mask & ~RF) | (value & mask);
  const seen = load<u32>(cpu, FETCH_WATCH) != 0;
  setFlags(cpu, seen ? flags : flags & ~RF);
  if (seen) store<u32>(cpu, load<u32>(cpu, STEP_TF) | (flags & RF), STEP_TF);
}

/**
 * After the code segment has changed: segments that the new CPL may not use become null, and null selectors 1 to 3 become 0 (SDM Vol. 2A
 * "IRET", RETURN-TO-OUTER-PRIVILEGE-LEVEL). That concerns selector and rights alone: the base stays, and 64-bit code goes on using it
 * (processors of both vendors; the manual says "SegmentSelector <- 0").
 */
export function dropInnerSegments(cpu: usize, cpl: u32): void {
  for (let seg: u32 = 0; seg < 6; seg++) {
    if (seg == CS || seg == SS) continue;
    const at = segmentAt(cpu, seg);
    const access = load<u32>(at, SEG_ACCESS);
    if (load<u32>(at, SEG_SELECTOR) < 4) store<u32>(at, 0, SEG_SELECTOR);
    const conforming = (access & (ACC_CODE | ACC_CONFORMING)) == (ACC_CODE | ACC_CONFORMING);
    if (!(access & ACC_P) || conforming || dplOf(access) >= cpl) continue;
    store<u32>(at, 0, SEG_ACCESS);
    store<u32>(at, 0, SEG_SELECTOR);
  }
}

function iretReal(cpu: usize, size: u32): void {
  const v86 = (load<u32>(cpu, MODE) & MODE_V86) != 0;
  const old = getFlags(cpu);
  const virtual = v86 && (old & IOPL) != IOPL;
  if (virtual && (size != 2 || !(load<u32>(cpu, CR4) & CR4_VME))) {
    raiseError(cpu, GP, 0);
    return;
  }
  stackCurrent(cpu, 0);
  const ip = stackPop(cpu, size);
  if (faulted(cpu)) return;
  const cs = <u32>stackPop(cpu, size) & 0xffff;
  if (faulted(cpu)) return;
  const flags = <u32>stackPop(cpu, size);
  if (faulted(cpu)) return;
  if (ip > <u64>(v86 ? 0xffff : load<u32>(segmentAt(cpu, CS), SEG_LIMIT))) {
    raiseError(cpu, GP, 0);
    return;
  }
  if (virtual && (flags & TF || (flags & IF && old & VIP))) {
    raiseError(cpu, GP, 0);
    return;
  }
  stackCommit(cpu);
  store<u64>(cpu, ip, RIP);
  if (v86) setV86Segment(cpu, CS, cs);
  else setRealSegment(cpu, CS, cs);
  if (virtual) {
    returnFlags(cpu, flags, BASIC);
    store<u32>(cpu, (load<u32>(cpu, EFLAGS) & ~VIF) | ((flags & IF) << 10), EFLAGS);
  } else returnFlags(cpu, flags, size == 2 ? BASIC | IF | (v86 ? 0 : IOPL) : BASIC | IF | RF | AC | ID | (v86 ? 0 : IOPL));
}

/** RETURN-TO-VIRTUAL-8086-MODE: CPL 0, the popped EFLAGS has VM. */
function iretToV86(cpu: usize, ip: u32, cs: u32, flags: u32): void {
  const sp = <u32>stackPop(cpu, 4);
  if (faulted(cpu)) return;
  const ss = <u32>stackPop(cpu, 4);
  if (faulted(cpu)) return;
  const es = <u32>stackPop(cpu, 4);
  if (faulted(cpu)) return;
  const ds = <u32>stackPop(cpu, 4);
  if (faulted(cpu)) return;
  const fs = <u32>stackPop(cpu, 4);
  if (faulted(cpu)) return;
  const gs = <u32>stackPop(cpu, 4);
  if (faulted(cpu)) return;
  if (ip > 0xffff) {
    raiseError(cpu, GP, 0);
    return;
  }
  returnFlags(cpu, flags, BASIC | IF | IOPL | RF | VM | AC | VIF | VIP | ID);
  store<u64>(cpu, ip, RIP);
  store<u64>(cpu, sp, GPR + RSP);
  setV86Segment(cpu, CS, cs & 0xffff);
  setV86Segment(cpu, SS, ss & 0xffff);
  setV86Segment(cpu, ES, es & 0xffff);
  setV86Segment(cpu, DS, ds & 0xffff);
  setV86Segment(cpu, FS, fs & 0xffff);
  setV86Segment(cpu, GS, gs & 0xffff);
}

/** Checks of a far return's code segment (RETF and IRET); the descriptor is then the present one. */
export function checkReturnCode(cpu: usize, cs: u32): bool {
  if (!(cs & 0xfffc)) {
    raiseError(cpu, GP, 0);
    return false;
  }
  if (!readDescriptor(cpu, cs, GP)) return false;
  const access = descAccess;
  const rpl = cs & 3;
  const dpl = dplOf(access);
  const long = load<u32>(cpu, EFER) & EFER_LMA;
  if (
    (access & (ACC_S | ACC_CODE)) != (ACC_S | ACC_CODE) ||
    (long && (access & (ACC_L | ACC_DB)) == (ACC_L | ACC_DB)) ||
    rpl < load<u32>(cpu, CPL) ||
    (access & ACC_CONFORMING ? dpl > rpl : dpl != rpl)
  ) {
    raiseSelector(cpu, GP, cs);
    return false;
  }
  if (!(access & ACC_P)) {
    raiseSelector(cpu, NP, cs);
    return false;
  }
  return true;
}

/** Is `ip` inside the present descriptor, a code segment? #GP(0) otherwise. */
export function checkReturnIp(cpu: usize, ip: u64): bool {
  const long = load<u32>(cpu, EFER) & EFER_LMA && descAccess & ACC_L;
  if (long ? canonical(ip) : ip <= <u64>limitOf(descLow, descHigh)) return true;
  raiseError(cpu, GP, 0);
  return false;
}

/** SS of a return that loads it; a null one is allowed for 64-bit code below CPL 3. On success innerLow/innerHigh hold it. */
export function checkReturnStack(cpu: usize, ss: u32, cpl: u32, long: bool): bool {
  if (!(ss & 0xfffc) && long && cpl != 3 && (ss & 3) == cpl) return true;
  return checkStackSegment(cpu, ss, cpl, GP);
}

/** Loads SS:rSP as a return does: the stack's own width decides how much of rSP changes. */
export function returnStack(cpu: usize, ss: u32, sp: u64, cpl: u32, long: bool): void {
  if (!(ss & 0xfffc)) {
    setNullSegment(cpu, SS, ss);
    store<u32>(segmentAt(cpu, SS), cpl << 5, SEG_ACCESS);
  } else setSegment(cpu, SS, ss, innerLow, innerHigh);
  if (long) store<u64>(cpu, sp, GPR + RSP);
  else if (load<u32>(segmentAt(cpu, SS), SEG_ACCESS) & ACC_DB) store<u64>(cpu, sp & 0xffffffff, GPR + RSP);
  else store<u16>(cpu, <u16>sp, GPR + RSP);
}

function iretProtected(cpu: usize, size: u32): void {
  const old = getFlags(cpu);
  const cpl = load<u32>(cpu, CPL);
  const lma = (load<u32>(cpu, EFER) & EFER_LMA) != 0;
  if (old & NT) {
    if (lma) raiseError(cpu, GP, 0);
    else taskReturn(cpu);
    return;
  }
  stackCurrent(cpu, 0);
  const ip = stackPop(cpu, size);
  if (faulted(cpu)) return;
  const cs = <u32>stackPop(cpu, size) & 0xffff;
  if (faulted(cpu)) return;
  const flags = <u32>stackPop(cpu, size);
  if (faulted(cpu)) return;
  if (!lma && size == 4 && flags & VM && cpl == 0) {
    iretToV86(cpu, <u32>ip, cs, flags);
    return;
  }
  if (!checkReturnCode(cpu, cs)) return;
  const low = descLow;
  const high = descHigh;
  const at = descAt;
  const rpl = cs & 3;
  const long = lma && (descAccess & ACC_L) != 0;
  const loadsStack = rpl > cpl || (load<u32>(cpu, MODE) & MODE_64) != 0;
  let sp: u64 = 0;
  let ss: u32 = 0;
  if (loadsStack) {
    sp = stackPop(cpu, size);
    if (faulted(cpu)) return;
    ss = <u32>stackPop(cpu, size) & 0xffff;
    if (faulted(cpu)) return;
    if (!checkReturnStack(cpu, ss, rpl, long)) return;
    useDescriptor(low, high, at);
  }
  if (!checkReturnIp(cpu, ip) || !markAccessed(cpu)) return;

  let mask = BASIC;
  if (size != 2) mask |= RF | AC | ID;
  if (cpl <= (old & IOPL) >> 12) mask |= IF;
  if (cpl == 0) mask |= IOPL | (size == 2 ? 0 : VIF | VIP);
  setSegment(cpu, CS, cs, low, descHigh);
  store<u64>(cpu, ip, RIP);
  if (loadsStack) returnStack(cpu, ss, sp, rpl, long);
  else stackCommit(cpu);
  store<u32>(cpu, rpl, CPL);
  returnFlags(cpu, flags, mask);
  if (rpl > cpl) dropInnerSegments(cpu, rpl);
}

/** IRET, IRETD, IRETQ. */
export function iret(cpu: usize, u: usize): void {
  const aux = load<u32>(u, U_AUX);
  const size: u32 = aux & AUX_OP64 ? 8 : aux & AUX_OP32 ? 4 : 2;
  store<u32>(cpu, 0, NMI_BLOCKED);
  if (load<u32>(cpu, MODE) & MODE_PE) iretProtected(cpu, size);
  else iretReal(cpu, size);
  if (faulted(cpu)) return;
  updateModeOfCode(cpu);
  store<u32>(cpu, 1, RESTART);
}
