/**
 * Expressions of the translator: trees of WebAssembly operations over constants, temporaries and guest registers. Constructors fold what is
 * constant and keep, for each value, how many low bits can be other than zero, so that masks which change nothing are never written.
 */
import { TEMPS } from "./locals.js";
import { Op, TYPE_I32, TYPE_I64, TYPE_V128 } from "./wasm.js";

/** Kinds of leaf; every other `op` is a WebAssembly opcode. */
export const CONST = -1;
export const TEMP = -2;
/** A guest register or flag word, as it is when the node was made (see BlockCode). */
export const REG = -3;
/** A local of the whole function: base, context, TLB, vCPU. */
export const LOCAL = -4;
/** 1 when the first operand is, else the second, which is then not computed. */
export const OR_ELSE = -5;

export interface Node {
  readonly op: number;
  readonly wide: boolean; // i64
  readonly type: number; // TYPE_*
  /** Of an integer: bits above this one are zero. */
  readonly bits: number;
  readonly a: Node | undefined;
  readonly b: Node | undefined;
  readonly c: Node | undefined;
  /** CONST: its value. Loads: the offset. REG, LOCAL: the number. Lane instructions: the lane. */
  readonly value: number | bigint;
  /** Immediate bytes of a vector constant, a float constant or a shuffle. */
  readonly lanes: readonly number[] | undefined;
}

/** A TEMP or a REG, with what is found out about it from all statements of its block. */
export interface Variable extends Node {
  /** Last statement that uses it, or NEVER. */
  last: number;
  /** TEMP: how often it is used. */
  uses: number;
  /** TEMP: somebody wants more than its low 32 bits. */
  full: boolean;
  /** TEMP: stands where it is used instead of in a local. */
  inline: Node | undefined;
  /** TEMP: the wasm local once it has one. REG: -1, or the local that holds the value of a register that has changed since. */
  local: number;
  /** REG: statement that overwrites the register. */
  until: number;
}

/** No statement. */
export const NEVER = -1;
/** After every statement. */
const END = 0x3fffffff;

function make(
  op: number,
  wide: boolean,
  bits: number,
  a: Node | undefined,
  b: Node | undefined,
  c: Node | undefined,
  value: number | bigint,
  type = wide ? TYPE_I64 : TYPE_I32,
  lanes: readonly number[] | undefined = undefined,
): Node {
  return { op, wide, type, bits, a, b, c, value, lanes };
}
const variable = (op: number, wide: boolean, bits: number, value: number, type: number): Variable => ({
  op,
  wide,
  type,
  bits,
  a: undefined,
  b: undefined,
  c: undefined,
  value,
  lanes: undefined,
  last: NEVER,
  uses: 0,
  full: false,
  inline: undefined,
  local: -1,
  until: END,
});
const leaf = (op: number, wide: boolean, bits: number, value: number | bigint): Node =>
  make(op, wide, bits, undefined, undefined, undefined, value);

const bitsOf = (value: number): number =>
  value < 0 ? 64 : value < 0x1_0000_0000 ? 32 - Math.clz32(value) : 64 - Math.clz32(Math.floor(value / 0x1_0000_0000));

/** Constants that are met all the time, made once. */
const SMALL = Array.from({ length: 65 }, (_, value) => leaf(CONST, true, bitsOf(value), value));
const SMALL_I32 = SMALL.map(({ bits }, value) => leaf(CONST, false, bits, value));

/** An i64 constant; small ones are kept as numbers. */
export function i64(value: number | bigint): Node {
  if (typeof value === "bigint") {
    const signed = BigInt.asIntN(64, value);
    if (signed >= -9007199254740991n && signed <= 9007199254740991n) return i64(Number(signed));
    return leaf(CONST, true, 64, signed);
  }
  return value >= 0 && value < SMALL.length ? SMALL[value]! : leaf(CONST, true, bitsOf(value), value);
}
export function i32(value: number): Node {
  return value >= 0 && value < SMALL.length ? SMALL_I32[value]! : leaf(CONST, false, value < 0 ? 32 : bitsOf(value), value | 0);
}
export const temp = (wide: boolean, bits: number): Variable => variable(TEMP, wide, bits, 0, wide ? TYPE_I64 : TYPE_I32);
/** A guest register, whose local is an i64 or, in 32-bit code, an i32. */
export const reg = (number: number, wide: boolean): Variable => variable(REG, wide, wide ? 64 : 32, number, wide ? TYPE_I64 : TYPE_I32);
const LOCALS = [false, true].map((wide) => Array.from({ length: TEMPS }, (_, number) => leaf(LOCAL, wide, wide ? 64 : 32, number)));
export const local = (number: number, wide: boolean): Node => LOCALS[wide ? 1 : 0]![number]!;

/** A temporary for a value like `n`. */
export const tempFor = (n: Node): Variable => variable(TEMP, n.wide, n.bits, 0, n.type);
export const vectorRegister = (number: number): Variable => variable(REG, false, 128, number, TYPE_V128);
/** An operation on vectors or floats, or one that makes them. */
export function typed(op: number, type: number, operands: readonly Node[], value = 0, lanes?: readonly number[]): Node {
  const [a, b, c] = operands;
  return make(op, type === TYPE_I64, type === TYPE_I32 ? 32 : 64, a, b, c, value, type, lanes);
}
/** An integer lane of a vector. */
export const laneNode = (op: number, bits: number, vector: Node, lane: number): Node =>
  make(op, bits === 64, bits, vector, undefined, undefined, lane);

/** A host address as the address and offset of a load or store. */
export function addressOf(pointer: Node): { address: Node; offset: number } {
  const more = pointer.op === Op.i32Add && pointer.b!.op === CONST ? (pointer.b!.value as number) : 0;
  return more > 0 ? { address: pointer.a!, offset: more } : { address: pointer, offset: 0 };
}

const isConst = (n: Node, value?: number): boolean => n.op === CONST && (value === undefined || n.value === value);
const small = (n: Node): number | undefined => (n.op === CONST && typeof n.value === "number" ? n.value : undefined);

/** Wide operations on two constants. */
const FOLDED: Readonly<Record<number, (x: bigint, y: bigint) => bigint>> = {
  [Op.i64Add]: (x, y) => x + y,
  [Op.i64Sub]: (x, y) => x - y,
  [Op.i64Mul]: (x, y) => x * y,
  [Op.i64And]: (x, y) => x & y,
  [Op.i64Or]: (x, y) => x | y,
  [Op.i64Xor]: (x, y) => x ^ y,
  [Op.i64Eq]: (x, y) => BigInt(x === y),
  [Op.i64LtU]: (x, y) => BigInt(BigInt.asUintN(64, x) < BigInt.asUintN(64, y)),
};
function folded(op: number, a: Node, b: Node): Node | undefined {
  const rule = a.op === CONST && b.op === CONST ? FOLDED[op] : undefined;
  return rule && i64(rule(BigInt(a.value), BigInt(b.value)));
}
/** Any binary operation without folding. */
export const binary = (op: number, wide: boolean, bits: number, a: Node, b: Node): Node => make(op, wide, bits, a, b, undefined, 0);
export const unary = (op: number, wide: boolean, bits: number, a: Node): Node => make(op, wide, bits, a, undefined, undefined, 0);
export const loadNode = (op: number, wide: boolean, bits: number, address: Node, offset: number): Node =>
  make(op, wide, bits, address, undefined, undefined, offset);

export function add(a: Node, b: Node): Node {
  const known = folded(Op.i64Add, a, b);
  if (known !== undefined) return known;
  if (isConst(b, 0)) return a;
  if (isConst(a, 0)) return b;
  const x = small(a);
  const y = small(b);
  if (x !== undefined) return add(b, a);
  // (e + k) + l is e + (k + l)
  const inner = a.op === Op.i64Add && a.b !== undefined ? small(a.b) : undefined;
  if (y !== undefined && inner !== undefined && Number.isSafeInteger(inner + y)) return add(a.a!, i64(inner + y));
  const bits = Math.max(a.bits, b.bits) + 1;
  return binary(Op.i64Add, true, Math.min(bits, 64), a, b);
}
export function sub(a: Node, b: Node): Node {
  const known = folded(Op.i64Sub, a, b);
  if (known !== undefined) return known;
  if (a === b) return i64(0);
  const y = small(b);
  if (y !== undefined && Number.isSafeInteger(-y)) return add(a, i64(-y));
  return binary(Op.i64Sub, true, 64, a, b);
}
export function mul(a: Node, b: Node): Node {
  return folded(Op.i64Mul, a, b) ?? binary(Op.i64Mul, true, Math.min(64, a.bits + b.bits), a, b);
}

function lowMask(value: number | bigint): number {
  if (value === -1) return 64;
  if (typeof value !== "number" || value < 0) return -1;
  const bits = bitsOf(value);
  return value === 2 ** bits - 1 ? bits : -1;
}
/** Is `n` a constant of ones, at least the low `bits` of them, and zeroes above? */
export const isLowMask = (n: Node, bits: number): boolean => n.op === CONST && lowMask(n.value) >= bits;
export function and(a: Node, b: Node): Node {
  if (a === b) return a;
  if (a.op === CONST) return folded(Op.i64And, a, b) ?? and(b, a);
  if (isConst(b, 0)) return b;
  if (b.op === CONST) {
    const mask = lowMask(b.value);
    if (mask >= 0 && a.bits <= mask) return a;
    if (mask === 32) return extend(wrap(a));
  }
  if (a.op === Op.i64ExtendI32U && b.op === Op.i64ExtendI32U && a.bits === 1 && b.bits === 1)
    return extend(binary(Op.i32And, false, 1, a.a!, b.a!));
  return binary(Op.i64And, true, Math.min(a.bits, b.bits), a, b);
}
export function or(a: Node, b: Node): Node {
  const known = folded(Op.i64Or, a, b);
  if (known !== undefined) return known;
  if (isConst(a, 0)) return b;
  if (isConst(b, 0)) return a;
  if (a.op === Op.i64ExtendI32U && b.op === Op.i64ExtendI32U && a.bits === 1 && b.bits === 1)
    return extend(binary(Op.i32Or, false, 1, a.a!, b.a!));
  return binary(Op.i64Or, true, Math.max(a.bits, b.bits), a, b);
}
export function xor(a: Node, b: Node): Node {
  if (a === b) return i64(0);
  if (isConst(a, 0)) return b;
  if (isConst(b, 0)) return a;
  const known = folded(Op.i64Xor, a, b);
  if (known !== undefined) return known;
  if (a.op === Op.i64ExtendI32U && a.bits === 1) {
    if (isConst(b, 1)) return extend(not1(a.a!));
    if (b.op === Op.i64ExtendI32U && b.bits === 1) return extend(binary(Op.i32Xor, false, 1, a.a!, b.a!));
  }
  return binary(Op.i64Xor, true, Math.max(a.bits, b.bits), a, b);
}
/** Inverts an i32 that is 0 or 1. */
function not1(a: Node): Node {
  return unary(Op.i32Eqz, false, 1, a);
}
/** Counts are modulo 64, as WebAssembly has it. */
export function shift(op: number, a: Node, count: Node): Node {
  const n = small(count);
  if (n !== undefined) {
    const by = n & 63;
    if (by === 0) return a;
    if (a.op === CONST) {
      const value = BigInt(a.value);
      const unsigned = BigInt.asUintN(64, value);
      return i64(op === Op.i64Shl ? value << BigInt(by) : op === Op.i64ShrU ? unsigned >> BigInt(by) : value >> BigInt(by));
    }
    if (op === Op.i64ShrU) {
      if (a.bits <= by) return i64(0);
      return binary(op, true, a.bits - by, a, count);
    }
    if (op === Op.i64Shl) return binary(op, true, Math.min(64, a.bits + by), a, count);
    if (a.bits < 64) return shift(Op.i64ShrU, a, count);
  }
  return binary(op, true, op === Op.i64ShrU || (op === Op.i64ShrS && a.bits < 64) ? a.bits : 64, a, count);
}

/** Rotates all 64 bits, or by an operation on i32 the low half, whose upper half is then zero. */
export function rotate(op: number, a: Node, count: Node): Node {
  if (op === Op.i64Rotl || op === Op.i64Rotr) return binary(op, true, 64, a, count);
  return extend(binary(op, false, 32, wrap(a), wrap(count)));
}

/** Low half as i32. */
export function wrap(a: Node): Node {
  if (a.op === Op.i64ExtendI32U) return a.a!;
  if (a.op === CONST) return i32(Number(BigInt.asIntN(32, BigInt(a.value))));
  return unary(Op.i32WrapI64, false, Math.min(32, a.bits), a);
}
/** Zero-extends an i32. */
export function extend(a: Node): Node {
  if (a.op === CONST) return i64((a.value as number) >>> 0);
  return unary(Op.i64ExtendI32U, true, a.bits, a);
}
/** The value of `bits` low bits, zeroes above. */
export function truncate(a: Node, bits: number): Node {
  if (bits === 64 || a.bits <= bits) return a;
  return bits === 32 ? extend(wrap(a)) : and(a, i64(2 ** bits - 1));
}
export function signExtend(a: Node, bits: number): Node {
  if (bits === 64 || a.bits < bits) return a;
  if (a.op === CONST) return i64(BigInt.asIntN(bits, BigInt(a.value)));
  // An extension looks at the low bits only, so a mask below it is not needed.
  const inner = a.op === Op.i64ExtendI32U && a.a!.op === Op.i32WrapI64 ? a.a!.a! : a;
  return unary(bits === 8 ? Op.i64Extend8S : bits === 16 ? Op.i64Extend16S : Op.i64Extend32S, true, 64, inner);
}
/** An i64 comparison as an i64 of 0 or 1. */
export function compare(op: number, a: Node, b: Node): Node {
  const known = folded(op, a, b);
  if (known !== undefined) return known;
  if (a === b) return i64(op === Op.i64Eq || (op >= Op.i64LeS && op <= Op.i64GeU) ? 1 : 0);
  if (isConst(b, 0)) {
    if (op === Op.i64Eq) return extend(isBool(a) ? not1(a.a!) : unary(Op.i64Eqz, false, 1, a));
    if (op === Op.i64Ne && isBool(a)) return a;
  }
  return extend(binary(op, false, 1, a, b));
}
const isBool = (a: Node): boolean => a.op === Op.i64ExtendI32U && a.bits === 1;
/** An i32 that is not zero when the i64 is not. */
export function truth(a: Node): Node {
  if (isBool(a)) return a.a!;
  if (a.bits <= 32) return wrap(a);
  return binary(Op.i64Ne, false, 1, a, i64(0));
}
export function select(condition: Node, yes: Node, no: Node): Node {
  if (condition.op === CONST) return condition.value === 0 ? no : yes;
  return make(Op.select, true, Math.max(yes.bits, no.bits), yes, no, truth(condition), 0);
}

// -- low halves ---------------------------------------------------------------------------------------------------------------------------

export const isLoad = (op: number): boolean => op >= Op.i32Load && op <= Op.i64Load32u;

/** By the opcode of an operation on i64, the one on i32 that makes the low half of the same. */
const LOW_HALVES = new Map<number, number>([
  [Op.i64Add, Op.i32Add],
  [Op.i64Sub, Op.i32Sub],
  [Op.i64Mul, Op.i32Mul],
  [Op.i64And, Op.i32And],
  [Op.i64Or, Op.i32Or],
  [Op.i64Xor, Op.i32Xor],
  [Op.select, Op.select],
  [Op.i64Shl, Op.i32Shl],
  [Op.i64ShrU, Op.i32ShrU],
  [Op.i64ShrS, Op.i32ShrS],
  [Op.i64DivU, Op.i32DivU],
  [Op.i64RemU, Op.i32RemU],
  [Op.i64Extend8S, Op.i32Extend8S],
  [Op.i64Extend16S, Op.i32Extend16S],
  [Op.i64Load, Op.i32Load],
  [Op.i64Load32u, Op.i32Load],
  [Op.i64Load16u, Op.i32Load16u],
  [Op.i64Load8u, Op.i32Load8u],
]);
const LOW_HALF = Uint8Array.from({ length: 256 }, (_, op) => LOW_HALVES.get(op) ?? 0);

/** Counts below 32 are the same for both types. */
const shortCount = (count: Node): boolean => count.bits <= 5;

/**
 * The i32 operation that gives the low half of an i64 node from the low halves of its operands (loads: from the address), or 0 where the
 * whole is needed first.
 */
export function lowHalf(node: Node): number {
  const half = LOW_HALF[node.op] ?? 0;
  switch (node.op) {
    case Op.i64Shl:
      return shortCount(node.b!) ? half : 0;
    case Op.i64ShrU:
      return node.a!.bits <= 32 && shortCount(node.b!) ? half : 0;
    case Op.i64ShrS:
      return node.a!.op === Op.i64Extend32S && shortCount(node.b!) ? half : 0;
    case Op.i64DivU:
    case Op.i64RemU:
      return node.a!.bits <= 32 && node.b!.bits <= 32 ? half : 0;
    default:
      return half;
  }
}

const fitsSigned = (node: Node): boolean =>
  node.op === Op.i64Extend32S || (node.op === CONST && typeof node.value === "number" && node.value === (node.value | 0));

/** The i32 comparison that says the same of the low halves, or 0. */
export function lowComparison(node: Node): number {
  const { op } = node;
  if (op < Op.i64Eqz || op > Op.i64GeU) return 0;
  const a = node.a!;
  const b = node.b ?? a;
  const isSigned = op === Op.i64LtS || op === Op.i64GtS || op === Op.i64LeS || op === Op.i64GeS;
  const most = isSigned ? 31 : 32;
  if ((a.bits <= most && b.bits <= most) || (fitsSigned(a) && fitsSigned(b))) return op - Op.i64Eqz + Op.i32Eqz;
  return 0;
}
