/** Ranges of floating-point numbers: what arithmetic makes of numbers in them is in the range that is said of it, and normal or an exact zero. */
import { describe, expect, it } from "vitest";
import { type Arithmetic, type FloatRange, hull, isTame, resultRange, TAME, ZERO_RANGE } from "../../src/isa/float-range.js";
import { Random } from "../../src/reference/values.js";

const FORMATS = {
  f32: { digits: 24, least: -126, round: Math.fround },
  f64: { digits: 53, least: -1022, round: (x: number) => x },
} as const;
type Type = keyof typeof FORMATS;

/** A double that is not small beside a power of two is a multiple of it. */
const isMultiple = (x: number, power: number): boolean => Math.abs(x) >= 2 ** (power + 60) || Number.isInteger(x / 2 ** power);
const within = (x: number, { low, high, grid }: FloatRange): boolean =>
  x === 0 || (Math.abs(x) >= 2 ** low && Math.abs(x) <= 2 ** high && isMultiple(x, Math.max(grid, -1022)));

/** Values of few and of many digits, at the ends of the range and between, and zeroes. */
function tameValue(random: Random, type: Type): number {
  const { digits } = FORMATS[type];
  const { low, high } = TAME[type];
  if (random.below(12) === 0) return random.below(2) === 0 ? 0 : -0;
  const end = random.below(4);
  const exponent = end === 0 ? low : end === 1 ? high - 1 : low + random.below(high - low);
  let mantissa = 1;
  for (let bit = 1; bit < digits; bit++) mantissa = mantissa + random.below(2) * 2 ** -bit * (end < 3 ? 1 : 0);
  return (random.below(2) === 0 ? -1 : 1) * mantissa * 2 ** exponent;
}

const COMPUTE: Readonly<Record<Arithmetic, (x: number, y: number) => number>> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  sqrt: (x) => Math.sqrt(x),
};
const OPERATIONS = Object.keys(COMPUTE) as Arithmetic[];

describe("ranges of floating-point numbers", () => {
  for (const type of ["f32", "f64"] as const) {
    const { least, round } = FORMATS[type];
    it(`hold what chains of operations on tame ${type} numbers give`, () => {
      const random = new Random(5);
      let proven = 0;
      for (let n = 0; n < 10_000; n++) {
        const fresh = (): { value: number; range: FloatRange } => ({ value: tameValue(random, type), range: TAME[type] });
        let [a, b] = [fresh(), fresh()];
        for (let depth = 0; depth < 5; depth++) {
          const operation = OPERATIONS[random.below(OPERATIONS.length)]!;
          if (operation === "sqrt") a = { ...a, value: Math.abs(a.value) };
          if (operation === "div" && b.value === 0) break;
          const range = resultRange(type, operation, a.range, b.range);
          if (range === undefined) break;
          const value = round(COMPUTE[operation](a.value, b.value));
          if (!within(value, range) || (value !== 0 && Math.abs(value) < 2 ** least))
            expect.fail(`${operation} of ${a.value} and ${b.value} gives ${value}, not in ${JSON.stringify(range)}`);
          if (operation === "mul" && (value === 0) !== (a.value === 0 || b.value === 0)) expect.fail(`${a.value} * ${b.value} is ${value}`);
          proven++;
          [a, b] = random.below(2) === 0 ? [{ value, range }, fresh()] : [fresh(), { value, range }];
        }
      }
      expect(proven).toBeGreaterThan(15_000);
    });

    it(`of tame ${type} numbers allow one operation of each kind`, () => {
      for (const operation of OPERATIONS) expect(resultRange(type, operation, TAME[type], TAME[type])).toBeDefined();
      expect(isTame(type, TAME[type])).toBe(true);
    });
  }

  it("refuse what may be tiny or overflow", () => {
    const small = { low: -600, high: -500, grid: -652 };
    const large = { low: 500, high: 600, grid: 448 };
    expect(resultRange("f64", "mul", small, small)).toBeUndefined();
    expect(resultRange("f64", "mul", large, large)).toBeUndefined();
    expect(resultRange("f64", "div", small, large)).toBeUndefined();
    expect(resultRange("f64", "add", { low: -1000, high: 0, grid: -1052 }, large)).toBeUndefined();
    expect(resultRange("f64", "add", { low: 1000, high: 1023, grid: 971 }, large)).toBeUndefined();
    expect(resultRange("f32", "mul", { low: -63, high: 0, grid: -86 }, { low: -63, high: 0, grid: -86 })).toBeUndefined();
  });

  it("of zero leave the other operand of a sum what it was, and a hull holds both", () => {
    const sum = resultRange("f64", "add", ZERO_RANGE, TAME.f64)!;
    expect(sum.grid).toBe(TAME.f64.grid);
    expect(hull({ low: -3, high: 4, grid: -9 }, { low: -5, high: 2, grid: 0 })).toEqual({ low: -5, high: 4, grid: -9 });
  });
});
