// Instructions on segment registers and selectors: MOV, PUSH, POP and LxS of segment registers, LAR, LSL, VERR, VERW, ARPL (SDM Vol. 2).
import {
  AUX_MEM,
  AUX_OP16,
  AUX_OP64,
  AUX_REG_SHIFT,
  CPL,
  CS,
  EFER,
  GDTR_LIMIT,
  LDTR,
  MODE,
  MODE_PE,
  RESTART,
  SCRATCH,
  SEG_ACCESS,
  SEG_LIMIT,
  SEG_SELECTOR,
  SHADOW,
  SHADOW_MOV_SS,
  SS,
  U_AUX,
  U_DST,
  U_SRC,
} from "../../src/layout";
import { GP, UD, faulted, raise } from "../fault";
import { ZF, getFlags, setStatus } from "../flags";
import { commit, rd16, rd32, rd64, readPtr, rmwPtr, wr16 } from "../memory/access";
import { uopAddress } from "../memory/segmentation";
import {
  ACC_CODE,
  ACC_CONFORMING,
  ACC_P,
  ACC_RW,
  ACC_S,
  EFER_LMA,
  TYPE_CALL16,
  TYPE_CALL32,
  TYPE_LDT,
  TYPE_TASK_GATE,
  TYPE_TSS16,
  TYPE_TSS32,
  TSS_BUSY,
} from "./bits";
import { descAccess, descHigh, descLow, dplOf, limitOf, readDescriptor, segmentAt } from "./descriptor";
import { loadSegment } from "./segment-load";
import { pushSlow, stackCommit, stackCurrent, stackPop } from "./stack";

function sizeOf(u: usize): u32 {
  const aux = load<u32>(u, U_AUX);
  return aux & AUX_OP64 ? 8 : aux & AUX_OP16 ? 2 : 4;
}

/** The word operand of `u`: memory, or the register whose slot offset is at `slot` of the operation. */
export function wordOperand(cpu: usize, u: usize, slot: usize): u32 {
  if (!(load<u32>(u, U_AUX) & AUX_MEM)) return load<u16>(cpu + load<u16>(u + slot));
  const linear = uopAddress(cpu, u, 2, false);
  return faulted(cpu) ? 0 : rd16(cpu, linear);
}

/** Stores a selector or status word: 16 bits to memory, the operand size to a register. */
export function storeWord(cpu: usize, u: usize, value: u32): void {
  const aux = load<u32>(u, U_AUX);
  if (aux & AUX_MEM) {
    const linear = uopAddress(cpu, u, 2, true);
    if (!faulted(cpu)) wr16(cpu, linear, value);
    return;
  }
  const at = cpu + load<u16>(u, U_DST);
  if (aux & AUX_OP16) store<u16>(at, <u16>value);
  else store<u64>(at, value);
}

/** SS was loaded: interrupts and debug traps wait for one instruction. */
function noteStackSegment(cpu: usize, seg: u32): void {
  if (seg != SS) return;
  store<u32>(cpu, load<u32>(cpu, SHADOW) | SHADOW_MOV_SS, SHADOW);
  store<u32>(cpu, 1, RESTART);
}

export function movToSegment(cpu: usize, u: usize): void {
  const seg = (load<u32>(u, U_AUX) >> AUX_REG_SHIFT) & 7;
  if (seg == CS || seg > 5) {
    raise(cpu, UD);
    return;
  }
  const selector = wordOperand(cpu, u, U_DST);
  if (!faulted(cpu) && loadSegment(cpu, seg, selector)) noteStackSegment(cpu, seg);
}

export function movFromSegment(cpu: usize, u: usize): void {
  const seg = (load<u32>(u, U_AUX) >> AUX_REG_SHIFT) & 7;
  if (seg > 5) raise(cpu, UD);
  else storeWord(cpu, u, load<u32>(segmentAt(cpu, seg), SEG_SELECTOR));
}

function pushSegment(cpu: usize, u: usize, seg: u32): void {
  pushSlow(cpu, load<u32>(segmentAt(cpu, seg), SEG_SELECTOR), sizeOf(u));
}
export function pushEs(cpu: usize, u: usize): void {
  pushSegment(cpu, u, 0);
}
export function pushCs(cpu: usize, u: usize): void {
  pushSegment(cpu, u, 1);
}
export function pushSs(cpu: usize, u: usize): void {
  pushSegment(cpu, u, 2);
}
export function pushDs(cpu: usize, u: usize): void {
  pushSegment(cpu, u, 3);
}
export function pushFs(cpu: usize, u: usize): void {
  pushSegment(cpu, u, 4);
}
export function pushGs(cpu: usize, u: usize): void {
  pushSegment(cpu, u, 5);
}

function popSegment(cpu: usize, u: usize, seg: u32): void {
  stackCurrent(cpu, 0);
  const selector = <u32>stackPop(cpu, sizeOf(u));
  if (faulted(cpu) || !loadSegment(cpu, seg, selector)) return;
  stackCommit(cpu);
  noteStackSegment(cpu, seg);
}
export function popEs(cpu: usize, u: usize): void {
  popSegment(cpu, u, 0);
}
export function popSs(cpu: usize, u: usize): void {
  popSegment(cpu, u, 2);
}
export function popDs(cpu: usize, u: usize): void {
  popSegment(cpu, u, 3);
}
export function popFs(cpu: usize, u: usize): void {
  popSegment(cpu, u, 4);
}
export function popGs(cpu: usize, u: usize): void {
  popSegment(cpu, u, 5);
}

/** LES, LSS, LDS, LFS, LGS: an offset, then a selector. */
function loadFarPointer(cpu: usize, u: usize, seg: u32): void {
  const size = sizeOf(u);
  const linear = uopAddress(cpu, u, size + 2, false);
  if (faulted(cpu)) return;
  const offset: u64 = size == 8 ? rd64(cpu, linear) : size == 4 ? <u64>rd32(cpu, linear) : <u64>rd16(cpu, linear);
  if (faulted(cpu)) return;
  const selector = rd16(cpu, linear + <u64>size);
  if (faulted(cpu) || !loadSegment(cpu, seg, selector)) return;
  const at = cpu + load<u16>(u, U_DST);
  if (size == 2) store<u16>(at, <u16>offset);
  else store<u64>(at, offset);
}
export function les(cpu: usize, u: usize): void {
  loadFarPointer(cpu, u, 0);
}
export function lss(cpu: usize, u: usize): void {
  loadFarPointer(cpu, u, 2);
}
export function lds(cpu: usize, u: usize): void {
  loadFarPointer(cpu, u, 3);
}
export function lfs(cpu: usize, u: usize): void {
  loadFarPointer(cpu, u, 4);
}
export function lgs(cpu: usize, u: usize): void {
  loadFarPointer(cpu, u, 5);
}

function setZero(cpu: usize, zero: bool): void {
  const flags = getFlags(cpu);
  setStatus(cpu, zero ? flags | ZF : flags & ~ZF);
}

/** Reads a descriptor for the instructions that report failure in ZF. False: not there, or a fault is pending. */
function peekDescriptor(cpu: usize, selector: u32): bool {
  if (!(selector & 0xfffc)) return false;
  const ldt = segmentAt(cpu, LDTR);
  const limit = !(selector & 4) ? load<u32>(cpu, GDTR_LIMIT) : load<u32>(ldt, SEG_ACCESS) & ACC_P ? load<u32>(ldt, SEG_LIMIT) : 0;
  return (selector | 7) <= limit && readDescriptor(cpu, selector, GP);
}

/** May a program with this CPL and RPL see the present descriptor? */
function visible(cpu: usize, selector: u32): bool {
  const access = descAccess;
  const conforming = ACC_S | ACC_CODE | ACC_CONFORMING;
  if ((access & conforming) == conforming) return true;
  const dpl = dplOf(access);
  return dpl >= load<u32>(cpu, CPL) && dpl >= (selector & 3);
}

/** System descriptor types that LAR accepts, and of those the ones with a limit (LSL): SDM Vol. 2A tables 3-53 and 3-56. */
function describable(cpu: usize, withLimit: bool): bool {
  if (descAccess & ACC_S) return true;
  const type = descAccess & 0xf;
  if (type == TYPE_LDT || (type | TSS_BUSY) == (TYPE_TSS32 | TSS_BUSY)) return true;
  const long = load<u32>(cpu, EFER) & EFER_LMA;
  if (!long && (type | TSS_BUSY) == (TYPE_TSS16 | TSS_BUSY)) return true;
  if (withLimit) return false;
  return type == TYPE_CALL32 || (!long && (type == TYPE_CALL16 || type == TYPE_TASK_GATE));
}

function describe(cpu: usize, u: usize, withLimit: bool): void {
  if (!(load<u32>(cpu, MODE) & MODE_PE)) {
    raise(cpu, UD);
    return;
  }
  const selector = wordOperand(cpu, u, U_SRC);
  if (faulted(cpu)) return;
  const found = peekDescriptor(cpu, selector) && describable(cpu, withLimit) && visible(cpu, selector);
  if (faulted(cpu)) return;
  setZero(cpu, found);
  if (!found) return;
  const value = withLimit ? limitOf(descLow, descHigh) : descHigh & 0x00ffff00;
  const at = cpu + load<u16>(u, U_DST);
  if (load<u32>(u, U_AUX) & AUX_OP16) store<u16>(at, <u16>value);
  else store<u64>(at, value);
}
export function lar(cpu: usize, u: usize): void {
  describe(cpu, u, false);
}
export function lsl(cpu: usize, u: usize): void {
  describe(cpu, u, true);
}

function verify(cpu: usize, u: usize, write: bool): void {
  if (!(load<u32>(cpu, MODE) & MODE_PE)) {
    raise(cpu, UD);
    return;
  }
  const selector = wordOperand(cpu, u, U_DST);
  if (faulted(cpu)) return;
  let ok = peekDescriptor(cpu, selector) && (descAccess & ACC_S) != 0 && visible(cpu, selector);
  if (faulted(cpu)) return;
  const kind = descAccess & (ACC_CODE | ACC_RW);
  if (write ? kind != ACC_RW : kind == ACC_CODE) ok = false;
  setZero(cpu, ok);
}
export function verr(cpu: usize, u: usize): void {
  verify(cpu, u, false);
}
export function verw(cpu: usize, u: usize): void {
  verify(cpu, u, true);
}

export function arpl(cpu: usize, u: usize): void {
  if (!(load<u32>(cpu, MODE) & MODE_PE)) {
    raise(cpu, UD);
    return;
  }
  const memory = (load<u32>(u, U_AUX) & AUX_MEM) != 0;
  let at = cpu + load<u16>(u, U_DST);
  let source = cpu + load<u16>(u, U_SRC);
  let linear: u64 = 0;
  if (memory) {
    source = at;
    linear = uopAddress(cpu, u, 2, false);
    if (faulted(cpu)) return;
    at = readPtr(cpu, linear, 2);
    if (!at) return;
  }
  const old = load<u16>(at);
  const rpl = load<u16>(source) & 3;
  const raised = (old & 3) < rpl;
  if (raised) {
    // Memory is written, and must be writable, only when the RPL changes.
    if (memory) {
      uopAddress(cpu, u, 2, true);
      if (faulted(cpu)) return;
      at = rmwPtr(cpu, linear, 2);
      if (!at) return;
    }
    store<u16>(at, (old & ~3) | rpl);
    if (memory && at == cpu + SCRATCH) commit(cpu);
  }
  setZero(cpu, raised);
}
