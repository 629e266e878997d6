/**
 * A processor on a bench: the real core on a little RAM, descriptor tables and page tables built from TypeScript. Every vector's handler is
 * a HLT of its own, so that a run ends with the vector that was delivered and its frame on the stack.
 */
import type { Core, CoreEnvironment, GeneralRegister, MmioBus, PioBus, SegmentName } from "@paravane/paravirt-ops";
import { type CpuCoreOptions, cpuCoreWith, createCore } from "../../src/core.js";
import * as L from "../../src/layout.js";
import type { CoreVcpu } from "../../src/vcpu/vcpu.js";

export const GDT = 0x1000,
  IDT = 0x2000,
  TSS = 0x3000,
  HANDLERS = 0x4000,
  CODE = 0x8000,
  STACK0 = 0x7000,
  STACK3 = 0x6800,
  IST1 = 0x6000;
/** Page tables: root, then what it leads to; PAGES is the table of 4 KiB pages for linear addresses from WINDOW on. */
export const ROOT = 0x10000,
  PDPT = 0x11000,
  PD = 0x12000,
  PAGES = 0x13000;
export const WINDOW = 0x400000;
/** RAM for the window's pages. */
export const FRAMES = 0x100000;
export const SELECTOR = { code0: 0x08, data0: 0x10, code3: 0x1b, data3: 0x23, tss: 0x28, free: 0x38 } as const;
const RAM = 8 << 20;

export type Mode = "real" | "protected" | "paged32" | "pae" | "long";
export interface Outcome {
  /** Vector whose handler was reached; undefined when the program's own HLT was. */
  vector: number | undefined;
  rip: number;
  /** The words on the handler's stack, lowest address first. */
  frame: number[];
  exit: string;
}

/** A segment descriptor: access byte, flags nibble (G D L AVL), base and limit as stored. */
export function descriptor(access: number, flags = 0xc, base = 0, limit = 0xfffff): bigint {
  const low = BigInt((limit & 0xffff) | ((base & 0xffff) * 0x10000));
  const high = BigInt(((base >>> 16) & 0xff) | (access << 8) | (limit & 0xf0000) | (flags << 20)) | (BigInt((base >>> 24) & 0xff) << 24n);
  return (low & 0xffffffffn) | ((high & 0xffffffffn) << 32n);
}
/** A gate: type and DPL in `access` (0x8e: present interrupt gate). */
export function gate(selector: number, offset: number, access: number, low = 0): bigint {
  return (
    BigInt(offset & 0xffff) | (BigInt(selector) << 16n) | (BigInt(low) << 32n) | (BigInt(access) << 40n) | (BigInt(offset >>> 16) << 48n)
  );
}

export class Bench {
  readonly mmio: string[] = [];
  readonly pio: string[] = [];
  /** Vectors that the interrupt controller has to give. */
  readonly vectors: number[] = [];
  /** MSRs that the board owns. */
  readonly boardMsrs = new Map<number, bigint>();
  /** What ports read as; the time-stamp counter; the next random bytes. */
  readPort: (port: number, size: number) => number = () => 0xff;
  tsc = 0;
  randomByte = 0;
  mode: Mode = "real";
  private constructor(
    readonly core: Core,
    readonly view: DataView,
  ) {}

  static async create(
    cpuModel?: string,
    options: CpuCoreOptions = {},
    time: Pick<CoreEnvironment, "tscGuess" | "pauseLoopExiting"> = {},
  ): Promise<Bench> {
    const bytes = cpuCoreWith(options).plan({ ramBytes: RAM, vcpus: 1 }).memoryBytes;
    const memory = new WebAssembly.Memory({ initial: bytes / 65536, maximum: bytes / 65536 });
    let bench: Bench | undefined;
    const log = (text: string): void => void bench?.mmio.push(text);
    const mmio: MmioBus = {
      attach: () => {},
      detach: () => {},
      read(address, size) {
        log(`r${size} ${address.toString(16)}`);
        return 0x11223344 >>> (32 - size * 8);
      },
      write: (address, size, value) => log(`w${size} ${address.toString(16)} ${value.toString(16)}`),
    };
    const pio: PioBus = {
      attach: () => {},
      detach: () => {},
      read: (port, size) => bench?.readPort(port, size) ?? 0xff,
      write: (port, size, value) => void bench?.pio.push(`w${size} ${port.toString(16)} ${value.toString(16)}`),
    };
    const core = await createCore(
      {
        memory,
        ramBytes: RAM,
        vcpus: 1,
        pio,
        mmio,
        ...(cpuModel === undefined ? {} : { cpuModel }),
        localInterrupts: { acknowledge: () => bench?.acknowledge() ?? -1, readTaskPriority: () => 0, writeTaskPriority: () => {} },
        msrs: {
          msrRead: (_vcpu, index) => bench?.boardMsrs.get(index),
          msrWrite: (_vcpu, index, value) => bench?.boardMsrs.has(index) === true && bench.boardMsrs.set(index, value).has(index),
        },
        readTsc: () => bench?.tsc ?? 0,
        ...time,
        tscHz: 1e9,
        random: (bytes) => void bytes.fill(bench?.randomByte ?? 0),
      },
      options,
    );
    bench = new Bench(core, new DataView(memory.buffer));
    return bench;
  }

  acknowledge(): number {
    const vector = this.vectors.shift();
    if (this.vectors.length === 0) this.vcpu.setInterruptRequest(false);
    return vector ?? -1;
  }
  get vcpu(): CoreVcpu {
    return this.core.vcpus[0] as CoreVcpu;
  }
  get(name: GeneralRegister | "rip" | "rflags" | "cr0" | "cr2" | "cr3" | "cr4"): number {
    return Number(this.vcpu.registers.get(name));
  }
  set(name: GeneralRegister | "rip" | "rflags" | "cr0" | "cr3" | "cr4" | "efer", value: number | bigint): void {
    this.vcpu.registers.set(name, BigInt(value));
  }
  word(offset: number): number {
    return this.view.getUint32(L.VCPU_BASE + offset, true);
  }
  setWord(offset: number, value: number): void {
    this.view.setUint32(L.VCPU_BASE + offset, value, true);
    this.vcpu.engine.updateMode(L.VCPU_BASE);
  }
  selector(name: SegmentName): number {
    return this.vcpu.registers.segment(name).selector;
  }
  poke32(address: number, ...values: number[]): void {
    for (const [i, value] of values.entries()) this.core.guestMemory.writeU32((address + i * 4) as never, value >>> 0);
  }
  poke64(address: number, value: bigint): void {
    this.core.guestMemory.writeU64(address as never, value);
  }
  peek32(address: number): number {
    return this.core.guestMemory.readU32(address as never);
  }
  peek8(address: number): number {
    return this.core.guestMemory.readU8(address as never);
  }
  code(address: number, hex: string): void {
    const bytes =
      hex
        .replaceAll(/\s/g, "")
        .match(/../g)
        ?.map((b) => Number.parseInt(b, 16)) ?? [];
    this.core.guestMemory.write(address as never, Uint8Array.from(bytes));
  }
  setDescriptor(selector: number, value: bigint): void {
    this.poke64(GDT + (selector & 0xfff8), value);
  }
  setGate(vector: number, value: bigint, upper = 0n): void {
    if (this.mode === "long") {
      this.poke64(IDT + vector * 16, value);
      this.poke64(IDT + vector * 16 + 8, upper);
    } else this.poke64(IDT + vector * 8, value);
  }
  /** A page table entry of the window: page `n`. */
  setPage(n: number, entry: bigint): void {
    if (this.mode === "paged32") this.poke32(PAGES + n * 4, Number(entry & 0xffffffffn));
    else this.poke64(PAGES + n * 8, entry);
    this.vcpu.engine.tlbFlushAll(L.VCPU_BASE);
  }

  /** Power-on, then the mode's tables; RIP at CODE, CPL 0 or 3. */
  start(mode: Mode, cpl: 0 | 3 = 0): this {
    this.core.guestMemory.fill(0 as never, 0x20000, 0);
    this.core.guestMemory.fill(FRAMES as never, 0x10000, 0);
    this.vcpu.reset();
    this.mode = mode;
    this.mmio.length = this.pio.length = this.vectors.length = 0;
    for (let v = 0; v < 256; v++) this.code(HANDLERS + v * 16, "f4");
    if (mode === "real") this.startReal();
    else this.startProtected(cpl);
    this.set("rip", CODE);
    this.set("rsp", cpl === 3 ? STACK3 : STACK0);
    return this;
  }
  private startReal(): void {
    for (let v = 0; v < 256; v++) this.poke32(v * 4, HANDLERS + v * 16);
    for (const name of ["es", "cs", "ss", "ds", "fs", "gs"] as const)
      this.vcpu.registers.setSegment(name, { selector: 0, base: 0n, limit: 0xffff, access: name === "cs" ? 0x9b : 0x93 });
  }
  private startProtected(cpl: 0 | 3): void {
    const long = this.mode === "long";
    this.setDescriptor(0x08, descriptor(0x9b, long ? 0xa : 0xc));
    this.setDescriptor(0x10, descriptor(0x93));
    this.setDescriptor(0x18, descriptor(0xfb, long ? 0xa : 0xc));
    this.setDescriptor(0x20, descriptor(0xf3));
    this.setDescriptor(0x28, descriptor(0x8b, 0, TSS, 0x67));
    for (let v = 0; v < 256; v++) this.setGate(v, gate(8, HANDLERS + v * 16, v === 3 || v === 4 || v === 0x80 ? 0xee : 0x8e));
    if (long) {
      this.poke64(TSS + 4, BigInt(STACK0));
      this.poke64(TSS + 36, BigInt(IST1));
    } else this.poke32(TSS + 4, STACK0, 0x10);
    this.startPaging();
    const r = this.vcpu.registers;
    r.setTable("gdtr", { base: BigInt(GDT), limit: 0xfff });
    r.setTable("idtr", { base: BigInt(IDT), limit: 0xfff });
    r.set("cr4", this.mode === "pae" || long ? 0x620n : 0x610n);
    r.set("efer", long ? 0xd00n : this.mode === "pae" ? 0x800n : 0n);
    if (this.mode === "pae")
      for (let i = 0; i < 4; i++) this.view.setBigUint64(L.VCPU_BASE + L.PDPTE + i * 8, i === 0 ? BigInt(PD | 1) : 0n, true);
    r.set("cr3", BigInt(this.mode === "pae" ? PDPT : ROOT));
    r.set("cr0", this.mode === "protected" ? 0x11n : 0x80010011n);
    const flags = 0xc000;
    r.setSegment("cs", { selector: cpl ? 0x1b : 8, base: 0n, limit: 0xffffffff, access: (cpl ? 0xfb : 0x9b) | (long ? 0xa000 : flags) });
    for (const name of ["es", "ss", "ds", "fs", "gs"] as const)
      r.setSegment(name, { selector: cpl ? 0x23 : 0x10, base: 0n, limit: 0xffffffff, access: (cpl ? 0xf3 : 0x93) | flags });
    r.setSegment("tr", { selector: 0x28, base: BigInt(TSS), limit: 0x67, access: 0x8b });
    this.setWord(L.CPL, cpl);
  }
  /** Identity for the first 4 MiB (user, writable, a large page), 4 KiB pages from WINDOW. */
  private startPaging(): void {
    if (this.mode === "paged32") {
      this.poke32(ROOT, 0x87, PAGES | 7);
      return;
    }
    this.poke64(ROOT, BigInt(PDPT | 7));
    this.poke64(PDPT, BigInt(this.mode === "pae" ? PD | 1 : PD | 7));
    this.poke64(PD, 0x87n);
    this.poke64(PD + 8, 0x200087n);
    this.poke64(PD + 16, BigInt(PAGES | 7));
  }

  /** Goes on after a HLT as if an interrupt had come and gone. */
  resume(hex?: string): Outcome {
    this.setWord(L.HALTED, 0);
    return this.run(hex);
  }

  /** Runs until a HLT. */
  run(hex?: string, budget = 1000): Outcome {
    if (hex !== undefined) this.code(CODE, hex);
    const exit = this.vcpu.run(budget);
    const cs = Number(this.vcpu.registers.segment("cs").base);
    const rip = this.get("rip") + cs;
    const at = rip - 1 - HANDLERS;
    const vector = exit === "halted" && at >= 0 && at < 0x1000 && at % 16 === 0 ? at / 16 : undefined;
    const size = this.mode === "long" ? 8 : this.mode === "real" ? 2 : 4;
    const ss = this.vcpu.registers.segment("ss");
    const sp = (this.get("rsp") & (this.mode === "long" || ss.access & 0x4000 ? -1 : 0xffff)) + Number(ss.base);
    const frame = Array.from({ length: 10 }, (_, i) => (size === 2 ? this.peek32(sp + i * 2) & 0xffff : this.peek32(sp + i * size)));
    return { vector, rip, frame, exit };
  }
}
