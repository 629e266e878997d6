// Delivery of exceptions, interrupts and INT n: real-address, virtual-8086, protected and IA-32e mode (SDM Vol. 2A "INT n", Vol. 3A
// chapter 6, §20.2-20.3), double and triple fault (§6.15 #DF). Nothing architectural changes unless the delivery succeeds.
import {
  CPL,
  CR0,
  CR2,
  CR4,
  CS,
  DELIVER_EXCEPTION,
  DELIVER_INTERRUPT,
  DELIVER_NMI,
  DR,
  DS,
  EFER,
  EFLAGS,
  ES,
  EXIT,
  EXIT_SHUTDOWN,
  FAULT,
  FAULT_ADDRESS,
  FAULT_ERROR,
  FAULT_HAS_ERROR,
  FS,
  GPR,
  GS,
  HALTED,
  IDTR_BASE,
  IDTR_LIMIT,
  MSR_DEBUGCTL,
  NMI_BLOCKED,
  RESTART,
  RIP,
  SEG_ACCESS,
  SEG_BASE,
  SEG_LIMIT,
  SEG_SELECTOR,
  SHADOW,
  SS,
  STEP_TF,
  TR,
} from "../../src/layout";
import { BP, DB, DE, DF, GP, NP, OF_, PF, TS, faulted, raise, raiseError } from "../fault";
import { AC, IF, IOPL, NT, RF, TF, VIF, VM, getFlags, setFlags } from "../flags";
import { delivered } from "../hypervisor/delivery";
import { exceptionComes, interruptsCome } from "../hypervisor/level";
import { sysRd16, sysRd32, sysRd64, sysRd8 } from "../memory/access";
import { canonical } from "../memory/segmentation";
import {
  ACC_CODE,
  ACC_CONFORMING,
  ACC_DB,
  ACC_L,
  ACC_P,
  ACC_S,
  CR0_PE,
  CR4_VME,
  EFER_LMA,
  RSP,
  TYPE_INT16,
  TYPE_INT32,
  TYPE_TASK_GATE,
  TYPE_TRAP16,
  TYPE_TRAP32,
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
  setExternal,
  setNullSegment,
  setRealSegment,
  setSegment,
  setV86Segment,
  useDescriptor,
} from "./descriptor";
import { innerHigh, innerLow, innerSp, innerSs, readInnerStack, readInnerStack64 } from "./inner-stack";
import { updateModeOfCode } from "./mode";
import { stackCommit, stackCommitSwitch, stackCurrent, stackPush, stackSwitch, stackSwitch64 } from "./stack";
import { TASK_INTERRUPT, TASK_SOFTWARE, taskSwitch } from "./task";

/** What is being delivered. */
export const KIND_EXTERNAL: u32 = 0; // INTR, NMI
export const KIND_EXCEPTION: u32 = 1;
export const KIND_INT: u32 = 2; // INT n
export const KIND_TRAP: u32 = 3; // INT3, INTO
export const KIND_ICEBP: u32 = 4; // INT1

const MC: u32 = 18;
const DR7_GD: u32 = 0x2000;
const DEBUGCTL_BTF: u64 = 2;
const NO_ERROR: u32 = -1; // error codes have 16 bits (#PF: 17 at most)

/** EFLAGS as pushed: RF is set for faults (SDM Vol. 3B §17.3.1.1). */
function flagsImage(cpu: usize, vector: u32, kind: u32): u32 {
  const flags = getFlags(cpu);
  if (kind != KIND_EXCEPTION || vector == BP || vector == OF_ || vector == DF || vector == MC) return flags;
  return vector == DB && !load<u32>(cpu, FAULT_ERROR) ? flags : flags | RF;
}

/** Real-address mode: the 4-byte entries at IDTR. */
function deliverReal(cpu: usize, vector: u32, flags: u32): void {
  if (vector * 4 + 3 > load<u32>(cpu, IDTR_LIMIT)) {
    raise(cpu, GP);
    return;
  }
  const entry = sysRd32(cpu, load<u64>(cpu, IDTR_BASE) + <u64>(vector * 4));
  stackCurrent(cpu, 0);
  if (!stackPush(cpu, flags, 2)) return;
  if (!stackPush(cpu, load<u32>(segmentAt(cpu, CS), SEG_SELECTOR), 2)) return;
  if (!stackPush(cpu, load<u64>(cpu, RIP), 2)) return;
  stackCommit(cpu);
  setRealSegment(cpu, CS, entry >> 16);
  store<u64>(cpu, entry & 0xffff, RIP);
  setFlags(cpu, getFlags(cpu) & ~(IF | TF | AC | RF));
}

/** CR4.VME and INT n in virtual-8086 mode (§20.3.3): true when the redirection bitmap sends it to the 8086 program's own handler. */
function redirected(cpu: usize, vector: u32): bool {
  const tr = segmentAt(cpu, TR);
  const limit = load<u32>(tr, SEG_LIMIT);
  const base = load<u64>(tr, SEG_BASE);
  if (limit < 103) {
    raiseError(cpu, GP, 0);
    return false;
  }
  const ioMap = sysRd16(cpu, base + 102);
  if (faulted(cpu)) return false;
  const offset = ioMap - 32 + (vector >> 3);
  if (ioMap < 32 || offset > limit) {
    raiseError(cpu, GP, 0);
    return false;
  }
  const bits = sysRd8(cpu, base + <u64>offset);
  return !faulted(cpu) && !(bits & (1 << (vector & 7)));
}

/** INT n inside the virtual-8086 program: its own vector table at linear 0, virtual IF when IOPL < 3. */
function deliverRedirected(cpu: usize, vector: u32): void {
  const flags = getFlags(cpu);
  const virtual = (flags & IOPL) != IOPL;
  const entry = sysRd32(cpu, vector * 4);
  if (faulted(cpu)) return;
  const image = virtual ? (flags & ~IF) | IOPL | ((flags & VIF) >> 10) : flags;
  stackCurrent(cpu, 0);
  if (!stackPush(cpu, image, 2)) return;
  if (!stackPush(cpu, load<u32>(segmentAt(cpu, CS), SEG_SELECTOR), 2)) return;
  if (!stackPush(cpu, load<u64>(cpu, RIP), 2)) return;
  stackCommit(cpu);
  setV86Segment(cpu, CS, entry >> 16);
  store<u64>(cpu, entry & 0xffff, RIP);
  setFlags(cpu, flags & ~(TF | NT | RF | (virtual ? VIF : IF)));
}

/** Checks of a gate's target code segment, in both protected modes; the descriptor is then the present one. */
function checkTarget(cpu: usize, selector: u32): bool {
  if (!(selector & 0xfffc)) {
    raiseError(cpu, GP, external);
    return false;
  }
  if (!readDescriptor(cpu, selector, GP)) return false;
  const access = descAccess;
  const long = load<u32>(cpu, EFER) & EFER_LMA;
  if (
    (access & (ACC_S | ACC_CODE)) != (ACC_S | ACC_CODE) ||
    dplOf(access) > load<u32>(cpu, CPL) ||
    (long && (access & (ACC_L | ACC_DB)) != ACC_L)
  ) {
    raiseSelector(cpu, GP, selector);
    return false;
  }
  if (!(access & ACC_P)) {
    raiseSelector(cpu, NP, selector);
    return false;
  }
  return true;
}

/** Pushes one word of the frame for each saved data segment (leaving virtual-8086 mode). */
function pushDataSegments(cpu: usize, size: u32): bool {
  return (
    stackPush(cpu, load<u32>(segmentAt(cpu, GS), SEG_SELECTOR), size) &&
    stackPush(cpu, load<u32>(segmentAt(cpu, FS), SEG_SELECTOR), size) &&
    stackPush(cpu, load<u32>(segmentAt(cpu, DS), SEG_SELECTOR), size) &&
    stackPush(cpu, load<u32>(segmentAt(cpu, ES), SEG_SELECTOR), size)
  );
}

/** SS and rSP of the interrupted program. */
function pushStackPointer(cpu: usize, size: u32): bool {
  return stackPush(cpu, load<u32>(segmentAt(cpu, SS), SEG_SELECTOR), size) && stackPush(cpu, load<u64>(cpu, GPR + RSP), size);
}

/** EFLAGS, CS, rIP and the error code. */
function pushFrame(cpu: usize, flags: u32, error: u32, size: u32): bool {
  return (
    stackPush(cpu, flags, size) &&
    stackPush(cpu, load<u32>(segmentAt(cpu, CS), SEG_SELECTOR), size) &&
    stackPush(cpu, load<u64>(cpu, RIP), size) &&
    (error == NO_ERROR || stackPush(cpu, error, size))
  );
}

/** The handler's CS:rIP and EFLAGS take effect. */
function enter(cpu: usize, selector: u32, low: u32, high: u32, offset: u64, cpl: u32, interruptGate: bool): void {
  setSegment(cpu, CS, (selector & ~3) | cpl, low, high);
  store<u32>(cpu, cpl, CPL);
  store<u64>(cpu, offset, RIP);
  setFlags(cpu, getFlags(cpu) & ~(TF | VM | RF | NT | (interruptGate ? IF : 0)));
}

/** Protected mode without IA-32e, and virtual-8086 mode. */
function deliverProtected(cpu: usize, vector: u32, kind: u32, flags: u32, error: u32): void {
  const code = (vector << 3) | 2 | external;
  const cpl = load<u32>(cpu, CPL);
  const v86 = (load<u32>(cpu, EFLAGS) & VM) != 0;
  if ((vector << 3) + 7 > load<u32>(cpu, IDTR_LIMIT)) {
    raiseError(cpu, GP, code);
    return;
  }
  const gate = sysRd64(cpu, (load<u64>(cpu, IDTR_BASE) + <u64>(vector << 3)) & 0xffffffff);
  if (faulted(cpu)) return;
  const gateLow = <u32>gate;
  const gateHigh = <u32>(gate >> 32);
  const type = (gateHigh >> 8) & 0x1f;
  const soft = kind == KIND_INT || kind == KIND_TRAP;
  const known = type == TYPE_INT32 || type == TYPE_TRAP32 || type == TYPE_INT16 || type == TYPE_TRAP16 || type == TYPE_TASK_GATE;
  if (!known || (soft && ((gateHigh >> 13) & 3) < cpl)) {
    raiseError(cpu, GP, code);
    return;
  }
  if (!(gateHigh & 0x8000)) {
    raiseError(cpu, NP, code);
    return;
  }
  const selector = gateLow >> 16;
  if (type == TYPE_TASK_GATE) {
    const source = kind == KIND_EXCEPTION || kind == KIND_EXTERNAL ? TASK_INTERRUPT : TASK_SOFTWARE;
    taskSwitch(cpu, selector, source, error != NO_ERROR, error, flags);
    return;
  }
  const wide = (type & 8) != 0;
  const size: u32 = wide ? 4 : 2;
  const offset = wide ? (gateHigh & 0xffff0000) | (gateLow & 0xffff) : gateLow & 0xffff;
  if (!checkTarget(cpu, selector)) return;
  const low = descLow;
  const high = descHigh;
  const at = descAt;
  const dpl = dplOf(descAccess);
  const conforming = (descAccess & ACC_CONFORMING) != 0;
  if (v86 && (conforming || dpl != 0)) {
    raiseSelector(cpu, GP, selector);
    return;
  }
  const inner = !conforming && dpl < cpl;
  if (inner) {
    if (!readInnerStack(cpu, dpl)) return;
    const access = (innerHigh >> 8) & 0xf0ff;
    stackSwitch(cpu, innerSp, baseOf(innerLow, innerHigh), limitOf(innerLow, innerHigh), access, dpl, (innerSs & 0xfffc) | external);
  } else stackCurrent(cpu, external);
  if (offset > limitOf(low, high)) {
    raiseError(cpu, GP, external);
    return;
  }
  if (inner) {
    if (v86 && !pushDataSegments(cpu, size)) return;
    if (!pushStackPointer(cpu, size)) return;
  }
  if (!pushFrame(cpu, flags, error, size)) return;
  useDescriptor(low, high, at);
  if (!markAccessed(cpu)) return;
  if (inner) {
    setSegment(cpu, SS, innerSs, innerLow, innerHigh);
    stackCommitSwitch(cpu);
    if (v86) {
      setNullSegment(cpu, GS, 0);
      setNullSegment(cpu, FS, 0);
      setNullSegment(cpu, DS, 0);
      setNullSegment(cpu, ES, 0);
    }
  } else stackCommit(cpu);
  enter(cpu, selector, low, descHigh, offset, inner ? dpl : cpl, !(type & 1));
}

/** IA-32e mode (§6.14): 16-byte gates, IST, SS:RSP always pushed on an aligned stack. */
function deliverLong(cpu: usize, vector: u32, kind: u32, flags: u32, error: u32): void {
  const code = (vector << 3) | 2 | external;
  const cpl = load<u32>(cpu, CPL);
  if ((vector << 4) + 15 > load<u32>(cpu, IDTR_LIMIT)) {
    raiseError(cpu, GP, code);
    return;
  }
  const gateAt = load<u64>(cpu, IDTR_BASE) + <u64>(vector << 4);
  const gate = sysRd64(cpu, gateAt);
  if (faulted(cpu)) return;
  const gateTop = sysRd32(cpu, gateAt + 8);
  if (faulted(cpu)) return;
  const gateLow = <u32>gate;
  const gateHigh = <u32>(gate >> 32);
  const type = (gateHigh >> 8) & 0x1f;
  const soft = kind == KIND_INT || kind == KIND_TRAP;
  if ((type != TYPE_INT32 && type != TYPE_TRAP32) || (soft && ((gateHigh >> 13) & 3) < cpl)) {
    raiseError(cpu, GP, code);
    return;
  }
  if (!(gateHigh & 0x8000)) {
    raiseError(cpu, NP, code);
    return;
  }
  const selector = gateLow >> 16;
  const offset = <u64>((gateHigh & 0xffff0000) | (gateLow & 0xffff)) | (<u64>gateTop << 32);
  if (!checkTarget(cpu, selector)) return;
  const low = descLow;
  const high = descHigh;
  const at = descAt;
  const dpl = dplOf(descAccess);
  const newCpl = descAccess & ACC_CONFORMING ? cpl : dpl;
  const ist = gateHigh & 7;
  if (ist) {
    if (!readInnerStack64(cpu, 36 + 8 * (ist - 1))) return;
  } else if (newCpl < cpl) {
    if (!readInnerStack64(cpu, 4 + 8 * newCpl)) return;
  }
  const sp = ist || newCpl < cpl ? innerSp : load<u64>(cpu, GPR + RSP);
  if (!canonical(offset)) {
    raiseError(cpu, GP, external);
    return;
  }
  stackSwitch64(cpu, sp & ~15, newCpl, external);
  if (!pushStackPointer(cpu, 8) || !pushFrame(cpu, flags, error, 8)) return;
  useDescriptor(low, high, at);
  if (!markAccessed(cpu)) return;
  if (newCpl < cpl) {
    setNullSegment(cpu, SS, newCpl);
    store<u32>(segmentAt(cpu, SS), newCpl << 5, SEG_ACCESS);
  }
  stackCommitSwitch(cpu);
  enter(cpu, selector, low, descHigh, offset, newCpl, !(type & 1));
}

function deliver(cpu: usize, vector: u32, kind: u32, error: u32): void {
  const flags = flagsImage(cpu, vector, kind);
  setExternal(kind == KIND_INT || kind == KIND_TRAP ? 0 : 1);
  if (!(load<u32>(cpu, CR0) & CR0_PE)) deliverReal(cpu, vector, flags);
  else if (load<u32>(cpu, EFER) & EFER_LMA) deliverLong(cpu, vector, kind, flags, error);
  else {
    let own = false;
    if (kind == KIND_INT && load<u32>(cpu, EFLAGS) & VM) {
      own = (load<u32>(cpu, CR4) & CR4_VME) != 0 && redirected(cpu, vector);
      if (!own && !faulted(cpu) && (load<u32>(cpu, EFLAGS) & IOPL) != IOPL) raiseError(cpu, GP, 0);
    }
    if (!faulted(cpu)) {
      if (own) deliverRedirected(cpu, vector);
      else deliverProtected(cpu, vector, kind, flags, error);
    }
  }
  setExternal(0);
  if (faulted(cpu)) return;
  if (vector == DB && kind != KIND_INT) {
    store<u32>(cpu, load<u32>(cpu, DR + 56) & ~DR7_GD, DR + 56); // the handler may touch the registers
    store<u64>(cpu, load<u64>(cpu, MSR_DEBUGCTL) & ~DEBUGCTL_BTF, MSR_DEBUGCTL);
  }
  store<u32>(cpu, 0, HALTED);
  store<u32>(cpu, 0, SHADOW);
  store<u32>(cpu, 0, STEP_TF);
  updateModeOfCode(cpu);
  store<u32>(cpu, 1, RESTART);
}

/** Is it the backend's, and has it answered? INT n is an intercepted instruction where it is. NMIs are told from vector 2 of the interrupt controller by NMI_BLOCKED. */
function answered(cpu: usize, vector: u32, kind: u32): bool {
  if (kind == KIND_EXTERNAL) {
    if (!interruptsCome(cpu)) return false;
    return delivered(cpu, vector == 2 && load<u32>(cpu, NMI_BLOCKED) ? DELIVER_NMI : DELIVER_INTERRUPT, vector, NO_ERROR);
  }
  return kind != KIND_INT && exceptionComes(cpu, vector) && delivered(cpu, DELIVER_EXCEPTION, vector, NO_ERROR);
}

/** Delivers an interrupt or a software interrupt without error code. A fault on the way is left pending. */
export function interrupt(cpu: usize, vector: u32, kind: u32): void {
  if (answered(cpu, vector, kind)) return;
  deliver(cpu, vector, kind, NO_ERROR);
}

/** Class of a vector for double faults (SDM Vol. 3A Table 6-4): 0 benign, 1 contributory, 2 page fault. */
function faultClass(vector: i32): u32 {
  if (vector == PF) return 2;
  return vector == DE || (vector >= TS && vector <= GP) ? 1 : 0;
}

/** Triple fault: the processor shuts down. */
function shutdown(cpu: usize): void {
  store<i32>(cpu, -1, FAULT);
  store<u32>(cpu, 3, HALTED);
  store<u32>(cpu, EXIT_SHUTDOWN, EXIT);
  store<u32>(cpu, 1, RESTART);
}

/** Delivers the pending exception, then any that its delivery raises, up to #DF and shutdown (Table 6-5). RIP is the faulting one. */
export function deliverException(cpu: usize): void {
  let vector = load<i32>(cpu, FAULT);
  let error = load<u32>(cpu, FAULT_HAS_ERROR) ? load<u32>(cpu, FAULT_ERROR) : NO_ERROR;
  while (true) {
    store<i32>(cpu, -1, FAULT);
    if (exceptionComes(cpu, vector) && delivered(cpu, DELIVER_EXCEPTION, vector, error)) return;
    if (vector == PF) store<u64>(cpu, load<u64>(cpu, FAULT_ADDRESS), CR2);
    deliver(cpu, vector, KIND_EXCEPTION, error);
    const second = load<i32>(cpu, FAULT);
    if (second < 0) return;
    if (vector == DF) {
      if (second == PF) store<u64>(cpu, load<u64>(cpu, FAULT_ADDRESS), CR2);
      shutdown(cpu);
      return;
    }
    const first = faultClass(vector);
    const then = faultClass(second);
    if (first && (then == 1 || (first == 2 && then == 2))) {
      if (second == PF) store<u64>(cpu, load<u64>(cpu, FAULT_ADDRESS), CR2);
      vector = DF;
      error = 0;
    } else {
      vector = second;
      error = load<u32>(cpu, FAULT_HAS_ERROR) ? load<u32>(cpu, FAULT_ERROR) : NO_ERROR;
    }
  }
}
