/**
 * IEEE 754 by the book, in bigint rationals: slow, obvious, and sharing no idea with the engine's soft float. A finite number is
 * m * 2^e with any sign on m; rounding looks at the exact quotient. SDM Vol. 1 §4.8-4.9, §10.2.3, §11.5.
 */
export const IE = 1,
  DE = 2,
  ZE = 4,
  OE = 8,
  UE = 16,
  PE = 32;
const DAZ = 0x40,
  OM = 0x400,
  UM = 0x800,
  FTZ = 0x8000;

export interface Format {
  readonly bits: number;
  /** Fraction bits. */
  readonly fraction: number;
}
export const SINGLE: Format = { bits: 32, fraction: 23 };
export const DOUBLE: Format = { bits: 64, fraction: 52 };

export interface Outcome {
  bits: bigint;
  flags: number;
}

type Parts =
  | { kind: "nan"; signalling: boolean }
  | { kind: "infinity" }
  | { kind: "finite"; size: bigint; exponent: number; denormal: boolean };
type Value = Parts & { negative: boolean; bits: bigint };

const maximumExponent = (f: Format): number => (1 << (f.bits - f.fraction - 1)) - 1;
const bias = (f: Format): number => maximumExponent(f) >> 1;
const one = (shift: number): bigint => 1n << BigInt(shift);
const signOf = (f: Format, negative: boolean): bigint => (negative ? one(f.bits - 1) : 0n);
const infinityOf = (f: Format, negative: boolean): bigint => signOf(f, negative) | (BigInt(maximumExponent(f)) << BigInt(f.fraction));
const quiet = (f: Format, bits: bigint): bigint => bits | one(f.fraction - 1);
const indefinite = (f: Format): bigint => quiet(f, infinityOf(f, true));

function parse(f: Format, bits: bigint, mxcsr: number): Value {
  const negative = (bits & signOf(f, true)) !== 0n;
  const biased = Number((bits >> BigInt(f.fraction)) & BigInt(maximumExponent(f)));
  const fraction = bits & (one(f.fraction) - 1n);
  if (biased === maximumExponent(f)) {
    if (fraction === 0n) return { kind: "infinity", negative, bits };
    return { kind: "nan", signalling: (fraction & one(f.fraction - 1)) === 0n, negative, bits };
  }
  const denormal = biased === 0 && fraction !== 0n && (mxcsr & DAZ) === 0;
  const size = biased === 0 ? (denormal ? fraction : 0n) : fraction | one(f.fraction);
  return { kind: "finite", size, exponent: Math.max(biased, 1) - bias(f) - f.fraction, denormal, negative, bits };
}

/** numerator / denominator, floor of it moved to an integer of units 2^exponent, and what is left. */
function inUnits(numerator: bigint, denominator: bigint, exponent: number): [whole: bigint, rest: bigint, unit: bigint] {
  const n = exponent < 0 ? numerator << BigInt(-exponent) : numerator;
  const d = exponent > 0 ? denominator << BigInt(exponent) : denominator;
  return [n / d, n % d, d];
}
function roundWhole(whole: bigint, rest: bigint, unit: bigint, negative: boolean, mode: number): bigint {
  if (rest === 0n) return whole;
  if (mode === 0) return rest * 2n > unit || (rest * 2n === unit && (whole & 1n) === 1n) ? whole + 1n : whole;
  return (mode === 1 && negative) || (mode === 2 && !negative) ? whole + 1n : whole;
}
const bitLength = (x: bigint): number => x.toString(2).length;

/** Rounds the positive rational numerator / denominator. */
export function roundRational(f: Format, negative: boolean, numerator: bigint, denominator: bigint, mxcsr: number): Outcome {
  const mode = (mxcsr >> 13) & 3;
  const sign = signOf(f, negative);
  // The exponent of the leading bit: off by at most one, settled by trying.
  let lead = bitLength(numerator) - bitLength(denominator);
  if (inUnits(numerator, denominator, lead)[0] === 0n) lead--;
  const smallest = 1 - bias(f);
  // As if the exponent had no bounds: this decides tininess.
  const free = inUnits(numerator, denominator, lead - f.fraction);
  const freeRounded = roundWhole(...free, negative, mode);
  const tiny = lead < smallest && !(lead === smallest - 1 && freeRounded === one(f.fraction + 1));
  if (tiny && mxcsr & FTZ && mxcsr & UM) return { bits: sign, flags: UE | PE };
  const unit = Math.max(lead, smallest) - f.fraction;
  const [whole, rest, size] = inUnits(numerator, denominator, unit);
  let rounded = roundWhole(whole, rest, size, negative, mode);
  let exponent = unit;
  if (rounded === one(f.fraction + 1)) {
    rounded >>= 1n;
    exponent++;
  }
  const inexact = rest !== 0n;
  const biased = exponent + f.fraction + bias(f);
  if (biased >= maximumExponent(f)) {
    const toInfinity = mode === 0 || (mode === 1 && negative) || (mode === 2 && !negative);
    return { bits: infinityOf(f, negative) - (toInfinity ? 0n : 1n), flags: OE | (inexact || mxcsr & OM ? PE : 0) };
  }
  const bits = rounded < one(f.fraction) ? rounded : (BigInt(biased) << BigInt(f.fraction)) | (rounded - one(f.fraction));
  return { bits: sign | bits, flags: (inexact ? PE : 0) | (tiny && (inexact || !(mxcsr & UM)) ? UE : 0) };
}

/** Rounds the signed m * 2^exponent, not zero. */
function roundScaled(f: Format, m: bigint, exponent: number, mxcsr: number): Outcome {
  const size = m < 0n ? -m : m;
  return exponent >= 0
    ? roundRational(f, m < 0n, size << BigInt(exponent), 1n, mxcsr)
    : roundRational(f, m < 0n, size, one(-exponent), mxcsr);
}

export type Operation = "add" | "sub" | "mul" | "div" | "sqrt" | "min" | "max";

/** What the operation gives and signals. `sqrt` uses the second operand only. */
export function model(f: Format, operation: Operation, aBits: bigint, bBits: bigint, mxcsr: number): Outcome {
  const b = parse(f, bBits, mxcsr);
  const a = operation === "sqrt" ? b : parse(f, aBits, mxcsr);
  const comparison = operation === "min" || operation === "max";
  if (a.kind === "nan" || b.kind === "nan") {
    const signalling = (a.kind === "nan" && a.signalling) || (b.kind === "nan" && b.signalling);
    if (comparison) return { bits: zeroIfFlushed(f, b), flags: IE };
    return { bits: quiet(f, a.kind === "nan" ? a.bits : b.bits), flags: signalling ? IE : 0 };
  }
  const denormals = (a.kind === "finite" && a.denormal) || (b.kind === "finite" && b.denormal) ? DE : 0;
  const also = (outcome: Outcome): Outcome => ({ bits: outcome.bits, flags: outcome.flags | denormals });
  const invalid: Outcome = { bits: indefinite(f), flags: IE };
  const zeroA = a.kind === "finite" && a.size === 0n,
    zeroB = b.kind === "finite" && b.size === 0n;
  switch (operation) {
    case "add":
    case "sub": {
      const negativeB = b.negative !== (operation === "sub");
      if (a.kind === "infinity" && b.kind === "infinity") return a.negative === negativeB ? { bits: a.bits, flags: 0 } : invalid;
      if (a.kind === "infinity") return also({ bits: a.bits, flags: 0 });
      if (b.kind === "infinity") return also({ bits: infinityOf(f, negativeB), flags: 0 });
      const unit = Math.min(a.exponent, b.exponent);
      const sum = signed(a.size << BigInt(a.exponent - unit), a.negative) + signed(b.size << BigInt(b.exponent - unit), negativeB);
      if (sum !== 0n) return also(roundScaled(f, sum, unit, mxcsr));
      const negative = a.negative === negativeB && zeroA && zeroB ? a.negative : ((mxcsr >> 13) & 3) === 1;
      return also({ bits: signOf(f, negative), flags: 0 });
    }
    case "mul": {
      const negative = a.negative !== b.negative;
      if (a.kind === "infinity" || b.kind === "infinity")
        return zeroA || zeroB ? invalid : also({ bits: infinityOf(f, negative), flags: 0 });
      if (zeroA || zeroB) return also({ bits: signOf(f, negative), flags: 0 });
      return also(roundScaled(f, signed(a.size * b.size, negative), a.exponent + b.exponent, mxcsr));
    }
    case "div": {
      const negative = a.negative !== b.negative;
      if ((a.kind === "infinity" && b.kind === "infinity") || (zeroA && zeroB)) return invalid;
      if (a.kind === "infinity") return also({ bits: infinityOf(f, negative), flags: 0 });
      if (zeroB) return { bits: infinityOf(f, negative), flags: ZE };
      if (b.kind === "infinity" || zeroA) return also({ bits: signOf(f, negative), flags: 0 });
      const shift = a.exponent - b.exponent;
      return also(roundRational(f, negative, a.size << BigInt(Math.max(shift, 0)), b.size << BigInt(Math.max(-shift, 0)), mxcsr));
    }
    case "sqrt": {
      if (zeroB) return { bits: signOf(f, b.negative), flags: 0 };
      if (b.negative) return invalid;
      if (b.kind === "infinity") return { bits: b.bits, flags: 0 };
      // 2^200 times the root, with one more bit below it that says whether anything is left.
      const even = b.exponent & 1 ? b.exponent - 1 : b.exponent;
      const scaled = b.size << BigInt(400 + b.exponent - even);
      const root = integerRoot(scaled);
      const sticky = root * 2n + (root * root === scaled ? 0n : 1n);
      return also(roundScaled(f, sticky, even / 2 - 201, mxcsr));
    }
    case "min":
    case "max": {
      const order = orderOf(a, b);
      const first = operation === "min" ? order < 0 : order > 0;
      return also({ bits: zeroIfFlushed(f, first ? a : b), flags: 0 });
    }
  }
}

/** Conversion between the formats. */
export function modelConvert(from: Format, to: Format, bits: bigint, mxcsr: number): Outcome {
  const x = parse(from, bits, mxcsr);
  if (x.kind === "infinity") return { bits: infinityOf(to, x.negative), flags: 0 };
  if (x.kind === "nan") {
    const payload = quiet(from, x.bits) & (one(from.fraction) - 1n);
    const moved =
      to.fraction > from.fraction ? payload << BigInt(to.fraction - from.fraction) : payload >> BigInt(from.fraction - to.fraction);
    return { bits: infinityOf(to, x.negative) | moved, flags: x.signalling ? IE : 0 };
  }
  if (x.size === 0n) return { bits: signOf(to, x.negative), flags: 0 };
  const rounded = roundScaled(to, signed(x.size, x.negative), x.exponent, mxcsr);
  return { bits: rounded.bits, flags: rounded.flags | (x.denormal ? DE : 0) };
}

/** Conversion of a signed integer. */
export function modelFromInteger(to: Format, value: bigint, mxcsr: number): Outcome {
  return value === 0n ? { bits: 0n, flags: 0 } : roundScaled(to, value, 0, mxcsr);
}

/** Conversion to a signed integer of `bits` bits under rounding mode `mode`. */
export function modelToInteger(from: Format, source: bigint, bits: number, mode: number, mxcsr: number): Outcome {
  const x = parse(from, source, mxcsr);
  const invalid: Outcome = { bits: one(bits - 1), flags: IE };
  if (x.kind !== "finite") return invalid;
  if (x.size === 0n) return { bits: 0n, flags: 0 };
  const [whole, rest, unit] = x.exponent >= 0 ? [x.size << BigInt(x.exponent), 0n, 1n] : inUnits(x.size, one(-x.exponent), 0);
  const value = signed(roundWhole(whole, rest, unit, x.negative, mode), x.negative);
  if (value < -one(bits - 1) || value >= one(bits - 1)) return invalid;
  return { bits: BigInt.asUintN(bits, value), flags: rest === 0n ? 0 : PE };
}

const signed = (size: bigint, negative: boolean): bigint => (negative ? -size : size);
function zeroIfFlushed(f: Format, x: Value): bigint {
  return x.kind === "finite" && x.size === 0n ? signOf(f, x.negative) : x.bits;
}
function orderOf(a: Value, b: Value): number {
  const rank = (x: Value): number => (x.kind === "infinity" ? (x.negative ? -1 : 1) : 0);
  if (a.kind !== "finite" || b.kind !== "finite") return rank(a) - rank(b);
  const unit = Math.min(a.exponent, b.exponent);
  const difference = signed(a.size << BigInt(a.exponent - unit), a.negative) - signed(b.size << BigInt(b.exponent - unit), b.negative);
  return difference === 0n ? 0 : difference < 0n ? -1 : 1;
}
function integerRoot(x: bigint): bigint {
  let root = one((bitLength(x) + 1) >> 1);
  for (;;) {
    const next = (root + x / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}
