/** Where a kernel is booted: memory, its map, the boot processor. And the processor states that boot protocols ask for (SDM Vol. 3A §10). */
import type { Gpa, GuestMemory, SegmentCache, Vcpu } from "@paravane/paravirt-ops";
import { HvError } from "@paravane/paravirt-ops";
import type { MemoryMap } from "./memory-map.js";

/** What a boot protocol works on. */
export interface BootTarget {
  readonly memory: GuestMemory;
  readonly map: MemoryMap;
  /** The boot processor. */
  readonly vcpu: Vcpu;
  /** ACPI's root pointer, when the board has tables. */
  readonly rsdp?: Gpa;
}

/** Tables that only live until the kernel has its own go here: above the real-mode vectors, below what kernels use for trampolines. */
const SCRATCH_MIN = 0x7000;
const SCRATCH_MAX = 0x90000;

/** Claims zeroed low memory for a boot-time table. @throws HvError "image/outside-memory" when the image left no room */
export function placeLow(target: BootTarget, length: number, what: string, align = 0x1000): Gpa {
  const base = target.map.place({ length, align, min: SCRATCH_MIN, max: SCRATCH_MAX, from: "bottom" }, what);
  if (base === undefined) throw new HvError("image/outside-memory", `the image leaves no room below 576 KiB for the ${what}`);
  target.memory.fill(base, length, 0);
  return base;
}

/** Latin-1 text with a closing zero byte. */
export function zeroTerminated(text: string): Uint8Array {
  return Uint8Array.from([...text, "\0"], (char) => char.charCodeAt(0));
}

/** Descriptor bytes 5 and 6 as a segment cache keeps them. */
const CODE32 = 0xc09b;
const DATA32 = 0xc093;
const CODE64 = 0xa09b;
const BUSY_TSS32 = 0x008b;
const LDT = 0x0082;

const CR0_PE = 1n << 0n;
const CR0_ET = 1n << 4n;
const CR0_PG = 1n << 31n;
const CR4_PAE = 1n << 5n;
const EFER_LME = 1n << 8n;
const EFER_LMA = 1n << 10n;
const PAGE_BYTES = 0x1000;

/** Flat 32-bit protected mode with paging and interrupts off. */
export function enterProtectedMode(target: BootTarget, entry: number, selectors: { code: number; data: number }): void {
  const { registers } = target.vcpu;
  flatSegments(target, CODE32, selectors);
  registers.set("cr4", 0n);
  registers.set("cr0", CR0_PE | CR0_ET);
  registers.set("rflags", 2n);
  registers.set("rip", BigInt(entry));
}

/** 64-bit mode, the low 4 GiB mapped to themselves in 2 MiB pages, interrupts off. */
export function enterLongMode(target: BootTarget, entry: number, selectors: { code: number; data: number }): void {
  const { registers } = target.vcpu;
  const root = identityTables(target);
  registers.set("cr4", CR4_PAE);
  registers.set("cr3", BigInt(root));
  registers.set("efer", EFER_LME | EFER_LMA);
  registers.set("cr0", CR0_PE | CR0_ET | CR0_PG);
  flatSegments(target, CODE64, selectors);
  registers.set("rflags", 2n);
  registers.set("rip", BigInt(entry));
}

/** One PML4, one PDPT, four page directories. Returns the PML4's address. */
function identityTables({ memory, ...rest }: BootTarget): Gpa {
  const root = placeLow({ memory, ...rest }, 6 * PAGE_BYTES, "boot page tables");
  const present = 0x3;
  const large = 0x80;
  memory.writeU64(root, BigInt(root + PAGE_BYTES + present));
  for (let gib = 0; gib < 4; gib++) {
    const directory = root + (2 + gib) * PAGE_BYTES;
    memory.writeU64(root + PAGE_BYTES + 8 * gib, BigInt(directory + present));
    for (let slot = 0; slot < 512; slot++) memory.writeU64(directory + 8 * slot, BigInt((gib * 512 + slot) * 0x200000 + present + large));
  }
  return root;
}

/** Loads flat segments, and a descriptor table in memory that says the same. */
function flatSegments(target: BootTarget, codeAccess: number, selectors: { code: number; data: number }): void {
  const { registers } = target.vcpu;
  const limit = 0xffffffff;
  const code: SegmentCache = { selector: selectors.code, base: 0n, limit, access: codeAccess };
  const data: SegmentCache = { selector: selectors.data, base: 0n, limit, access: DATA32 };
  const tableBytes = Math.max(selectors.code, selectors.data) + 8;
  const table = placeLow(target, tableBytes, "boot GDT", 8);
  target.memory.writeU64(table + selectors.code, flatDescriptor(codeAccess));
  target.memory.writeU64(table + selectors.data, flatDescriptor(DATA32));
  registers.setTable("gdtr", { base: BigInt(table), limit: tableBytes - 1 });
  registers.setTable("idtr", { base: 0n, limit: 0 });
  registers.setSegment("cs", code);
  for (const name of ["ss", "ds", "es", "fs", "gs"] as const) registers.setSegment(name, data);
  registers.setSegment("ldtr", { selector: 0, base: 0n, limit: 0, access: LDT });
  registers.setSegment("tr", { selector: 0, base: 0n, limit: 0x67, access: BUSY_TSS32 });
}

/** A descriptor with base 0 and limit 4 GiB. */
function flatDescriptor(access: number): bigint {
  const high = ((access & 0xf000) << 8) | 0x000f0000 | ((access & 0xff) << 8);
  return (BigInt(high >>> 0) << 32n) | 0xffffn;
}
