/** Operand values for tests: the ones at which arithmetic changes its ways, and repeatable random ones. */
import type { Width } from "../isa/sem.js";

/** Zero, one, all ones, the sign bit, their neighbours, and a nibble's end. */
export function boundaries(bits: Width): bigint[] {
  const sign = 1n << BigInt(bits - 1);
  const all = (1n << BigInt(bits)) - 1n;
  return [0n, 1n, all, sign, sign - 1n, sign + 1n, all - 1n, 2n, 0xfn, 0x10n, 0x7fn, 0x80n, all ^ 0xfn];
}

/** xorshift32 (Marsaglia 2003): the same numbers on every run. */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = (seed * 0x9e3779b9) >>> 0 || 1;
  }
  next(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return this.#state >>> 0;
  }
  below(limit: number): number {
    return this.next() % limit;
  }
  /** A value of `bits` bits; every fourth one is a run of ones, where carries travel far. */
  value(bits: Width): bigint {
    const whole = (BigInt(this.next()) << 32n) | BigInt(this.next());
    const chosen = this.below(4) === 0 ? ((1n << BigInt(this.below(64))) - 1n) << BigInt(this.below(64)) : whole;
    return BigInt.asUintN(bits, chosen);
  }
}
