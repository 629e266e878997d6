/**
 * Expressions of the translator: trees of WebAssembly operations over constants, temporaries and guest registers. Constructors fold what is
 * constant and keep, for each value, how many low bits can be other than zero, so that masks which change nothing are never written.
 */
import { Op } from "./wasm.js";

/** Kinds of leaf; every other `op` is a WebAssembly opcode. */
export const CONST = -1;
export const TEMP = -2;
/** A guest register or flag word, as it is when the node was made (see BlockCode). */
export const REG = -3;
/** A local of the whole function: base, context, TLB, vCPU. */
export const LOCAL = -4;

export interface Node {
  readonly op: number;
  readonly wide: boolean; // i64, else i32
  /** Bits above this one are zero. */
  readonly bits: number;
  readonly a: Node | undefined;
  readonly b: Node | undefined;
  readonly c: Node | undefined;
  /** CONST: its value. Loads: the offset. REG, LOCAL: the number. */
  readonly value: number | bigint;
  /** TEMP and REG: last statement that uses it. */
  last: number;
  /** TEMP: how often it is used. */
  uses: number;
  /** TEMP: the wasm local once it has one. REG: -1, or the local that holds the value of a register that has changed since. */
  local: number;
  /** REG: statement that overwrites the register. */
  until: number;
}

function make(op: number, wide: boolean, bits: number, a?: Node, b?: Node, c?: Node, value: number | bigint = 0): Node {
  return { op, wide, bits, a, b, c, value, last: -1, uses: 0, local: -1, until: Number.POSITIVE_INFINITY };
}

const bitsOf = (value: number): number => (value < 0 ? 64 : value === 0 ? 0 : Math.floor(Math.log2(value)) + 1);

/** An i64 constant; small ones are kept as numbers. */
export function i64(value: number | bigint): Node {
  if (typeof value === "bigint") {
    const signed = BigInt.asIntN(64, value);
    if (signed >= -9007199254740991n && signed <= 9007199254740991n) return i64(Number(signed));
    return make(CONST, true, 64, undefined, undefined, undefined, signed);
  }
  return make(CONST, true, bitsOf(value), undefined, undefined, undefined, value);
}
export function i32(value: number): Node {
  return make(CONST, false, value < 0 ? 32 : bitsOf(value), undefined, undefined, undefined, value | 0);
}
export const temp = (wide: boolean, bits: number): Node => make(TEMP, wide, bits);
export const reg = (number: number, bits: number): Node => make(REG, true, bits, undefined, undefined, undefined, number);
export const local = (number: number, wide: boolean): Node => make(LOCAL, wide, wide ? 64 : 32, undefined, undefined, undefined, number);

const isConst = (n: Node, value?: number): boolean => n.op === CONST && (value === undefined || n.value === value);
const small = (n: Node): number | undefined => (n.op === CONST && typeof n.value === "number" ? n.value : undefined);

/** Any binary operation without folding. */
export const binary = (op: number, wide: boolean, bits: number, a: Node, b: Node): Node => make(op, wide, bits, a, b);
export const unary = (op: number, wide: boolean, bits: number, a: Node): Node => make(op, wide, bits, a);
export const loadNode = (op: number, wide: boolean, bits: number, address: Node, offset: number): Node =>
  make(op, wide, bits, address, undefined, undefined, offset);

export function add(a: Node, b: Node): Node {
  if (isConst(b, 0)) return a;
  if (isConst(a, 0)) return b;
  const x = small(a);
  const y = small(b);
  if (x !== undefined && y !== undefined && Number.isSafeInteger(x + y)) return i64(x + y);
  if (x !== undefined) return add(b, a);
  // (e + k) + l is e + (k + l)
  const inner = a.op === Op.i64Add && a.b !== undefined ? small(a.b) : undefined;
  if (y !== undefined && inner !== undefined && Number.isSafeInteger(inner + y)) return add(a.a!, i64(inner + y));
  const bits = Math.max(a.bits, b.bits) + 1;
  return binary(Op.i64Add, true, Math.min(bits, 64), a, b);
}
export function sub(a: Node, b: Node): Node {
  const y = small(b);
  if (y !== undefined && Number.isSafeInteger(-y)) return add(a, i64(-y));
  return binary(Op.i64Sub, true, 64, a, b);
}
export function mul(a: Node, b: Node): Node {
  return binary(Op.i64Mul, true, Math.min(64, a.bits + b.bits), a, b);
}

function lowMask(value: number | bigint): number {
  if (value === -1) return 64;
  if (typeof value !== "number" || value < 0) return -1;
  const bits = bitsOf(value);
  return value === 2 ** bits - 1 ? bits : -1;
}
export function and(a: Node, b: Node): Node {
  if (a.op === CONST) {
    if (b.op === CONST) return i64(BigInt(a.value) & BigInt(b.value));
    return and(b, a);
  }
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
  if (isConst(a, 0)) return b;
  if (isConst(b, 0)) return a;
  if (a.op === Op.i64ExtendI32U && b.op === Op.i64ExtendI32U && a.bits === 1 && b.bits === 1)
    return extend(binary(Op.i32Or, false, 1, a.a!, b.a!));
  return binary(Op.i64Or, true, Math.max(a.bits, b.bits), a, b);
}
export function xor(a: Node, b: Node): Node {
  if (isConst(a, 0)) return b;
  if (isConst(b, 0)) return a;
  if (a.op === CONST && b.op === CONST) return i64(BigInt(a.value) ^ BigInt(b.value));
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
    const x = small(a);
    if (x !== undefined) {
      const value = BigInt(x);
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
  return make(Op.select, true, Math.max(yes.bits, no.bits), yes, no, truth(condition));
}
