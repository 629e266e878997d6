/** SHL SHR SAR ROL ROR RCL RCR SHLD SHRD and the flagless BMI2 shifts. SDM Vol. 2B "SAL/SAR/SHL/SHR", "RCL/RCR/ROL/ROR". */
import { type EncodingSpec, type FamilyEntry, family } from "../define.js";
import type { Effect, Sem, Width } from "../sem.js";

const groupEncodings = (n: number): EncodingSpec[] => [
  [`C0 /${n}`, "Eb,Ib"],
  [`C1 /${n}`, "Ev,Ib"],
  [`D0 /${n}`, "Eb,1"],
  [`D1 /${n}`, "Ev,1"],
  [`D2 /${n}`, "Eb,CL"],
  [`D3 /${n}`, "Ev,CL"],
];

type ShiftRule = <V>(b: Sem<V>, value: V, count: V, bits: Width) => Effect<V>;

/** Masks the count to 5 or 6 bits; a masked count of zero leaves value and flags alone. */
const counted = (mnemonic: string, groups: number[], rule: ShiftRule): FamilyEntry =>
  family(mnemonic, {
    encodings: groups.flatMap(groupEncodings),
    roles: "rw,r",
    meaning: (b, [x, c], bits) => {
      const count = b.let(b.and(c!, b.imm(bits === 64 ? 63 : 31)));
      return { ...rule(b, x!, count, bits), flagsIf: count };
    },
  });

const bit = <V>(b: Sem<V>, value: V, position: number): V => b.and(b.shr(value, b.imm(position)), b.imm(1));
/** One when the value is used as a boolean mask: value if `condition`, else zero. */
const onlyIf = <V>(b: Sem<V>, condition: V, value: V): V => b.select(condition, value, b.imm(0));

const shl: ShiftRule = (b, x, count) => {
  const result = b.let(b.shl(x, count));
  return { out: { 0: result }, flags: { kind: "shl", x, count, result } };
};

const shr: ShiftRule = (b, x, count) => {
  const result = b.let(b.shr(x, count));
  return { out: { 0: result }, flags: { kind: "shr", x, count, result } };
};

const sar: ShiftRule = (b, x, count, bits) => {
  const result = b.let(b.sar(b.sext(x, bits), count));
  return { out: { 0: result }, flags: { kind: "sar", x, count, result } };
};

/** A value of 8 or 16 bits repeated through 32 rotates like a 32-bit one. */
function rotated<V>(b: Sem<V>, x: V, count: V, bits: Width, left: boolean): V {
  let v = x;
  for (let width: number = bits; width < 32; width *= 2) v = b.let(b.or(v, b.shl(v, b.imm(width))));
  const room = bits === 64 ? 64 : 32;
  return left ? b.rotl(v, count, room) : b.rotr(v, count, room);
}

const rol: ShiftRule = (b, x, count, bits) => {
  const result = b.let(rotated(b, x, count, bits, true));
  const cf = b.let(b.and(result, b.imm(1)));
  return { out: { 0: result }, flags: { kind: "cfOf", cf, of: b.xor(cf, bit(b, result, bits - 1)) } };
};

const ror: ShiftRule = (b, x, count, bits) => {
  const result = b.let(rotated(b, x, count, bits, false));
  const cf = b.let(bit(b, result, bits - 1));
  return { out: { 0: result }, flags: { kind: "cfOf", cf, of: b.xor(cf, bit(b, result, bits - 2)) } };
};

/** Rotation through carry of bits + 1 positions: written as two shifts joined by the carry. `count` is reduced modulo bits + 1. */
function throughCarry<V>(b: Sem<V>, x: V, count: V, bits: Width, left: boolean): Effect<V> {
  const n = b.let(bits === 8 || bits === 16 ? b.remU(count, b.imm(bits + 1)) : count);
  const carry = b.let(b.flag("CF"));
  const moved = b.ne(n, b.imm(0));
  const top = b.imm(bits);
  const back = b.let(b.sub(b.imm(bits + 1), n)); // distance of the part that wraps round; 1..bits+1
  // For 64 bits a distance of 64 or 65 must give zero, while shifts are modulo 64.
  const wrap = (shifted: V): V => onlyIf(b, b.ltu(back, b.imm(64)), shifted);
  let result: V, cf: V;
  if (left) {
    const low = b.or(b.shl(carry, b.sub(n, b.imm(1))), wrap(b.shr(x, back)));
    result = b.let(b.select(moved, b.or(b.shl(x, n), low), x));
    cf = b.let(b.select(moved, b.and(b.shr(x, b.sub(top, n)), b.imm(1)), carry));
    return { out: { 0: result }, flags: { kind: "cfOf", cf, of: b.xor(cf, bit(b, result, bits - 1)) } };
  }
  const high = b.or(b.shl(carry, b.sub(top, n)), wrap(b.shl(x, back)));
  result = b.let(b.select(moved, b.or(b.shr(x, n), high), x));
  cf = b.let(b.select(moved, b.and(b.shr(x, b.sub(n, b.imm(1))), b.imm(1)), carry));
  return { out: { 0: result }, flags: { kind: "cfOf", cf, of: b.xor(bit(b, result, bits - 1), bit(b, result, bits - 2)) } };
}

const double = (mnemonic: string, opcodes: readonly [string, string], left: boolean): FamilyEntry =>
  family(mnemonic, {
    encodings: [
      [`0F ${opcodes[0]} /r`, "Ev,Gv,Ib"],
      [`0F ${opcodes[1]} /r`, "Ev,Gv,CL"],
    ],
    roles: "rw,r,r",
    meaning: (b, [x, y, c], bits) => {
      const count = b.let(b.and(c!, b.imm(bits === 64 ? 63 : 31)));
      const fill = b.sub(b.imm(bits), count);
      let result: typeof count, cf: typeof count;
      if (bits === 16) {
        // Counts above 16 (undefined in the SDM) shift through dst:src:dst, which is what silicon does.
        const chain = b.let(b.or(b.or(b.shl(x!, b.imm(32)), b.shl(y!, b.imm(16))), x!));
        result = b.let(left ? b.shr(b.shl(chain, count), b.imm(32)) : b.shr(chain, count));
        cf = left ? bit(b, b.shl(chain, count), 48) : b.and(b.shr(chain, b.sub(count, b.imm(1))), b.imm(1));
      } else if (left) {
        result = b.let(b.or(b.shl(x!, count), onlyIf(b, count, b.shr(y!, fill))));
        cf = b.and(b.shr(x!, fill), b.imm(1));
      } else {
        result = b.let(b.or(b.shr(x!, count), onlyIf(b, count, b.shl(y!, fill))));
        cf = b.and(b.shr(x!, b.sub(count, b.imm(1))), b.imm(1));
      }
      const of = b.xor(bit(b, result, bits - 1), bit(b, x!, bits - 1));
      return { out: { 0: result }, flags: { kind: "resultCfOf", result, cf, of }, flagsIf: count };
    },
  });

const flagless = (mnemonic: string, prefix: string, apply: <V>(b: Sem<V>, x: V, count: V, bits: Width) => V): FamilyEntry =>
  family(mnemonic, {
    encodings: [[`VEX.L0.${prefix}.0F38 F7 /r`, "Gy,Ey,By"]],
    roles: "w,r,r",
    feature: "bmi2",
    meaning: (b, [, x, c], bits) => ({ out: { 0: apply(b, x!, b.and(c!, b.imm(bits - 1)), bits) } }),
  });

export const shift: FamilyEntry[] = [
  counted("ROL", [0], rol),
  counted("ROR", [1], ror),
  counted("RCL", [2], (b, x, c, bits) => throughCarry(b, x, c, bits, true)),
  counted("RCR", [3], (b, x, c, bits) => throughCarry(b, x, c, bits, false)),
  counted("SHL", [4, 6], shl),
  counted("SHR", [5], shr),
  counted("SAR", [7], sar),
  double("SHLD", ["A4", "A5"], true),
  double("SHRD", ["AC", "AD"], false),
  flagless("SHLX", "66", (b, x, c) => b.shl(x, c)),
  flagless("SHRX", "F2", (b, x, c) => b.shr(x, c)),
  flagless("SARX", "F3", (b, x, c, bits) => b.sar(b.sext(x, bits), c)),
  family("RORX", {
    encodings: [["VEX.L0.F2.0F3A F0 /r", "Gy,Ey,Ib"]],
    roles: "w,r,r",
    feature: "bmi2",
    meaning: (b, [, x, c], bits) => ({ out: { 0: rotated(b, x!, b.and(c!, b.imm(bits - 1)), bits, false) } }),
  }),
];
