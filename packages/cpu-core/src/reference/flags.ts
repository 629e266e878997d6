/** Status flags from what an instruction says about them, bit by bit (SDM Vol. 1 §3.4.3.1). For tests. */
import type { Flag, FlagEffect, Width } from "../isa/sem.js";

/** Where the status flags stand in EFLAGS. */
export const FLAG_BITS: Readonly<Record<Flag, number>> = { CF: 0x1, PF: 0x4, AF: 0x10, ZF: 0x40, SF: 0x80, OF: 0x800 };
export const STATUS = 0x8d5;

const { CF, PF, AF, ZF, SF, OF } = FLAG_BITS;
const bit = (x: bigint, n: number): number => Number(BigInt.asUintN(1, x >> BigInt(n)));

/** Even number of ones in the lowest byte. */
function parity(x: bigint): boolean {
  let even = true;
  for (let byte = Number(BigInt.asUintN(8, x)); byte !== 0; byte &= byte - 1) even = !even;
  return even;
}

/** ZF, SF and PF of a result. */
function ofResult(result: bigint, bits: Width): number {
  return (BigInt.asUintN(bits, result) === 0n ? ZF : 0) | (bit(result, bits - 1) * SF) | (parity(result) ? PF : 0);
}
/** AF and OF of the carries out of each place. */
function ofCarries(carries: bigint, bits: Width): number {
  return (bit(carries, 3) * AF) | ((bit(carries, bits - 1) ^ bit(carries, bits - 2)) * OF);
}

/** The flags after `effect` on `before`; `bits` is the operand's width. */
export function applyFlags(before: number, effect: FlagEffect<bigint>, bits: Width): number {
  const others = before & ~STATUS;
  switch (effect.kind) {
    case "arith":
      return others | ofResult(effect.result, bits) | ofCarries(effect.carries, bits) | (bit(effect.carries, bits - 1) * CF);
    case "arithKeepCf":
      return others | ofResult(effect.result, bits) | ofCarries(effect.carries, bits) | (before & CF);
    case "logic":
      return others | ofResult(effect.result, bits);
    case "resultCfOf":
      return others | ofResult(effect.result, bits) | (bit(effect.cf, 0) * CF) | (bit(effect.of, 0) * OF) | (bit(effect.af ?? 0n, 0) * AF);
    case "cf":
      return (before & ~CF) | (bit(effect.cf, 0) * CF);
    case "cfOf":
      return (before & ~(CF | OF)) | (bit(effect.cf, 0) * CF) | (bit(effect.of, 0) * OF);
    case "of":
      return (before & ~OF) | (bit(effect.of, 0) * OF);
    case "bits":
      return others | (Number(effect.flags) & STATUS);
  }
}
