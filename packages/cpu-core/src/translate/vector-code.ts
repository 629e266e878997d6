/**
 * The translator's reading of VectorSem: vector registers are locals of type v128, and what is known of their contents within a block (that
 * their numbers are normal or zero, which float is their lowest lane) saves tests and moves.
 */
import { type Arithmetic, type FloatRange, hull, integerRange, isTame, resultRange, TAME, ZERO_RANGE } from "../isa/float-range.js";
import { MXCSR, UNIT_APART } from "../layout.js";
import type { Width } from "../isa/sem.js";
import type {
  FloatCompare,
  FloatConversion,
  FloatOp,
  FloatType,
  Ordinary,
  VectorOp,
  VectorSem,
  VectorShift,
  VectorSummary,
} from "../isa/vector-sem.js";
import type { CallEffect } from "./block-code.js";
import { exitAs, XMM0 } from "./locals.js";
import * as N from "./node.js";
import type { Node } from "./node.js";
import type { Places } from "./places.js";
import type { Probing } from "./probes.js";
import { SystemCode } from "./system-code.js";
import { EXTRACT, FLOAT_EXTRACT, FLOAT_OPS, FLOAT_REPLACE, REINTERPRET, REPLACE, SPLAT, Vector, VECTOR_OPS } from "./vector-opcodes.js";
import { knownOf, NOTHING_KNOWN, type Ranges, type VectorKnown } from "./vector-known.js";
import { Op, TYPE_F32, TYPE_F64, TYPE_I32, TYPE_I64, TYPE_V128 } from "./wasm.js";

const FLOAT_TYPE = { f32: TYPE_F32, f64: TYPE_F64 } as const;
/** What all lanes are, one lane is. */
const PACKED = { f32: "f32x4", f64: "f64x2" } as const;
/** The type of a lane. */
const SCALAR = { f32: "f32", f64: "f64", f32x4: "f32", f64x2: "f64" } as const;
const isPacked = (what: Ordinary): what is "f32x4" | "f64x2" => what === "f32x4" || what === "f64x2";
/** Bytes of a lane. */
const LANE_BYTES = { f32x4: 4, f64x2: 8 } as const;
const IDENTITY = Array.from({ length: 16 }, (_, i) => i);

/** What is known of a value. */
interface Facts {
  readonly ordinary: readonly Ordinary[];
  /** The lowest lane of a vector as a float. */
  readonly low?: { readonly type: FloatType; readonly value: Node };
  /** Of a float, of the lowest lane of a vector, or of all its lanes. */
  readonly ranges?: Ranges;
  /** Each lane of this type is zeroes or ones. */
  readonly mask?: "f32x4" | "f64x2";
}
const NOTHING: Facts = { ordinary: [] };

const bytesOf = (value: bigint, count: number): number[] =>
  Array.from({ length: count }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
const constantOf = (node: Node): bigint | undefined => (node.op === N.CONST ? BigInt.asUintN(64, BigInt(node.value)) : undefined);
const vectorConstant = (lanes: readonly number[]): Node => N.typed(Vector.constant, TYPE_V128, [], 0, lanes);
const ZERO = vectorConstant(new Array<number>(16).fill(0));
const isZero = (node: Node): boolean => node.op === Vector.constant && node.lanes!.every((byte) => byte === 0);
/** MXCSR.PE: a result was inexact. SDM Vol. 1 §10.2.3. */
export const PE = 0x20;
const PE_IS_SET = `${PE} ${PE}`;
const integer = (node: Node): Node => (node.type === TYPE_I32 ? N.extend(node) : node);

export class VectorCode extends SystemCode implements VectorSem<Node> {
  /** Most blocks have no vectors: what is kept of these is made when it is needed. */
  #facts: Map<Node, Facts> | undefined;
  /** What was last written to a vector register or read from it. */
  readonly #holders: (Node | undefined)[] = [];
  /** Of registers that have not been read yet. */
  #entered: readonly (Ranges | undefined)[];
  /** Questions about MXCSR whose answer was yes. */
  #controls: ReadonlySet<string>;
  #inexactIsSet: Node | undefined;
  /** The block asks what others before it may know. */
  asksVectors = false;
  /** It changes vector registers or MXCSR in ways of which nothing is known. */
  lost = false;

  constructor(
    long: boolean,
    places: Places,
    shortTags: boolean,
    probing: Probing,
    entered?: number,
    /** Numbers are looked at one by one. */
    readonly plain = false,
    /** MXCSR.PE, when it is to be taken for granted; what shows that it is otherwise leaves. */
    readonly inexact?: boolean,
    known = NOTHING_KNOWN,
  ) {
    super(long, places, shortTags, probing, entered);
    this.#entered = known.registers;
    this.#controls = known.controls;
  }

  #note(node: Node, facts: Facts): void {
    this.#facts ??= new Map();
    this.#facts.set(node, facts);
  }
  #of(node: Node): Facts {
    return this.#facts?.get(node) ?? NOTHING;
  }

  // -- registers and memory -------------------------------------------------------------------------------------------------------------------
  readVector(vector: number): Node {
    const node = this.read(XMM0 + vector);
    const holder = this.#holders[vector];
    if (holder === node) return node;
    const ranges = this.#entered[vector];
    const facts = holder !== undefined ? this.#of(holder) : ranges && { ordinary: [], ranges };
    if (facts !== undefined && !this.#facts?.has(node)) this.#note(node, facts);
    this.#holders[vector] = node;
    return node;
  }
  writeVector(vector: number, value: Node): void {
    this.setVector(XMM0 + vector, value);
    this.#holders[vector] = value;
  }
  /** What is known where the block ends. */
  knownAtEnd(): VectorKnown {
    return knownOf((vector) => {
      const holder = this.#holders[vector];
      if (holder === undefined) return this.#entered[vector];
      if (isZero(holder)) return { f32x4: ZERO_RANGE, f64x2: ZERO_RANGE };
      const { ranges, low } = this.#of(holder);
      const range = low && this.#rangeOf(low.type, low.value);
      return range === undefined ? ranges : { ...ranges, [low!.type]: range };
    }, this.#controls);
  }
  loadVector(pointer: Node, bits: number): Node {
    if (bits < 32) return this.halves(this.load(pointer, bits), N.i64(0));
    const { address, offset } = N.addressOf(pointer);
    return this.name(
      N.typed(bits === 128 ? Vector.load : bits === 64 ? Vector.load64Zero : Vector.load32Zero, TYPE_V128, [address], offset),
    );
  }
  storeVector(pointer: Node, bits: number, value: Node): void {
    if (bits < 128) this.store(pointer, bits, this.lane(value, bits as Width, 0));
    else this.statements.push({ kind: "store", op: Vector.store, ...N.addressOf(pointer), value });
  }
  /** What happens now may change vector registers and MXCSR. */
  #lose(): void {
    this.lost = true;
    this.#holders.length = 0;
    this.#entered = [];
    this.#controls = new Set();
    this.#inexactIsSet = undefined;
  }
  override cold(u: number, blockDelta: number, abandoned: number, restarted: number): void {
    super.cold(u, blockDelta, abandoned, restarted);
    this.#lose();
  }
  override call(name: string, args: readonly Node[], effect: CallEffect): Node | undefined {
    const result = super.call(name, args, effect);
    this.#lose();
    return result;
  }

  /** Leaves before the instruction unless `sound` holds. */
  demand(sound: Node): void {
    const both = sound.op === Op.i64ExtendI32U && sound.a!.op === Op.i32And && sound.a!.bits === 1 ? sound.a! : undefined;
    if (both !== undefined) {
      this.demand(N.extend(both.a!));
      this.demand(N.extend(both.b!));
    } else if (sound.op !== N.CONST || sound.value === 0) this.#leave(N.unary(Op.i32Eqz, false, 1, N.truth(sound)));
  }
  /** From here on `value` is known to be ordinary. */
  learn(what: Ordinary, value: Node): void {
    const facts = this.#of(value);
    if (!facts.ordinary.includes(what)) this.#note(value, { ...facts, ordinary: [...facts.ordinary, what] });
    if (facts.low !== undefined && (facts.low.type === what || PACKED[facts.low.type] === what))
      this.learn(facts.low.type, facts.low.value);
  }
  isOrdinary(what: Ordinary, value: Node): boolean {
    return isZero(value) || this.#of(value).ordinary.includes(what) || this.#rangeOf(what, value) !== undefined;
  }

  // -- ranges ---------------------------------------------------------------------------------------------------------------------------------
  #rangeOf(what: Ordinary, value: Node): FloatRange | undefined {
    if (isZero(value)) return ZERO_RANGE;
    const { ranges } = this.#of(value);
    return ranges?.[what] ?? (what === "f32" || what === "f64" ? ranges?.[PACKED[what]] : undefined);
  }
  /** The range of one lane of a vector. */
  #laneRange(what: "f32x4" | "f64x2", value: Node, lane: number): FloatRange | undefined {
    const all = this.#rangeOf(what, value);
    if (all !== undefined || lane > 0) return all;
    const { low } = this.#of(value);
    return low?.type === SCALAR[what] ? this.#rangeOf(low.type, low.value) : this.#rangeOf(SCALAR[what], value);
  }
  #setRange(what: Ordinary, value: Node, range: FloatRange): Node {
    const facts = this.#of(value);
    this.#note(value, { ...facts, ranges: { ...facts.ranges, [what]: range } });
    return value;
  }
  /** Leaves, to be done without ranges if that comes often, unless the values are tame (each lane of them) or zero. */
  #tame(what: Ordinary, values: readonly Node[]): void {
    this.asksVectors = true;
    const type = SCALAR[what];
    const { least, bits } = TAME[type];
    const packed = isPacked(what);
    const unlike = type === "f32" ? least << 23 : least << 20;
    const above = type === "f32" ? 0x7f800000 & ~((1 << (bits + 23)) - 1) : 0x7ff00000 & ~((1 << (bits + 20)) - 1);
    const lanes = (word: number): Node => this.splat(64, N.i64((BigInt(word) << 32n) | (type === "f32" ? BigInt(word) : 0n)));
    const any = (x: Node): Node => N.typed(VECTOR_OPS["v128.any_true"], TYPE_I32, [this.vector("v128.and", x, lanes(above))]);
    const rest = values.map((x) => {
      if (packed) return this.letNode(this.vector("i32x4.sub", x, lanes(unlike)));
      const whole = N.typed(REINTERPRET[type], type === "f32" ? TYPE_I32 : TYPE_I64, [x]);
      const top = type === "f32" ? whole : N.wrap(N.shift(Op.i64ShrU, whole, N.i64(32)));
      return this.letNode(N.binary(Op.i32And, false, 32, N.binary(Op.i32Sub, false, 32, top, N.i32(unlike)), N.i32(above)));
    });
    const wild = packed
      ? any(rest.reduce((x, y) => this.vector("v128.or", x, y)))
      : rest.reduce((x, y) => N.binary(Op.i32Or, false, 32, x, y));
    const wildNumber = values.map((x, i) =>
      packed
        ? any(this.vector("v128.andnot", rest[i]!, this.vector(`${what}.eq`, x, ZERO)))
        : N.binary(
            Op.i32Mul,
            false,
            32,
            rest[i]!,
            N.unary(Op.i32Eqz, false, 1, N.wrap(this.floatCompare(`${type}.eq`, x, this.floatConstant(type, 0)))),
          ),
    );
    const rarely = wildNumber.reduce((x, y) => N.binary(Op.i32Or, false, 32, x, y));
    const fits = N.binary(N.OR_ELSE, false, 1, N.unary(Op.i32Eqz, false, 1, wild), N.unary(Op.i32Eqz, false, 1, rarely));
    this.#leave(N.unary(Op.i32Eqz, false, 1, fits));
    for (const x of values) this.#setRange(what, x, TAME[type]);
  }
  /** Leaves unless the values have ranges; not in a unit that does without. */
  ensureOrdinary(what: Ordinary, values: readonly Node[]): boolean {
    if (this.plain) return false;
    this.#tame(what, values);
    return true;
  }
  withinRange(what: Ordinary, operation: Arithmetic, operands: readonly Node[], result: Node): Node | undefined {
    if (this.plain) return undefined;
    const type = SCALAR[what];
    const values = [...new Set(operands)];
    const range = (): FloatRange | undefined => {
      const [x, y = x] = operands.map((value) => this.#rangeOf(what, value));
      return x && y && resultRange(type, operation, x, y);
    };
    const unknown = values.filter((value) => this.#rangeOf(what, value) === undefined);
    if (unknown.length > 0) this.#tame(what, unknown);
    if (range() === undefined)
      this.#tame(
        what,
        values.filter((value) => !isTame(type, this.#rangeOf(what, value)!)),
      );
    this.#setRange(what, result, range()!);
    if (operation !== "div" && operation !== "sqrt") return N.i64(1);
    const value = operation === "div" ? operands[1]! : operands[0]!;
    if (isPacked(what)) {
      const wrong = this.vector(`${what}.${operation === "div" ? "eq" : "lt"}`, value, ZERO);
      return this.eq(this.summary("v128.any_true", wrong), N.i64(0));
    }
    const zero = this.floatConstant(type, 0);
    return operation === "div"
      ? this.xor(this.floatCompare(`${type}.eq`, value, zero), N.i64(1))
      : this.floatCompare(`${type}.le`, zero, value);
  }

  // -- vectors --------------------------------------------------------------------------------------------------------------------------------
  name(a: Node): Node {
    if (a.op === Vector.constant) return a;
    const named = this.letNode(a);
    const facts = this.#facts?.get(a);
    if (facts !== undefined) this.#note(named, facts);
    return named;
  }
  vector(op: VectorOp, ...operands: Node[]): Node {
    const [a, b] = operands as [Node, Node];
    if ((op === "v128.xor" || op.endsWith(".sub")) && a === b && !op.startsWith("f")) return ZERO;
    if (op === "v128.xor" && isZero(b)) return a;
    const result = N.typed(VECTOR_OPS[op], TYPE_V128, operands);
    if (op === "f32x4.eq" || op === "f32x4.lt" || op === "f32x4.le") this.#note(result, { ordinary: [], mask: "f32x4" });
    else if (op === "f64x2.eq" || op === "f64x2.lt" || op === "f64x2.le") this.#note(result, { ordinary: [], mask: "f64x2" });
    else if (op === "v128.and") this.#choose(result, a, b);
    else if (op === "f32x4.convert_i32x4_s") this.#setRange("f32x4", result, integerRange(32));
    else if (op === "f64x2.convert_low_i32x4_s") this.#setRange("f64x2", result, integerRange(32));
    return result;
  }
  /** A mask keeps some numbers and makes zeroes of the others. */
  #choose(result: Node, a: Node, b: Node): void {
    const [mask, value] = this.#of(a).mask === undefined ? [b, a] : [a, b];
    const what = this.#of(mask).mask;
    const range = what && this.#rangeOf(what, value);
    if (range) this.#setRange(what, result, range);
  }
  vectorShift(op: VectorShift, a: Node, count: Node): Node {
    return N.typed(VECTOR_OPS[op], TYPE_V128, [a, N.wrap(count)]);
  }
  summary(op: VectorSummary, a: Node): Node {
    return N.extend(N.typed(VECTOR_OPS[op], TYPE_I32, [a]));
  }
  halves(low: Node, high: Node): Node {
    const x = constantOf(low);
    const y = constantOf(high);
    if (x !== undefined && y !== undefined) return vectorConstant([...bytesOf(x, 8), ...bytesOf(y, 8)]);
    if (y === 0n) return N.typed(REPLACE[64]!, TYPE_V128, [ZERO, low]);
    return N.typed(REPLACE[64]!, TYPE_V128, [N.typed(SPLAT[64]!, TYPE_V128, [low]), high], 1);
  }
  splat(bits: Width, value: Node): Node {
    const known = constantOf(value);
    if (known !== undefined) {
      const lane = bytesOf(known, bits / 8);
      return vectorConstant(IDENTITY.map((i) => lane[i % lane.length]!));
    }
    return N.typed(SPLAT[bits]!, TYPE_V128, [bits === 64 ? value : N.wrap(value)]);
  }
  shuffle(a: Node, b: Node, lanes: readonly number[]): Node {
    const result = N.typed(Vector.shuffle, TYPE_V128, [a, b], 0, lanes);
    const whole = (["f32x4", "f64x2"] as const).filter((what) => {
      const bytes = LANE_BYTES[what];
      return lanes.every((from, i) => from % bytes === i % bytes && (i % bytes === 0 || from === lanes[i - 1]! + 1));
    });
    const ordinary = whole.filter((what) => lanes.every((from) => this.isOrdinary(what, from < 16 ? a : b)));
    if (ordinary.length > 0) this.#note(result, { ordinary });
    for (const what of whole) {
      const bytes = LANE_BYTES[what];
      const ranges = lanes.flatMap((from, i) => (i % bytes === 0 ? [this.#laneRange(what, from < 16 ? a : b, (from & 15) / bytes)] : []));
      if (ranges.every((range) => range !== undefined)) this.#setRange(what, result, ranges.reduce(hull));
    }
    return result;
  }
  permute(a: Node, b: Node, control: Node): Node {
    if (control.op !== Vector.constant) {
      // No instruction has a variable control of this kind: its bytes come from immediates.
      throw new Error("a shuffle whose lanes are not known");
    }
    const lanes = control.lanes!;
    if (lanes.every((from) => from < 32)) return this.shuffle(a, b, lanes);
    // From a vector and zeroes: those of the other operand are not asked for.
    if (lanes.every((from) => from >= 32)) return ZERO;
    const base = lanes.some((from) => from < 16) ? 0 : 16;
    return this.shuffle(
      base === 0 ? a : b,
      ZERO,
      lanes.map((from, i) => (from >= base && from < base + 16 ? from - base : 16 + i)),
    );
  }
  lane(a: Node, bits: Width, index: number): Node {
    // An element of a shuffle that moves it whole is an element of what was shuffled.
    if (a.op === Vector.shuffle) {
      const bytes = bits / 8;
      const from = a.lanes!.slice(index * bytes, (index + 1) * bytes);
      if (from[0]! % bytes === 0 && from.every((lane, i) => lane === from[0]! + i))
        return this.lane(from[0]! < 16 ? a.a! : a.b!, bits, (from[0]! & 15) / bytes);
    }
    if (isZero(a)) return N.i64(0);
    return integer(N.laneNode(EXTRACT[bits]!, bits, a, index));
  }
  withLane(a: Node, bits: Width, index: number, value: Node): Node {
    return N.typed(REPLACE[bits]!, TYPE_V128, [a, bits === 64 ? value : N.wrap(value)], index);
  }
  selectVector(condition: Node, ifTrue: Node, ifFalse: Node): Node {
    if (condition.op === N.CONST) return condition.value === 0 ? ifFalse : ifTrue;
    return N.typed(Op.select, TYPE_V128, [ifTrue, ifFalse, N.truth(condition)]);
  }
  xmm0(): Node {
    return this.readVector(0);
  }

  // -- floats ---------------------------------------------------------------------------------------------------------------------------------
  float(type: FloatType, a: Node): Node {
    const { low, ordinary } = this.#of(a);
    if (low?.type === type) return low.value;
    const range = this.#rangeOf(type, a);
    const value = this.letNode(N.typed(FLOAT_EXTRACT[type], FLOAT_TYPE[type], [a]));
    if (isZero(a) || ordinary.includes(type) || ordinary.includes(PACKED[type])) this.#note(value, { ordinary: [type] });
    if (range !== undefined) this.#setRange(type, value, range);
    // The register holds the same from now on, if it is one.
    this.#note(a, { ...this.#of(a), low: { type, value } });
    return value;
  }
  withFloat(type: FloatType, a: Node, value: Node): Node {
    const low = this.letNode(value);
    const result = N.typed(FLOAT_REPLACE[type], TYPE_V128, [a, low]);
    this.#note(result, { ordinary: this.isOrdinary(type, low) ? [type] : [], low: { type, value: low } });
    return result;
  }
  floatOp(op: FloatOp, ...operands: Node[]): Node {
    return N.typed(FLOAT_OPS[op], op.startsWith("f32") ? TYPE_F32 : TYPE_F64, operands);
  }
  floatCompare(op: FloatCompare, a: Node, b: Node): Node {
    return N.extend(N.binary(FLOAT_OPS[op], false, 1, a, b));
  }
  convert(op: FloatConversion, a: Node): Node {
    const result = N.typed(FLOAT_OPS[op], op.startsWith("f32") ? TYPE_F32 : op.startsWith("f64") ? TYPE_F64 : TYPE_I64, [a]);
    if (op === "f32.convert_i64_s" || op === "f64.convert_i64_s")
      this.#setRange(op === "f32.convert_i64_s" ? "f32" : "f64", result, integerRange(64));
    const single = op === "f64.promote_f32" ? this.#rangeOf("f32", a) : undefined;
    if (single !== undefined) this.#setRange("f64", result, single);
    return result;
  }
  selectFloat(condition: Node, ifTrue: Node, ifFalse: Node): Node {
    if (condition.op === N.CONST) return condition.value === 0 ? ifFalse : ifTrue;
    return N.typed(Op.select, ifTrue.type, [ifTrue, ifFalse, N.truth(condition)]);
  }
  floatBits(type: FloatType, a: Node): Node {
    return integer(N.typed(REINTERPRET[type], type === "f32" ? TYPE_I32 : TYPE_I64, [a]));
  }
  floatConstant(type: FloatType, value: number): Node {
    const bytes = new Uint8Array((type === "f32" ? new Float32Array([value]) : new Float64Array([value])).buffer);
    return N.typed(type === "f32" ? Vector.f32Constant : Vector.f64Constant, FLOAT_TYPE[type], [], 0, [...bytes]);
  }

  // -- what is sound --------------------------------------------------------------------------------------------------------------------------
  orElse(first: Node, otherwise: () => Node): Node {
    if (first.op === N.CONST) return first.value === 0 ? otherwise() : first;
    return N.extend(N.binary(N.OR_ELSE, false, 1, N.truth(first), N.truth(otherwise())));
  }
  inexactIsSet(): Node {
    if (this.inexact === true) {
      this.mxcsrIs(PE, PE);
      return N.i64(1);
    }
    if (this.inexact === false) return N.i64(0);
    const word = this.#inexactIsSet ?? this.field(Op.i32Load, false, 32, MXCSR);
    this.#inexactIsSet = word;
    return N.extend(N.binary(Op.i32And, false, 1, N.binary(Op.i32ShrU, false, 27, word, N.i32(5)), N.i32(1)));
  }
  /** Leaves unless it is so, and unless PE is as it is taken to be. */
  mxcsrIs(mask: number, value: number): Node {
    this.asksVectors = true;
    const question = `${mask} ${value}`;
    const sticky = this.inexact === true ? PE : 0;
    if (this.#controls.has(question) && (sticky === 0 || this.#controls.has(PE_IS_SET))) return N.i64(1);
    this.#controls = new Set([...this.#controls, question, ...(sticky === 0 ? [] : [PE_IS_SET])]);
    const word = N.binary(Op.i32And, false, 16, this.field(Op.i32Load, false, 32, MXCSR), N.i32(mask | sticky));
    this.#leave(N.binary(Op.i32Ne, false, 1, word, N.i32(value | sticky)));
    return N.i64(1);
  }
  /** Leaves when the condition is not zero; the unit is written in another way when that comes often. */
  #leave(condition: Node): void {
    this.exitIf(condition, this.plain ? this.side : exitAs(this.side, UNIT_APART));
  }
}
