// Hardware task switching, SDM Vol. 3A §7.2-7.3: CALL, JMP, IRET and task gates, 16- and 32-bit TSS. What goes wrong before the commit
// point is a fault of the old task; after it, of the new one, whose RIP is in place by then.
import {
  CPL,
  CR0,
  CR3,
  CS,
  DEBUG_PENDING,
  DR,
  DS,
  EFLAGS,
  ES,
  FS,
  GPR,
  GS,
  LDTR,
  RESTART,
  RIP,
  SEG_ACCESS,
  SEG_BASE,
  SEG_LIMIT,
  SEG_SELECTOR,
  SS,
  TR,
} from "../../src/layout";
import { GP, NP, TS, faulted, raiseError } from "../fault";
import { NT, VM, getFlags } from "../flags";
import { sysProbeWrite, sysRd16, sysRd32, sysRd8, sysWr16, sysWr32, sysWr8 } from "../memory/access";
import { setCr3 } from "../memory/tlb";
import {
  ACC_CODE,
  ACC_CONFORMING,
  ACC_P,
  ACC_S,
  CR0_PG,
  CR0_TS,
  TSS_BUSY,
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
  external,
  limitOf,
  markAccessed,
  raiseSelector,
  readDescriptor,
  segmentAt,
  setNullSegment,
  setSegment,
  setV86Segment,
} from "./descriptor";
import { debugRegistersChanged } from "./debug-registers";
import { deliverException } from "./exceptions";
import { checkStackSegment, innerHigh, innerLow } from "./inner-stack";
import { updateMode } from "./mode";
import { returnFlags } from "./iret";
import { loadDataSegment, loadLdtr } from "./segment-load";
import { stackCommit, stackCurrent, stackPush } from "./stack";

export const TASK_CALL: u32 = 0;
export const TASK_JMP: u32 = 1;
export const TASK_IRET: u32 = 2;
export const TASK_SOFTWARE: u32 = 3; // INT n, INT3, INTO, INT1
export const TASK_INTERRUPT: u32 = 4; // exceptions and external interrupts

const FLAGS_MASK: u32 = 0x3f7fd7;
const DR6_BT: u32 = 0x8000;

/** The incoming TSS, read whole before anything changes: 104 bytes. */
const incoming = memory.data(112);

/** §7.3 steps 1-5: is there a TSS of the right kind? `selector` then describes the present descriptor. */
function checkTss(cpu: usize, selector: u32, source: u32): bool {
  const vector = source == TASK_IRET ? TS : GP;
  if (!(selector & 0xfffc) || selector & 4) {
    raiseSelector(cpu, vector, selector);
    return false;
  }
  if (!readDescriptor(cpu, selector, vector)) return false;
  const type = descAccess & 0x1f;
  const busy: u32 = source == TASK_IRET ? TSS_BUSY : 0;
  if (type != (TYPE_TSS32 | busy) && type != (TYPE_TSS16 | busy)) {
    raiseSelector(cpu, vector, selector);
    return false;
  }
  if (!(descAccess & ACC_P)) {
    raiseSelector(cpu, NP, selector);
    return false;
  }
  if (limitOf(descLow, descHigh) < (type & 8 ? <u32>103 : <u32>43)) {
    raiseSelector(cpu, TS, selector);
    return false;
  }
  return true;
}

/** Saves the old task's state; its TSS has been probed. */
function save(cpu: usize, flags: u32): void {
  const tr = segmentAt(cpu, TR);
  const base = load<u64>(tr, SEG_BASE);
  if (load<u32>(tr, SEG_ACCESS) & 8) {
    sysWr32(cpu, base + 32, load<u32>(cpu, RIP));
    sysWr32(cpu, base + 36, flags);
    for (let i: u32 = 0; i < 8; i++) sysWr32(cpu, base + <u64>(40 + i * 4), load<u32>(cpu + (<usize>i << 3), GPR));
    for (let i: u32 = 0; i < 6; i++) sysWr16(cpu, base + <u64>(72 + i * 4), load<u32>(segmentAt(cpu, i), SEG_SELECTOR));
    return;
  }
  sysWr16(cpu, base + 14, load<u32>(cpu, RIP));
  sysWr16(cpu, base + 16, flags);
  for (let i: u32 = 0; i < 8; i++) sysWr16(cpu, base + <u64>(18 + i * 2), load<u32>(cpu + (<usize>i << 3), GPR));
  for (let i: u32 = 0; i < 4; i++) sysWr16(cpu, base + <u64>(34 + i * 2), load<u32>(segmentAt(cpu, i), SEG_SELECTOR));
}

function loadTaskCode(cpu: usize, selector: u32): bool {
  if (!(selector & 0xfffc)) {
    raiseSelector(cpu, TS, 0);
    return false;
  }
  if (!readDescriptor(cpu, selector, TS)) return false;
  const access = descAccess;
  const rpl = selector & 3;
  const dpl = dplOf(access);
  if ((access & (ACC_S | ACC_CODE)) != (ACC_S | ACC_CODE) || (access & ACC_CONFORMING ? dpl > rpl : dpl != rpl)) {
    raiseSelector(cpu, TS, selector);
    return false;
  }
  if (!(access & ACC_P)) {
    raiseSelector(cpu, NP, selector);
    return false;
  }
  if (!markAccessed(cpu)) return false;
  setSegment(cpu, CS, selector, descLow, descHigh);
  return true;
}

/** The segment registers of the new task, whose selectors are in place already. */
function loadSegments(cpu: usize, ldt: u32): bool {
  if (!loadLdtr(cpu, ldt, TS, TS)) return false;
  const cs = load<u32>(segmentAt(cpu, CS), SEG_SELECTOR);
  if (load<u32>(cpu, EFLAGS) & VM) return true;
  if (!loadTaskCode(cpu, cs)) return false;
  const ss = load<u32>(segmentAt(cpu, SS), SEG_SELECTOR);
  if (!checkStackSegment(cpu, ss, cs & 3, TS)) return false;
  setSegment(cpu, SS, ss, innerLow, innerHigh);
  return (
    loadDataSegment(cpu, DS, load<u32>(segmentAt(cpu, DS), SEG_SELECTOR), TS) &&
    loadDataSegment(cpu, ES, load<u32>(segmentAt(cpu, ES), SEG_SELECTOR), TS) &&
    loadDataSegment(cpu, FS, load<u32>(segmentAt(cpu, FS), SEG_SELECTOR), TS) &&
    loadDataSegment(cpu, GS, load<u32>(segmentAt(cpu, GS), SEG_SELECTOR), TS)
  );
}

/**
 * Switches to the task of TSS `selector`. `oldFlags` is EFLAGS to save; with `hasError`, `error` is pushed on the new task's stack.
 * A fault that belongs to the old task is left pending. One of the new task is delivered here if an instruction caused the switch (a pending
 * fault would take its RIP back); during the delivery of an event it is left pending, since together they may be a double fault.
 */
export function taskSwitch(cpu: usize, selector: u32, source: u32, hasError: bool, error: u32, oldFlags: u32): void {
  if (!checkTss(cpu, selector, source)) return;
  const newAt = descAt;
  const newAccess = descAccess;
  const newBase = <u64>baseOf(descLow, descHigh);
  const newLimit = limitOf(descLow, descHigh);
  const wide = (newAccess & 8) != 0;
  const size: u32 = wide ? 104 : 44;
  for (let i: u32 = 0; i < size; i += 4) {
    store<u32>(incoming + i, sysRd32(cpu, newBase + <u64>i));
    if (faulted(cpu)) return;
  }
  const tr = segmentAt(cpu, TR);
  const oldSelector = load<u32>(tr, SEG_SELECTOR);
  const oldBase = load<u64>(tr, SEG_BASE);
  const oldSize: u32 = load<u32>(tr, SEG_ACCESS) & 8 ? 104 : 44;
  if (load<u32>(tr, SEG_LIMIT) < oldSize - 1) {
    raiseSelector(cpu, TS, oldSelector);
    return;
  }
  if (!sysProbeWrite(cpu, oldBase, oldSize)) return;
  const nested = source != TASK_JMP && source != TASK_IRET;
  if (nested && !sysProbeWrite(cpu, newBase, 2)) return;
  if (source != TASK_IRET && !sysProbeWrite(cpu, newAt + 5, 1)) return;

  // §7.3 steps 6-11
  if (!nested) {
    if (!readDescriptor(cpu, oldSelector, TS)) return;
    sysWr8(cpu, descAt + 5, (descAccess & 0xff) & ~TSS_BUSY);
    if (faulted(cpu)) return;
  }
  save(cpu, source == TASK_IRET ? oldFlags & ~NT : oldFlags);
  if (nested) sysWr16(cpu, newBase, oldSelector);
  if (source != TASK_IRET) sysWr8(cpu, newAt + 5, (newAccess & 0xff) | TSS_BUSY);
  store<u64>(tr, newBase, SEG_BASE);
  store<u32>(tr, newLimit, SEG_LIMIT);
  store<u32>(tr, newAccess | TSS_BUSY, SEG_ACCESS);
  store<u32>(tr, selector, SEG_SELECTOR);
  store<u32>(cpu, load<u32>(cpu, CR0) | CR0_TS, CR0);

  // §7.3 step 12: the new task's state
  const flags = wide ? load<u32>(incoming + 36) : <u32>load<u16>(incoming + 16);
  store<u64>(cpu, wide ? load<u32>(incoming + 32) : <u32>load<u16>(incoming + 14), RIP);
  for (let i: u32 = 0; i < 8; i++) {
    store<u64>(cpu + (<usize>i << 3), wide ? load<u32>(incoming + 40 + i * 4) : <u32>load<u16>(incoming + 18 + i * 2), GPR);
  }
  returnFlags(cpu, flags | (nested ? NT : 0), FLAGS_MASK);
  const v86 = (load<u32>(cpu, EFLAGS) & VM) != 0;
  for (let i: u32 = 0; i < 6; i++) {
    const value: u32 = wide ? load<u16>(incoming + 72 + i * 4) : i < 4 ? load<u16>(incoming + 34 + i * 2) : 0;
    if (v86) setV86Segment(cpu, i, value);
    else setNullSegment(cpu, i, value);
  }
  const ldt: u32 = wide ? load<u16>(incoming + 96) : load<u16>(incoming + 42);
  setNullSegment(cpu, LDTR, ldt);
  store<u32>(cpu, v86 ? 3 : load<u32>(segmentAt(cpu, CS), SEG_SELECTOR) & 3, CPL);
  store<u32>(cpu, load<u32>(cpu, DR + 56) & ~0x155, DR + 56); // L0-L3 and LE
  debugRegistersChanged(cpu);
  updateMode(cpu);
  store<u32>(cpu, 1, RESTART);
  let ok = true;
  if (wide && load<u32>(cpu, CR0) & CR0_PG && load<u32>(incoming + 28) != load<u32>(cpu, CR3)) ok = setCr3(cpu, load<u32>(incoming + 28));
  if (ok && loadSegments(cpu, ldt)) {
    updateMode(cpu);
    if (hasError) {
      stackCurrent(cpu, external);
      if (stackPush(cpu, error, wide ? 4 : 2)) stackCommit(cpu);
    }
    if (!faulted(cpu) && load<u32>(cpu, RIP) > load<u32>(segmentAt(cpu, CS), SEG_LIMIT)) raiseError(cpu, GP, external);
  }
  if (wide && load<u8>(incoming + 100) & 1) store<u32>(cpu, load<u32>(cpu, DEBUG_PENDING) | DR6_BT, DEBUG_PENDING);
  if (!faulted(cpu)) return;
  updateMode(cpu);
  if (source != TASK_INTERRUPT) deliverException(cpu);
}

/** IRET with EFLAGS.NT: back along the link of the present TSS. */
export function taskReturn(cpu: usize): void {
  const link = sysRd16(cpu, load<u64>(segmentAt(cpu, TR), SEG_BASE));
  if (faulted(cpu)) return;
  taskSwitch(cpu, link, TASK_IRET, false, 0, getFlags(cpu));
}
