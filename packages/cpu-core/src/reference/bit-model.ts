/**
 * Arithmetic on single bits, written from the manual's descriptions and sharing nothing with the instruction tables. Numbers are arrays of
 * 0 and 1, lowest bit first. For tests.
 */

export type Bits = readonly number[];

export function toBits(value: bigint, width: number): Bits {
  const bits: number[] = [];
  for (let from = 0; from < width; from += 32) {
    const word = Number(BigInt.asUintN(32, value >> BigInt(from)));
    for (let i = from; i < from + 32 && i < width; i++) bits.push((word >>> (i - from)) & 1);
  }
  return bits;
}
export function fromBits(bits: Bits): bigint {
  let value = 0n;
  for (let from = 0; from < bits.length; from += 32) {
    let word = 0;
    for (let i = from; i < from + 32 && i < bits.length; i++) word += bits[i]! * 2 ** (i - from);
    value |= BigInt(word) << BigInt(from);
  }
  return value;
}

/** Flags that the model defines; the others are undefined for the instruction or left alone. */
export interface ModelFlags {
  CF?: number;
  PF?: number;
  AF?: number;
  ZF?: number;
  SF?: number;
  OF?: number;
}
export interface ModelResult {
  result: Bits;
  flags: ModelFlags;
}

export function resultFlags(result: Bits): ModelFlags {
  let ones = 0;
  for (let i = 0; i < 8; i++) ones += result[i]!;
  return { ZF: result.includes(1) ? 0 : 1, SF: result[result.length - 1]!, PF: ones % 2 === 0 ? 1 : 0 };
}

/** A chain of full adders: the sum, and the carry out of each place. */
function adder(a: Bits, b: Bits, carryIn: number): { sum: number[]; carries: number[] } {
  const sum: number[] = [],
    carries: number[] = [];
  let carry = carryIn;
  for (let i = 0; i < a.length; i++) {
    const ones = a[i]! + b[i]! + carry;
    sum.push(ones % 2);
    carry = ones >= 2 ? 1 : 0;
    carries.push(carry);
  }
  return { sum, carries };
}

export function add(a: Bits, b: Bits, carryIn = 0): ModelResult {
  const { sum, carries } = adder(a, b, carryIn);
  const n = a.length;
  return { result: sum, flags: { ...resultFlags(sum), CF: carries[n - 1]!, OF: carries[n - 1]! ^ carries[n - 2]!, AF: carries[3]! } };
}
const invert = (a: Bits): Bits => a.map((bit) => 1 - bit);
/** Subtraction is addition of the complement; a borrow is a missing carry. */
export function subtract(a: Bits, b: Bits, borrowIn = 0): ModelResult {
  const { result, flags } = add(a, invert(b), 1 - borrowIn);
  return { result, flags: { ...flags, CF: 1 - flags.CF!, AF: 1 - flags.AF! } };
}
export function bitwise(a: Bits, b: Bits, truth: (x: number, y: number) => number): ModelResult {
  const result = a.map((bit, i) => truth(bit, b[i]!));
  return { result, flags: { ...resultFlags(result), CF: 0, OF: 0 } };
}

type Step = (value: number[], carry: number) => { value: number[]; carry: number };
const top = (value: Bits): number => value[value.length - 1]!;
/** One position of each shift and rotation. */
const STEPS: Record<string, Step> = {
  SHL: (v) => ({ value: [0, ...v.slice(0, -1)], carry: top(v) }),
  SHR: (v) => ({ value: [...v.slice(1), 0], carry: v[0]! }),
  SAR: (v) => ({ value: [...v.slice(1), top(v)], carry: v[0]! }),
  ROL: (v) => ({ value: [top(v), ...v.slice(0, -1)], carry: top(v) }),
  ROR: (v) => ({ value: [...v.slice(1), v[0]!], carry: v[0]! }),
  RCL: (v, carry) => ({ value: [carry, ...v.slice(0, -1)], carry: top(v) }),
  RCR: (v, carry) => ({ value: [...v.slice(1), carry], carry: v[0]! }),
};
/** Shifts and rotations as that many single steps. `undefined` flags: a masked count of zero changes nothing. */
export function shift(name: string, a: Bits, count: number, carryIn: number): ModelResult | undefined {
  const masked = count & (a.length === 64 ? 63 : 31);
  if (masked === 0) return undefined;
  let value = [...a];
  let carry = carryIn;
  for (let i = 0; i < masked; i++) ({ value, carry } = STEPS[name]!(value, carry));
  const flags: ModelFlags = name.startsWith("R") ? {} : resultFlags(value);
  // CF is undefined for SHL and SHR by more than the width.
  if (name.startsWith("R") || name === "SAR" || masked <= a.length) flags.CF = carry;
  if (masked === 1) {
    const second = value[value.length - 2]!;
    flags.OF =
      { SHL: top(value) ^ carry, ROL: top(value) ^ carry, RCL: top(value) ^ carry, SHR: top(a), SAR: 0 }[name] ?? top(value) ^ second;
  }
  return { result: value, flags };
}

const extend = (a: Bits, length: number, sign: boolean): Bits => [...a, ...new Array<number>(length - a.length).fill(sign ? top(a) : 0)];

/** The double-width product by shifting and adding. */
export function multiply(a: Bits, b: Bits, signed: boolean): Bits {
  const width = a.length * 2;
  let addend = extend(a, width, signed);
  let sum: Bits = new Array<number>(width).fill(0);
  for (const bit of extend(b, width, signed)) {
    if (bit === 1) sum = adder(sum, addend, 0).sum;
    addend = [0, ...addend.slice(0, -1)];
  }
  return sum;
}

const negate = (a: Bits): Bits => adder(invert(a), new Array<number>(a.length).fill(0), 1).sum;

/** Restoring division of a double-width dividend; `undefined` when the divisor is zero or the quotient does not fit. */
export function divide(dividend: Bits, divisor: Bits, signed: boolean): { quotient: Bits; remainder: Bits } | undefined {
  if (!divisor.includes(1)) return undefined;
  const n = divisor.length;
  const negativeDividend = signed && top(dividend) === 1,
    negativeDivisor = signed && top(divisor) === 1;
  const magnitude = negativeDividend ? negate(dividend) : dividend;
  const by = extend(negativeDivisor ? negate(divisor) : divisor, n + 1, false);
  let rest: Bits = new Array<number>(n + 1).fill(0);
  const quotient = new Array<number>(2 * n).fill(0);
  for (let i = 2 * n - 1; i >= 0; i--) {
    rest = [magnitude[i]!, ...rest.slice(0, -1)];
    const { result, flags } = subtract(rest, by);
    if (flags.CF === 0) {
      rest = result;
      quotient[i] = 1;
    }
  }
  const negative = negativeDividend !== negativeDivisor;
  const low = quotient.slice(0, n);
  const most = signed ? n - 1 : n; // bits of magnitude; only -2^(n-1) has one more
  const least = negative && quotient[n - 1] === 1 && !low.slice(0, n - 1).includes(1);
  if (quotient.slice(n).includes(1) || (quotient.slice(most).includes(1) && !least)) return undefined;
  return { quotient: negative ? negate(low) : low, remainder: negativeDividend ? negate(rest.slice(0, n)) : rest.slice(0, n) };
}
