/**
 * Decodes a block into the code cache: pre-decoded operations for the interpreter, up to a branch, a page's end or a limit.
 * Instructions that cross into another page stand in blocks of their own, with a copy of their bytes (assembly/code-cache.ts).
 */
import * as L from "../layout.js";
import { type Handler, handlerIndex, SPECIAL_HANDLERS, type StackKind, type TableRow } from "../interp/handlers.js";
import type { Entry } from "../isa/define.js";
import { createInstruction, decodeInstruction, type Instruction, OpcodeIndex, OutOfBytes } from "./instruction.js";
import type { Operand } from "./pattern.js";

const NEXT = SPECIAL_HANDLERS.indexOf("next");
const INVALID = SPECIAL_HANDLERS.indexOf("invalid");
const TOO_LONG = SPECIAL_HANDLERS.indexOf("tooLong");
const NO_DEVICE = SPECIAL_HANDLERS.indexOf("noDevice");
const INTERCEPT = SPECIAL_HANDLERS.indexOf("intercept");
const INLINE_FORM = SPECIAL_HANDLERS.indexOf("inlineForm");

/** The engine's side of the code cache, and the fetch of a second page. */
export interface BlockHost {
  readonly buffer: ArrayBufferLike;
  reserve(bytes: number): number;
  insert(header: number, end: number): void;
  /** Host address of the page after `linear`'s, or 0 with a fault pending. */
  fetchNextPage(): number;
}

const PAGE = 0x1000;
const REGISTER_SLOTS = [L.U_DST, L.U_SRC, L.U_AUX];
/** What follows from a handler: the block ends behind it; it wants AUX_* bits, or the opcode of an x87 instruction. */
const ENDS = 1,
  AUX = 2,
  FPU = 4;
const LARGEST = L.HEADER_SIZE + (L.BLOCK_INSTRUCTIONS + 1) * L.UOP_SIZE;

/** What an instruction becomes under an intercept set; undefined: it stays what it is. */
export type Lender = (set: number, u: number, instruction: Instruction, row: TableRow) => "intercept" | "inlineForm" | undefined;

/** Is the feature of an entry advertised? */
export type FeatureTest = (feature: string) => boolean;

export class BlockDecoder {
  readonly #index: OpcodeIndex;
  readonly #instruction = createInstruction();
  // Not a DataView, whose methods are calls until the decoder's code is optimised.
  readonly #u8: Uint8Array;
  readonly #u16: Uint16Array;
  readonly #u32: Uint32Array;
  #pageStart = 0;
  #start = 0;
  #second = 0;
  #crossed = false;

  /** ENDS, AUX and FPU of each handler, by number. */
  readonly #traits: Uint8Array;

  constructor(
    table: { readonly rows: readonly TableRow[]; readonly handlers: readonly Handler[] },
    readonly host: BlockHost,
    readonly hasFeature: FeatureTest,
    /** How often a block of this mode runs before the translator is asked; 0: never. */
    readonly heat: (mode: number) => number = () => 0,
    /** Asked about each instruction that is decoded under an intercept set. */
    readonly lend: Lender = () => undefined,
  ) {
    this.#index = new OpcodeIndex(table.rows.filter((r) => r.entry.options.feature === undefined || hasFeature(r.entry.options.feature)));
    this.#traits = traitsOf(table.handlers);
    this.#u8 = new Uint8Array(host.buffer);
    this.#u16 = new Uint16Array(host.buffer);
    this.#u32 = new Uint32Array(host.buffer);
  }

  readonly #read = (position: number): number => {
    const at = this.#start + position;
    if (at < this.#pageStart + PAGE) return this.#u8[at]!;
    this.#crossed = true;
    if (this.#second === 0) this.#second = this.host.fetchNextPage();
    if (this.#second === 0) throw new OutOfBytes();
    return this.#u8[this.#second + at - this.#pageStart - PAGE]!;
  };

  /** Decodes the block at host address `at`; returns its header, or 0 when the first instruction's bytes cannot be fetched. */
  decode(at: number, mode: number): number {
    const bits = mode & L.MODE_64 ? 64 : mode & L.MODE_CS32 ? 32 : 16;
    const limit = mode & L.MODE_SINGLE ? 1 : L.BLOCK_INSTRUCTIONS;
    const header = this.host.reserve(LARGEST);
    this.#pageStart = at - (at % PAGE);
    this.#second = 0;
    let u = header + L.HEADER_SIZE;
    let position = at;
    let count = 0;
    let crossing = false;
    /** The last operation leaves the block by itself. */
    let leaves = false;
    while (count < limit && !leaves && !crossing) {
      this.#start = position;
      this.#crossed = false;
      let instruction: Instruction;
      try {
        instruction = decodeInstruction(this.#index, this.#read, bits, this.#instruction, (mode & L.MODE_PE) !== 0);
      } catch (error) {
        if (!(error instanceof OutOfBytes)) throw error;
        if (count === 0) return 0;
        break;
      }
      if (this.#crossed && count > 0) break;
      crossing = this.#crossed;
      this.#clear(u);
      leaves = this.#lower(instruction, u, position - at, mode);
      this.#u8[u + L.U_LEN] = instruction.length;
      this.#u16[(u + L.U_DELTA) >>> 1] = position - at;
      position += instruction.length;
      count++;
      u += L.UOP_SIZE;
      if (position >= this.#pageStart + PAGE) break;
    }
    if (leaves && !crossing) return this.#finish(header, u, at, position, count, mode, crossing);
    this.#clear(u);
    this.#u16[(u + L.U_OP) >>> 1] = NEXT;
    this.#u16[(u + L.U_DELTA) >>> 1] = position - at;
    return this.#finish(header, u + L.UOP_SIZE, at, position, count, mode, crossing);
  }

  #finish(header: number, end: number, at: number, position: number, count: number, mode: number, crossing: boolean): number {
    for (let i = 0; i < count; i++) this.#u8[header + L.HEADER_SIZE + i * L.UOP_SIZE + L.U_LEFT] = count - i;
    this.#u32[(header + L.H_HOST) >>> 2] = at;
    this.#u32[(header + L.H_MODE) >>> 2] = mode;
    this.#u32[(header + L.H_COUNT) >>> 2] = crossing ? L.HEADER_SPECIAL : count;
    this.#u32[(header + L.H_REAL) >>> 2] = count;
    this.#u32[(header + L.H_PAGE_NEXT) >>> 2] = 0;
    this.#u32[(header + L.H_STATE) >>> 2] = crossing ? L.BLOCK_CROSSING : 0;
    this.#u32[(header + L.H_BYTES) >>> 2] = position - at;
    this.#u32[(header + L.H_HEAT) >>> 2] = this.heat(mode);
    this.#u32[(header + L.H_UNIT) >>> 2] = 0;
    let used = end;
    if (crossing) {
      this.#start = at;
      for (let i = 0; i < position - at; i++) this.#u8[header + L.CROSSING_BYTES + i] = this.#read(i);
      used = header + L.CROSSING_BYTES + L.UOP_SIZE;
    }
    this.host.insert(header, used);
    return header;
  }

  #clear(u: number): void {
    // A loop: `fill` is a call out of compiled code, for eight words.
    for (let at = u >>> 2; at < (u + L.UOP_SIZE) >>> 2; at++) this.#u32[at] = 0;
    this.#u16[(u + L.U_BASE) >>> 1] = L.ZERO;
    this.#u16[(u + L.U_INDEX) >>> 1] = L.ZERO;
  }

  #set(u: number, op: number): void {
    this.#u16[(u + L.U_OP) >>> 1] = op;
  }

  /** Fills the operation at `u`; true when the block must end after it. */
  #lower(i: Instruction, u: number, delta: number, mode: number): boolean {
    const row = i.row;
    const u32 = this.#u32;
    const memory = i.hasModrm && i.mod !== 3;
    if (row === undefined || (i.lock && !(memory && row.entry.options.lock === true))) {
      this.#set(u, i.tooLong ? TOO_LONG : INVALID);
      return true;
    }
    const { entry, operands, has } = row;
    const blocked = unitBlocked(entry, operands, mode);
    if (blocked !== undefined) {
      this.#set(u, blocked.handler);
      u32[(u + L.U_AUX) >>> 2] = blocked.aux;
      return true;
    }
    const isMemory = memory || has.offset;
    const stack: StackKind = mode & L.MODE_64 ? "s64" : mode & L.MODE_SS32 && mode & L.MODE_FLAT ? "s32" : "slow";
    const handler = row.handlers[handlerIndex(i.opsize, memory, stack)]!;
    if (handler < 0) {
      this.#set(u, INVALID);
      return true;
    }
    this.#set(u, handler);
    if (isMemory) this.#address(i, u, delta, mode, has.offset);
    else this.#u8[u + L.U_SEG] = (i.segment >= 0 ? i.segment : L.DS) | (sizeCode(i.addressSize) << 4); // string instructions
    this.#registers(i, u, operands, memory);
    u32[(u + L.U_IMM) >>> 2] = i.immediate;
    u32[(u + L.U_IMM + 4) >>> 2] = has.twoImmediates ? i.immediate2 : i.immediateHigh;
    if (has.relative) this.#relative(i, u, delta);
    if (has.one) u32[(u + L.U_IMM) >>> 2] = 1;
    if (has.offset) {
      u32[(u + L.U_IMM) >>> 2] = i.displacement;
      u32[(u + L.U_IMM + 4) >>> 2] = i.displacementHigh;
    }
    const traits = this.#traits[handler]!;
    if (traits & AUX) u32[(u + L.U_AUX) >>> 2] = auxOf(i, memory, has.immediate);
    else if (traits & FPU) u32[(u + L.U_IMM) >>> 2] = fpuOpcode(i, memory);
    const set = mode >>> L.MODE_INTERCEPT_SHIFT;
    const becomes = set === 0 ? undefined : this.lend(set, u, i, row);
    if (becomes !== undefined) {
      this.#set(u, becomes === "intercept" ? INTERCEPT : INLINE_FORM);
      return becomes === "intercept";
    }
    return (traits & ENDS) !== 0;
  }

  #relative(i: Instruction, u: number, delta: number): void {
    const target = i.immediate + delta + i.length;
    this.#u32[(u + L.U_IMM) >>> 2] = target; // modulo 2^32
    this.#u32[(u + L.U_IMM + 4) >>> 2] = target < 0 ? -1 : 0;
  }

  #address(i: Instruction, u: number, delta: number, mode: number, absolute: boolean): void {
    let base = i.base;
    let displacement = i.displacement;
    if (absolute) {
      base = -1;
      if (i.addressSize === 16) displacement &= 0xffff;
    } else if (base === -2) displacement += delta + i.length;
    this.#u16[(u + L.U_BASE) >>> 1] = base === -2 ? L.RIP_BASE : base < 0 ? L.ZERO : L.GPR + base * 8;
    if (!absolute && i.index >= 0) {
      this.#u16[(u + L.U_INDEX) >>> 1] = L.GPR + i.index * 8;
      this.#u8[u + L.U_SCALE] = i.scale;
    }
    this.#u32[(u + L.U_DISP) >>> 2] = displacement;
    const segment = i.segment >= 0 ? i.segment : base === 4 || base === 5 ? L.SS : L.DS;
    this.#u8[u + L.U_SEG] = segment | segmentPath(i.addressSize, segment, mode) | (sizeCode(i.addressSize) << 4);
  }

  #registers(i: Instruction, u: number, operands: readonly Operand[], memory: boolean): void {
    let slot = 0;
    for (let n = 0; n < operands.length; n++) {
      const at = registerOffset(operands[n]!, i, memory);
      if (at >= 0) this.#u16[(u + REGISTER_SLOTS[slot++]!) >>> 1] = at;
    }
  }
}

function traitsOf(handlers: readonly Handler[]): Uint8Array {
  const traits = new Uint8Array(SPECIAL_HANDLERS.length + handlers.length);
  for (const { id, class: handlerClass, entry } of handlers) {
    const aux = handlerClass === "stay" || handlerClass === "sys";
    const fpu = !aux && entry.type === "outlined" && entry.kind.startsWith("fpu");
    traits[id] = (entry.type === "branch" || handlerClass === "sys" ? ENDS : 0) | (aux ? AUX : 0) | (fpu ? FPU : 0);
  }
  return traits;
}

const sizeCode = (size: number): number => (size === 64 ? 2 : size === 32 ? 1 : 0);

/** 0 for a plain operand, 0x40 for FS or GS in 64-bit code, 8 for everything that needs checks or another width. */
function segmentPath(addressSize: number, segment: number, mode: number): number {
  if (mode & L.MODE_64) return addressSize !== 64 ? 8 : segment >= L.FS ? 0x40 : 0;
  return addressSize === 32 && mode & L.MODE_FLAT && segment !== L.CS && segment < L.FS ? 0 : 8;
}

/** Byte offset in the vCPU block of a register operand, or -1. */
function registerOffset(operand: Operand, i: Instruction, memory: boolean): number {
  let number: number;
  switch (operand.place) {
    case "rm":
      if (memory) return -1;
      number = i.rm;
      break;
    case "reg":
      number = i.reg;
      break;
    case "opcode":
      number = (i.opcode & 7) | ((i.rex & 1) << 3);
      break;
    case "vex":
      number = i.vvvv;
      break;
    case "fixed":
      number = operand.register;
      break;
    default:
      return -1;
  }
  if (operand.file === "xmm") return L.XMM + number * 16;
  if (operand.file === "mmx") return L.FPR + (number & 7) * 16;
  // Without REX, byte registers 4-7 are AH CH DH BH.
  if (operand.width === 8 && operand.place !== "fixed" && i.rex === 0 && number >= 4 && number < 8) return L.GPR + (number - 4) * 8 + 1;
  return L.GPR + number * 8;
}

/** The 11 bits of FOP, whose low three are ST(i), and bit 15 for a memory operand. */
function fpuOpcode(i: Instruction, memory: boolean): number {
  return ((i.opcode & 7) << 8) | (i.mod << 6) | ((i.reg & 7) << 3) | (i.rm & 7) | (memory ? 0x8000 : 0);
}

function auxOf(i: Instruction, memory: boolean, immediate: boolean): number {
  return (
    (i.rep ? L.AUX_REP : 0) |
    (i.repne ? L.AUX_REPNE : 0) |
    (i.lock ? L.AUX_LOCK : 0) |
    (i.opsize === 16 ? L.AUX_OP16 : i.opsize === 32 ? L.AUX_OP32 : L.AUX_OP64) |
    (i.addressSize === 16 ? L.AUX_AD16 : i.addressSize === 32 ? L.AUX_AD32 : L.AUX_AD64) |
    (memory ? L.AUX_MEM : 0) |
    (immediate ? L.AUX_IMM : 0) |
    (i.reg << L.AUX_REG_SHIFT)
  );
}

/** x87, MMX and SSE instructions under CR0.TS, CR0.EM or without CR4.OSFXSR. */
function unitBlocked(entry: Entry, operands: readonly Operand[], mode: number): { handler: number; aux: number } | undefined {
  if ((mode & (L.MODE_NO_FPU | L.MODE_NO_SSE)) === 0 || (entry.type !== "outlined" && entry.type !== "vector")) return undefined;
  const sse = entry.options.unit === "sse" || operands.some((o) => o.file === "xmm");
  const mmx = operands.some((o) => o.file === "mmx") || entry.options.unit === "mmx";
  const fpu = entry.type === "outlined" && entry.kind.startsWith("fpu");
  if (sse && mode & L.MODE_NO_SSE) return { handler: INVALID, aux: 0 };
  if (mode & L.MODE_NO_FPU && (sse || mmx || fpu)) return { handler: NO_DEVICE, aux: fpu ? 0 : 1 };
  return undefined;
}
