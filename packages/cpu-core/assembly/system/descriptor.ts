// Descriptors: reading them from the GDT and LDT, taking them apart, and putting them into segment registers (SDM Vol. 3A §3.4-3.5).
import {
  FEATURES,
  FEATURE_NULL_CLEARS,
  GDTR_BASE,
  GDTR_LIMIT,
  LDTR,
  MODE,
  MODE_LMA,
  SEG,
  SEG_ACCESS,
  SEG_BASE,
  SEG_LIMIT,
  SEG_SELECTOR,
  SEG_SIZE,
  VENDOR,
} from "../../src/layout";
import { faulted, raiseError } from "../fault";
import { sysRd32, sysRd64, sysWr8 } from "../memory/access";
import { ACC_ACCESSED, ACC_P } from "./bits";

/** The descriptor read last: its two dwords, the linear address it came from, and its access bits as SEG_ACCESS has them. */
export let descLow: u32 = 0;
export let descHigh: u32 = 0;
export let descAt: u64 = 0;
export let descAccess: u32 = 0;

/** EXT, bit 0 of selector error codes: 1 while an event external to the program is delivered (SDM Vol. 3A §6.13). */
export let external: u32 = 0;
export function setExternal(value: u32): void {
  external = value;
}

/** An exception whose error code names a selector. */
export function raiseSelector(cpu: usize, vector: i32, selector: u32): void {
  raiseError(cpu, vector, (selector & 0xfffc) | external);
}

// @ts-ignore: decorator
@inline
export function segmentAt(cpu: usize, seg: u32): usize {
  return cpu + SEG + seg * SEG_SIZE;
}

/** Reads the descriptor of a non-null selector; `vector`(selector) is raised when it lies outside its table. */
export function readDescriptor(cpu: usize, selector: u32, vector: i32): bool {
  let base: u64;
  let limit: u32;
  if (selector & 4) {
    const ldt = segmentAt(cpu, LDTR);
    base = load<u64>(ldt, SEG_BASE);
    limit = load<u32>(ldt, SEG_ACCESS) & ACC_P ? load<u32>(ldt, SEG_LIMIT) : 0;
  } else {
    base = load<u64>(cpu, GDTR_BASE);
    limit = load<u32>(cpu, GDTR_LIMIT);
  }
  if ((selector | 7) > limit) {
    raiseSelector(cpu, vector, selector);
    return false;
  }
  descAt = base + <u64>(selector & 0xfff8);
  if (!(load<u32>(cpu, MODE) & MODE_LMA)) descAt &= 0xffffffff;
  const text = sysRd64(cpu, descAt);
  if (faulted(cpu)) return false;
  descLow = <u32>text;
  descHigh = <u32>(text >> 32);
  descAccess = (descHigh >> 8) & 0xf0ff;
  return true;
}

/** Takes a descriptor that was read earlier for the present one again. */
export function useDescriptor(low: u32, high: u32, at: u64): void {
  descLow = low;
  descHigh = high;
  descAt = at;
  descAccess = (high >> 8) & 0xf0ff;
}

export function baseOf(low: u32, high: u32): u32 {
  return (low >> 16) | ((high & 0xff) << 16) | (high & 0xff000000);
}

export function limitOf(low: u32, high: u32): u32 {
  const limit = (low & 0xffff) | (high & 0xf0000);
  return high & 0x800000 ? (limit << 12) | 0xfff : limit;
}

export function dplOf(access: u32): u32 {
  return (access >> 5) & 3;
}

/** Upper half of the base of a 16-byte system descriptor (IA-32e mode); 0 elsewhere. Raises `vector`(selector) for a bad one. */
export function readHighBase(cpu: usize, selector: u32, vector: i32): u64 {
  if (!(load<u32>(cpu, MODE) & MODE_LMA)) return 0;
  const limit = selector & 4 ? load<u32>(segmentAt(cpu, LDTR), SEG_LIMIT) : load<u32>(cpu, GDTR_LIMIT);
  if ((selector | 7) + 8 > limit) {
    raiseSelector(cpu, vector, selector);
    return 0;
  }
  const high = sysRd32(cpu, descAt + 8);
  if (faulted(cpu)) return 0;
  const type = sysRd32(cpu, descAt + 12);
  if (faulted(cpu)) return 0;
  if (type & 0x1f00) raiseSelector(cpu, vector, selector);
  return <u64>high << 32;
}

/** Sets the accessed bit of the present descriptor in memory. False: the write faulted. */
export function markAccessed(cpu: usize): bool {
  if (descAccess & ACC_ACCESSED) return true;
  sysWr8(cpu, descAt + 5, (descAccess & 0xff) | ACC_ACCESSED);
  if (faulted(cpu)) return false;
  descHigh |= ACC_ACCESSED << 8;
  descAccess |= ACC_ACCESSED;
  return true;
}

/** Limit and access of a segment register as one value, in which they are compared. */
// @ts-ignore: decorator
@inline
export function formOf(limit: u32, access: u32): u64 {
  return <u64>limit | (<u64>access << 32);
}

/** Writes limit and access together: who compares them soon after would wait for two stores. */
// @ts-ignore: decorator
@inline
export function setForm(segment: usize, form: u64): void {
  store<u64>(segment, form, SEG_LIMIT);
}

/** Puts a code or data descriptor into a segment register. */
export function setSegment(cpu: usize, seg: u32, selector: u32, low: u32, high: u32): void {
  const segment = segmentAt(cpu, seg);
  store<u64>(segment, baseOf(low, high), SEG_BASE);
  setForm(segment, formOf(limitOf(low, high), (high >> 8) & 0xf0ff));
  store<u32>(segment, selector, SEG_SELECTOR);
}

/** A null selector in ES, DS, FS or GS. AMD processors that do not say otherwise leave base and limit as they were (APM Vol. 2 §4.8.1). */
export function setNullDataSegment(cpu: usize, seg: u32, selector: u32): void {
  if (!(load<u64>(cpu, FEATURES) & FEATURE_NULL_CLEARS) && load<u32>(cpu, VENDOR) == 1) {
    store<u32>(segmentAt(cpu, seg), 0, SEG_ACCESS);
    store<u32>(segmentAt(cpu, seg), selector, SEG_SELECTOR);
  } else setNullSegment(cpu, seg, selector);
}

/** A null selector: the segment is unusable. */
export function setNullSegment(cpu: usize, seg: u32, selector: u32): void {
  const segment = segmentAt(cpu, seg);
  store<u64>(segment, 0, SEG_BASE);
  setForm(segment, 0);
  store<u32>(segment, selector, SEG_SELECTOR);
}

/** Real-address mode: the base follows the selector, limit and size stay (SDM Vol. 3A §20.1.1; big real mode). */
export function setRealSegment(cpu: usize, seg: u32, selector: u32): void {
  const segment = segmentAt(cpu, seg);
  store<u64>(segment, selector << 4, SEG_BASE);
  store<u32>(segment, (load<u32>(segment, SEG_ACCESS) & 0xf000) | 0x93, SEG_ACCESS);
  store<u32>(segment, selector, SEG_SELECTOR);
}

/** Virtual-8086 mode (SDM Vol. 3A §20.2.1). */
export function setV86Segment(cpu: usize, seg: u32, selector: u32): void {
  const segment = segmentAt(cpu, seg);
  store<u64>(segment, selector << 4, SEG_BASE);
  store<u32>(segment, 0xffff, SEG_LIMIT);
  store<u32>(segment, 0xf3, SEG_ACCESS);
  store<u32>(segment, selector, SEG_SELECTOR);
}
