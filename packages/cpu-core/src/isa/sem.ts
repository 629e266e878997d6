/**
 * The vocabulary in which an instruction's meaning is written, once. Every value is 64 bits wide; operands arrive zero-extended from their
 * width, and results may carry garbage above it: whoever stores them truncates.
 * Readings: text of the interpreter (interp/text-sem.ts), bigint evaluator (reference/), the translator's expressions (translate/).
 */

export type Width = 8 | 16 | 32 | 64;
export type Flag = "CF" | "PF" | "AF" | "ZF" | "SF" | "OF";

/** Leaf functions too large to spell in the vocabulary; implemented once per reading (assembly/leaf.ts, reference/leaf.ts). */
export type Leaf =
  | "mulHighU" // high 64 bits of an unsigned product
  | "mulHighS"
  | "divU128" // quotient of (hi, lo) / d, hi < d
  | "divFitsS128" // 1 when signed (hi, lo) / d fits 64 bits and d is not 0
  | "divS128"
  | "crc32c" // (crc, data, bits)
  | "pdep"
  | "pext";

export interface Sem<V> {
  imm(value: number | bigint): V;
  add(a: V, b: V): V;
  sub(a: V, b: V): V;
  mul(a: V, b: V): V;
  and(a: V, b: V): V;
  or(a: V, b: V): V;
  xor(a: V, b: V): V;
  not(a: V): V;
  /** Shift counts are taken modulo 64. */
  shl(a: V, count: V): V;
  shr(a: V, count: V): V;
  sar(a: V, count: V): V;
  /** Rotates 64 bits, or the low 32, above which the result has zeroes; counts are taken modulo that. */
  rotl(a: V, count: V, bits: 32 | 64): V;
  rotr(a: V, count: V, bits: 32 | 64): V;
  /** Comparisons give 0 or 1. */
  eq(a: V, b: V): V;
  ne(a: V, b: V): V;
  ltu(a: V, b: V): V;
  lts(a: V, b: V): V;
  select(condition: V, ifTrue: V, ifFalse: V): V;
  /** Sign-extends from `bits`. */
  sext(a: V, bits: Width): V;
  /** Zeroes everything above `bits`. */
  trunc(a: V, bits: Width): V;
  clz(a: V): V;
  ctz(a: V): V;
  popcnt(a: V): V;
  divU(a: V, b: V): V;
  remU(a: V, b: V): V;
  divS(a: V, b: V): V;
  remS(a: V, b: V): V;
  /** Names a value that is used more than once. */
  let(a: V): V;
  flag(name: Flag): V;
  /** Condition code 0-15 (SDM Vol. 1 Appendix B) where this reading knows better than to combine flags. */
  condition?(code: number): V | undefined;
  leaf(name: Leaf, ...args: V[]): V;
  /** A general register by its number, as 64 bits or its low part. */
  gpr(register: number, bits: Width): V;
  setGpr(register: number, bits: Width, value: V): void;
  /** Raises the exception (no error code) when `condition` is not zero; nothing may have been written before. */
  guard(condition: V, vector: number): void;
}

/** What an instruction does to the status flags. A `result` may have garbage above the operand's width; what went into it has none. */
export type FlagEffect<V> =
  // all six of x + y (+ carry) and x - y (- borrow), carry and borrow 0 or 1
  | { kind: "add"; x: V; y: V; carry?: V; result: V }
  | { kind: "sub"; x: V; y: V; borrow?: V; result: V }
  | { kind: "increment" | "decrement"; x: V; result: V } // by one; CF stays
  | { kind: "shl" | "shr" | "sar"; x: V; count: V; result: V } // count is not 0; AF = 0
  | { kind: "logic"; result: V } // CF = OF = AF = 0
  | { kind: "resultCfOf"; result: V; cf: V; of: V; af?: V } // ZF SF PF from the result
  | { kind: "cf"; cf: V } // the others stay
  | { kind: "cfOf"; cf: V; of: V }
  | { kind: "of"; of: V }
  | { kind: "order"; less: V; equal: V } // CF, ZF; the others 0
  | { kind: "bits"; flags: V }; // all six at their EFLAGS places

/** What an instruction's meaning returns: values for its written operands, by operand index, and its flags. */
export interface Effect<V> {
  out?: Partial<Record<number, V>>;
  flags?: FlagEffect<V>;
  /** Flags change only when this is not zero (shifts by zero). */
  flagsIf?: V;
  /** A register destination is left alone, upper half included, when this is zero; memory is written in any case. */
  writeIf?: V;
}

export const RAX = 0,
  RCX = 1,
  RDX = 2,
  RBX = 3,
  RSP = 4,
  RBP = 5,
  RSI = 6,
  RDI = 7;
