/**
 * What a program's text alone says of floating-point numbers: between which powers of two their magnitudes lie, and of which power of two they
 * are multiples. Where that keeps a result among the normal numbers, nothing has to be asked of it (isa/sound.ts).
 */
import type { FloatType } from "./vector-sem.js";

/** A number that is zero or has a magnitude from 2**low to 2**high, and is a multiple of 2**grid. */
export interface FloatRange {
  readonly low: number;
  readonly high: number;
  readonly grid: number;
}

export type Arithmetic = "add" | "sub" | "mul" | "div" | "sqrt";

/** Digits after the leading one, and the exponents of the normal numbers. */
const FORMATS = { f32: { fraction: 23, least: -126, most: 127 }, f64: { fraction: 52, least: -1022, most: 1023 } } as const;

const rangeOf = (type: FloatType, low: number, high: number, grid = low - FORMATS[type].fraction): FloatRange => ({
  low,
  high,
  grid: Math.max(grid, low - FORMATS[type].fraction),
});

/**
 * Numbers that are tame: their exponent, less that of the least of them, has zeroes above `bits` bits, which one mask shows. Narrow enough for
 * products of products to stay normal, wide enough for what programs compute with.
 */
export const TAME: Readonly<Record<FloatType, FloatRange & { readonly least: number; readonly bits: number }>> = {
  f32: { ...rangeOf("f32", -31, 33), least: 96, bits: 6 },
  f64: { ...rangeOf("f64", -127, 129), least: 896, bits: 8 },
};

/** Integers of `bits` bits with a sign, or what rounding makes of them. */
export const integerRange = (bits: number): FloatRange => ({ low: 0, high: bits - 1, grid: 0 });
/** Nothing but zero. */
export const ZERO_RANGE: FloatRange = { low: 0, high: 0, grid: 1023 };

/** Either of two. */
export const hull = (x: FloatRange, y: FloatRange): FloatRange => ({
  low: Math.min(x.low, y.low),
  high: Math.max(x.high, y.high),
  grid: Math.min(x.grid, y.grid),
});

export const isTame = (type: FloatType, { low, high }: FloatRange): boolean => low >= TAME[type].low && high <= TAME[type].high;

/**
 * The range of a result that is rounded to nearest, or undefined where it may overflow or be tiny. Products and quotients must lie above the
 * smallest binade, where rounding may hide that they were tiny; a sum is a multiple of what its operands are multiples of. A divisor is not zero,
 * and the operand of a root is not negative.
 */
export function resultRange(type: FloatType, operation: Arithmetic, x: FloatRange, y: FloatRange): FloatRange | undefined {
  const { least, most } = FORMATS[type];
  switch (operation) {
    case "add":
    case "sub": {
      const grid = Math.min(x.grid, y.grid);
      const high = Math.max(x.high, y.high) + 1;
      return grid >= least && high <= most ? { low: grid, high, grid } : undefined;
    }
    case "mul": {
      const range = rangeOf(type, x.low + y.low, x.high + y.high, x.grid + y.grid);
      return range.low > least && range.high <= most ? range : undefined;
    }
    case "div": {
      const range = rangeOf(type, x.low - y.high, x.high - y.low);
      return range.low > least && range.high <= most ? range : undefined;
    }
    case "sqrt":
      return rangeOf(type, Math.floor(x.low / 2), Math.ceil(x.high / 2));
  }
}
