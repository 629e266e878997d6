/** The evaluator against arithmetic on single bits: all 8-bit operands, chosen and seeded random ones above. */
import { describe, expect, it } from "vitest";
import type { FamilyEntry } from "../isa/define.js";
import { instructions } from "../isa/index.js";
import { type Flag, RAX, RDX, type Width } from "../isa/sem.js";
import type { State } from "./bigint-sem.js";
import {
  add,
  type Bits,
  bitwise,
  divide,
  type ModelFlags,
  type ModelResult,
  multiply,
  shift,
  subtract,
  toBits,
  fromBits,
} from "./bit-model.js";
import { type Evaluation, evaluate } from "./evaluator.js";
import { FLAG_BITS } from "./flags.js";
import { boundaries, Random } from "./values.js";

const WIDE: readonly Width[] = [16, 32, 64];
const entryOf = (mnemonic: string): FamilyEntry => {
  const found = instructions.find((entry) => entry.type === "family" && entry.mnemonic === mnemonic);
  if (found?.type !== "family") throw new Error(mnemonic);
  return found;
};
const state = (flags = 0, rax = 0n, rdx = 0n): State => {
  const gpr = new Array<bigint>(16).fill(0n);
  gpr[RAX] = rax;
  gpr[RDX] = rdx;
  return { gpr, flags };
};

/** What differs between evaluation and model, or undefined. */
function mismatch(got: Evaluation, result: bigint | undefined, value: bigint | undefined, flags: ModelFlags): string | undefined {
  if (result !== value) return `result ${result?.toString(16)}, not ${value?.toString(16)}`;
  for (const [name, bit] of Object.entries(flags)) {
    const is = (got.state.flags & FLAG_BITS[name as Flag]) !== 0 ? 1 : 0;
    if (bit !== undefined && is !== bit) return `${name} ${is}, not ${bit}`;
  }
  return undefined;
}

/** Every pair at 8 bits, boundary and random pairs above. */
function* pairs(): Generator<[x: bigint, y: bigint, bits: Width]> {
  for (let x = 0n; x < 256n; x++) for (let y = 0n; y < 256n; y++) yield [x, y, 8];
  const random = new Random(1);
  for (const bits of WIDE) {
    const values = boundaries(bits);
    for (const x of values) for (const y of values) yield [x, y, bits];
    for (let i = 0; i < 300; i++) yield [random.value(bits), random.value(bits), bits];
  }
}

function binary(
  mnemonic: string,
  model: (x: Bits, y: Bits, carry: number) => ModelResult,
  options: { carry?: boolean; writes?: boolean } = {},
): void {
  const entry = entryOf(mnemonic);
  it(`${mnemonic} is what its bits say`, () => {
    const wrong: string[] = [];
    for (const [x, y, bits] of pairs()) {
      for (const carry of options.carry ? [0, 1] : [0]) {
        const got = evaluate(entry, [x, y], [bits, bits], state(carry));
        const expected = model(toBits(x, bits), toBits(y, bits), carry);
        const bad = mismatch(
          got,
          got.out.get(0) ?? (options.writes === false ? fromBits(expected.result) : undefined),
          fromBits(expected.result),
          expected.flags,
        );
        if (bad !== undefined) wrong.push(`${bits} bits, ${x.toString(16)} ${y.toString(16)} CF=${carry}: ${bad}`);
      }
    }
    expect(wrong.slice(0, 5)).toEqual([]);
  });
}

describe("addition and logic", () => {
  const and = (x: number, y: number): number => x & y;
  binary("ADD", add);
  binary("ADC", add, { carry: true });
  binary("SUB", subtract);
  binary("SBB", subtract, { carry: true });
  binary("CMP", subtract, { writes: false });
  binary("AND", (x, y) => bitwise(x, y, and));
  binary("TEST", (x, y) => bitwise(x, y, and), { writes: false });
  binary("OR", (x, y) => bitwise(x, y, (a, b) => a | b));
  binary("XOR", (x, y) => bitwise(x, y, (a, b) => a ^ b));

  it("INC, DEC, NEG and NOT are what their bits say", () => {
    const wrong: string[] = [];
    const one = (bits: number): Bits => toBits(1n, bits);
    const models: Record<string, (x: Bits) => ModelResult> = {
      INC: (x) => add(x, one(x.length)),
      DEC: (x) => subtract(x, one(x.length)),
      NEG: (x) => subtract(toBits(0n, x.length), x),
      NOT: (x) => ({ result: x.map((bit) => 1 - bit), flags: {} }),
    };
    for (const [mnemonic, model] of Object.entries(models)) {
      for (const [x, y, bits] of pairs()) {
        if (bits === 8 && y > 1n) continue;
        const carry = Number(y & 1n);
        const got = evaluate(entryOf(mnemonic), [x], [bits], state(carry));
        const { result, flags } = model(toBits(x, bits));
        const bad = mismatch(got, got.out.get(0), fromBits(result), mnemonic === "NEG" ? flags : { ...flags, CF: carry });
        if (bad !== undefined) wrong.push(`${mnemonic} ${bits} bits, ${x.toString(16)}: ${bad}`);
      }
    }
    expect(wrong.slice(0, 5)).toEqual([]);
  });
});

describe("shifts and rotations", () => {
  for (const mnemonic of ["SHL", "SHR", "SAR", "ROL", "ROR", "RCL", "RCR"]) {
    it(`${mnemonic} is that many single steps`, () => {
      const entry = entryOf(mnemonic);
      const wrong: string[] = [];
      const check = (x: bigint, count: number, bits: Width, carry: number): void => {
        const got = evaluate(entry, [x, BigInt(count)], [bits, 8], state(carry));
        const expected = shift(mnemonic, toBits(x, bits), count, carry);
        const bad = expected
          ? mismatch(got, got.out.get(0), fromBits(expected.result), expected.flags)
          : mismatch(got, got.out.get(0), x, { CF: carry, PF: 0, AF: 0, ZF: 0, SF: 0, OF: 0 });
        if (bad !== undefined) wrong.push(`${bits} bits, ${x.toString(16)} by ${count} CF=${carry}: ${bad}`);
      };
      for (const carry of [0, 1]) {
        for (let x = 0n; x < 256n; x++) for (const count of [...Array(34).keys(), 64, 255]) check(x, count, 8, carry);
        for (const bits of WIDE) for (const x of boundaries(bits)) for (let count = 0; count < 70; count++) check(x, count, bits, carry);
      }
      expect(wrong.slice(0, 5)).toEqual([]);
    });
  }
});

/** The double-width accumulator after MUL or DIV: AX, or DX:AX and wider. */
function wide({ state: { gpr } }: Evaluation, bits: Width): bigint {
  if (bits === 8) return BigInt.asUintN(16, gpr[RAX]!);
  return BigInt.asUintN(bits, gpr[RAX]!) | (BigInt.asUintN(bits, gpr[RDX]!) << BigInt(bits));
}
const joined = (value: bigint, bits: Width): State =>
  bits === 8 ? state(0, value) : state(0, BigInt.asUintN(bits, value), value >> BigInt(bits));

describe("multiplication and division", () => {
  for (const [mnemonic, signed] of [
    ["MUL", false],
    ["IMUL", true],
  ] as const) {
    it(`${mnemonic} is a sum of shifted addends`, () => {
      const wrong: string[] = [];
      for (const [x, y, bits] of pairs()) {
        const got = evaluate(entryOf(mnemonic), [y], [bits], state(0, x));
        const product = multiply(toBits(x, bits), toBits(y, bits), signed);
        const filler = signed ? product[bits - 1]! : 0;
        const tooWide = product.slice(bits).some((bit) => bit !== filler) ? 1 : 0;
        const bad = mismatch(got, wide(got, bits), fromBits(product), { CF: tooWide, OF: tooWide });
        if (bad !== undefined) wrong.push(`${bits} bits, ${x.toString(16)} ${y.toString(16)}: ${bad}`);
      }
      expect(wrong.slice(0, 5)).toEqual([]);
    });
  }
  for (const [mnemonic, signed] of [
    ["DIV", false],
    ["IDIV", true],
  ] as const) {
    it(`${mnemonic} is long division, and #DE where the quotient does not fit`, () => {
      const wrong: string[] = [];
      const check = (x: bigint, y: bigint, bits: Width): void => {
        const got = evaluate(entryOf(mnemonic), [y], [bits], joined(x, bits));
        const expected = divide(toBits(x, bits * 2), toBits(y, bits), signed);
        const bad = expected
          ? mismatch(got, wide(got, bits), fromBits([...expected.quotient, ...expected.remainder]), {})
          : mismatch(got, BigInt(got.vector ?? -1), 0n, {});
        if (bad !== undefined || (got.vector === undefined) !== (expected !== undefined))
          wrong.push(`${bits} bits, ${x.toString(16)} / ${y.toString(16)}: ${bad ?? got.vector}`);
      };
      const random = new Random(2);
      for (let y = 0n; y < 256n; y++)
        for (let high = BigInt(random.below(16)); high < 256n; high += 16n) check((high << 8n) | random.value(8), y, 8);
      for (const bits of WIDE) {
        const values = boundaries(bits);
        for (const high of values) for (const y of values) check((high << BigInt(bits)) | values[random.below(values.length)]!, y, bits);
        for (let i = 0; i < 100; i++) {
          const y = random.value(bits);
          check(((random.value(bits) % (y + 1n)) << BigInt(bits)) | random.value(bits), y, bits);
        }
      }
      expect(wrong.slice(0, 5)).toEqual([]);
    });
  }
});

describe("decimal adjustment", () => {
  /** SDM Vol. 2A, the operation sections of DAA, DAS, AAA and AAS, in plain numbers. */
  const MODELS: Record<string, (ax: number, cf: number, af: number) => { ax: number; flags: ModelFlags }> = {
    DAA(ax, cf, af) {
      const old = ax & 0xff;
      let al = old,
        carry = 0,
        adjust = 0;
      if ((al & 15) > 9 || af) {
        al += 6;
        carry = cf | (al > 0xff ? 1 : 0);
        adjust = 1;
      }
      if (old > 0x99 || cf) {
        al += 0x60;
        carry = 1;
      } else carry = 0;
      return { ax: (ax & 0xff00) | (al & 0xff), flags: { CF: carry, AF: adjust } };
    },
    DAS(ax, cf, af) {
      const old = ax & 0xff;
      let al = old,
        carry = 0,
        adjust = 0;
      if ((al & 15) > 9 || af) {
        carry = cf | (al < 6 ? 1 : 0);
        al -= 6;
        adjust = 1;
      }
      if (old > 0x99 || cf) {
        al -= 0x60;
        carry = 1;
      }
      return { ax: (ax & 0xff00) | (al & 0xff), flags: { CF: carry, AF: adjust } };
    },
    AAA: (ax, _cf, af) =>
      (ax & 15) > 9 || af ? { ax: (ax + 0x106) & 0xff0f, flags: { CF: 1, AF: 1 } } : { ax: ax & 0xff0f, flags: { CF: 0, AF: 0 } },
    AAS: (ax, _cf, af) =>
      (ax & 15) > 9 || af ? { ax: (ax - 0x106) & 0xff0f, flags: { CF: 1, AF: 1 } } : { ax: ax & 0xff0f, flags: { CF: 0, AF: 0 } },
  };
  for (const [mnemonic, model] of Object.entries(MODELS)) {
    it(`${mnemonic} follows the manual's steps for every AX and flag`, () => {
      const wrong: string[] = [];
      for (let ax = 0; ax < 0x10000; ax += mnemonic.startsWith("D") && ax >= 0x100 ? 0x101 : 1) {
        for (const flags of [0, FLAG_BITS.CF, FLAG_BITS.AF, FLAG_BITS.CF | FLAG_BITS.AF]) {
          const got = evaluate(entryOf(mnemonic), [], [], state(flags, BigInt(ax)));
          const expected = model(ax, flags & 1, (flags >> 4) & 1);
          const bad = mismatch(got, got.state.gpr[RAX]!, BigInt(expected.ax), expected.flags);
          if (bad !== undefined) wrong.push(`${ax.toString(16)} flags ${flags.toString(16)}: ${bad}`);
        }
      }
      expect(wrong.slice(0, 5)).toEqual([]);
    });
  }
  it("AAM divides AL and AAD multiplies AH by every base", () => {
    const wrong: string[] = [];
    for (let base = 0; base < 256; base++) {
      for (let al = 0; al < 256; al++) {
        const aam = evaluate(entryOf("AAM"), [BigInt(base)], [8], state(0, BigInt(al)));
        const split = base === 0 ? undefined : ((Math.floor(al / base) & 0xff) << 8) | (al % base);
        if (base === 0 ? aam.vector !== 0 : aam.state.gpr[RAX] !== BigInt(split!)) wrong.push(`AAM ${base}: ${al}`);
        const ax = (al << 8) | ((al * 7) & 0xff);
        const aad = evaluate(entryOf("AAD"), [BigInt(base)], [8], state(0, BigInt(ax)));
        if (aad.state.gpr[RAX] !== BigInt(((ax & 0xff) + (ax >> 8) * base) & 0xff)) wrong.push(`AAD ${base}: ${ax.toString(16)}`);
      }
    }
    expect(wrong.slice(0, 5)).toEqual([]);
  });
});
