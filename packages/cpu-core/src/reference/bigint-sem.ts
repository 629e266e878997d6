/** The reading of Sem that computes: each value is a bigint of 64 bits. Slow and obvious; tests hold the generated interpreter against it. */
import { FLAG_BITS } from "./flags.js";
import type { Flag, Leaf, Sem, Width } from "../isa/sem.js";
import { leaves } from "./leaf.js";

/** What an instruction sees besides its operands. `gpr` is 16 values of 64 bits; `flags` has the six status flags at their EFLAGS places. */
export interface State {
  readonly gpr: bigint[];
  flags: number;
}

/** Thrown by a guard whose condition holds. */
export class Raised extends Error {
  constructor(readonly vector: number) {
    super(`exception ${vector}`);
  }
}

const u64 = (x: bigint): bigint => BigInt.asUintN(64, x);
const s64 = (x: bigint): bigint => BigInt.asIntN(64, x);
const truth = (x: boolean): bigint => (x ? 1n : 0n);

export class BigintSem implements Sem<bigint> {
  /** Flags that the meaning has asked for. */
  readonly flagsRead = new Set<Flag>();
  constructor(readonly state: State) {}

  imm(value: number | bigint): bigint {
    return u64(BigInt(value));
  }
  add(a: bigint, b: bigint): bigint {
    return u64(a + b);
  }
  sub(a: bigint, b: bigint): bigint {
    return u64(a - b);
  }
  mul(a: bigint, b: bigint): bigint {
    return u64(a * b);
  }
  and(a: bigint, b: bigint): bigint {
    return a & b;
  }
  or(a: bigint, b: bigint): bigint {
    return a | b;
  }
  xor(a: bigint, b: bigint): bigint {
    return a ^ b;
  }
  not(a: bigint): bigint {
    return u64(~a);
  }
  shl(a: bigint, count: bigint): bigint {
    return u64(a << (count & 63n));
  }
  shr(a: bigint, count: bigint): bigint {
    return a >> (count & 63n);
  }
  sar(a: bigint, count: bigint): bigint {
    return u64(s64(a) >> (count & 63n));
  }
  rotl(a: bigint, count: bigint, bits: 32 | 64): bigint {
    const n = count & BigInt(bits - 1);
    const value = BigInt.asUintN(bits, a);
    return BigInt.asUintN(bits, (value << n) | (value >> (BigInt(bits) - n)));
  }
  rotr(a: bigint, count: bigint, bits: 32 | 64): bigint {
    return this.rotl(a, BigInt(bits) - (count & BigInt(bits - 1)), bits);
  }
  eq(a: bigint, b: bigint): bigint {
    return truth(a === b);
  }
  ne(a: bigint, b: bigint): bigint {
    return truth(a !== b);
  }
  ltu(a: bigint, b: bigint): bigint {
    return truth(a < b);
  }
  lts(a: bigint, b: bigint): bigint {
    return truth(s64(a) < s64(b));
  }
  select(condition: bigint, ifTrue: bigint, ifFalse: bigint): bigint {
    return condition !== 0n ? ifTrue : ifFalse;
  }
  sext(a: bigint, bits: Width): bigint {
    return u64(BigInt.asIntN(bits, a));
  }
  trunc(a: bigint, bits: Width): bigint {
    return BigInt.asUintN(bits, a);
  }
  clz(a: bigint): bigint {
    return BigInt(a === 0n ? 64 : 64 - a.toString(2).length);
  }
  ctz(a: bigint): bigint {
    if (a === 0n) return 64n;
    let n = 0n;
    while (((a >> n) & 1n) === 0n) n++;
    return n;
  }
  popcnt(a: bigint): bigint {
    return BigInt([...a.toString(2)].filter((digit) => digit === "1").length);
  }
  divU(a: bigint, b: bigint): bigint {
    return a / b;
  }
  remU(a: bigint, b: bigint): bigint {
    return a % b;
  }
  divS(a: bigint, b: bigint): bigint {
    return u64(s64(a) / s64(b));
  }
  remS(a: bigint, b: bigint): bigint {
    return u64(s64(a) % s64(b));
  }
  let(a: bigint): bigint {
    return a;
  }
  flag(name: Flag): bigint {
    this.flagsRead.add(name);
    return truth((this.state.flags & FLAG_BITS[name]) !== 0);
  }
  leaf(name: Leaf, ...args: bigint[]): bigint {
    return leaves[name](...args);
  }
  gpr(register: number, bits: Width): bigint {
    return BigInt.asUintN(bits, this.state.gpr[register]!);
  }
  setGpr(register: number, bits: Width, value: bigint): void {
    this.state.gpr[register] = merge(this.state.gpr[register]!, bits, value);
  }
  guard(condition: bigint, vector: number): void {
    if (condition !== 0n) throw new Raised(vector);
  }
}

/** A register after a write of its low `bits` bits: 32-bit writes clear the upper half, narrower ones keep the rest. */
export function merge(old: bigint, bits: Width, value: bigint): bigint {
  const low = BigInt.asUintN(bits, value);
  return bits >= 32 ? low : (old & u64(-1n << BigInt(bits))) | low;
}
