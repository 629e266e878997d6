/** MUL IMUL DIV IDIV MULX and the decimal adjustments. SDM Vol. 2. */
import { type FamilyEntry, family } from "../define.js";
import { type Effect, RAX, RDX, type Sem, type Width } from "../sem.js";

const DE = 0;

/** Writes a double-width result to AX or (R/E)DX:(R/E)AX. */
function setWide<V>(b: Sem<V>, bits: Width, low: V, high: V): void {
  if (bits === 8) {
    b.setGpr(RAX, 16, b.or(b.trunc(low, 8), b.shl(high, b.imm(8))));
  } else {
    b.setGpr(RAX, bits, low);
    b.setGpr(RDX, bits, high);
  }
}

/** Low and high halves of a product of two zero-extended operands. */
function product<V>(b: Sem<V>, x: V, y: V, bits: Width, signed: boolean): { low: V; high: V } {
  if (bits === 64) return { low: b.let(b.mul(x, y)), high: b.let(b.leaf(signed ? "mulHighS" : "mulHighU", x, y)) };
  const p = b.let(signed ? b.mul(b.sext(x, bits), b.sext(y, bits)) : b.mul(x, y));
  return { low: p, high: b.let(b.trunc(b.shr(p, b.imm(bits)), bits)) };
}

/** CF = OF = the product does not fit in its low half. */
function wideFlags<V>(b: Sem<V>, low: V, high: V, bits: Width, signed: boolean): NonNullable<Effect<V>["flags"]> {
  const fits = signed ? b.trunc(b.sar(b.sext(low, bits), b.imm(63)), bits) : b.imm(0);
  const cf = b.let(b.ne(high, fits));
  return { kind: "resultCfOf", result: low, cf, of: cf };
}

const widening = (mnemonic: string, op: number, signed: boolean): FamilyEntry =>
  family(mnemonic, {
    encodings: [
      [`F6 /${op}`, "Eb"],
      [`F7 /${op}`, "Ev"],
    ],
    roles: "r",
    meaning: (b, [x], bits) => {
      const { low, high } = product(b, b.let(b.gpr(RAX, bits)), x!, bits, signed);
      setWide(b, bits, low, high);
      return { flags: wideFlags(b, low, high, bits, signed) };
    },
  });

const imulTo = <V>(b: Sem<V>, x: V, y: V, bits: Width): Effect<V> => {
  const { low, high } = product(b, x, y, bits, true);
  return { out: { 0: low }, flags: wideFlags(b, low, high, bits, true) };
};

/** Division of the double-width accumulator; #DE on a zero divisor or a quotient that does not fit. */
const division = (mnemonic: string, op: number, signed: boolean): FamilyEntry =>
  family(mnemonic, {
    encodings: [
      [`F6 /${op}`, "Eb"],
      [`F7 /${op}`, "Ev"],
    ],
    roles: "r",
    meaning: (b, [d], bits) => {
      let quotient: typeof d, remainder: typeof d;
      if (bits === 64) {
        const low = b.let(b.gpr(RAX, 64));
        const high = b.let(b.gpr(RDX, 64));
        b.guard(signed ? b.eq(b.leaf("divFitsS128", high, low, d!), b.imm(0)) : b.eq(b.ltu(high, d!), b.imm(0)), DE);
        quotient = b.let(b.leaf(signed ? "divS128" : "divU128", high, low, d!));
        remainder = b.let(b.sub(low, b.mul(quotient, d!)));
      } else {
        b.guard(b.eq(d!, b.imm(0)), DE);
        const joined = bits === 8 ? b.gpr(RAX, 16) : b.or(b.gpr(RAX, bits), b.shl(b.gpr(RDX, bits), b.imm(bits)));
        const dividend = b.let(bits === 32 || !signed ? joined : b.sext(joined, (bits * 2) as Width));
        const divisor = b.let(signed ? b.sext(d!, bits) : d!);
        if (signed) {
          if (bits === 32) b.guard(b.and(b.eq(dividend, b.imm(-0x8000000000000000n)), b.eq(divisor, b.imm(-1n))), DE);
          quotient = b.let(b.divS(dividend, divisor));
          b.guard(b.ne(b.sext(quotient, bits), quotient), DE);
        } else {
          quotient = b.let(b.divU(dividend, divisor));
          b.guard(b.ne(b.trunc(quotient, bits), quotient), DE);
        }
        // Cheaper for the host than a second division.
        remainder = b.let(b.sub(dividend, b.mul(quotient, divisor)));
      }
      setWide(b, bits, quotient, remainder);
      return {};
    },
  });

export const muldiv: FamilyEntry[] = [
  widening("MUL", 4, false),
  widening("IMUL", 5, true),
  family("IMUL", { encodings: [["0F AF /r", "Gv,Ev"]], roles: "rw,r", meaning: (b, [x, y], bits) => imulTo(b, x!, y!, bits) }),
  family("IMUL3", {
    encodings: [
      ["69 /r", "Gv,Ev,Iz"],
      ["6B /r", "Gv,Ev,Ibs"],
    ],
    roles: "w,r,r",
    meaning: (b, [, x, y], bits) => imulTo(b, x!, y!, bits),
  }),
  family("MULX", {
    encodings: [["VEX.L0.F2.0F38 F6 /r", "Gy,By,Ey"]],
    roles: "w,w,r",
    feature: "bmi2",
    // The high half goes to the first operand and wins when both are one register (SDM Vol. 2A "MULX").
    meaning: (b, [, , y], bits) => {
      const { low, high } = product(b, b.gpr(RDX, bits), y!, bits, false);
      return { out: { 1: low, 0: high } };
    },
  }),
  division("DIV", 6, false),
  division("IDIV", 7, true),
  family("AAM", {
    encodings: [["D4 i64", "Ib"]],
    roles: "r",
    meaning: (b, [base]) => {
      b.guard(b.eq(base!, b.imm(0)), DE);
      const al = b.let(b.gpr(RAX, 8));
      const low = b.let(b.remU(al, base!));
      b.setGpr(RAX, 16, b.or(low, b.shl(b.divU(al, base!), b.imm(8))));
      return { flags: { kind: "resultCfOf", result: b.sext(low, 8), cf: b.imm(0), of: b.imm(0) } };
    },
  }),
  family("AAD", {
    encodings: [["D5 i64", "Ib"]],
    roles: "r",
    meaning: (b, [base]) => {
      const ax = b.let(b.gpr(RAX, 16));
      const low = b.let(b.trunc(b.add(ax, b.mul(b.shr(ax, b.imm(8)), base!)), 8));
      b.setGpr(RAX, 16, low);
      return { flags: { kind: "resultCfOf", result: b.sext(low, 8), cf: b.imm(0), of: b.imm(0) } };
    },
  }),
  ...(["AAA", "AAS"] as const).map((mnemonic) =>
    family(mnemonic, {
      encodings: [[mnemonic === "AAA" ? "37 i64" : "3F i64"]],
      roles: "",
      meaning: (b) => {
        const ax = b.let(b.gpr(RAX, 16));
        const adjust = b.let(b.or(b.ltu(b.imm(9), b.and(ax, b.imm(15))), b.flag("AF")));
        const delta = b.mul(adjust, b.imm(0x106));
        const moved = mnemonic === "AAA" ? b.add(ax, delta) : b.sub(ax, delta);
        b.setGpr(RAX, 16, b.and(moved, b.imm(0xff0f)));
        const bits = b.or(adjust, b.shl(adjust, b.imm(4)));
        return { flags: { kind: "bits", flags: bits } };
      },
    }),
  ),
  ...(["DAA", "DAS"] as const).map((mnemonic) =>
    family(mnemonic, {
      encodings: [[mnemonic === "DAA" ? "27 i64" : "2F i64"]],
      roles: "",
      // SDM Vol. 2A: the low digit first; CF also when the low adjustment itself carries out.
      meaning: (b) => {
        const al = b.let(b.gpr(RAX, 8));
        const low = b.let(b.or(b.ltu(b.imm(9), b.and(al, b.imm(15))), b.flag("AF")));
        const high = b.let(b.or(b.ltu(b.imm(0x99), al), b.flag("CF")));
        const delta = b.add(b.mul(low, b.imm(6)), b.mul(high, b.imm(0x60)));
        const result = b.let(b.trunc(mnemonic === "DAA" ? b.add(al, delta) : b.sub(al, delta), 8));
        // DAS also borrows when the low adjustment underflows (AL < 6 with AF).
        const borrow = mnemonic === "DAS" ? b.and(low, b.ltu(al, b.imm(6))) : b.imm(0);
        b.setGpr(RAX, 8, result);
        return { flags: { kind: "resultCfOf", result: b.sext(result, 8), cf: b.or(high, borrow), of: b.imm(0), af: low } };
      },
    }),
  ),
];
