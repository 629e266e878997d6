/** What x87 results should be: exact rationals in bigints, rounded once, and transcendental functions in long fixed point. */

// FSW's bits
export const IE = 1;
export const DE = 2;
export const ZE = 4;
export const OE = 8;
export const UE = 16;
export const PE = 32;
export const SF = 64;
export const C1 = 0x200;

/** An 80-bit value: sign and exponent, significand. */
export interface Ext {
  readonly se: number;
  readonly m: bigint;
}
/** An 80-bit value from its two parts. */
export const ext = (se: number, m: bigint): Ext => ({ se, m });
/** For messages. */
export const show = (x: Ext): string => `${x.se.toString(16).padStart(4, "0")}:${x.m.toString(16).padStart(16, "0")}`;

/** The integer bit. */
export const TOP_BIT = 1n << 63n;

// -- the model -------------------------------------------------------------------------------------------------------------------

/** num/den, den > 0; `negativeZero` keeps the sign of a zero result. */
export interface Exact {
  readonly negative: boolean;
  readonly num: bigint;
  readonly den: bigint;
}
/** Magnitude. */
export const abs = (n: bigint): bigint => (n < 0n ? -n : n);
/** Number of significant bits; 1 for zero. */
export const bits = (n: bigint): number => n.toString(2).length;

/** The rational that a finite value stands for. */
export function exactOf(x: Ext): Exact {
  const e = BigInt(Math.max(x.se & 0x7fff, 1) - 16383 - 63);
  return { negative: x.se > 0x7fff, num: e >= 0n ? x.m << e : x.m, den: e >= 0n ? 1n : 1n << -e };
}

/** floor(value / 2^e) and whether something is left: below, at or above one half. */
export function scaled(v: Exact, e: number): { q: bigint; rest: -1 | 0 | 1 | undefined } {
  const num = e < 0 ? v.num << BigInt(-e) : v.num;
  const den = e > 0 ? v.den << BigInt(e) : v.den;
  const q = num / den;
  const r = num - q * den;
  return { q, rest: r === 0n ? undefined : 2n * r < den ? -1 : 2n * r === den ? 0 : 1 };
}

/** Whether rounding goes away from zero. */
export function up(rc: number, negative: boolean, q: bigint, rest: -1 | 0 | 1 | undefined): boolean {
  if (rest === undefined || rc === 3) return false;
  if (rc === 0) return rest === 1 || (rest === 0 && (q & 1n) === 1n);
  return rc === 1 ? negative : !negative;
}

/** Exponent of the leading bit. */
export function magnitude(v: Exact): number {
  let e = bits(v.num) - bits(v.den);
  if (scaled(v, e).q === 0n) e -= 1;
  return e;
}

/** Rounds to a binary format; exceptions as the x87 reports them with everything masked. */
export function round(
  v: Exact,
  rc: number,
  precision: number,
  maxExponent: number,
  minExponent: number,
  width: number,
): { q: bigint; e: number; flags: number } {
  const top = magnitude(v);
  const free = scaled(v, top - precision + 1);
  const freeTop = up(rc, v.negative, free.q, free.rest) && bits(free.q + 1n) > precision ? top + 1 : top;
  const tiny = freeTop < minExponent;
  // a denormal result keeps its position: `width` is that of the significand field, `precision` what PC leaves of it
  const last = Math.max(top, minExponent) - precision + 1;
  const { q, rest } = scaled(v, last);
  const carry = up(rc, v.negative, q, rest);
  let flags = rest === undefined ? 0 : PE | (carry ? C1 : 0);
  if (tiny && rest !== undefined) flags |= UE;
  let m = carry ? q + 1n : q;
  let e = last;
  if (bits(m) > precision) {
    m >>= 1n;
    e += 1;
  }
  if (freeTop > maxExponent) {
    const toInfinity = rc === 0 || rc === (v.negative ? 1 : 2);
    return {
      q: toInfinity ? -1n : ((1n << BigInt(precision)) - 1n) << BigInt(width - precision),
      e: maxExponent - width + 1,
      flags: OE | PE | (toInfinity ? C1 : 0),
    };
  }
  return { q: m << BigInt(width - precision), e: e - (width - precision), flags };
}

/** Significand bits by FCW.PC. */
export const precisions: Record<number, number> = { 0: 24, 1: 64, 2: 53, 3: 64 };

/** The exact value in the extended format under FCW. */
export function toExt(v: Exact, fcw: number, precision = precisions[(fcw >> 8) & 3]!): { value: Ext; flags: number } {
  const sign = v.negative ? 0x8000 : 0;
  if (v.num === 0n) return { value: ext(sign, 0n), flags: 0 };
  const r = round(v, (fcw >> 10) & 3, precision, 16383, -16382, 64);
  if (r.q === -1n) return { value: ext(sign | 0x7fff, 1n << 63n), flags: r.flags };
  const normal = r.q >> 63n === 1n;
  return { value: ext(sign | (normal ? r.e + 63 + 16383 : 0), r.q), flags: r.flags };
}

/** Numerator with its sign. */
export const signed = (v: Exact): bigint => (v.negative ? -v.num : v.num);
/** a + b; FCW decides the sign of an exact zero. */
export function sum(a: Exact, b: Exact, fcw: number): Exact {
  const n = signed(a) * b.den + signed(b) * a.den;
  // an exact zero: the common sign, else plus except when rounding down
  const negative = n !== 0n ? n < 0n : a.num === 0n && b.num === 0n && a.negative === b.negative ? a.negative : ((fcw >> 10) & 3) === 1;
  return { negative, num: abs(n), den: a.den * b.den };
}
/** -a. */
export const minus = (a: Exact): Exact => ({ ...a, negative: !a.negative });
/** a * b. */
export const product = (a: Exact, b: Exact): Exact => ({ negative: a.negative !== b.negative, num: a.num * b.num, den: a.den * b.den });
/** a / b. */
export const quotient = (a: Exact, b: Exact): Exact => ({ negative: a.negative !== b.negative, num: a.num * b.den, den: a.den * b.num });

/** floor of the square root. */
export function isqrt(n: bigint): bigint {
  if (n < 2n) return n;
  let x = 1n << BigInt((bits(n) + 1) >> 1);
  for (;;) {
    const y = (x + n / x) >> 1n;
    if (y >= x) return x;
    x = y;
  }
}

// -- transcendental functions in fixed point, 300 bits after the point ---------------------------------------------------------------

/** Bits after the binary point. */
export const F = 300n;
/** 1.0. */
export const ONE = 1n << F;
/** Product, cut off towards zero so that series end. */
export const mul = (a: bigint, b: bigint): bigint => (a * b) / ONE;

/** Sum of terms, each made from the one before. */
export function series(first: bigint, following: (term: bigint, n: bigint) => bigint): bigint {
  let total = 0n;
  let term = first;
  for (let n = 1n; term !== 0n; n++) {
    total += term;
    term = following(term, n);
  }
  return total;
}
/** sin x. */
export const sine = (x: bigint): bigint => series(x, (t, n) => -mul(mul(t, x), x) / (2n * n * (2n * n + 1n)));
/** cos x. */
export const cosine = (x: bigint): bigint => series(ONE, (t, n) => -mul(mul(t, x), x) / (2n * n * (2n * n - 1n)));
/** e^x. */
export const exponential = (x: bigint): bigint => series(ONE, (t, n) => mul(t, x) / n);
/** atanh for small arguments, or atan when `alternate`. */
export function inverse(x: bigint, alternate: boolean): bigint {
  const square = alternate ? -mul(x, x) : mul(x, x);
  let power = x;
  let total = 0n;
  for (let n = 1n; power !== 0n; n += 2n) {
    total += power / n;
    power = mul(power, square);
  }
  return total;
}
/** ln 2. */
export const LN2 = 2n * inverse(ONE / 3n, false);
/** pi, by Machin's formula. */
export const PI = 4n * (4n * inverse(ONE / 5n, true) - inverse(ONE / 239n, true));
/** ln x. */
export function logarithm(x: bigint): bigint {
  let k = 0n;
  while (x > 2n * ONE) {
    x >>= 1n;
    k += 1n;
  }
  return k * LN2 + 2n * inverse(((x - ONE) << F) / (x + ONE), false);
}

/** Distance of a register from a fixed-point value, in units of the register's last place. */
export function distance(x: Ext, value: bigint): number {
  const e = Math.max(x.se & 0x7fff, 1) - 16383 - 63 + Number(F);
  const got = (x.m << BigInt(e)) * (x.se > 0x7fff ? -1n : 1n);
  return Number(((got - value) * 1000n) / (1n << BigInt(e))) / 1000;
}
/** A register as a fixed-point number. */
export const fixed = (x: Ext): bigint => {
  const e = (x.se & 0x7fff) - 16383 - 63 + Number(F);
  return (e >= 0 ? x.m << BigInt(e) : x.m >> BigInt(-e)) * (x.se > 0x7fff ? -1n : 1n);
};
