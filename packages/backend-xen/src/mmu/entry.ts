/**
 * Page-table entries as Xen judges them. An entry is a pair of unsigned 32-bit halves: every entry of a table is looked at when the table is
 * validated, and two numbers cost a fraction of a bigint. SDM Vol. 3A §4.5; Xen asm-x86/page.h.
 */
import type { GuestBits } from "../abi/struct.js";
import { wide } from "../abi/wide.js";

/** Bits of the low half. */
export const PRESENT = 1 << 0;
export const WRITE = 1 << 1;
export const USER = 1 << 2;
export const ACCESSED = 1 << 5;
export const DIRTY = 1 << 6;
const GLOBAL = 1 << 8;
const AVAILABLE = 7 << 9;
/** Bits of the high half: 52 marks what a 64-bit guest kernel mapped for itself; software may use up to 58; 63 is no-execute. */
const GUEST_KERNEL = 1 << 20;
const AVAILABLE_HIGH = 0x7f << 20;
const NO_EXECUTE = 1 << 31;
const FRAME_HIGH = 0xfffff;

/** Level of a table, 1 for leaves. A 32-bit guest's top level is 3. */
export type Level = 1 | 2 | 3 | 4;

/** Machine frame that an entry names. */
export function frameOf(low: number, high: number): number {
  return (low >>> 12) + (high & FRAME_HIGH) * 0x10_0000;
}

/** An entry as 64 bits. */
export function entryValue(low: number, high: number): bigint {
  return wide(low, high);
}

/** True when a present entry has a bit that a guest may not set at this level. */
export function hasForbiddenBits(low: number, high: number, level: Level, bits: GuestBits): boolean {
  const flags = PRESENT | WRITE | USER | ACCESSED | DIRTY | AVAILABLE | (level === 1 ? GLOBAL : 0);
  if ((low & 0xfff & ~flags) !== 0) return true;
  const highFlags = bits === 32 && level === 3 ? 0 : AVAILABLE_HIGH | NO_EXECUTE;
  return (high & ~(FRAME_HIGH | highFlags)) !== 0;
}

/** Bits in which two entries may differ without a look at what they name. */
const HARMLESS_LOW = USER | ACCESSED | DIRTY | GLOBAL | AVAILABLE;
const HARMLESS_HIGH = AVAILABLE_HIGH | NO_EXECUTE;

/** True when a new entry names the same frame with the same rights as the one that it replaces. */
export function sameRights(oldLow: number, oldHigh: number, low: number, high: number): boolean {
  return ((oldLow ^ low) & ~HARMLESS_LOW) === 0 && ((oldHigh ^ high) & ~HARMLESS_HIGH) === 0;
}

/**
 * Low half of a present entry as it is stored. Kernel and user of a 64-bit guest both run at CPL 3, so all that they map is for users; a
 * 32-bit guest's top level is a directory of the 64-bit walk and must not take rights away.
 */
export function storedLow(low: number, high: number, level: Level, bits: GuestBits): number {
  if (bits === 32) return level === 3 ? low | USER | WRITE : low;
  if (level === 1 && (low & USER) !== 0 && (high & GUEST_KERNEL) === 0) return low | GLOBAL;
  return low | USER;
}

/** High half of a present entry as it is stored: leaves that a 64-bit guest kernel mapped for itself are marked. */
export function storedHigh(low: number, high: number, level: Level, bits: GuestBits): number {
  return bits === 64 && level === 1 && (low & USER) === 0 ? high | GUEST_KERNEL : high;
}
