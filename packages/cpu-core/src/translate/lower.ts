/**
 * From a decoded block to its translation: reads the operations that the decoder made for the interpreter, and has each instruction's
 * meaning spoken in BlockCode's vocabulary. What is not spoken there is done by the engine's function for it ("call"), by the interpreter's
 * own function in the middle of the unit ("cold"), or after leaving it.
 */
import * as L from "../layout.js";
import { condition } from "../isa/conditions.js";
import type { BranchEntry, FamilyEntry, OutlinedEntry, StackEntry } from "../isa/define.js";
import { RBP, RCX, RSP, type Width } from "../isa/sem.js";
import { type Handler, immediateWidth, type Shape, SPECIAL_HANDLERS } from "../interp/handlers.js";
import type { Access } from "./block-code.js";
import type { Place } from "./probes.js";
import { EngineCalls } from "./engine-calls.js";
import { exitCode } from "./locals.js";
import * as N from "./node.js";
import type { Node } from "./node.js";
import type { VectorCode } from "./vector-code.js";
import { lowerVector } from "./vector-lowering.js";
import { Op } from "./wasm.js";

/** How a block ends; offsets count from the region's base. */
export type Ending =
  | { kind: "goto"; target: number }
  /** The condition is the block's end value. */
  | { kind: "branch"; taken: number; next: number }
  /** To the address that is the block's end value; after a call, `back` is where it returns to. A jump may read it from a table at linear address `table`. */
  | { kind: "indirect"; back: number | undefined; table: number | undefined }
  /** To the address that is the block's end value, from the stack. */
  | { kind: "return" }
  | { kind: "call"; target: number; back: number }
  /** An instruction that may change anything, carried out by the engine; `next` is what follows it. */
  | { kind: "system"; next: number }
  /** The interpreter goes on at `at`; `next` is what follows that instruction. */
  | { kind: "interpret"; at: number; next: number };

/** Instructions whose meaning needs a function of the engine. */
const COLD_ONLY = new Set(["CRC32", "PDEP", "PEXT"]);

/** The operation at `u`, as the decoder wrote it. */
export class Uop {
  constructor(
    readonly view: DataView,
    readonly at: number,
    readonly blockDelta: number,
  ) {}
  u8(offset: number): number {
    return this.view.getUint8(this.at + offset);
  }
  u16(offset: number): number {
    return this.view.getUint16(this.at + offset, true);
  }
  u32(offset: number): number {
    return this.view.getUint32(this.at + offset, true);
  }
  get delta(): number {
    return this.blockDelta + this.u16(L.U_DELTA);
  }
  get next(): number {
    return this.delta + this.u8(L.U_LEN);
  }
  /** Exact as a number where that is possible, as nearly always. */
  get immediate(): number | bigint {
    const high = this.view.getInt32(this.at + L.U_IMM + 4, true);
    const value = high * 0x1_0000_0000 + this.view.getUint32(this.at + L.U_IMM, true);
    return Number.isSafeInteger(value) ? value : this.view.getBigInt64(this.at + L.U_IMM, true);
  }
  /** The immediate's low `bits` bits. */
  immediateOf(bits: number): number | bigint {
    const value = this.immediate;
    if (typeof value === "bigint") return BigInt.asUintN(bits, value);
    if (value >= 0 && value < 2 ** bits) return value;
    return bits === 64 ? value : bits === 32 ? value >>> 0 : value & (2 ** bits - 1);
  }
  get displacement(): number {
    return this.view.getInt32(this.at + L.U_DISP, true);
  }
  slot(number: number): number {
    return this.u16(number === 0 ? L.U_DST : number === 1 ? L.U_SRC : L.U_AUX);
  }
}

const INTERCEPT = SPECIAL_HANDLERS.indexOf("intercept");
const INLINE_FORM = SPECIAL_HANDLERS.indexOf("inlineForm");

/** What an operation is to the translator. */
export type Treatment = "inline" | "call" | "cold" | "system" | "interpret";

export function treatmentOf(handler: Handler | undefined, uop: Uop, long: boolean): Treatment {
  if (handler === undefined) {
    const special = uop.u16(L.U_OP);
    return special === INLINE_FORM ? "cold" : special === INTERCEPT ? "system" : "interpret";
  }
  const { entry } = handler;
  const far = handler.accessesMemory && !canAddress(uop, long);
  switch (entry.type) {
    case "outlined":
      if (handler.class === "sys") return "system";
      if (handler.class === "stay") return "call";
      return far ? "cold" : "call";
    case "vector":
      return far ? "cold" : "inline";
    case "stack":
    case "branch":
      if (handler.class !== "inline" || handler.opsize === 16 || far) return "interpret";
      // The address of POP r/m is computed with the stack pointer already moved (SDM Vol. 2B "POP").
      return entry.type === "stack" && entry.kind === "pop" && handler.shapes[0]?.kind === "m" && uop.u16(L.U_BASE) === L.GPR + RSP * 8
        ? "interpret"
        : "inline";
    case "family":
      if (!far && !COLD_ONLY.has(entry.mnemonic)) return "inline";
      return handler.class === "cold" ? "cold" : "interpret";
  }
}

/** Plain operands; FS and GS with a base. Everything else (other widths, limits to check) is for the interpreter. */
export function canAddress(uop: Uop, long: boolean): boolean {
  const path = uop.u8(L.U_SEG);
  if ((path & 8) === 0) return true;
  return !long && (path & 7) >= L.FS && path >> 4 === 1;
}

/** Code attributes of a data segment that reads and writes anywhere: present, writable, not code, expands up. */
const DATA_MASK = 0x8e;
const DATA_PLAIN = 0x82;

const onStack = (sp: Node): Place => ({ base: sp, index: undefined, scale: 0, displacement: 0, path: 0 });

export class Lowering {
  #calls: EngineCalls | undefined;
  constructor(
    readonly code: VectorCode,
    readonly long: boolean,
    /** vCPU-relative address of the region's base as a local. */
    readonly base: Node,
  ) {}

  /** An address at `delta` from the base. */
  address(delta: number): Node {
    const sum = N.add(this.base, N.i64(delta));
    return this.long ? sum : N.truncate(sum, 32);
  }

  #register(slot: number): Node {
    return this.code.read((slot - L.GPR) >> 3);
  }
  /** Base, index and displacement, without the segment and not yet cut to the address size. */
  #offset(uop: Uop): Node {
    const base = uop.u16(L.U_BASE);
    const index = uop.u16(L.U_INDEX);
    let sum: Node;
    if (base === L.RIP_BASE) return N.add(this.base, N.i64(uop.blockDelta + uop.displacement));
    sum = base === L.ZERO ? N.i64(0) : this.#register(base);
    if (index !== L.ZERO) sum = N.add(sum, N.shift(Op.i64Shl, this.#register(index), N.i64(uop.u8(L.U_SCALE))));
    return N.add(sum, N.i64(uop.displacement));
  }
  /** Linear address of the memory operand. */
  linear(uop: Uop): Node {
    const path = uop.u8(L.U_SEG);
    let address = this.#offset(uop);
    if (!this.long) address = N.truncate(address, 32);
    if ((path & 0x48) === 0) return address;
    const segment = L.SEG + (path & 7) * L.SEG_SIZE;
    if (!this.long) {
      // A limit of 4 GiB on a plain data segment never faults; anything else goes the long way.
      const limit = this.code.field(Op.i32Load, false, 32, segment + L.SEG_LIMIT);
      this.code.exitIf(N.binary(Op.i32Ne, false, 1, limit, N.i32(-1)));
      const access = this.code.field(Op.i32Load, false, 32, segment + L.SEG_ACCESS);
      this.code.exitIf(N.binary(Op.i32Ne, false, 1, N.binary(Op.i32And, false, 8, access, N.i32(DATA_MASK)), N.i32(DATA_PLAIN)));
    }
    const sum = N.add(this.code.field(Op.i64Load, true, 64, segment + L.SEG_BASE), address);
    return this.long ? sum : N.truncate(sum, 32);
  }
  /** The word that a bit-string instruction means. */
  #bitWord(uop: Uop, bits: number): Node {
    const number = N.signExtend(this.code.readSlot(uop.slot(0), bits), bits);
    const words = N.shift(Op.i64ShrS, number, N.i64(Math.log2(bits)));
    const sum = N.add(this.linear(uop), N.shift(Op.i64Shl, words, N.i64(Math.log2(bits / 8))));
    return this.long ? sum : N.truncate(sum, 32);
  }

  /** Where the address of the memory operand comes from. Flat segments are all one. */
  place(uop: Uop): Place {
    const register = (slot: number): Node | undefined => (slot === L.ZERO ? undefined : this.#register(slot));
    const segment = uop.u8(L.U_SEG);
    const path = segment & 0x48 ? segment : 0;
    const base = uop.u16(L.U_BASE);
    if (base === L.RIP_BASE) return { base: this.base, index: undefined, scale: 0, displacement: uop.blockDelta + uop.displacement, path };
    return { base: register(base), index: register(uop.u16(L.U_INDEX)), scale: uop.u8(L.U_SCALE), displacement: uop.displacement, path };
  }

  family(uop: Uop, handler: Handler, entry: FamilyEntry): void {
    const { code } = this;
    const { shapes } = handler;
    const operands = new Array<Node>(shapes.length);
    let pointer: Node | undefined;
    let first: { slot: number; bits: number; value: Node } | undefined;
    for (let i = 0; i < shapes.length; i++) {
      const shape = shapes[i]!;
      const role = entry.roles[i];
      let operand = N.i64(0);
      if (shape.kind === "i" && role !== undefined) operand = N.i64(uop.immediateOf(immediateWidth(handler, shape)));
      else if (role === "a") operand = code.let(this.#effective(uop));
      else if (shape.kind === "m" && role !== undefined) {
        const access: Access = role === "r" ? "R" : role === "w" ? "W" : "RW";
        pointer = shape.operand.bitString
          ? code.pointer(this.#bitWord(uop, shape.bits), shape.bits / 8, access)
          : code.pointer(this.linear(uop), shape.bits / 8, access, this.place(uop));
        if (role !== "w") operand = code.load(pointer, shape.bits);
      } else if (role === "r" || role === "rw") {
        // One register as both operands is one value: XOR and SUB of it are zero.
        const slot = uop.slot(shape.slot);
        if (first !== undefined && first.slot === slot && first.bits === shape.bits) operand = first.value;
        else {
          operand = code.let(code.readSlot(slot, shape.bits));
          first ??= { slot, bits: shape.bits, value: operand };
        }
      }
      operands[i] = operand;
    }
    const bits = (handler.shapes[0]?.bits ?? 64) as Width;
    const { out, writeIf, flags, flagsIf } = entry.meaning<Node>(code, operands, bits, handler.widths);
    // All results are computed before any is written.
    const results = new Array<Node | undefined>(out === undefined ? 0 : shapes.length);
    for (let i = 0; i < results.length; i++) if (out![i] !== undefined) results[i] = code.let(out![i]!);
    const isWritten = writeIf === undefined ? undefined : code.let(writeIf);
    const isChanged = flagsIf === undefined ? undefined : code.let(flagsIf);
    if (flags !== undefined) code.flags.set(flags, bits, isChanged);
    for (let i = results.length - 1; i >= 0; i--) {
      const value = results[i];
      const shape = shapes[i]!;
      if (value === undefined) continue;
      if (shape.kind === "m") code.store(pointer!, shape.bits, value);
      else this.#writeRegister(uop, shape, value, isWritten);
    }
  }
  #writeRegister(uop: Uop, shape: Shape, value: Node, writeIf: Node | undefined): void {
    const slot = uop.slot(shape.slot);
    if (writeIf === undefined) {
      this.code.writeSlot(slot, shape.bits, value);
      return;
    }
    const register = (slot - L.GPR) >> 3;
    const before = this.code.read(register);
    this.code.writeSlot(slot, shape.bits, value);
    this.code.write(register, N.select(writeIf, this.code.read(register), before));
  }
  #effective(uop: Uop): Node {
    const size = uop.u8(L.U_SEG) >> 4;
    return size === 2 ? this.#offset(uop) : N.truncate(this.#offset(uop), size === 1 ? 32 : 16);
  }

  #wrapStack(handler: Handler, value: Node): Node {
    return handler.stack === "s32" ? N.truncate(value, 32) : value;
  }
  #push(handler: Handler, value: Node): void {
    const { code } = this;
    const bytes = handler.opsize / 8;
    const sp = code.let(this.#wrapStack(handler, N.add(code.read(RSP), N.i64(-bytes))));
    code.store(code.pointer(sp, bytes, "W", onStack(sp)), handler.opsize, value);
    code.write(RSP, sp);
  }
  /** A branch's or push's operand. */
  #operand(uop: Uop, handler: Handler): Node {
    const shape = handler.shapes[0]!;
    const { code } = this;
    if (shape.kind === "r") return code.let(code.readSlot(uop.slot(shape.slot), handler.opsize));
    if (shape.kind === "m") return code.load(code.pointer(this.linear(uop), handler.opsize / 8, "R", this.place(uop)), handler.opsize);
    return N.i64(uop.immediateOf(handler.opsize));
  }
  stack(uop: Uop, handler: Handler, entry: StackEntry): void {
    const { code } = this;
    const bytes = handler.opsize / 8;
    if (entry.kind === "push") {
      this.#push(handler, this.#operand(uop, handler));
      return;
    }
    const sp = code.let(this.#wrapStack(handler, code.read(entry.kind === "leave" ? RBP : RSP)));
    const value = code.load(code.pointer(sp, bytes, "R", onStack(sp)), handler.opsize);
    const toMemory = handler.shapes[0]?.kind === "m";
    if (toMemory) code.store(code.pointer(this.linear(uop), bytes, "W", this.place(uop)), handler.opsize, value);
    code.write(RSP, this.#wrapStack(handler, N.add(sp, N.i64(bytes))));
    if (toMemory) return;
    code.writeSlot(entry.kind === "leave" ? L.GPR + RBP * 8 : uop.slot(handler.shapes[0]!.slot), handler.opsize, value);
  }

  /** A target that is not canonical is the fault of the branch: the interpreter raises it. */
  #checkedTarget(target: Node): Node {
    if (this.long) {
      const extended = N.shift(Op.i64ShrS, N.shift(Op.i64Shl, target, N.i64(16)), N.i64(16));
      this.code.exitIf(N.binary(Op.i64Ne, false, 1, extended, target));
    }
    return target;
  }

  branch(uop: Uop, handler: Handler, entry: BranchEntry): Ending {
    const { code } = this;
    const target = (): number => uop.blockDelta + Number(uop.immediate);
    const conditional = (test: Node): Ending => {
      code.end(N.truth(test));
      return { kind: "branch", taken: target(), next: uop.next };
    };
    switch (entry.kind) {
      case "jmp":
        code.end(undefined);
        return { kind: "goto", target: target() };
      case "jcc":
        code.end(N.truth(condition<Node>(code, entry.condition)));
        return { kind: "branch", taken: target(), next: uop.next };
      case "call":
        this.#push(handler, this.address(uop.next));
        code.end(undefined);
        return { kind: "call", target: target(), back: uop.next };
      case "jmpIndirect":
      case "callIndirect": {
        const to = this.#checkedTarget(this.#operand(uop, handler));
        if (entry.kind === "callIndirect") this.#push(handler, this.address(uop.next));
        code.end(to);
        return entry.kind === "callIndirect"
          ? { kind: "indirect", back: uop.next, table: undefined }
          : { kind: "indirect", back: undefined, table: this.#table(uop, handler) };
      }
      case "ret":
      case "retImm": {
        const sp = code.let(this.#wrapStack(handler, code.read(RSP)));
        const bytes = handler.opsize / 8;
        const to = this.#checkedTarget(code.load(code.pointer(sp, bytes, "R", onStack(sp)), handler.opsize));
        const more = entry.kind === "retImm" ? Number(uop.immediateOf(16)) : 0;
        code.write(RSP, this.#wrapStack(handler, N.add(sp, N.i64(bytes + more))));
        code.end(to);
        return { kind: "return" };
      }
      case "loop":
      case "loope":
      case "loopne": {
        const zf = entry.kind === "loop" ? N.i64(1) : code.let(code.flag("ZF"));
        const left = code.let(this.#countRegister(uop, -1));
        const width = [16, 32, 64][(uop.u8(L.U_SEG) >> 4) & 3]!;
        code.writeSlot(L.GPR + RCX * 8, width, left);
        const more = code.ne(left, N.i64(0));
        return conditional(N.and(more, entry.kind === "loopne" ? N.xor(zf, N.i64(1)) : zf));
      }
      case "jcxz":
        return conditional(code.eq(this.#countRegister(uop, 0), N.i64(0)));
    }
  }
  /** Where the table lies from which a jump takes its target by number, as compilers write switches. */
  #table(uop: Uop, handler: Handler): number | undefined {
    const ofAddresses = uop.u16(L.U_BASE) === L.ZERO && uop.u16(L.U_INDEX) !== L.ZERO && 8 << uop.u8(L.U_SCALE) === handler.opsize;
    if (handler.shapes[0]?.kind !== "m" || !ofAddresses || uop.u8(L.U_SEG) & 0x48) return undefined;
    return this.long ? uop.displacement : uop.displacement >>> 0;
  }
  #countRegister(uop: Uop, change: number): Node {
    const width = [16, 32, 64][(uop.u8(L.U_SEG) >> 4) & 3]!;
    return N.truncate(N.add(this.code.read(RCX), N.i64(change)), width);
  }

  /** All operations of a block, or those before `end`; its ending. */
  block(view: DataView, header: number, blockDelta: number, handlers: readonly Handler[], end?: number): Ending {
    const deltaOf = (i: number): number => blockDelta + view.getUint16(header + L.HEADER_SIZE + i * L.UOP_SIZE + L.U_DELTA, true);
    let count = view.getUint32(header + L.H_REAL, true);
    while (end !== undefined && deltaOf(count - 1) >= end) count--;
    const first = SPECIAL_HANDLERS.length;
    for (let i = 0; i < count; i++) {
      const uop = new Uop(view, header + L.HEADER_SIZE + i * L.UOP_SIZE, blockDelta);
      const handler = handlers[uop.u16(L.U_OP) - first];
      const treatment = treatmentOf(handler, uop, this.long);
      this.code.begin(uop.delta, count - i);
      if (treatment === "interpret") {
        this.code.end(undefined);
        return { kind: "interpret", at: i, next: uop.next };
      }
      if (treatment === "call") {
        this.#calls ??= new EngineCalls(this);
        this.#calls.outlined(uop, handler!, handler!.entry as OutlinedEntry, count - i);
        continue;
      }
      if (treatment === "system") {
        if (uop.u16(L.U_BASE) === L.RIP_BASE) this.code.setField(Op.i64Store, L.RIP_BASE, this.address(blockDelta));
        this.code.system(uop.at, this.address(uop.next));
        return { kind: "system", next: uop.next };
      }
      if (treatment === "cold") {
        this.code.cold(uop.at, blockDelta, exitCode(uop.delta, count - i, L.UNIT_LOOK), exitCode(uop.next, count - i - 1, L.UNIT_LOOK));
        continue;
      }
      const { entry } = handler!;
      if (entry.type === "family") this.family(uop, handler!, entry);
      else if (entry.type === "vector") lowerVector(this, uop, handler!, entry);
      else if (entry.type === "stack") this.stack(uop, handler!, entry);
      else if (entry.type === "branch") return this.branch(uop, handler!, entry);
    }
    this.code.end(undefined);
    return { kind: "goto", target: end ?? blockDelta + view.getUint32(header + L.H_BYTES, true) };
  }
}
