/**
 * The code of one block of a region, as a list of statements over expression trees: the translator's reading of Sem. Registers are locals of
 * the function; a read gives a node for the register's present value, and the value is copied only if it is used after a later write. What
 * nobody needs (mostly flags) is dropped before anything is written out.
 */
import * as L from "../layout.js";
import { type Flag, type Leaf, RSP, type Sem, type Width } from "../isa/sem.js";
import { AS_ENTERED, FlagCode } from "./flag-code.js";
import { type FlagUse, type Recipe, constantRecipe, generalRecipe } from "./flag-recipes.js";
import {
  CTX,
  ENTERED_SHIFT,
  exitAs,
  exitCode,
  FK,
  FLAG_REGISTERS,
  FR,
  FV,
  isWideRegister,
  REGISTER_COUNT,
  STACK_ADDEND,
  STACK_PAGE,
  VECTOR_COUNT,
  XMM0,
} from "./locals.js";
import * as N from "./node.js";
import type { Node, Variable } from "./node.js";
import { type Places, tlbAddend, tlbEntry, tlbTag } from "./places.js";
import { Origins, type Place, type Probing, type Range, rangeFor } from "./probes.js";
import { type EngineFunction, Op, TYPE_I32, TYPE_I64 } from "./wasm.js";

export type Statement =
  | { kind: "let"; target: Variable; value: Node }
  | { kind: "set"; register: number; value: Node }
  | { kind: "store"; op: number; address: Node; value: Node; offset: number }
  /** Leaves with `code` when the condition is not zero, with flag registers `flags` still to be stored; `by` and `range` are for UNIT_APART. */
  | { kind: "exitIf"; condition: Node; code: number; flags: number; by?: ApartWay; range?: { at: Node; bytes: number } }
  /** Where a register was first read: becomes a copy when the value outlives the register's next write. */
  | { kind: "copy"; source: Variable }
  /** The interpreter's function for operation `u`, all registers in memory around it; `flags` are those that are not yet. */
  | { kind: "cold"; u: number; flags: number; blockDelta: number; abandoned: number; restarted: number }
  /** An engine function; the registers (one bit each) that it needs in memory, and those that are in memory afterwards. */
  | {
      kind: "call";
      callee: EngineFunction;
      args: readonly Node[];
      result: Variable | undefined;
      spilled: number;
      reloaded: number;
      translations: boolean;
      /** Vector registers are in memory before and after. */
      vectors: boolean;
    }
  /** Operation `u`, which ends the unit's run: the engine carries it out and says where to go on. `flags` as above. */
  | { kind: "system"; u: number; flags: number; next: Node }
  /** What the block's end needs. */
  | { kind: "end"; value: Node | undefined }
  | undefined;

/** How a unit leaves that tells why it should be written anew: bytes may lie in two pages, or the stack in another one. */
export type ApartWay = "apart" | "stack";

const ALL_REGISTERS = (1 << REGISTER_COUNT) - 1;
const FLAGS = (1 << FR) | (1 << FV);

/** What a called function does beside its work on its arguments; registers as bits. */
export interface CallEffect {
  readonly reads?: number;
  readonly writes?: number;
  /** It may look at vector registers and change them. */
  readonly vectors?: boolean;
  /** It has an i32 result. */
  readonly returns?: boolean;
  /** How many low bits of the result can be other than zero; 0 when it is not wanted. */
  readonly resultBits?: number;
  /** The TLB or the context in use may be another one afterwards. */
  readonly translations?: boolean;
}

/** How guest memory is probed. */
export type Access = "R" | "W" | "RW";

export class BlockCode implements Sem<Node> {
  readonly statements: Statement[] = [];
  /** Registers as they are now: what reads them gets, and the local that stands for them until it is written. */
  readonly #current: (Node | undefined)[] = [];
  readonly #source: (Variable | undefined)[] = [];
  /** What was written last to a register that nobody has read since. */
  readonly #origin: (Node | undefined)[] = [];
  readonly #ranges: Range[] = [];
  readonly #origins: Origins;
  readonly flags: FlagCode;
  /** Exit code of the instruction in hand: nothing of it has happened. */
  side = 0;
  /** Instructions of the block from the one in hand on. */
  left = 0;
  /** Registers whose slots in memory hold what they hold. */
  #stored = FLAG_REGISTERS;
  /** FLAG_KIND in memory is not what it was on entering. */
  #kindStored = false;
  /** It takes the page of the stack for granted. */
  usesStack = false;
  /** Flag registers that are as on entering, and those of them that something finds in memory. */
  #kept = FLAG_REGISTERS;
  #demanded = 0;
  /** General registers that have changed, and for each flag register those that had before a way out wanted it as on entering. */
  #changes = 0;
  readonly #exposed: [number, number, number] = [0, 0, 0];
  #counts = false;
  /** Registers that any statement mentions, and those that some statement writes. */
  used = 0;
  written = 0;
  /** The same of vector registers. */
  usedVectors = 0;
  writtenVectors = 0;
  endValue: Node | undefined;

  constructor(
    readonly long: boolean,
    readonly places: Places,
    /** No linear address has more than 32 bits, whoever used the TLB before. */
    readonly shortTags: boolean,
    readonly probing: Probing,
    /** FLAG_KIND on entering, where it is known. */
    entered = AS_ENTERED,
  ) {
    this.flags = new FlagCode(this, entered);
    this.#origins = new Origins(long);
  }

  /** Begins the instruction at `delta` with `undo` instructions of the block still to come, itself included. */
  begin(delta: number, undo: number): void {
    this.side = exitCode(delta, undo, L.UNIT_SIDE);
    this.left = undo;
  }

  /** Flag registers that memory does not hold here. */
  get unstored(): number {
    return FLAG_REGISTERS & ~this.#stored;
  }
  /** What the whole block does with flag registers; `entered`: FLAG_KIND on entering, where it is one number. */
  flagUse(entered: number): FlagUse {
    const { flags } = this;
    return {
      demanded: this.#demanded,
      exposed: this.#exposed,
      changed: this.#changes,
      kept: this.#kept,
      stored: FLAG_REGISTERS & this.#stored & ~this.#kept,
      dead: flags.ignoresSecond ? 1 << FV : 0,
      set: [this.#recipe(FR), this.#recipe(FV), flags.kind >= 0 ? constantRecipe(N.i64(flags.kind)) : undefined],
      sameKind: entered >= 0 && entered === flags.kind && !this.#kindStored,
      counts: this.#counts,
    };
  }
  /** How what flag register `register` holds at the end can be made of general registers. */
  #recipe(register: number): Recipe | undefined {
    const value = this.#heldBy(register);
    const bits = this.flags.waitingBits(register);
    if (value === undefined || value.op === N.CONST) return value && constantRecipe(value);
    if (bits === undefined || (bits === 64 && !this.long)) return undefined;
    const wanted = this.#origins.low(value, bits);
    let found: Recipe | undefined;
    for (let general = 0; general < FR; general++) {
      const held = this.#heldBy(general);
      if (held === undefined || held.op === N.CONST) continue;
      const { root, offset } = this.#origins.low(held, bits);
      if (root !== wanted.root) continue;
      const recipe = generalRecipe(general, this.long, wanted.offset - offset, bits);
      if (wanted.offset === offset) return recipe;
      found ??= recipe;
    }
    return found;
  }
  #heldBy(register: number): Node | undefined {
    return this.#current[register] ?? this.#origin[register];
  }

  // -- registers ------------------------------------------------------------------------------------------------------------------------
  /** A whole register (0-15, FR, FV, FK) as it is now. */
  read(register: number): Node {
    const known = this.#current[register];
    if (known !== undefined) return known;
    if (register >= XMM0) return this.#readVector(register);
    if (register < FR || (this.written & (1 << register)) === 0) this.used |= 1 << register;
    const wide = isWideRegister(register, this.long);
    const source = N.reg(register, wide);
    this.statements.push({ kind: "copy", source });
    const value = wide ? source : N.extend(source);
    const origin = this.#origin[register];
    if (origin !== undefined) this.#origins.note(source, origin);
    this.#source[register] = source;
    this.#current[register] = value;
    return value;
  }
  #readVector(register: number): Node {
    this.usedVectors |= 1 << (register - XMM0);
    const source = N.vectorRegister(register);
    this.statements.push({ kind: "copy", source });
    this.#source[register] = source;
    this.#current[register] = source;
    return source;
  }
  write(register: number, value: Node): void {
    if (register < FR) this.used |= 1 << register;
    this.written |= 1 << register;
    this.#changed(register);
    this.statements.push({ kind: "set", register, value: isWideRegister(register, this.long) ? value : N.wrap(value) });
    if (value.op === N.CONST) this.#current[register] = value;
    else this.#origin[register] = value;
  }
  #changed(register: number): void {
    const source = this.#source[register];
    if (source !== undefined) source.until = this.statements.length;
    this.#source[register] = undefined;
    this.#current[register] = undefined;
    this.#origin[register] = undefined;
    if (register < XMM0) this.#stored &= ~(1 << register);
    if (register < FR) this.#changes |= 1 << register;
    else if (register < XMM0) this.#kept &= ~(1 << register);
  }
  /** As write, for a vector register. */
  protected setVector(register: number, value: Node): void {
    this.usedVectors |= 1 << (register - XMM0);
    this.writtenVectors |= 1 << (register - XMM0);
    this.#changed(register);
    this.statements.push({ kind: "set", register, value });
  }
  /** The next statement changes these registers behind the block's back; afterwards they are as in memory. */
  #forget(registers: number, vectors: boolean): void {
    for (let register = 0; register < REGISTER_COUNT; register++) if (registers & (1 << register)) this.#changed(register);
    if (vectors) for (let register = XMM0; register < XMM0 + VECTOR_COUNT; register++) this.#changed(register);
    if (registers & FLAGS) this.flags.forget();
    this.#ranges.length = 0;
    this.#stored |= registers;
    if (registers & (1 << FK)) this.#kindStored = true;
  }
  /** The register slot at byte `offset` of the vCPU's block: low part, or AH CH DH BH at an odd offset. */
  readSlot(offset: number, bits: number): Node {
    const whole = this.read((offset - L.GPR) >> 3);
    return N.truncate((offset & 7) === 0 ? whole : N.shift(Op.i64ShrU, whole, N.i64(8)), bits);
  }
  writeSlot(offset: number, bits: number, value: Node): void {
    const register = (offset - L.GPR) >> 3;
    if (bits >= 32) {
      this.write(register, N.truncate(value, bits));
      return;
    }
    const high = (offset & 7) !== 0;
    const mask = bits === 16 ? 0xffff : high ? 0xff00 : 0xff;
    const kept = N.and(this.read(register), N.i64(this.long ? ~mask : ~mask >>> 0));
    const part = N.truncate(value, bits);
    this.write(register, N.or(kept, high ? N.shift(Op.i64Shl, part, N.i64(8)) : part));
  }

  // -- memory -----------------------------------------------------------------------------------------------------------------------------
  /** Leaves before the instruction when `condition` (i32) is not zero. */
  exitIf(condition: Node, code = this.side): void {
    if (condition.op === N.CONST && condition.value === 0) return;
    this.statements.push({ kind: "exitIf", condition, code, flags: this.#leftWith() });
  }
  /** What an exit has to store of the flags: FR and FK go together, and FV with both; above them what is as on entering. */
  #leftWith(): number {
    const { unstored } = this;
    const wanted = FLAG_REGISTERS & ~(this.flags.ignoresSecond ? 1 << FV : 0);
    const flags = unstored === 0 ? 0 : wanted & (unstored & (1 << FV) ? FLAG_REGISTERS : (1 << FR) | (1 << FK));
    this.used |= flags & ~this.written;
    const entered = this.#kept & wanted & ~flags;
    for (const register of [FR, FV, FK]) if (entered & (1 << register)) this.#exposed[register - FR]! |= this.#changes;
    return flags | (entered << ENTERED_SHIFT);
  }
  /** A field of the vCPU's block. */
  field(op: number, wide: boolean, bits: number, offset: number): Node {
    return this.letNode(N.loadNode(op, wide, bits, this.places.cpu, offset));
  }
  /** Writes a field of the vCPU's block; `op` is a store of an i64's low bits. */
  setField(op: number, offset: number, value: Node): void {
    if (offset === L.COUNT) this.#counts = true;
    this.statements.push({ kind: "store", op, address: this.places.cpu, value, offset });
  }
  /**
   * Host address (i32) of `bytes` at linear address `linear`; leaves when the TLB has no right for it. `place` says where the address comes
   * from: what is near another access of the block is not asked for again.
   */
  pointer(linear: Node, bytes: number, access: Access, place?: Place): Node {
    const write = access !== "R";
    const root = place && this.#origins.root(place);
    const known = root && rangeFor(this.#ranges, root, bytes, this.probing.rangeBytes);
    if (known !== undefined) {
      const { offset } = root!;
      if (offset < known.low || offset + bytes > known.high || (write && !known.write)) {
        known.low = Math.min(known.low, offset);
        known.high = Math.max(known.high, offset + bytes);
        known.write ||= write;
        known.shared = true;
        this.#ask(known);
      }
      return offset === known.first ? known.pointer : N.binary(Op.i32Add, false, 32, known.pointer, N.i32(offset - known.first));
    }
    const at = this.letNode(linear);
    const entry = root !== undefined && this.#isOnStack(root) ? undefined : N.temp(false, 32);
    const first = root?.offset ?? 0;
    const { base, index, scale, path } = root ?? { base: undefined, index: undefined, scale: 0, path: 0 };
    const addend = entry === undefined ? N.local(STACK_ADDEND, false) : tlbAddend(this.places, entry);
    const pointer = N.temp(false, 32);
    if (entry !== undefined) this.statements.push(undefined);
    const statement = this.statements.push(undefined) - 1;
    const range = {
      base,
      index,
      scale,
      path,
      low: first,
      high: first + bytes,
      write,
      first,
      at,
      pointer,
      entry,
      statement,
      side: this.side,
      flags: this.#leftWith(),
      shared: false,
    };
    this.#ask(range);
    this.statements.push({ kind: "let", target: pointer, value: N.binary(Op.i32Add, false, 32, addend, N.wrap(at)) });
    if (root !== undefined) this.#ranges.push(range);
    return pointer;
  }
  /** Is the place one of the stack, of which the unit knows the page? */
  #isOnStack({ base, index, path }: ReturnType<Origins["root"]>): boolean {
    return base?.op === N.REG && index === undefined && path === 0 && (this.probing.stack & (1 << (base.value as number))) !== 0;
  }
  /** Writes the statements that ask for the whole of a range. */
  #ask({ low, high, first, at, entry, write, statement, side, flags, shared }: Range): void {
    const lowest = low === first ? at : N.add(at, N.i64(low - first));
    if (entry === undefined) {
      this.usesStack = true;
      this.used |= 1 << RSP;
      const offset = N.xor(this.long ? lowest : N.truncate(lowest, 32), N.local(STACK_PAGE, true));
      const condition = N.binary(Op.i64GtU, false, 1, offset, N.i64(4096 - (high - low)));
      this.statements[statement] = { kind: "exitIf", condition, code: exitAs(side, L.UNIT_APART), flags, by: "stack" };
      return;
    }
    this.statements[statement - 1] = { kind: "let", target: entry, value: tlbEntry(this.places, N.wrap(lowest)) };
    const condition = this.#unlessTag(entry, N.add(at, N.i64(high - first - 1)), write ? L.TLB_W : L.TLB_R);
    this.statements[statement] = shared
      ? {
          kind: "exitIf",
          condition,
          code: exitAs(side, L.UNIT_APART),
          flags,
          by: "apart",
          range: { at: N.wrap(lowest), bytes: high - low },
        }
      : { kind: "exitIf", condition, code: side, flags };
  }
  /** Is a tag of `entry` not that of the page of linear address `last`? */
  #unlessTag(entry: Node, last: Node, tag: number): Node {
    if (this.shortTags) {
      const page = N.binary(Op.i32And, false, 32, N.wrap(last), N.i32(-4096));
      const wanted = N.binary(Op.i32Xor, false, 32, page, N.wrap(N.local(CTX, true)));
      // As i64: V8 makes two loads of one that a comparison of the same width can read by itself.
      return N.binary(Op.i64Ne, false, 1, tlbTag(this.places, entry, tag, true), N.extend(wanted));
    }
    const wanted = N.xor(N.and(last, N.i64(-4096)), N.local(CTX, true));
    return N.binary(Op.i64Ne, false, 1, tlbTag(this.places, entry, tag), wanted);
  }
  load(pointer: Node, bits: number): Node {
    const op = bits === 64 ? Op.i64Load : bits === 32 ? Op.i64Load32u : bits === 16 ? Op.i64Load16u : Op.i64Load8u;
    const { address, offset } = N.addressOf(pointer);
    return this.letNode(N.loadNode(op, true, bits, address, offset));
  }
  store(pointer: Node, bits: number, value: Node): void {
    const op = bits === 64 ? Op.i64Store : bits === 32 ? Op.i32Store : bits === 16 ? Op.i32Store16 : Op.i32Store8;
    this.statements.push({ kind: "store", op, ...N.addressOf(pointer), value: bits === 64 ? value : N.wrap(value) });
  }

  // -- whole statements ---------------------------------------------------------------------------------------------------------------------
  /** Has the interpreter's function carry out operation `u`. */
  cold(u: number, blockDelta: number, abandoned: number, restarted: number): void {
    this.flags.settle();
    this.#demanded |= this.#kept;
    this.#counts = true;
    const flags = this.unstored;
    this.#forget(ALL_REGISTERS, true);
    this.statements.push({ kind: "cold", u, flags, blockDelta, abandoned, restarted });
  }
  /**
   * Calls a function that the engine exports. Registers are given one bit each: what it finds in the vCPU's block is stored before the call,
   * what it may write there is both stored, since it may not write, and read back. All other registers stay where they are.
   *
   * @param args - i32 nodes are pointers and numbers, i64 nodes values
   * @param resultBits - width of the i32 that it returns, 0 when there is none or nobody wants it
   */
  call(name: string, args: readonly Node[], effect: CallEffect): Node | undefined {
    const { reads = 0, writes = 0, vectors = false, returns = false, resultBits = 0, translations = false } = effect;
    if ((reads | writes) & FLAGS && name !== "settleFlags") this.flags.settle();
    this.#demanded |= (reads | writes) & this.#kept;
    const spilled = (reads | writes) & ~this.#stored;
    this.used |= (reads | writes) & ~FLAG_REGISTERS;
    const typeOf = (node: Node): number => (node.wide ? TYPE_I64 : TYPE_I32);
    const callee = { name, parameters: args.map(typeOf), result: returns ? TYPE_I32 : undefined };
    const result = resultBits > 0 ? N.temp(false, resultBits) : undefined;
    this.#forget(writes, vectors);
    this.#stored |= spilled;
    if (spilled & (1 << FK)) this.#kindStored = true;
    this.statements.push({ kind: "call", callee, args, result, spilled, reloaded: writes, translations, vectors });
    return result;
  }
  /** Ends the block with an operation that may change anything; `next` is the address behind it. */
  system(u: number, next: Node): void {
    this.flags.settle();
    this.#demanded |= this.#kept;
    this.statements.push({ kind: "system", u, flags: this.unstored, next });
    this.#stored |= FLAG_REGISTERS;
  }
  /** Ends the block; `value` is what its last branch asks for. */
  end(value: Node | undefined): void {
    this.endValue = value;
    this.statements.push({ kind: "end", value });
  }
  letNode(a: Node): Node {
    const leaf = a.op === Op.i64ExtendI32U ? a.a! : a;
    if (leaf.op === N.CONST || leaf.op === N.TEMP || leaf.op === N.REG || leaf.op === N.LOCAL) return a;
    // A load's address may be shared by copies of its node: the temporary is what everybody uses.
    const target = N.tempFor(a);
    if (leaf.op === Op.i64Add || leaf.op === Op.i32WrapI64 || leaf.op === Op.i64And) this.#origins.note(target, a);
    this.statements.push({ kind: "let", target, value: a });
    return target;
  }

  // -- Sem ------------------------------------------------------------------------------------------------------------------------------------
  let(a: Node): Node {
    return this.letNode(a);
  }
  imm(value: number | bigint): Node {
    return N.i64(value);
  }
  add(a: Node, b: Node): Node {
    return N.add(a, b);
  }
  sub(a: Node, b: Node): Node {
    return N.sub(a, b);
  }
  mul(a: Node, b: Node): Node {
    return N.mul(a, b);
  }
  and(a: Node, b: Node): Node {
    return N.and(a, b);
  }
  or(a: Node, b: Node): Node {
    return N.or(a, b);
  }
  xor(a: Node, b: Node): Node {
    return N.xor(a, b);
  }
  not(a: Node): Node {
    return N.xor(a, N.i64(-1));
  }
  shl(a: Node, count: Node): Node {
    return N.shift(Op.i64Shl, a, count);
  }
  shr(a: Node, count: Node): Node {
    return N.shift(Op.i64ShrU, a, count);
  }
  sar(a: Node, count: Node): Node {
    return N.shift(Op.i64ShrS, a, count);
  }
  rotl(a: Node, count: Node, bits: 32 | 64): Node {
    return N.rotate(bits === 64 ? Op.i64Rotl : Op.i32Rotl, a, count);
  }
  rotr(a: Node, count: Node, bits: 32 | 64): Node {
    return N.rotate(bits === 64 ? Op.i64Rotr : Op.i32Rotr, a, count);
  }
  eq(a: Node, b: Node): Node {
    return N.compare(Op.i64Eq, a, b);
  }
  ne(a: Node, b: Node): Node {
    return N.compare(Op.i64Ne, a, b);
  }
  ltu(a: Node, b: Node): Node {
    return N.compare(Op.i64LtU, a, b);
  }
  lts(a: Node, b: Node): Node {
    return N.compare(Op.i64LtS, a, b);
  }
  select(condition: Node, ifTrue: Node, ifFalse: Node): Node {
    return N.select(condition, ifTrue, ifFalse);
  }
  sext(a: Node, bits: Width): Node {
    return N.signExtend(a, bits);
  }
  trunc(a: Node, bits: Width): Node {
    return N.truncate(a, bits);
  }
  clz(a: Node): Node {
    return N.unary(Op.i64Clz, true, 7, a);
  }
  ctz(a: Node): Node {
    return N.unary(Op.i64Ctz, true, 7, a);
  }
  popcnt(a: Node): Node {
    return N.unary(Op.i64Popcnt, true, 7, a);
  }
  divU(a: Node, b: Node): Node {
    return N.binary(Op.i64DivU, true, a.bits, a, b);
  }
  remU(a: Node, b: Node): Node {
    return N.binary(Op.i64RemU, true, Math.min(a.bits, b.bits), a, b);
  }
  divS(a: Node, b: Node): Node {
    return N.binary(Op.i64DivS, true, 64, a, b);
  }
  remS(a: Node, b: Node): Node {
    return N.binary(Op.i64RemS, true, 64, a, b);
  }
  gpr(register: number, bits: Width): Node {
    return N.truncate(this.read(register), bits);
  }
  setGpr(register: number, bits: Width, value: Node): void {
    this.writeSlot(L.GPR + register * 8, bits, value);
  }
  guard(condition: Node, _vector: number): void {
    // The interpreter does the instruction again, and raises.
    this.exitIf(N.truth(condition));
  }
  leaf(name: Leaf, ...args: Node[]): Node {
    const [x, y, z] = args as [Node, Node, Node];
    switch (name) {
      case "mulHighU":
        return this.#mulHigh(x, y);
      case "mulHighS": {
        const correction = (sign: Node, other: Node): Node => N.and(N.shift(Op.i64ShrS, sign, N.i64(63)), other);
        return N.sub(N.sub(this.#mulHigh(x, y), correction(x, y)), correction(y, x));
      }
      // A dividend of more than 64 bits is for the interpreter.
      case "divU128":
        this.exitIf(N.truth(x));
        return this.divU(y, z);
      case "divFitsS128": {
        this.exitIf(N.binary(Op.i64Ne, false, 1, x, N.shift(Op.i64ShrS, y, N.i64(63))));
        const overflows = N.and(this.eq(y, N.i64(-0x8000000000000000n)), this.eq(z, N.i64(-1)));
        return N.and(this.ne(z, N.i64(0)), N.xor(overflows, N.i64(1)));
      }
      case "divS128":
        return this.divS(y, z);
      default:
        throw new Error(`leaf ${name} has no translation; its instructions are in COLD_ONLY`);
    }
  }
  /** High half of an unsigned product, by four products of halves. */
  #mulHigh(x: Node, y: Node): Node {
    const half = (value: Node): [Node, Node] => [this.let(N.truncate(value, 32)), this.let(N.shift(Op.i64ShrU, value, N.i64(32)))];
    const [xl, xh] = half(this.let(x));
    const [yl, yh] = half(this.let(y));
    const upper = (value: Node): Node => N.shift(Op.i64ShrU, value, N.i64(32));
    const middle = this.let(N.add(N.mul(xh, yl), upper(N.mul(xl, yl))));
    const cross = this.let(N.add(N.mul(xl, yh), N.truncate(middle, 32)));
    return this.let(N.add(N.add(N.mul(xh, yh), upper(middle)), upper(cross)));
  }

  flag(name: Flag): Node {
    return this.flags.flag(name);
  }
  condition(code: number): Node | undefined {
    return this.flags.condition(code);
  }
}
