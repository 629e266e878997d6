/** BT BTS BTR BTC BSF BSR LZCNT TZCNT POPCNT ANDN BEXTR BLS* BZHI PDEP PEXT CRC32. SDM Vol. 2. */
import { type FamilyEntry, family } from "../define.js";
import type { Effect, Sem, Width } from "../sem.js";

/** Immediate and register forms on a register; the memory forms with a register index are in `bitString`. */
const bitTest = (mnemonic: string, opcode: string, group: number, change?: <V>(b: Sem<V>, x: V, mask: V) => V): FamilyEntry =>
  family(mnemonic, {
    encodings: [
      [`0F ${opcode} /r reg`, "Ev,Gv"],
      [`0F BA /${group}`, "Ev,Ib"],
    ],
    roles: change ? "rw,r" : "r,r",
    lock: change !== undefined,
    meaning: (b, [x, position], bits) => bitEffect(b, x!, b.and(position!, b.imm(bits - 1)), change),
  });

function bitEffect<V>(b: Sem<V>, x: V, position: V, change?: <W>(b: Sem<W>, x: W, mask: W) => W): Effect<V> {
  const at = b.let(position);
  const cf = b.and(b.shr(x, at), b.imm(1));
  const flags = { kind: "cf", cf } as const;
  return change ? { out: { 0: change(b, x, b.shl(b.imm(1), at)) }, flags } : { flags };
}

/** The bit offset is a signed register that may lie outside the operand: role "a" shifts the address before the access. */
const bitString = (mnemonic: string, opcode: string, change?: <V>(b: Sem<V>, x: V, mask: V) => V): FamilyEntry =>
  family(mnemonic, {
    encodings: [[`0F ${opcode} /r mem`, "Ev~bit,Gv"]],
    roles: change ? "rw,r" : "r,r",
    lock: change !== undefined,
    meaning: (b, [x, position], bits) => bitEffect(b, x!, b.and(position!, b.imm(bits - 1)), change),
  });

const set = <V>(b: Sem<V>, x: V, mask: V): V => b.or(x, mask);
const reset = <V>(b: Sem<V>, x: V, mask: V): V => b.and(x, b.not(mask));
const complement = <V>(b: Sem<V>, x: V, mask: V): V => b.xor(x, mask);

/** Leading zeros of a value of `bits` bits; `bits` when it is zero. */
const leading = <V>(b: Sem<V>, x: V, bits: Width): V => (bits === 64 ? b.clz(x) : b.sub(b.clz(x), b.imm(64 - bits)));
const trailing = <V>(b: Sem<V>, x: V, bits: Width): V => (bits === 64 ? b.ctz(x) : b.ctz(b.or(x, b.imm(1n << BigInt(bits)))));

const count = (
  mnemonic: string,
  prefix: string,
  opcode: string,
  feature: string,
  apply: <V>(b: Sem<V>, x: V, bits: Width) => V,
): FamilyEntry =>
  family(mnemonic, {
    encodings: [[`${prefix} 0F ${opcode} /r`, "Gv,Ev"]],
    roles: "w,r",
    feature,
    meaning: (b, [, x], bits) => {
      const result = b.let(apply(b, x!, bits));
      return { out: { 0: result }, flags: { kind: "resultCfOf", result, cf: b.eq(x!, b.imm(0)), of: b.imm(0) } };
    },
  });

/** BSF and BSR: a zero source sets ZF and leaves the destination as it was (AMD; Intel documents it as undefined). */
const scan = (mnemonic: string, opcode: string, apply: <V>(b: Sem<V>, x: V, bits: Width) => V): FamilyEntry =>
  family(mnemonic, {
    encodings: [[`0F ${opcode} /r`, "Gv,Ev"]],
    roles: "rw,r",
    meaning: (b, [old, x], bits) => ({
      out: { 0: b.select(x!, apply(b, x!, bits), old!) },
      flags: { kind: "resultCfOf", result: x!, cf: b.imm(0), of: b.imm(0) },
    }),
  });

const lowest = (mnemonic: string, group: number, apply: <V>(b: Sem<V>, x: V) => V, carry: <V>(b: Sem<V>, x: V) => V): FamilyEntry =>
  family(mnemonic, {
    encodings: [[`VEX.L0.NP.0F38 F3 /${group}`, "By,Ey"]],
    roles: "w,r",
    feature: "bmi1",
    meaning: (b, [, x]) => {
      const result = b.let(apply(b, x!));
      return { out: { 0: result }, flags: { kind: "resultCfOf", result, cf: carry(b, x!), of: b.imm(0) } };
    },
  });

export const bits: FamilyEntry[] = [
  bitTest("BT", "A3", 4),
  bitTest("BTS", "AB", 5, set),
  bitTest("BTR", "B3", 6, reset),
  bitTest("BTC", "BB", 7, complement),
  bitString("BT", "A3"),
  bitString("BTS", "AB", set),
  bitString("BTR", "B3", reset),
  bitString("BTC", "BB", complement),
  scan("BSF", "BC", trailing),
  scan("BSR", "BD", (b, x, width) => b.sub(b.imm(width - 1), leading(b, x, width))),
  count("TZCNT", "F3", "BC", "bmi1", trailing),
  count("LZCNT", "F3", "BD", "lzcnt", leading),
  family("POPCNT", {
    encodings: [["F3 0F B8 /r", "Gv,Ev"]],
    roles: "w,r",
    feature: "popcnt",
    meaning: (b, [, x]) => ({ out: { 0: b.popcnt(x!) }, flags: { kind: "bits", flags: b.shl(b.eq(x!, b.imm(0)), b.imm(6)) } }),
  }),
  family("ANDN", {
    encodings: [["VEX.L0.NP.0F38 F2 /r", "Gy,By,Ey"]],
    roles: "w,r,r",
    feature: "bmi1",
    meaning: (b, [, x, y]) => {
      const result = b.let(b.and(b.not(x!), y!));
      return { out: { 0: result }, flags: { kind: "logic", result } };
    },
  }),
  family("BEXTR", {
    encodings: [["VEX.L0.NP.0F38 F7 /r", "Gy,Ey,By"]],
    roles: "w,r,r",
    feature: "bmi1",
    meaning: (b, [, x, control], bits) => {
      const start = b.let(b.and(control!, b.imm(255)));
      const length = b.let(b.and(b.shr(control!, b.imm(8)), b.imm(255)));
      const moved = b.select(b.ltu(start, b.imm(bits)), b.shr(x!, start), b.imm(0));
      const mask = b.select(b.ltu(length, b.imm(64)), b.sub(b.shl(b.imm(1), length), b.imm(1)), b.imm(-1n));
      const result = b.let(b.and(moved, mask));
      return { out: { 0: result }, flags: { kind: "resultCfOf", result, cf: b.imm(0), of: b.imm(0) } };
    },
  }),
  lowest(
    "BLSR",
    1,
    (b, x) => b.and(x, b.sub(x, b.imm(1))),
    (b, x) => b.eq(x, b.imm(0)),
  ),
  lowest(
    "BLSMSK",
    2,
    (b, x) => b.xor(x, b.sub(x, b.imm(1))),
    (b, x) => b.eq(x, b.imm(0)),
  ),
  lowest(
    "BLSI",
    3,
    (b, x) => b.and(x, b.sub(b.imm(0), x)),
    (b, x) => b.ne(x, b.imm(0)),
  ),
  family("BZHI", {
    encodings: [["VEX.L0.NP.0F38 F5 /r", "Gy,Ey,By"]],
    roles: "w,r,r",
    feature: "bmi2",
    meaning: (b, [, x, index], bits) => {
      const n = b.let(b.and(index!, b.imm(255)));
      const inside = b.let(b.ltu(n, b.imm(bits)));
      const result = b.let(b.select(inside, b.and(x!, b.sub(b.shl(b.imm(1), n), b.imm(1))), x!));
      return { out: { 0: result }, flags: { kind: "resultCfOf", result, cf: b.xor(inside, b.imm(1)), of: b.imm(0) } };
    },
  }),
  family("PDEP", {
    encodings: [["VEX.L0.F2.0F38 F5 /r", "Gy,By,Ey"]],
    roles: "w,r,r",
    feature: "bmi2",
    meaning: (b, [, x, mask]) => ({ out: { 0: b.leaf("pdep", x!, mask!) } }),
  }),
  family("PEXT", {
    encodings: [["VEX.L0.F3.0F38 F5 /r", "Gy,By,Ey"]],
    roles: "w,r,r",
    feature: "bmi2",
    meaning: (b, [, x, mask]) => ({ out: { 0: b.leaf("pext", x!, mask!) } }),
  }),
  family("CRC32", {
    encodings: [
      ["F2 0F 38 F0 /r", "Gd,Eb"],
      ["F2 0F 38 F1 /r", "Gd,Ev"],
    ],
    roles: "rw,r",
    feature: "sse4.2",
    meaning: (b, [crc, data], _bits, widths) => ({ out: { 0: b.trunc(b.leaf("crc32c", crc!, data!, b.imm(widths[1]!)), 32) } }),
  }),
];
