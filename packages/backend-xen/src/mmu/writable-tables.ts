/**
 * Stores of a guest's kernel to page tables that it has mapped read-only: with the assist that it asked for, a store to a leaf table is a
 * change of an entry like any other. Stores to higher levels and to descriptors are its own #PF. Xen's ptwr_emulated_update.
 */
import type { ProtectedStore, StoreAnswer } from "@paravane/paravirt-ops";
import type { DirectPaging } from "./direct-paging.js";
import { entryValue, PRESENT } from "./entry.js";
import { frameTypes } from "./frame-table.js";

/** Answers a store. `inKernel`: by the guest's kernel; `assisted`: it asked for writable page tables. */
export function storeToTable(paging: DirectPaging, store: ProtectedStore, inKernel: boolean, assisted: boolean): StoreAnswer {
  const { physical, size, value } = store;
  const table = Math.floor(physical / 4096);
  if (!inKernel || !assisted || paging.frames.typeOf(table) !== frameTypes.l1) return "fault";
  if (size > 8 || physical % size !== 0) return "fault";
  const index = Math.floor((physical % 4096) / 8);
  const [oldLow, oldHigh] = paging.readEntry(table, index);
  // A store to a part of an entry, as Linux makes to one flag of it, is a change of the whole.
  const shift = BigInt(8 * (physical % 8));
  const part = ((1n << BigInt(8 * size)) - 1n) << shift;
  const entry = (entryValue(oldLow, oldHigh) & ~part) | ((value << shift) & part);
  const low = Number(entry & 0xffff_ffffn);
  const high = Number(entry >> 32n);
  const upper = physical % 8 === 4;
  if (paging.setEntry(table, index, low, high) === 0) return "done";
  // A PAE entry that is written in halves, upper half last, is bad in between when both halves change: it becomes absent instead.
  const halfWritten = paging.bits === 32 && size === 4 && upper && (low & PRESENT) !== 0;
  return halfWritten && paging.setEntry(table, index, low & ~PRESENT, high) === 0 ? "done" : "fault";
}
