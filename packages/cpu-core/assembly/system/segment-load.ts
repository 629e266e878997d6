// Loading ES, SS, DS, FS, GS (SDM Vol. 2B "MOV", Vol. 2A "LDS"), LDTR ("LLDT") and TR ("LTR"). CS changes only by control transfers.
import {
  CPL,
  CS,
  FS,
  GDTR_BASE,
  GDTR_LIMIT,
  GS,
  LDTR,
  MODE,
  MODE_64,
  MODE_LMA,
  MODE_PE,
  MODE_V86,
  SEG_ACCESS,
  SEG_BASE,
  SEG_LIMIT,
  SEG_SELECTOR,
  SS,
  TR,
} from "../../src/layout";
import { GP, NP, faulted, raiseError } from "../fault";
import { sysKnown, sysRd64, sysWr8 } from "../memory/access";
import { canonical } from "../memory/segmentation";
import { ACC_ACCESSED, ACC_CODE, ACC_CONFORMING, ACC_P, ACC_RW, ACC_S, TSS_BUSY, TYPE_LDT, TYPE_TSS16, TYPE_TSS32 } from "./bits";
import {
  baseOf,
  descAccess,
  descAt,
  descHigh,
  descLow,
  dplOf,
  formOf,
  limitOf,
  markAccessed,
  raiseSelector,
  readDescriptor,
  readHighBase,
  segmentAt,
  setForm,
  setNullDataSegment,
  setNullSegment,
  setRealSegment,
  setSegment,
  setV86Segment,
} from "./descriptor";
import { checkStackSegment, innerHigh, innerLow } from "./inner-stack";
import { updateMode } from "./mode";

function loadStackSegment(cpu: usize, selector: u32): bool {
  const cpl = load<u32>(cpu, CPL);
  if (!(selector & 0xfffc)) {
    if (!(load<u32>(cpu, MODE) & MODE_64) || cpl == 3 || (selector & 3) != cpl) {
      raiseError(cpu, GP, 0);
      return false;
    }
    setNullSegment(cpu, SS, selector);
    store<u32>(segmentAt(cpu, SS), cpl << 5, SEG_ACCESS);
    return true;
  }
  if (!checkStackSegment(cpu, selector, cpl, GP)) return false;
  setSegment(cpu, SS, selector, innerLow, innerHigh);
  return true;
}

/** ES, DS, FS or GS from a selector; errors are of class `vector` (#GP, or #TS in a task switch). False: a fault is pending. */
export function loadDataSegment(cpu: usize, seg: u32, selector: u32, vector: i32): bool {
  if (!(selector & 0xfffc)) {
    setNullDataSegment(cpu, seg, selector);
    return true;
  }
  if (!readDescriptor(cpu, selector, vector)) return false;
  const access = descAccess;
  const code = (access & ACC_CODE) != 0;
  const checked = !code || !(access & ACC_CONFORMING);
  const dpl = dplOf(access);
  if (!(access & ACC_S) || (code && !(access & ACC_RW)) || (checked && ((selector & 3) > dpl || load<u32>(cpu, CPL) > dpl))) {
    raiseSelector(cpu, vector, selector);
    return false;
  }
  if (!(access & ACC_P)) {
    raiseSelector(cpu, NP, selector);
    return false;
  }
  if (!markAccessed(cpu)) return false;
  setSegment(cpu, seg, selector, descLow, descHigh);
  return true;
}

/** The second dword of a descriptor: present, of a program, for data, accessed. */
const DATA_MASK: u32 = (ACC_P | ACC_S | ACC_CODE | ACC_ACCESSED) << 8;
const DATA_PLAIN: u32 = (ACC_P | ACC_S | ACC_ACCESSED) << 8;

/** Where the descriptor of a non-null selector lies in the GDT; 0 when it is not a selector of the GDT. */
// @ts-ignore: decorator
@inline
function placeInGdt(cpu: usize, selector: u32, mode: u32): u64 {
  if (selector & 4 || selector < 4 || (selector | 7) > load<u32>(cpu, GDTR_LIMIT)) return 0;
  const at = load<u64>(cpu, GDTR_BASE) + <u64>(selector & 0xfff8);
  return mode & MODE_LMA ? at : at & 0xffffffff;
}

/**
 * ES, DS, FS or GS in protected mode from a data segment of the GDT with descriptor `text` to which loadDataSegment would have nothing to say: what
 * kernels load when they are entered and left. False: nothing has happened; so with `same`, too, when the mode key might change.
 */
// @ts-ignore: decorator
@inline
function putPlainSegment(cpu: usize, seg: u32, selector: u32, mode: u32, text: u64, same: bool): bool {
  const low = <u32>text;
  const high = <u32>(text >> 32);
  if ((high & DATA_MASK) != DATA_PLAIN || max(selector & 3, load<u32>(cpu, CPL)) > dplOf(high >> 8)) return false;
  const segment = segmentAt(cpu, seg);
  const base = <u64>baseOf(low, high);
  const form = formOf(limitOf(low, high), (high >> 8) & 0xf0ff);
  const keyed = !(mode & MODE_64) && seg < <u32>FS;
  const changes = load<u64>(segment, SEG_BASE) != base || load<u64>(segment, SEG_LIMIT) != form;
  if (same && changes && keyed) return false;
  store<u32>(segment, selector, SEG_SELECTOR);
  if (!changes) return true;
  store<u64>(segment, base, SEG_BASE);
  setForm(segment, form);
  if (keyed) updateMode(cpu);
  return true;
}

/** The same for a descriptor that has to be read first. False: a fault may be pending that loadDataSegment would raise. */
// @ts-ignore: decorator
@inline
function loadPlainSegment(cpu: usize, seg: u32, selector: u32, mode: u32): bool {
  const at = placeInGdt(cpu, selector, mode);
  if (!at) return false;
  const text = sysRd64(cpu, at);
  return !faulted(cpu) && putPlainSegment(cpu, seg, selector, mode, text, false);
}

/**
 * For translations, which run in protected mode: loads ES, DS, FS or GS as kernels mostly do, without a fault or another mode key. False: nothing
 * has happened, and loadSegment is to be asked.
 */
export function loadPlainly(cpu: usize, seg: u32, selector: u32): bool {
  if (selector < 4 && seg >= <u32>FS) {
    setNullDataSegment(cpu, seg, selector);
    return true;
  }
  const mode = load<u32>(cpu, MODE);
  const at = placeInGdt(cpu, selector, mode);
  if (!at) return false;
  const host = sysKnown(cpu, at, 8);
  return host != 0 && putPlainSegment(cpu, seg, selector, mode, load<u64>(host), true);
}

/**
 * Loads a data or stack segment register with all checks of the current mode. False: a fault is pending, nothing has changed. The mode key
 * depends on ES, SS and DS alone, and outside 64-bit mode; a kernel that is entered mostly loads what is there already.
 */
export function loadSegment(cpu: usize, seg: u32, selector: u32): bool {
  const mode = load<u32>(cpu, MODE);
  selector &= 0xffff;
  if (mode & MODE_PE && seg != SS) {
    if (loadPlainSegment(cpu, seg, selector, mode)) return true;
    if (faulted(cpu)) return false;
  }
  const segment = segmentAt(cpu, seg);
  const base = load<u64>(segment, SEG_BASE);
  const form = load<u64>(segment, SEG_LIMIT); // with SEG_ACCESS
  if (!(mode & MODE_PE)) {
    if (mode & MODE_V86) setV86Segment(cpu, seg, selector);
    else setRealSegment(cpu, seg, selector);
  } else if (!(seg == SS ? loadStackSegment(cpu, selector) : loadDataSegment(cpu, seg, selector, GP))) return false;
  if (mode & MODE_64 || seg == FS || seg == GS) return true;
  if (load<u64>(segment, SEG_BASE) != base || load<u64>(segment, SEG_LIMIT) != form) updateMode(cpu);
  return true;
}

/** Puts the present descriptor, a system segment, into LDTR or TR. */
function setSystemSegment(cpu: usize, seg: u32, selector: u32, highBase: u64, access: u32): void {
  const segment = segmentAt(cpu, seg);
  store<u64>(segment, highBase | <u64>baseOf(descLow, descHigh), SEG_BASE);
  store<u32>(segment, limitOf(descLow, descHigh), SEG_LIMIT);
  store<u32>(segment, access, SEG_ACCESS);
  store<u32>(segment, selector, SEG_SELECTOR);
}

/** LDTR from a selector in the GDT; the errors are of class `vector` (#GP for LLDT, #TS in a task switch). */
export function loadLdtr(cpu: usize, selector: u32, vector: i32, absent: i32): bool {
  if (!(selector & 0xfffc)) {
    setNullSegment(cpu, LDTR, selector);
    return true;
  }
  if (selector & 4) {
    raiseSelector(cpu, vector, selector);
    return false;
  }
  if (!readDescriptor(cpu, selector, vector)) return false;
  if ((descAccess & 0x1f) != TYPE_LDT) {
    raiseSelector(cpu, vector, selector);
    return false;
  }
  if (!(descAccess & ACC_P)) {
    raiseSelector(cpu, absent, selector);
    return false;
  }
  const high = readHighBase(cpu, selector, vector);
  if (faulted(cpu)) return false;
  if (!canonical(high | <u64>baseOf(descLow, descHigh))) {
    raiseSelector(cpu, vector, selector);
    return false;
  }
  setSystemSegment(cpu, LDTR, selector, high, descAccess);
  return true;
}

/** LTR: an available TSS, marked busy. */
export function loadTaskRegister(cpu: usize, selector: u32): bool {
  if (!(selector & 0xfffc)) {
    raiseError(cpu, GP, 0);
    return false;
  }
  if (selector & 4) {
    raiseSelector(cpu, GP, selector);
    return false;
  }
  if (!readDescriptor(cpu, selector, GP)) return false;
  const type = descAccess & 0x1f;
  if (type != TYPE_TSS32 && (type != TYPE_TSS16 || load<u32>(cpu, MODE) & MODE_LMA)) {
    raiseSelector(cpu, GP, selector);
    return false;
  }
  if (!(descAccess & ACC_P)) {
    raiseSelector(cpu, NP, selector);
    return false;
  }
  const high = readHighBase(cpu, selector, GP);
  if (faulted(cpu)) return false;
  if (!canonical(high | <u64>baseOf(descLow, descHigh))) {
    raiseSelector(cpu, GP, selector);
    return false;
  }
  sysWr8(cpu, descAt + 5, (descAccess & 0xff) | TSS_BUSY);
  if (faulted(cpu)) return false;
  setSystemSegment(cpu, TR, selector, high, descAccess | TSS_BUSY);
  return true;
}

/** CS from a selector, for a backend: any present code segment, whatever its privilege. False: a fault is pending, nothing has changed. */
export function loadCodeSegment(cpu: usize, selector: u32): bool {
  selector &= 0xffff;
  if (!(selector & 0xfffc)) {
    raiseError(cpu, GP, 0);
    return false;
  }
  if (!readDescriptor(cpu, selector, GP)) return false;
  if ((descAccess & (ACC_S | ACC_CODE)) != (ACC_S | ACC_CODE)) {
    raiseSelector(cpu, GP, selector);
    return false;
  }
  if (!(descAccess & ACC_P)) {
    raiseSelector(cpu, NP, selector);
    return false;
  }
  if (!markAccessed(cpu)) return false;
  setSegment(cpu, CS, selector, descLow, descHigh);
  updateMode(cpu);
  return true;
}
