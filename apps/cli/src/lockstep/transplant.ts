// Puts an architectural state into a QEMU processor. Its gdb port writes general, segment-selector and control registers; tables, TR, LDTR,
// MSRs, debug registers and the FXSAVE image go in by instructions, run one by one in 64-bit mode on page tables of our own. Those map the
// guest's GDT and LDT to scratch memory, so that each selector finds a descriptor that says what the hidden part must become.
import type { GuestMemory, Vcpu } from "@paravane/paravirt-ops";
import { CliError, ExitStatus } from "../errors.js";
import type { GdbAddress, GdbClient } from "./gdb-client.js";
import { type Fill, Qemu } from "./qemu.js";
import { GENERAL, type State, stateOf } from "./state.js";

const PAGE = 0x1000;
const CODE_AT = 0x100000; // offsets in the scratch memory; page tables start at 0
const DATA_AT = 0x101000;
const DESCRIPTORS_AT = 0x110000; // pages of descriptor tables, as many as are needed: at most 1 + 17 + 17
const SCRATCH_USED = 0x150000;
const TABLE_LIMIT = 0xffffn;

/** The instructions, each at its own 16 bytes of the code page. */
const STUBS = {
  lidt: [0x0f, 0x01, 0x1f], // lidt [rdi]
  lgdt: [0x0f, 0x01, 0x17], // lgdt [rdi]
  fxrstor: [0x48, 0x0f, 0xae, 0x0f], // fxrstor64 [rdi]
  wrmsr: [0x0f, 0x30],
  xsetbv: [0x0f, 0x01, 0xd1],
  lldt: [0x0f, 0x00, 0xd0], // lldt ax
  ltr: [0x0f, 0x00, 0xd8], // ltr ax
  dr0: [0x0f, 0x23, 0xc0], // mov drN, rax
  dr1: [0x0f, 0x23, 0xc8],
  dr2: [0x0f, 0x23, 0xd0],
  dr3: [0x0f, 0x23, 0xd8],
  dr6: [0x0f, 0x23, 0xf0],
  dr7: [0x0f, 0x23, 0xf8],
} as const;
type Stub = keyof typeof STUBS;
const STUB_NAMES = Object.keys(STUBS) as Stub[];

const MSRS = [0x174, 0x175, 0x176, 0x277, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000103];
const KERNEL_GS_BASE = 0xc0000102;
const CR0_LONG = 0x80010031n; // PG WP NE ET PE
const CR4_LONG = 0x40620n; // OSXSAVE OSXMMEXCPT OSFXSR PAE
const EFER_LONG = 0x901n; // NXE LME SCE
const CR0_PG = 0x80000000n;
const LMA = 0x400n;
const ACCESSED_CODE64 = 0xa09b;
const ACCESSED_DATA = 0xc093;
const SYSTEM_BUSY = 2;
const VM = 0x20000;
const DATA_SEGMENTS = ["ds", "es", "fs", "gs"] as const;

/** The guest cannot be put into the other processor at this instruction. */
export const transplantError = (why: string): CliError =>
  new CliError(ExitStatus.notModelled, `QEMU's processor cannot take over at this instruction: ${why}`);

/** Pages of the scratch memory handed out as page tables. */
class ScratchTables {
  #next = PAGE;
  constructor(
    private readonly scratch: DataView,
    private readonly base: number,
  ) {}

  map(linear: bigint, physical: number): void {
    let table = 0;
    for (const shift of [39n, 30n, 21n]) {
      const slot = table + Number((linear >> shift) & 0x1ffn) * 8;
      let entry = this.scratch.getBigUint64(slot, true);
      if (entry === 0n) {
        entry = BigInt(this.base + this.#next) | 3n;
        this.#next += PAGE;
        this.scratch.setBigUint64(slot, entry, true);
      }
      table = Number(entry & ~0xfffn) - this.base;
    }
    this.scratch.setBigUint64(table + Number((linear >> 12n) & 0x1ffn) * 8, BigInt(physical) | 3n, true);
  }
}

/** Descriptor bytes for a hidden part; `wide` adds the upper half of a 16-byte one. */
export function descriptorBytes(segment: { base: bigint; limit: number; access: number }, wide: boolean): Uint8Array {
  const bytes = new Uint8Array(wide ? 16 : 8);
  const view = new DataView(bytes.buffer);
  const large = (segment.access & 0x8000) !== 0;
  const limit = large ? segment.limit >>> 12 : segment.limit;
  const base = Number(BigInt.asUintN(32, segment.base));
  view.setUint32(0, ((limit & 0xffff) | ((base & 0xffff) << 16)) >>> 0, true);
  const high = ((base >>> 16) & 0xff) | ((segment.access & 0xf0ff) << 8) | (limit & 0xf0000) | (base & 0xff000000);
  view.setUint32(4, high >>> 0, true);
  if (wide) view.setUint32(8, Number(segment.base >> 32n), true);
  return bytes;
}

/** A processor of QEMU's in the state of `vcpu`, with the same RAM. */
export async function transplant(vcpu: Vcpu, memory: GuestMemory, where: GdbAddress | { readonly trace: boolean }): Promise<Qemu> {
  const state = stateOf(vcpu, true);
  const scratch = new Uint8Array(SCRATCH_USED);
  const move = new Move(state, vcpu, memory.size, scratch);
  const fill: Fill = (write) => {
    for (const [from, to] of ramRanges(memory.size)) writeNonZero(memory, from, to, "trace" in where, write);
    write(memory.size, scratch);
  };
  const qemu = "trace" in where ? await Qemu.start(memory.size, where.trace, fill) : await Qemu.attach(where, fill);
  try {
    await move.run(qemu);
    return qemu;
  } catch (error) {
    await qemu.close();
    throw error;
  }
}

/** RAM without the hole for the display. */
export const ramRanges = (size: number): readonly (readonly [number, number])[] => [
  [0, Math.min(size, 0xa0000)],
  [0xc0000, size],
];

const WRITE_CHUNK = 0x10000;
const ZEROS = Buffer.alloc(WRITE_CHUNK);

/** Zeros need no writing where RAM is new. */
function writeNonZero(memory: GuestMemory, from: number, to: number, isNew: boolean, write: (at: number, bytes: Uint8Array) => void): void {
  for (let at = from; at < to; at += WRITE_CHUNK) {
    const bytes = memory.view(at, Math.min(WRITE_CHUNK, to - at));
    if (!isNew || ZEROS.compare(bytes, 0, bytes.length, 0, bytes.length) !== 0) write(at, bytes);
  }
}

class Move {
  readonly #code: bigint;
  /** Linear pages of descriptor tables, and where they are in the scratch memory. */
  readonly #pages = new Map<bigint, number>();
  #gdb!: GdbClient;
  #qemu!: Qemu;

  constructor(
    private readonly state: State,
    private readonly vcpu: Vcpu,
    private readonly base: number,
    scratch: Uint8Array,
  ) {
    const view = new DataView(scratch.buffer);
    const pages = new ScratchTables(view, base);
    // The processor starts with GDTR at 0: the descriptors for 64-bit mode are put there.
    this.#addPages(0n, 0n);
    this.#addPages(state.get("gdtr.base"), TABLE_LIMIT);
    if ((state.get("ldtr") & 0xfffcn) !== 0n) this.#addPages(state.get("ldtr.base"), TABLE_LIMIT);
    for (const [linear, at] of this.#pages) pages.map(linear, base + at);
    this.#code = [0x10000000n, 0x20000000n, 0x30000000n].find((at) => !this.#pages.has(at) && !this.#pages.has(at + 0x1000n))!;
    pages.map(this.#code, base + CODE_AT);
    pages.map(this.#code + 0x1000n, base + DATA_AT);
    STUB_NAMES.forEach((name, i) => {
      scratch.set(STUBS[name], CODE_AT + i * 16);
    });
    scratch.set(state.fx!, DATA_AT + 0x100);
    const table = (at: number, name: "gdtr" | "idtr", limit = state.get(`${name}.limit`)): void => {
      view.setUint16(DATA_AT + at, Number(limit), true);
      view.setBigUint64(DATA_AT + at + 2, state.get(`${name}.base`), true);
    };
    table(0, "idtr");
    table(0x10, "gdtr", 0xffffn);
    table(0x20, "gdtr");
  }

  async run(qemu: Qemu): Promise<void> {
    this.#gdb = qemu.gdb;
    this.#qemu = qemu;
    const { state, vcpu } = this;
    await this.#enterLongMode();
    await this.#execute("lidt", { rdi: this.#data(0) });
    await this.#execute("lgdt", { rdi: this.#data(0x10) });
    await this.#execute("fxrstor", { rdi: this.#data(0x100) });
    for (const index of MSRS) {
      const value = vcpu.registers.msr(index);
      if (value !== undefined) await this.#execute("wrmsr", { rcx: BigInt(index), rax: value & 0xffffffffn, rdx: value >> 32n });
    }
    const xcr0 = vcpu.registers.get("xcr0");
    if (xcr0 !== 1n) await this.#execute("xsetbv", { rcx: 0n, rax: xcr0 & 0xffffffffn, rdx: xcr0 >> 32n });
    for (const name of ["dr0", "dr1", "dr2", "dr3", "dr6"] as const) await this.#execute(name, { rax: state.get(name) });
    await this.#systemSegment("ldtr", "lldt");
    if ((state.get("tr") & 0xfffcn) !== 0n) await this.#systemSegment("tr", "ltr");
    const virtual8086 = (state.rflags & VM) !== 0;
    if (!virtual8086) for (const name of DATA_SEGMENTS) await this.#segment(name);
    await this.#execute("lgdt", { rdi: this.#data(0x20) });
    await this.#execute("dr7", { rax: state.get("dr7") });
    await this.#gdb.writeRegister("eflags", BigInt(state.rflags));
    // With VM set a selector is its base, as in virtual-8086 mode.
    if (virtual8086) for (const name of DATA_SEGMENTS) await this.#segment(name);
    await this.#segment("cs");
    await this.#segment("ss");
    await this.#controlRegisters();
    await writeGeneral(this.#gdb, state);
    await this.#gdb.writeRegister("fs_base", state.get("fs.base"));
    await this.#gdb.writeRegister("gs_base", state.get("gs.base"));
    await this.#gdb.writeRegister("k_gs_base", vcpu.registers.msr(KERNEL_GS_BASE) ?? 0n);
  }

  #data(offset: number): bigint {
    return this.#code + 0x1000n + BigInt(offset);
  }

  async #enterLongMode(): Promise<void> {
    const gdb = this.#gdb;
    await this.#poke(8n, descriptorBytes({ base: 0n, limit: 0xffffffff, access: ACCESSED_CODE64 }, false));
    await this.#poke(16n, descriptorBytes({ base: 0n, limit: 0xffffffff, access: ACCESSED_DATA }, false));
    await gdb.writeRegister("cr3", BigInt(this.base));
    await gdb.writeRegister("cr4", CR4_LONG);
    await gdb.writeRegister("efer", EFER_LONG);
    await gdb.writeRegister("cr0", CR0_LONG);
    await gdb.writeRegister("cs", 8n);
    for (const name of ["ss", "ds", "es", "fs", "gs"]) await gdb.writeRegister(name, 16n);
    await gdb.writeRegister("eflags", 2n);
  }

  /** Writes where the page tables put a linear address of a descriptor table. */
  async #poke(linear: bigint, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const at = BigInt.asUintN(64, linear + BigInt(done));
      const page = this.#pages.get(at & ~0xfffn);
      if (page === undefined) throw transplantError("a descriptor lies outside its table");
      const size = Math.min(bytes.length - done, PAGE - Number(at & 0xfffn));
      await this.#qemu.writeRam(this.base + page + Number(at & 0xfffn), bytes.subarray(done, done + size));
      done += size;
    }
  }

  #addPages(from: bigint, limit: bigint): void {
    const last = BigInt.asUintN(64, from + limit) & ~0xfffn;
    for (let page = from & ~0xfffn; ; page = BigInt.asUintN(64, page + 0x1000n)) {
      if (!this.#pages.has(page)) this.#pages.set(page, DESCRIPTORS_AT + this.#pages.size * PAGE);
      if (page === last) break;
    }
  }

  async #execute(stub: Stub, registers: Partial<Record<"rax" | "rcx" | "rdx" | "rdi", bigint>>): Promise<void> {
    const gdb = this.#gdb;
    for (const [name, value] of Object.entries(registers)) await gdb.writeRegister(name, value);
    const from = this.#code + BigInt(STUB_NAMES.indexOf(stub) * 16);
    await gdb.writeRegister("rip", from);
    await gdb.step();
    const at = (await gdb.readRegisters()).get("rip");
    if (at !== from + BigInt(STUBS[stub].length))
      throw transplantError(
        `it refuses ${stub} ${JSON.stringify(registers, (_, v) => (typeof v === "bigint" ? `0x${v.toString(16)}` : v))}`,
      );
  }

  /** Where a selector's descriptor is looked for. */
  #descriptorAt(selector: bigint): bigint {
    const table = (selector & 4n) === 0n ? this.state.get("gdtr.base") : this.state.get("ldtr.base");
    return BigInt.asUintN(64, table + (selector & 0xfff8n));
  }

  async #systemSegment(name: "ldtr" | "tr", stub: "lldt" | "ltr"): Promise<void> {
    const { selector, base, limit, access } = this.vcpu.registers.segment(name);
    const load = { base, limit, access: name === "tr" ? access & ~SYSTEM_BUSY : access };
    if ((selector & 0xfffc) !== 0) await this.#poke(this.#descriptorAt(BigInt(selector)), descriptorBytes(load, true));
    await this.#execute(stub, { rax: BigInt(selector) });
  }

  async #segment(name: "es" | "cs" | "ss" | "ds" | "fs" | "gs"): Promise<void> {
    const { selector, base, limit, access } = this.vcpu.registers.segment(name);
    const gdb = this.#gdb;
    const virtual8086 = (this.state.rflags & VM) !== 0;
    // The port loads a descriptor only when the selector changes, so another one comes first.
    const other = (selector & 0xfff8) === 0 ? 8n : 0n;
    if (!virtual8086) {
      await this.#poke(this.#descriptorAt(other), descriptorBytes({ base: 0n, limit: 0xffff, access: 0x93 }, false));
      await this.#poke(this.#descriptorAt(BigInt(selector)), descriptorBytes({ base, limit, access }, false));
    }
    await gdb.writeRegister(name, other);
    await gdb.writeRegister(name, BigInt(selector));
  }

  async #controlRegisters(): Promise<void> {
    const { state } = this;
    const gdb = this.#gdb;
    const efer = state.get("efer");
    if ((efer & LMA) === 0n) await gdb.writeRegister("cr0", CR0_LONG & ~CR0_PG);
    await gdb.writeRegister("efer", efer);
    await gdb.writeRegister("cr3", state.get("cr3"));
    await gdb.writeRegister("cr4", state.get("cr4"));
    await gdb.writeRegister("cr0", state.get("cr0"));
    await gdb.writeRegister("cr2", state.get("cr2"));
  }
}

/** General registers and RIP. */
export async function writeGeneral(gdb: GdbClient, state: State): Promise<void> {
  for (const name of GENERAL) await gdb.writeRegister(name, state.get(name));
  await gdb.writeRegister("rip", state.rip);
}
