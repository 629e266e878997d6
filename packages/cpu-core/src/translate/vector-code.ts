/**
 * The translator's reading of VectorSem: vector registers are locals of type v128, and what is known of their contents within a block (that
 * their numbers are normal or zero, which float is their lowest lane) saves tests and moves.
 */
import { MXCSR } from "../layout.js";
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
import { VECTOR_COUNT, XMM0 } from "./locals.js";
import * as N from "./node.js";
import type { Node } from "./node.js";
import { SystemCode } from "./system-code.js";
import { EXTRACT, FLOAT_EXTRACT, FLOAT_OPS, FLOAT_REPLACE, REINTERPRET, REPLACE, SPLAT, Vector, VECTOR_OPS } from "./vector-opcodes.js";
import { Op, TYPE_F32, TYPE_F64, TYPE_I32, TYPE_I64, TYPE_V128 } from "./wasm.js";

const FLOAT_TYPE = { f32: TYPE_F32, f64: TYPE_F64 } as const;
/** What all lanes are, one lane is. */
const PACKED = { f32: "f32x4", f64: "f64x2" } as const;
const IDENTITY = Array.from({ length: 16 }, (_, i) => i);

/** What is known of a value. */
interface Facts {
  readonly ordinary: readonly Ordinary[];
  /** The lowest lane of a vector as a float. */
  readonly low?: { readonly type: FloatType; readonly value: Node };
}
const NOTHING: Facts = { ordinary: [] };

const bytesOf = (value: bigint, count: number): number[] =>
  Array.from({ length: count }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
const constantOf = (node: Node): bigint | undefined => (node.op === N.CONST ? BigInt.asUintN(64, BigInt(node.value)) : undefined);
const vectorConstant = (lanes: readonly number[]): Node => N.typed(Vector.constant, TYPE_V128, [], 0, lanes);
const ZERO = vectorConstant(new Array<number>(16).fill(0));
const isZero = (node: Node): boolean => node.op === Vector.constant && node.lanes!.every((byte) => byte === 0);
const integer = (node: Node): Node => (node.type === TYPE_I32 ? N.extend(node) : node);

export class VectorCode extends SystemCode implements VectorSem<Node> {
  readonly #facts = new Map<Node, Facts>();
  /** Of the vector registers' present contents. */
  #registers: (Facts | undefined)[] = [];
  /** Questions about MXCSR whose answer was yes. */
  readonly #controls = new Set<string>();
  #inexactIsSet: Node | undefined;

  #of(node: Node): Facts {
    return this.#facts.get(node) ?? NOTHING;
  }

  // -- registers and memory -------------------------------------------------------------------------------------------------------------------
  readVector(vector: number): Node {
    const node = this.read(XMM0 + vector);
    const facts = this.#registers[vector];
    if (facts !== undefined && !this.#facts.has(node)) this.#facts.set(node, facts);
    return node;
  }
  writeVector(vector: number, value: Node): void {
    this.setVector(XMM0 + vector, value);
    this.#registers[vector] = this.#of(value);
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
    for (let vector = 0; vector < VECTOR_COUNT; vector++) this.#registers[vector] = undefined;
    this.#controls.clear();
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
    if (sound.op !== N.CONST || sound.value === 0) this.exitIf(N.unary(Op.i32Eqz, false, 1, N.truth(sound)));
  }
  /** From here on `value` is known to be ordinary. */
  learn(what: Ordinary, value: Node): void {
    const facts = this.#of(value);
    this.#facts.set(value, { ...facts, ordinary: [...facts.ordinary, what] });
    if (facts.low !== undefined && (facts.low.type === what || PACKED[facts.low.type] === what))
      this.learn(facts.low.type, facts.low.value);
  }
  isOrdinary(what: Ordinary, value: Node): boolean {
    return isZero(value) || this.#of(value).ordinary.includes(what);
  }

  // -- vectors --------------------------------------------------------------------------------------------------------------------------------
  name(a: Node): Node {
    if (a.op === Vector.constant) return a;
    const named = this.letNode(a);
    const facts = this.#facts.get(a);
    if (facts !== undefined) this.#facts.set(named, facts);
    return named;
  }
  vector(op: VectorOp, ...operands: Node[]): Node {
    const [a, b] = operands as [Node, Node];
    if ((op === "v128.xor" || op.endsWith(".sub")) && a === b && !op.startsWith("f")) return ZERO;
    if (op === "v128.xor" && isZero(b)) return a;
    return N.typed(VECTOR_OPS[op], TYPE_V128, operands);
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
    const ordinary = (["f32x4", "f64x2"] as const).filter((what) => {
      const bytes = what === "f32x4" ? 4 : 8;
      const whole = lanes.every((from, i) => from % bytes === i % bytes && (i % bytes === 0 || from === lanes[i - 1]! + 1));
      return whole && lanes.every((from) => this.isOrdinary(what, from < 16 ? a : b));
    });
    if (ordinary.length > 0) this.#facts.set(result, { ordinary });
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
    const value = this.letNode(N.typed(FLOAT_EXTRACT[type], FLOAT_TYPE[type], [a]));
    if (isZero(a) || ordinary.includes(type) || ordinary.includes(PACKED[type])) this.#facts.set(value, { ordinary: [type] });
    // The register holds the same from now on, if it is one.
    this.#facts.set(a, { ordinary, low: { type, value } });
    return value;
  }
  withFloat(type: FloatType, a: Node, value: Node): Node {
    const low = this.letNode(value);
    const result = N.typed(FLOAT_REPLACE[type], TYPE_V128, [a, low]);
    this.#facts.set(result, { ordinary: this.isOrdinary(type, low) ? [type] : [], low: { type, value: low } });
    return result;
  }
  floatOp(op: FloatOp, ...operands: Node[]): Node {
    return N.typed(FLOAT_OPS[op], op.startsWith("f32") ? TYPE_F32 : TYPE_F64, operands);
  }
  floatCompare(op: FloatCompare, a: Node, b: Node): Node {
    return N.extend(N.binary(FLOAT_OPS[op], false, 1, a, b));
  }
  convert(op: FloatConversion, a: Node): Node {
    return N.typed(FLOAT_OPS[op], op.startsWith("f32") ? TYPE_F32 : op.startsWith("f64") ? TYPE_F64 : TYPE_I64, [a]);
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
    const word = this.#inexactIsSet ?? this.field(Op.i32Load, false, 32, MXCSR);
    this.#inexactIsSet = word;
    return N.extend(N.binary(Op.i32And, false, 1, N.binary(Op.i32ShrU, false, 27, word, N.i32(5)), N.i32(1)));
  }
  /** Leaves unless it is so. */
  mxcsrIs(mask: number, value: number): Node {
    const question = `${mask} ${value}`;
    if (!this.#controls.has(question)) {
      this.#controls.add(question);
      const word = N.binary(Op.i32And, false, 16, this.field(Op.i32Load, false, 32, MXCSR), N.i32(mask));
      this.exitIf(N.binary(Op.i32Ne, false, 1, word, N.i32(value)));
    }
    return N.i64(1);
  }
}
