/**
 * The descriptor tables of a vCPU: a window of 16 pages in the hypervisor's hole, the first 14 the guest's frames, then Xen's own flat
 * segments; and another window for the local table, whose pages are taken in when they are first used.
 */
import type { HypervisorHandle, Mfn, OpenWindow, SegmentCache, VcpuRegisters } from "@paravane/paravirt-ops";
import { FIRST_RESERVED_GDT_BYTE, FIRST_RESERVED_GDT_ENTRY } from "../abi/arch-x86.js";
import { errno } from "../abi/errno.js";
import type { GuestBits } from "../abi/struct.js";
import { type Descriptor, safeDescriptor } from "../mmu/descriptors.js";
import { type FrameTable, frameTypes } from "../mmu/frame-table.js";

const GUEST_PAGES = 14;
const PAGES = 16;
const ENTRIES_PER_PAGE = 512;
const MAX_LDT_ENTRIES = 8192;
const LDT_PAGES = 16;
/** Both lie in the hole of 64-bit guests; a 32-bit guest cannot name them at all. */
export const GDT_ADDRESS = 0xffff_8200_0000_0000n;
export const LDT_ADDRESS = 0xffff_8200_0002_0000n;
/** What SIDT shows: deliveries never come to a table, and nothing is there. */
const IDT_ADDRESS = 0xffff_82d0_8000_0000n;
const LDT_ACCESS = 0x82;
/** Of a descriptor's high half. */
const PRESENT = 0x8000;
/** Of a segment's access byte: the processor has marked the descriptor. */
const ACCESSED = 1;
const NOT_SYSTEM = 0x1000;

/** Descriptors of Xen's page, by byte offset from its start: code and data of the rings that guests have. */
const RESERVED: Readonly<Record<GuestBits, readonly (readonly [number, bigint])[]>> = {
  64: [
    [0x20, 0x00cf_fb00_0000_ffffn],
    [0x28, 0x00cf_f300_0000_ffffn],
    [0x30, 0x00af_fb00_0000_ffffn],
  ],
  32: [
    [0x18, 0x00cf_bb00_0000_ffffn],
    [0x20, 0x00cf_b300_0000_ffffn],
    [0x28, 0x00cf_fb00_0000_ffffn],
    [0x30, 0x00cf_f300_0000_ffffn],
  ],
};

/** Page of the machine that holds Xen's descriptors; one for all vCPUs. */
export function reservedDescriptors(hypervisor: HypervisorHandle, bits: GuestBits): Mfn {
  const frame = hypervisor.frames.allocate(1);
  const bytes = hypervisor.frames.bytes(frame);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (const [offset, descriptor] of RESERVED[bits]) view.setBigUint64(offset, descriptor, true);
  return frame;
}

/** What the tables stand on. */
export interface TableParts {
  readonly hypervisor: HypervisorHandle;
  readonly frames: FrameTable;
  readonly registers: VcpuRegisters;
  /** Xen's page. */
  readonly reserved: Mfn;
  /** A page of nothing. */
  readonly empty: Mfn;
}

/** GDT and LDT of one vCPU. */
export class DescriptorTables {
  readonly #window: OpenWindow;
  readonly #ldtWindow: OpenWindow;
  #gdtFrames: readonly Mfn[] = [];
  #gdtEntries = 0;
  readonly #ldtFrames = new Map<number, Mfn>();
  #ldt = { base: 0n, entries: 0 };
  /** Segments of the global table that have been looked up, by selector. */
  readonly #known = new Map<number, SegmentCache>();

  constructor(
    private readonly vcpu: number,
    readonly bits: GuestBits,
    private readonly parts: TableParts,
  ) {
    const { hypervisor, registers, reserved, empty } = parts;
    const frames = Array.from({ length: PAGES }, (_, page) => (page === GUEST_PAGES ? reserved : empty));
    const common = { write: false, execute: false, level: 0, scope: { vcpu } } as const;
    this.#window = hypervisor.openWindow({ ...common, address: GDT_ADDRESS, frames, write: true });
    this.#ldtWindow = hypervisor.openWindow({
      ...common,
      address: LDT_ADDRESS,
      frames: new Array<Mfn>(LDT_PAGES).fill(empty),
      write: true,
    });
    this.#emptyLdt();
    registers.setTable("gdtr", { base: GDT_ADDRESS, limit: 0xffff });
    registers.setTable("idtr", { base: IDT_ADDRESS, limit: 0xfff });
  }

  /** set_gdt: the frames become pages of descriptors. 0, or -EINVAL with nothing changed. */
  setGdt(frames: readonly Mfn[], entries: number): number {
    if (entries > FIRST_RESERVED_GDT_ENTRY) return -errno.EINVAL;
    const taken: Mfn[] = [];
    for (const frame of frames) {
      const error = this.parts.frames.get(frame, frameTypes.segmentDescriptors);
      if (error === 0) taken.push(frame);
      else {
        for (const other of taken) this.parts.frames.put(other);
        return -errno.EINVAL;
      }
    }
    this.changed();
    const before = this.#gdtFrames;
    this.#gdtFrames = taken;
    this.#gdtEntries = entries;
    for (let page = 0; page < GUEST_PAGES; page++) this.#window.setFrame(page, taken[page] ?? this.parts.empty);
    for (const frame of before) this.parts.frames.put(frame);
    return 0;
  }

  /** MMUEXT_SET_LDT: pages are looked at when they are used. */
  setLdt(base: bigint, entries: number): number {
    if (base % 4096n !== 0n || entries > MAX_LDT_ENTRIES) return -errno.EINVAL;
    this.#emptyLdt();
    this.#ldt = { base, entries };
    if (entries > 0) {
      this.parts.registers.setSegment("ldtr", { selector: 8, base: LDT_ADDRESS, limit: entries * 8 - 1, access: LDT_ACCESS });
    }
    return 0;
  }

  /**
   * A descriptor of the local table was wanted at linear `address`: takes the page in and is true when that is all there was to it.
   * `leafOf` finds the frame that the guest maps at a linear address.
   */
  takeLdtPage(address: bigint, leafOf: (address: bigint) => Mfn | undefined): boolean {
    const page = Number((address - LDT_ADDRESS) >> 12n);
    if (page < 0 || page >= LDT_PAGES || page * ENTRIES_PER_PAGE >= this.#ldt.entries || this.#ldtFrames.has(page)) return false;
    const frame = leafOf(this.#ldt.base + BigInt(page) * 4096n);
    if (frame === undefined || this.parts.frames.get(frame, frameTypes.segmentDescriptors) !== 0) return false;
    this.#ldtFrames.set(page, frame);
    this.#ldtWindow.setFrame(page, frame);
    return true;
  }

  /** The segment that a selector stands for, for code that the guest returns to or is entered at; undefined for none that is present. */
  segment(selector: number): SegmentCache | undefined {
    if ((selector & ~3) === 0) return undefined;
    const local = (selector & 4) !== 0;
    const offset = selector & 0xfff8;
    if (local && offset >= this.#ldt.entries * 8) return undefined;
    const known = this.#known.get(selector);
    if (known !== undefined) return known;
    const found = this.#read(local ? this.#ldt.base + BigInt(offset) : GDT_ADDRESS + BigInt(offset), local);
    // What lies in the guest's own memory has not been looked at yet; what has is let pass unchanged.
    const safe = found && safeDescriptor(found.low, found.high, this.bits);
    if (safe === undefined || (safe.high & PRESENT) === 0 || (safe.high & NOT_SYSTEM) === 0) return undefined;
    const segment = segmentOf(selector, safe);
    // The processor stores to descriptors that it has not marked yet; all other changes come by here.
    if (!local && (segment.access & ACCESSED) !== 0) this.#known.set(selector, segment);
    return segment;
  }

  /** Descriptors of the global table have changed. */
  changed(): void {
    this.#known.clear();
  }

  /** A descriptor as the processor sees it, whatever it is: undefined beyond the table, or where nothing is. `leafOf` as for `takeLdtPage`. */
  descriptor(selector: number, leafOf: (address: bigint) => Mfn | undefined): Descriptor | undefined {
    if ((selector & 0xfffc) === 0) return undefined;
    const offset = selector & 0xfff8;
    if ((selector & 4) === 0) return this.#read(GDT_ADDRESS + BigInt(offset), false);
    if (offset >= this.#ldt.entries * 8) return undefined;
    const address = LDT_ADDRESS + BigInt(offset);
    this.takeLdtPage(address, leafOf);
    return this.#read(address, false);
  }

  /** True for selectors of the guest's own entries, Xen's excluded. */
  has(selector: number): boolean {
    return selector >>> 3 < ((selector & 4) === 0 ? this.#gdtEntries : this.#ldt.entries);
  }

  /** True when a linear address lies in the local table's window. */
  isLdtAddress(address: bigint): boolean {
    return address >= LDT_ADDRESS && address < LDT_ADDRESS + BigInt(LDT_PAGES) * 4096n;
  }

  /** `guest`: from the guest's own memory, as its kernel reads it. */
  #read(address: bigint, guest: boolean): Descriptor | undefined {
    const bytes = new Uint8Array(8);
    const access = { level: guest ? 1 : 0, implicit: !guest } as const;
    if (this.parts.hypervisor.linear.read(this.vcpu, address, bytes, access) !== undefined) return undefined;
    const view = new DataView(bytes.buffer);
    return { low: view.getUint32(0, true), high: view.getUint32(4, true) };
  }

  #emptyLdt(): void {
    for (let page = 0; page < LDT_PAGES; page++) this.#ldtWindow.setFrame(page, undefined);
    for (const frame of this.#ldtFrames.values()) this.parts.frames.put(frame);
    this.#ldtFrames.clear();
    this.#ldt = { base: 0n, entries: 0 };
    this.parts.registers.setSegment("ldtr", { selector: 0, base: 0n, limit: 0, access: 0 });
  }
}

/** A code or data segment as it is when it has been loaded. */
export function segmentOf(selector: number, { low, high }: Descriptor): SegmentCache {
  const limit = (low & 0xffff) | (high & 0xf0000);
  return {
    selector,
    base: BigInt(((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff00_0000)) >>> 0),
    limit: (high & 0x80_0000) === 0 ? limit : ((limit << 12) | 0xfff) >>> 0,
    access: (high >>> 8) & 0xf0ff,
  };
}

/** True for selectors of Xen's own part of the table. */
export function isReserved(selector: number): boolean {
  return (selector & 4) === 0 && (selector & 0xfff8) >= FIRST_RESERVED_GDT_BYTE;
}
