/** The page tables that a PV domain starts on: everything from VIRT_BASE on is writable, but the tables themselves are not. */
import { tableIndex, type TablePlan } from "./table-plan.js";
import type { XenNotes } from "./notes.js";
import type { PvLayout } from "./pv-layout.js";

const PRESENT = 1n;
const WRITE = 2n;
const USER = 4n;
const ACCESSED = 0x20n;
const DIRTY = 0x40n;
const LEAF = PRESENT | ACCESSED;
const DIRECTORY = PRESENT | WRITE | ACCESSED | DIRTY | USER;

/** Entries of each table, by its pseudo-physical frame. */
export function initialTables(notes: XenNotes, layout: PvLayout, p2m: Uint32Array): Map<number, BigUint64Array> {
  const { plan } = layout;
  const tables = new Map(plan.tables.map(({ pfn }) => [pfn, new BigUint64Array(512)]));
  const entryOf = (pfn: number): bigint => BigInt(p2m[pfn]!) << 12n;
  linkTables(plan, tables, entryOf);
  const map = (address: bigint, pfn: number): void => {
    const leaf = tables.get(plan.find(1, address)!.pfn)!;
    leaf[tableIndex(address, 1)] = entryOf(pfn) | LEAF | (tables.has(pfn) ? 0n : WRITE);
  };
  for (let pfn = 0; pfn < layout.mappedPages; pfn++) map(notes.virtBase + BigInt(pfn) * 4096n, pfn);
  if (notes.initP2m !== undefined) {
    for (let index = 0; index < layout.p2m.count; index++) map(layout.p2mAddress + BigInt(index) * 4096n, layout.p2m.first + index);
  }
  return tables;
}

function linkTables(plan: TablePlan, tables: Map<number, BigUint64Array>, entryOf: (pfn: number) => bigint): void {
  for (const { level, prefix, pfn } of plan.tables) {
    if (level === plan.levels) continue;
    const address = prefix << BigInt(12 + 9 * level);
    const parent = tables.get(plan.find(level + 1, address)!.pfn)!;
    parent[tableIndex(address, level + 1)] = entryOf(pfn) | DIRECTORY;
  }
}
