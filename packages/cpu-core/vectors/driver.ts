/**
 * Runs vector cases on a core: a small protected- or long-mode machine whose exceptions all end in HLT, so that the delivery of each case's
 * final exception is part of what is tested. Two user pages; tables, handlers and stack are in supervisor pages far away.
 */
import type { Core, Vcpu } from "@paravane/paravirt-ops";
import { findBlock } from "../src/code-blocks.js";
import { createCore, cpuCore } from "../src/core.js";
import * as L from "../src/layout.js";
import { planMemory } from "../src/memory-plan.js";
import type { Outcome, State, VectorCase, VectorFile } from "./format.js";

const RAM_BYTES = 0x100000 * 2;
const CODE = 0x110000,
  DATA = 0x111000,
  IDT = 0x112000,
  HANDLERS = 0x113000,
  STACK = 0x115000,
  GDT = 0x116000,
  TSS = 0x117000;
const HANDLER_SIZE = 16;
const CS_KERNEL = 8,
  SS_KERNEL = 0x10,
  CS_USER = 0x1b,
  SS_USER = 0x23;
const IF = 0x200;
const UNIT_BUDGET = 1000n;
/** No address has it. */
const NO_TAG = 1n;

export interface Observed {
  state: State;
  exception: Outcome | undefined;
}

export class VectorMachine {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #cpu = L.VCPU_BASE;
  /** Instructions carried out by translations that the driver itself has entered. */
  #direct = 0;
  readonly #ram: number;
  private constructor(
    readonly file: VectorFile,
    readonly core: Core,
    readonly vcpu: Vcpu,
    memory: WebAssembly.Memory,
  ) {
    this.#view = new DataView(memory.buffer);
    this.#bytes = new Uint8Array(memory.buffer);
    this.#ram = planMemory({ ramBytes: RAM_BYTES, vcpus: 1 }).ramBase;
    this.#setUp();
  }

  /** "jit": every block is translated when it has run once, before the run ends. */
  static async create(file: VectorFile, engine: "interp" | "jit" = "interp"): Promise<VectorMachine> {
    const plan = cpuCore.plan({ ramBytes: RAM_BYTES, vcpus: 1 });
    const pages = plan.memoryBytes / 0x10000;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const none = { attach: () => {}, detach: () => {}, read: () => 0xffffffff, write: () => {} };
    const core = await createCore(
      {
        memory,
        ramBytes: RAM_BYTES,
        vcpus: 1,
        pio: none,
        mmio: none,
        tscHz: 1e9,
        readTsc: () => 0,
        random: () => {},
        localInterrupts: { acknowledge: () => -1, readTaskPriority: () => 0, writeTaskPriority: () => {} },
        msrs: { msrRead: () => undefined, msrWrite: () => false },
      },
      { engine, translation: { heat: 1, leastRuns: 0, synchronous: true } },
    );
    return new VectorMachine(file, core, core.vcpus[0]!, memory);
  }

  /** Linear address of the supervisor window onto guest-physical 0x100000. */
  get #window(): bigint {
    return this.file.mode === 64 ? 0xffff800000100000n : 0xc0100000n;
  }
  #linear(physical: number): bigint {
    return this.#window + BigInt(physical - 0x100000);
  }

  #setUp(): void {
    const ram = this.core.guestMemory;
    const long = this.file.mode === 64;
    // Page tables from 0x1000 on: PML4, then PDPT and PD and PT for the low half, and again for the window.
    const table = (n: number): number => 0x1000 * n;
    const entry = (at: number, index: number, to: number, flags: number): void => ram.writeU64(at + index * 8, BigInt(to | flags));
    const top = long ? 0x7 : 0x1;
    if (long) {
      entry(table(1), 0, table(2), 7);
      entry(table(1), 256, table(6), 3);
      entry(table(6), 0, table(7), 3);
    } else entry(table(2), 3, table(7), 1);
    entry(table(2), 0, table(3), top);
    entry(table(3), Number(this.file.codePage >> 21n), table(4), 7);
    entry(table(3), Number(this.file.dataPage >> 21n), table(5), 7);
    entry(table(4), 0, CODE, 7);
    ram.writeU64(table(5), BigInt(DATA) | 7n | (1n << 63n));
    entry(table(7), 0, table(8), 3);
    for (let page = 0; page < 0x40; page++) entry(table(8), 0x100 + page, 0x100000 + page * 0x1000, 3);
    for (const [index, value] of [
      [1, long ? 0x00af9b000000ffffn : 0x00cf9b000000ffffn],
      [2, 0x00cf93000000ffffn],
      [3, long ? 0x00affb000000ffffn : 0x00cffb000000ffffn],
      [4, 0x00cff3000000ffffn],
    ] as const)
      ram.writeU64(GDT + index * 8, value);
    for (let vector = 0; vector < 32; vector++) {
      const handler = this.#linear(HANDLERS + vector * HANDLER_SIZE);
      ram.writeU8(HANDLERS + vector * HANDLER_SIZE, 0xf4);
      const low =
        (handler & 0xffffn) |
        (BigInt(CS_KERNEL) << 16n) |
        ((vector === 3 || vector === 4 ? 0xeen : 0x8en) << 40n) |
        (((handler >> 16n) & 0xffffn) << 48n);
      ram.writeU64(IDT + vector * (long ? 16 : 8), low);
      if (long) ram.writeU64(IDT + vector * 16 + 8, handler >> 32n);
    }
    const stack = this.#linear(STACK + 0x1000);
    ram.writeU16(TSS + 0x66, 0x68); // no I/O bitmap
    if (long) ram.writeU64(TSS + 4, stack);
    else {
      ram.writeU32(TSS + 4, Number(stack));
      ram.writeU32(TSS + 8, SS_KERNEL);
    }
    const r = this.vcpu.registers;
    r.setTable("gdtr", { base: this.#linear(GDT), limit: 0x27 });
    r.setTable("idtr", { base: this.#linear(IDT), limit: 0xfff });
    r.setSegment("tr", { selector: 0x28, base: this.#linear(TSS), limit: 0x67, access: 0x8b });
    r.set("efer", long ? 0xd00n : 0x800n);
    r.set("cr3", BigInt(table(long ? 1 : 2)));
    r.set("cr4", 0x620n);
    // PAE keeps its page-directory pointers in registers.
    if (!long) for (let i = 0; i < 4; i++) this.#view.setBigUint64(this.#cpu + L.PDPTE + i * 8, ram.readU64(table(2) + i * 8), true);
    r.set("cr0", 0x80010033n);
  }

  #segment(index: number, selector: number, base: bigint, limit: number, access: number): void {
    const at = this.#cpu + L.SEG + index * L.SEG_SIZE;
    this.#view.setUint32(at + L.SEG_SELECTOR, selector, true);
    this.#view.setBigUint64(at + L.SEG_BASE, base, true);
    this.#view.setUint32(at + L.SEG_LIMIT, limit, true);
    this.#view.setUint32(at + L.SEG_ACCESS, access, true);
  }

  /** Instructions of this machine that were carried out by translations. */
  get translated(): number {
    return this.core.stats()["tiers.jit.instructions"]! + this.#direct;
  }

  /** Runs one case to its end. */
  run(test: VectorCase): Observed {
    this.#loadCode(test);
    return this.#runLoaded(test);
  }
  /** Runs the case that `run` has just run once more, from its initial state, over the code that was decoded and translated then. */
  runAgain(test: VectorCase): Observed {
    return this.#runLoaded(test, true);
  }
  #runLoaded(test: VectorCase, translated = false): Observed {
    this.#load(test);
    const engine = this.vcpu as unknown as {
      engine: {
        updateMode(cpu: number): void;
        setFlags(cpu: number, flags: number): void;
        settleFlags(cpu: number): void;
        table: WebAssembly.Table;
      };
    };
    engine.engine.setFlags(this.#cpu, test.initial.flags);
    engine.engine.updateMode(this.#cpu);
    if (translated) this.#enterUnit(engine.engine);
    const reason = this.vcpu.run(100_000);
    const rip = this.#view.getBigUint64(this.#cpu + L.RIP, true);
    if (reason !== "halted") throw new Error(`case ${test.index}: ended by ${reason} (${this.vcpu.fault ?? ""}) at 0x${rip.toString(16)}`);
    return this.#observe(Number((rip - this.#linear(HANDLERS)) / BigInt(HANDLER_SIZE)));
  }

  /**
   * Runs the entry's translation, if it has one, as the engine would, but with the data page in the TLB: code and data pages share a TLB
   * entry, so that a translation entered through the code page would find every access to memory missing.
   */
  #enterUnit({ table, settleFlags }: { table: WebAssembly.Table; settleFlags(cpu: number): void }): void {
    const v = this.#view,
      cpu = this.#cpu;
    const host = this.#ram + CODE + Number(this.file.entry - this.file.codePage);
    const mode = v.getUint32(cpu + L.MODE, true);
    const header = findBlock(v, host, mode);
    const unit = header === 0 ? 0 : v.getUint32(header + L.H_UNIT, true);
    if (unit === 0) return;
    const { dataPage, entry } = this.file;
    const at = v.getUint32(cpu + L.TLB, true) + ((Number(dataPage >> 12n) & (L.TLB_ENTRIES - 1)) << L.TLB_SHIFT);
    const tag = dataPage ^ v.getBigUint64(cpu + L.CTX, true);
    v.setBigUint64(at + L.TLB_R, tag, true);
    v.setBigUint64(at + L.TLB_W, tag, true);
    v.setBigUint64(at + L.TLB_X, NO_TAG, true);
    v.setUint32(at + L.TLB_ADDEND, (this.#ram + DATA - Number(dataPage)) >>> 0, true);
    v.setBigInt64(cpu + L.COUNT, UNIT_BUDGET, true);
    const base = entry - BigInt(v.getInt32(header + L.H_UNIT_DELTA, true));
    const slot = (unit >>> L.UNIT_SHIFT) & (L.UNIT_SLOTS - 1);
    (table.get(slot) as (cpu: number, entry: number, base: bigint) => number)(cpu, unit & 0xff, base);
    settleFlags(cpu);
    this.#direct += Number(UNIT_BUDGET - v.getBigInt64(cpu + L.COUNT, true));
  }

  #loadCode({ code }: VectorCase): void {
    const codePage = new Uint8Array(4096).fill(0xcc);
    codePage.set(code, Number(this.file.entry - this.file.codePage));
    this.core.guestMemory.write(CODE, codePage);
  }
  #load({ initial }: VectorCase): void {
    const v = this.#view,
      cpu = this.#cpu,
      long = this.file.mode === 64;
    this.core.guestMemory.write(DATA, initial.data);
    for (let i = 0; i < 16; i++) v.setBigUint64(cpu + L.GPR + i * 8, initial.gpr[i]!, true);
    v.setBigUint64(cpu + L.RIP, this.file.entry, true);
    v.setInt32(cpu + L.FAULT, -1, true);
    v.setUint32(cpu + L.HALTED, 0, true);
    v.setUint32(cpu + L.EXIT, 0, true);
    v.setUint32(cpu + L.SHADOW, 0, true);
    v.setUint32(cpu + L.MXCSR, initial.mxcsr, true);
    v.setUint32(cpu + L.FCW, initial.fcw, true);
    v.setUint32(cpu + L.FSW, initial.fsw, true);
    v.setUint32(cpu + L.FTW, initial.ftw, true);
    for (const offset of [L.FIP, L.FDP]) v.setBigUint64(cpu + offset, 0n, true);
    for (const offset of [L.FCS, L.FDS, L.FOP]) v.setUint32(cpu + offset, 0, true);
    for (let i = 0; i < 8; i++) this.#bytes.set(initial.x87.subarray(i * 10, i * 10 + 10), cpu + L.FPR + i * 16);
    this.#bytes.set(initial.xmm, cpu + L.XMM);
    v.setUint32(cpu + L.CPL, 3, true);
    const flat = 0xffffffff;
    this.#segment(L.CS, CS_USER, 0n, flat, long ? 0xa0fb : 0xc0fb);
    for (const segment of [L.SS, L.DS, L.ES]) this.#segment(segment, SS_USER, 0n, flat, 0xc0f3);
    if (long) {
      this.#segment(L.FS, SS_USER, 0n, flat, 0xc0f3);
      this.#segment(L.GS, SS_USER, this.file.segmentBase, flat, 0xc0f3);
    } else {
      this.#segment(L.FS, SS_USER, this.file.segmentBase, this.file.segmentLimit, 0x40f3);
      this.#segment(L.GS, SS_USER, 0n, flat, 0xc0f3);
    }
  }

  #observe(vector: number): Observed {
    const v = this.#view,
      cpu = this.#cpu,
      long = this.file.mode === 64;
    const sp = v.getBigUint64(cpu + L.GPR + 32, true);
    const physical = Number(sp - this.#linear(STACK)) + STACK;
    const hasError = [8, 10, 11, 12, 13, 14, 17].includes(vector);
    const ram = this.core.guestMemory;
    const word = (n: number): bigint => (long ? ram.readU64(physical + n * 8) : BigInt(ram.readU32(physical + n * 4)));
    const first = hasError ? 1 : 0;
    const gpr = new BigUint64Array(16);
    for (let i = 0; i < 16; i++) gpr[i] = v.getBigUint64(cpu + L.GPR + i * 8, true);
    gpr[4] = word(first + 3);
    const x87 = new Uint8Array(80);
    for (let i = 0; i < 8; i++) x87.set(this.#bytes.subarray(cpu + L.FPR + i * 16, cpu + L.FPR + i * 16 + 10), i * 10);
    const state: State = {
      gpr,
      rip: word(first) - (vector === 3 ? 1n : 0n),
      flags: Number(word(first + 2) & 0xffffffffn) | IF,
      mxcsr: v.getUint32(cpu + L.MXCSR, true),
      fcw: v.getUint32(cpu + L.FCW, true),
      fsw: v.getUint32(cpu + L.FSW, true),
      ftw: v.getUint32(cpu + L.FTW, true),
      x87,
      xmm: this.#bytes.slice(cpu + L.XMM, cpu + L.XMM + 256),
      data: this.#bytes.slice(this.#ram + DATA, this.#ram + DATA + 4096),
    };
    const exception =
      vector === 3
        ? undefined
        : { vector, error: hasError ? Number(word(0) & 0xffffn) : 0, cr2: vector === 14 ? v.getBigUint64(cpu + L.CR2, true) : 0n };
    return { state, exception };
  }
}
