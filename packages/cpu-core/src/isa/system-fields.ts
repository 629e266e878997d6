/** Where the fields of the vCPU's block lie that system instructions name. */
import * as L from "../layout.js";
import type { SystemField } from "./system-sem.js";

const selector = (segment: number): readonly [offset: number, bits: number] => [L.SEG + segment * L.SEG_SIZE + L.SEG_SELECTOR, 16];
/** Where a field lies in the vCPU's block, and how many of its low bits can be other than zero. */
export const SYSTEM_FIELDS: Readonly<Record<SystemField, readonly [offset: number, bits: number]>> = {
  EFLAGS: [L.EFLAGS, 32],
  CPL: [L.CPL, 2],
  ES: selector(L.ES),
  CS: selector(L.CS),
  SS: selector(L.SS),
  DS: selector(L.DS),
  FS: selector(L.FS),
  GS: selector(L.GS),
  GS_BASE: [L.SEG + L.GS * L.SEG_SIZE + L.SEG_BASE, 64],
  KERNEL_GS_BASE: [L.MSR_KERNEL_GS_BASE, 64],
};
