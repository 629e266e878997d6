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
/** CF, AF and OF of x + y + c, or of x - y - c: by sums that have room for what falls out. */
function ofSum(x: bigint, y: bigint, c: bigint, bits: Width, subtract: boolean): number {
  const of = (width: number, signed: boolean): bigint => {
    const cut = signed ? BigInt.asIntN : BigInt.asUintN;
    return subtract ? cut(width, x) - cut(width, y) - c : cut(width, x) + cut(width, y) + c;
  };
  const carries = (width: number): boolean => of(width, false) !== BigInt.asUintN(width, of(width, false));
  const overflows = of(bits, true) !== BigInt.asIntN(bits, of(bits, true));
  return (carries(bits) ? CF : 0) | (carries(4) ? AF : 0) | (overflows ? OF : 0);
}
/** CF and OF of a shift, which is carried out bit by bit. */
function ofShift(kind: "shl" | "shr" | "sar", x: bigint, count: bigint, bits: Width): number {
  let value = x;
  let lost = 0;
  for (let i = 0n; i < count; i++) {
    lost = kind === "shl" ? bit(value, bits - 1) : bit(value, 0);
    value =
      kind === "shl"
        ? BigInt.asUintN(bits, value << 1n)
        : kind === "shr"
          ? value >> 1n
          : BigInt.asUintN(bits, BigInt.asIntN(bits, value) >> 1n);
  }
  const overflows = kind === "shl" ? lost ^ bit(value, bits - 1) : kind === "shr" ? bit(x, bits - 1) : 0;
  return (lost * CF) | (overflows * OF);
}

/** The flags after `effect` on `before`; `bits` is the operand's width. */
export function applyFlags(before: number, effect: FlagEffect<bigint>, bits: Width): number {
  const others = before & ~STATUS;
  switch (effect.kind) {
    case "add":
      return others | ofResult(effect.result, bits) | ofSum(effect.x, effect.y, effect.carry ?? 0n, bits, false);
    case "sub":
      return others | ofResult(effect.result, bits) | ofSum(effect.x, effect.y, effect.borrow ?? 0n, bits, true);
    case "increment":
    case "decrement":
      return others | ofResult(effect.result, bits) | (ofSum(effect.x, 1n, 0n, bits, effect.kind === "decrement") & ~CF) | (before & CF);
    case "shl":
    case "shr":
    case "sar":
      return others | ofResult(effect.result, bits) | ofShift(effect.kind, effect.x, effect.count, bits);
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
    case "order":
      return others | (bit(effect.less, 0) * CF) | (bit(effect.equal, 0) * ZF);
    case "bits":
      return others | (Number(effect.flags) & STATUS);
  }
}
