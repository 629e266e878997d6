/** What stands between one vCPU and its kernel at CPL 1: the flag page, the shadows of its descriptor tables, the I/O privilege that it asked for. */
import {
  generalProtection,
  type GuestFault,
  isGuestFault,
  type HypervisorHandle,
  type Mfn,
  type SegmentCache,
  type Vcpu,
} from "@paravane/paravirt-ops";
import { access, cacheOf, systemTypes } from "./descriptors.js";
import type { HeldFrames } from "./held-frames.js";
import { flagPage, RFLAGS_IF } from "./flag-page.js";
import { ShadowTable, TABLE_PAGES } from "./shadow-table.js";

const PAGE = 4096;
const RECORD = "vmi flags";
const GDT_AT = BigInt(TABLE_PAGES * PAGE);
const LDT_AT = 2n * GDT_AT;
/** What the hole must hold: the flag page, then the two tables. */
export const LEAST_HOLE = 3 * TABLE_PAGES * PAGE;
const MSR_SYSENTER_CS = 0x174;
const NOT_PRESENT = 11;
const IOPL_SHIFT = 12n;
const RFLAGS_IOPL = 3n << IOPL_SHIFT;
const NO_LDT: SegmentCache = { selector: 0, base: 0n, limit: 0, access: 0x02 };

/** One vCPU's. */
export class CpuShadow {
  readonly gdt: ShadowTable;
  readonly ldt: ShadowTable;
  /** What the kernel loaded last. */
  gdtr = { base: 0n, limit: 0 };
  readonly #frame: Mfn;
  #iopl = 0;
  /** The kernel runs at CPL 1. */
  entered = false;

  constructor(
    private readonly hypervisor: HypervisorHandle,
    readonly vcpu: Vcpu,
    held: HeldFrames,
    virtualTop: bigint | undefined,
  ) {
    this.#frame = hypervisor.frames.allocate(1);
    hypervisor.frames.record(RECORD, vcpu.id, this.#frame, 0, PAGE);
    if (virtualTop !== undefined) {
      const frames = [this.#frame];
      hypervisor.openWindow({ address: virtualTop, frames, write: true, execute: false, level: 1, scope: { vcpu: vcpu.id } });
    }
    this.gdt = new ShadowTable(hypervisor, vcpu.id, held, virtualTop && virtualTop + GDT_AT);
    this.ldt = new ShadowTable(hypervisor, vcpu.id, held, virtualTop && virtualTop + LDT_AT);
  }

  #page(): DataView {
    const bytes = this.hypervisor.frames.bytes(this.#frame);
    return new DataView(bytes.buffer, bytes.byteOffset, PAGE);
  }

  /** EFLAGS.IF as the kernel sees it. */
  get interruptFlag(): boolean {
    return this.#page().getUint32(flagPage.interruptFlag, true) !== 0;
  }

  set interruptFlag(on: boolean) {
    this.#page().setUint32(flagPage.interruptFlag, on ? RFLAGS_IF : 0, true);
  }

  /** Interrupts and events wait for the flag from now on. */
  watchFlag(): void {
    this.hypervisor.setEventMask(this.vcpu.id, {
      field: { record: RECORD, offset: flagPage.interruptFlag, bits: 32 },
      takesWhile: "non-zero",
    });
  }

  /** SYSENTER_CS has changed: the ROM's SYSEXIT loads its segments by what the page says. */
  updateUserSelectors(): void {
    const base = Number(this.vcpu.registers.msr(MSR_SYSENTER_CS) ?? 0n) & 0xfffc;
    this.#page().setUint32(flagPage.userCode, (base + 16) | 3, true);
    this.#page().setUint32(flagPage.userStack, (base + 24) | 3, true);
  }

  /** I/O privilege of user code. The kernel's own ports need at least 1. */
  set iopl(level: number) {
    this.#iopl = level;
    this.settleFlags();
  }

  /** EFLAGS as a frame shows them. */
  visibleFlags(): bigint {
    const { registers } = this.vcpu;
    const real = registers.get("rflags");
    const on = this.interruptFlag && (real & BigInt(RFLAGS_IF)) !== 0n;
    return (real & ~(RFLAGS_IOPL | BigInt(RFLAGS_IF))) | (BigInt(this.#iopl) << IOPL_SHIFT) | (on ? BigInt(RFLAGS_IF) : 0n);
  }

  /** EFLAGS as the processor must have them for `flags` of the guest: IF set, since the page has the guest's, and enough I/O privilege. */
  realFlags(flags: bigint): bigint {
    return (flags & ~RFLAGS_IOPL) | BigInt(RFLAGS_IF) | (BigInt(Math.max(1, this.#iopl)) << IOPL_SHIFT);
  }

  /** After something that the processor did to EFLAGS by itself. */
  settleFlags(): void {
    const { registers } = this.vcpu;
    registers.set("rflags", this.realFlags(registers.get("rflags")));
  }

  /** A new global table. */
  loadGdt(table: { base: bigint; limit: number }): void {
    this.gdtr = { ...table };
    this.vcpu.registers.setTable("gdtr", { base: this.gdt.load(table.base, table.limit), limit: table.limit });
  }

  /** The guest's descriptor of a selector, or the fault of loading it. */
  descriptor(selector: number): bigint | GuestFault {
    if ((selector & 0xfffc) === 0) return generalProtection;
    const table = (selector & 4) === 0 ? this.gdt : this.ldt;
    return table.entry(selector >> 3) ?? { fault: 13, errorCode: selector & 0xfffc };
  }

  /** A segment for the kernel, at its level. */
  kernelSegment(selector: number, kind: "code" | "data"): SegmentCache | GuestFault {
    const descriptor = this.descriptor(selector);
    if (isGuestFault(descriptor)) return descriptor;
    const cache = cacheOf((selector & ~3) | 1, descriptor);
    if ((cache.access & 0x10) === 0 || access.code(cache.access) !== (kind === "code")) return { fault: 13, errorCode: selector & 0xfffc };
    if (!access.present(cache.access)) return { fault: kind === "code" ? NOT_PRESENT : 12, errorCode: selector & 0xfffc };
    return { ...cache, access: (cache.access & ~0x60) | 0x20 };
  }

  /** LLDT. */
  loadLdt(selector: number): GuestFault | undefined {
    const { registers } = this.vcpu;
    if ((selector & 0xfffc) === 0) {
      this.ldt.forget();
      registers.setSegment("ldtr", NO_LDT);
      return undefined;
    }
    const found = this.#system(selector, systemTypes.ldt);
    if (isGuestFault(found)) return found;
    registers.setSegment("ldtr", { ...found, base: this.ldt.load(found.base, Math.min(found.limit, 0xffff)) });
    return undefined;
  }

  /** LTR: the descriptor is busy from now on. The processor reads the guest's own TSS, for its map of ports. */
  loadTr(selector: number, write: (descriptor: bigint) => GuestFault | undefined): GuestFault | undefined {
    const found = this.#system(selector, systemTypes.tss);
    if (isGuestFault(found)) return found;
    const descriptor = this.descriptor(selector) as bigint;
    const fault = write(descriptor | (2n << 40n));
    if (fault === undefined) this.vcpu.registers.setSegment("tr", { ...found, access: (found.access & ~0x0f) | systemTypes.busyTss });
    return fault;
  }

  #system(selector: number, type: number): SegmentCache | GuestFault {
    const wrong: GuestFault = { fault: 13, errorCode: selector & 0xfffc };
    if ((selector & 4) !== 0) return wrong;
    const descriptor = this.descriptor(selector);
    if (isGuestFault(descriptor)) return descriptor;
    const cache = cacheOf(selector, descriptor);
    if (access.type(cache.access) !== type) return wrong;
    return access.present(cache.access) ? cache : { fault: NOT_PRESENT, errorCode: selector & 0xfffc };
  }
}
