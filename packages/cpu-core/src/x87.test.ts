/**
 * The x87 unit against an independent model: exact rationals in bigints, rounded once. The engine's x87 part is compiled by itself, and
 * its instruction functions are called as the interpreter would call them.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import { beforeAll, describe, expect, it } from "vitest";
import { FCW, FPR, FSW, FTW, VCPU_BASE } from "./layout.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const cpu = VCPU_BASE;
const operand = 0x38000; // below the vCPU blocks, above static data
const IE = 1,
  DE = 2,
  ZE = 4,
  OE = 8,
  UE = 16,
  PE = 32,
  SF = 64,
  C1 = 0x200;

let unit: Record<string, (...args: number[]) => number>;
let view: DataView;

beforeAll(async () => {
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    [
      "assembly/x87/index.ts",
      "--outFile",
      "x87.wasm",
      "-O1",
      "--runtime",
      "stub",
      "--importMemory",
      "--noExportMemory",
      "--memoryBase",
      "1024",
      "--enable",
      "simd",
      "--use",
      "abort=",
    ],
    {
      readFile: (name: string, base: string) => {
        try {
          return readFileSync(join(root, base === "." ? "" : base, name), "utf8");
        } catch {
          return null;
        }
      },
      writeFile: (name: string, contents: Uint8Array | string) => {
        if (name.endsWith(".wasm")) binary = contents as Uint8Array;
      },
      listFiles: () => [],
    },
  );
  if (error || binary === undefined) throw new Error(stderr.toString());
  const module = new WebAssembly.Module(binary as BufferSource);
  const memory = new WebAssembly.Memory({ initial: 16 });
  const host = Object.fromEntries(
    WebAssembly.Module.imports(module)
      .filter((i) => i.module === "host")
      .map((i) => [i.name, () => 0]),
  );
  unit = new WebAssembly.Instance(module, { env: { memory }, host }).exports as typeof unit;
  view = new DataView(memory.buffer);
}, 60_000);

/** An 80-bit value: sign and exponent, significand. */
interface Ext {
  readonly se: number;
  readonly m: bigint;
}
const ext = (se: number, m: bigint): Ext => ({ se, m });
const show = (x: Ext): string => `${x.se.toString(16).padStart(4, "0")}:${x.m.toString(16).padStart(16, "0")}`;

/** Puts values into ST(0), ST(1), … of an otherwise empty stack. */
function load(fcw: number, ...values: Ext[]): void {
  view.setUint32(cpu + FCW, fcw, true);
  view.setUint32(cpu + FSW, 0, true);
  view.setUint32(cpu + FTW, (1 << values.length) - 1, true);
  values.forEach((x, i) => {
    view.setBigUint64(cpu + FPR + 16 * i, x.m, true);
    view.setUint16(cpu + FPR + 16 * i + 8, x.se, true);
  });
}
const status = (): number => view.getUint32(cpu + FSW, true);
function st(i: number): Ext {
  const at = cpu + FPR + 16 * (((status() >> 11) + i) & 7);
  return ext(view.getUint16(at + 8, true), view.getBigUint64(at, true));
}

// -- the model -------------------------------------------------------------------------------------------------------------------

/** num/den, den > 0; `negativeZero` keeps the sign of a zero result. */
interface Exact {
  readonly negative: boolean;
  readonly num: bigint;
  readonly den: bigint;
}
const abs = (n: bigint): bigint => (n < 0n ? -n : n);
const bits = (n: bigint): number => n.toString(2).length;

function exactOf(x: Ext): Exact {
  const e = BigInt(Math.max(x.se & 0x7fff, 1) - 16383 - 63);
  return { negative: x.se > 0x7fff, num: e >= 0n ? x.m << e : x.m, den: e >= 0n ? 1n : 1n << -e };
}

/** floor(value / 2^e) and whether something is left: below, at or above one half. */
function scaled(v: Exact, e: number): { q: bigint; rest: -1 | 0 | 1 | undefined } {
  const num = e < 0 ? v.num << BigInt(-e) : v.num;
  const den = e > 0 ? v.den << BigInt(e) : v.den;
  const q = num / den;
  const r = num - q * den;
  return { q, rest: r === 0n ? undefined : 2n * r < den ? -1 : 2n * r === den ? 0 : 1 };
}

function up(rc: number, negative: boolean, q: bigint, rest: -1 | 0 | 1 | undefined): boolean {
  if (rest === undefined || rc === 3) return false;
  if (rc === 0) return rest === 1 || (rest === 0 && (q & 1n) === 1n);
  return rc === 1 ? negative : !negative;
}

/** Exponent of the leading bit. */
function magnitude(v: Exact): number {
  let e = bits(v.num) - bits(v.den);
  if (scaled(v, e).q === 0n) e -= 1;
  return e;
}

/** Rounds to a binary format; exceptions as the x87 reports them with everything masked. */
function round(
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

const precisions: Record<number, number> = { 0: 24, 1: 64, 2: 53, 3: 64 };

/** The exact value in the extended format under FCW. */
function toExt(v: Exact, fcw: number, precision = precisions[(fcw >> 8) & 3]!): { value: Ext; flags: number } {
  const sign = v.negative ? 0x8000 : 0;
  if (v.num === 0n) return { value: ext(sign, 0n), flags: 0 };
  const r = round(v, (fcw >> 10) & 3, precision, 16383, -16382, 64);
  if (r.q === -1n) return { value: ext(sign | 0x7fff, 1n << 63n), flags: r.flags };
  const normal = r.q >> 63n === 1n;
  return { value: ext(sign | (normal ? r.e + 63 + 16383 : 0), r.q), flags: r.flags };
}

const signed = (v: Exact): bigint => (v.negative ? -v.num : v.num);
function sum(a: Exact, b: Exact, fcw: number): Exact {
  const n = signed(a) * b.den + signed(b) * a.den;
  // an exact zero: the common sign, else plus except when rounding down
  const negative = n !== 0n ? n < 0n : a.num === 0n && b.num === 0n && a.negative === b.negative ? a.negative : ((fcw >> 10) & 3) === 1;
  return { negative, num: abs(n), den: a.den * b.den };
}
const minus = (a: Exact): Exact => ({ ...a, negative: !a.negative });
const product = (a: Exact, b: Exact): Exact => ({ negative: a.negative !== b.negative, num: a.num * b.num, den: a.den * b.den });
const quotient = (a: Exact, b: Exact): Exact => ({ negative: a.negative !== b.negative, num: a.num * b.den, den: a.den * b.num });

// -- operands --------------------------------------------------------------------------------------------------------------------

/** A small deterministic generator (xorshift). */
function generator(seed: number): () => number {
  let s = seed;
  return () => {
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    return s >>> 0;
  };
}
const next = generator(0x9e3779b9);
const random64 = (): bigint => (BigInt(next()) << 32n) | BigInt(next());
const TOP_BIT = 1n << 63n;
const exponents = [0, 1, 2, 63, 64, 16382, 16383, 16384, 16383 + 23, 16383 + 52, 16383 + 63, 16383 + 64, 0x7ffd, 0x7ffe];

/** Finite, with a liking for boundaries. */
function finite(): Ext {
  const sign = next() & 1 ? 0x8000 : 0;
  const kind = next() % 8;
  let e = next() % 8 === 0 ? exponents[next() % exponents.length]! : 16383 - 70 + (next() % 140);
  if (next() % 16 === 0) e = next() % 0x7fff;
  let m: bigint;
  if (kind === 0) m = TOP_BIT;
  else if (kind === 1) m = (1n << 64n) - 1n;
  else if (kind === 2) m = TOP_BIT | (1n << BigInt(next() % 63));
  else if (kind === 3) m = TOP_BIT | (random64() & ~0x7ffn);
  else m = TOP_BIT | random64();
  if (e === 0 && next() & 1) m = next() % 4 === 0 ? 0n : random64() >> BigInt(1 + (next() % 63));
  return ext(sign | e, m);
}
/** Differs from `x` by little, or only by the sign. */
function neighbour(x: Ext): Ext {
  const e = Math.min((x.se & 0x7fff) ^ (next() & 1), 0x7ffe);
  const m = x.m ^ BigInt(next() & 3);
  return ext((next() & 0x8000) | e, e === 0 ? m : m | TOP_BIT);
}
const isDenormal = (x: Ext): boolean => (x.se & 0x7fff) === 0 && x.m !== 0n;
const anyFcw = (): number => 0x7f | ((next() % 4) << 10) | ([0, 2, 3][next() % 3]! << 8);

function check(name: string, fcw: number, inputs: Ext[], i: number, want: Ext, flags: number): void {
  const label = `${name} fcw ${fcw.toString(16)} of ${inputs.map(show).join(" ")}`;
  const denormal = inputs.some(isDenormal) ? DE : 0;
  expect(`${label}: ${show(st(i))} ${(status() & 0x27f).toString(16)}`).toBe(`${label}: ${show(want)} ${(flags | denormal).toString(16)}`);
}

describe("x87 arithmetic", () => {
  it("adds, subtracts and multiplies exactly and rounds once, in each precision and direction", () => {
    for (let n = 0; n < 1500; n++) {
      const a = finite();
      const b = n % 3 === 0 ? neighbour(a) : finite();
      const fcw = anyFcw();
      const x = exactOf(a);
      const y = exactOf(b);
      for (const [name, exact] of [
        ["x87Fadd", sum(x, y, fcw)],
        ["x87Fsub", sum(x, minus(y), fcw)],
        ["x87Fmul", product(x, y)],
      ] as const) {
        load(fcw, a, b);
        unit[name]!(cpu, 1);
        const want = toExt(exact, fcw);
        check(name, fcw, [a, b], 0, want.value, want.flags);
      }
    }
  });

  it("divides and extracts roots exactly and rounds once", () => {
    for (let n = 0; n < 1500; n++) {
      const a = finite();
      const b = finite();
      const fcw = anyFcw();
      if (b.m !== 0n && !(a.m === 0n && b.m === 0n)) {
        load(fcw, a, b);
        unit["x87Fdiv"]!(cpu, 1);
        const want = toExt(quotient(exactOf(a), exactOf(b)), fcw);
        check("x87Fdiv", fcw, [a, b], 0, want.value, want.flags);
      }
      const r = ext(a.se & 0x7fff, n % 3 === 0 ? TOP_BIT | ((random64() >> 33n) << 32n) : a.m);
      if (r.m === 0n) continue;
      load(fcw, r);
      unit["x87Fsqrt"]!(cpu, 0);
      // 200 more bits than the result has, and a sticky one
      const v = exactOf(r);
      const shift = 2n * BigInt(Math.max(0, 400 - (bits(v.num) - bits(v.den))));
      const square = (v.num << shift) / v.den;
      const root = isqrt(square);
      const exactRoot = root * root === square && (square * v.den) >> shift === v.num && square * v.den === v.num << shift;
      const want = toExt({ negative: false, num: exactRoot ? root : 2n * root + 1n, den: 1n << (shift / 2n + (exactRoot ? 0n : 1n)) }, fcw);
      check("x87Fsqrt", fcw, [r], 0, want.value, want.flags);
    }
  });

  it("answers invalid operations with the default NaN and division by zero with infinity", () => {
    const zero = ext(0, 0n);
    const one = ext(0x3fff, TOP_BIT);
    const inf = ext(0x7fff, TOP_BIT);
    const indefinite = ext(0xffff, 3n << 62n);
    const cases: [string, Ext, Ext, Ext, number][] = [
      ["x87Fsub", inf, inf, indefinite, IE],
      ["x87Fmul", zero, inf, indefinite, IE],
      ["x87Fdiv", zero, zero, indefinite, IE],
      ["x87Fdiv", inf, inf, indefinite, IE],
      ["x87Fdiv", one, zero, inf, ZE],
      ["x87Fadd", one, ext(0x4000, 1n), indefinite, IE], // an unnormal
      ["x87Fadd", one, ext(0x7fff, TOP_BIT | 5n), ext(0x7fff, (3n << 62n) | 5n), IE], // a signalling NaN
      ["x87Fadd", ext(0x7fff, (3n << 62n) | 9n), ext(0x7fff, (3n << 62n) | 5n), ext(0x7fff, (3n << 62n) | 9n), 0],
    ];
    for (const [name, a, b, want, flags] of cases) {
      load(0x37f, a, b);
      unit[name]!(cpu, 1);
      check(name, 0x37f, [a, b], 0, want, flags);
    }
  });

  it("leaves registers alone when an unmasked exception precedes the result, and wraps the exponent when it follows", () => {
    const one = ext(0x3fff, TOP_BIT);
    load(0x37b, one, ext(0, 0n)); // ZE unmasked
    unit["x87Fdiv"]!(cpu, 1);
    expect(show(st(0))).toBe(show(one));
    expect(status() & 0x80ff).toBe(0x8080 | ZE);
    const big = ext(0x7ffe, TOP_BIT);
    load(0x377, big, big); // OE unmasked
    unit["x87Fmul"]!(cpu, 1);
    expect(show(st(0))).toBe(show(ext(0x7ffe + 0x7ffe - 0x3fff - 0x6000, TOP_BIT)));
    expect(status() & 0x80ff).toBe(0x8080 | OE);
    const small = ext(1, TOP_BIT);
    load(0x36f, small, small); // UE unmasked
    unit["x87Fmul"]!(cpu, 1);
    expect(show(st(0))).toBe(show(ext(2 - 0x3fff + 0x6000, TOP_BIT)));
    expect(status() & 0x80ff).toBe(0x8080 | UE);
  });
});

describe("x87 loads and stores", () => {
  it("narrows to double and single with denormals, overflow and each rounding", () => {
    for (let n = 0; n < 1500; n++) {
      const a = finite();
      const near = ext((a.se & 0x8000) | (16383 + (next() & 1 ? 1 : -1) * (next() % 1200)), a.m | TOP_BIT);
      const x = n & 1 ? near : a;
      const fcw = anyFcw();
      for (const [name, precision, max, min, size] of [
        ["x87FstM64", 53, 1023, -1022, 64],
        ["x87FstM32", 24, 127, -126, 32],
      ] as const) {
        load(fcw, x);
        expect(unit[name]!(cpu, operand)).toBe(1);
        const got = size === 64 ? view.getBigUint64(operand, true) : BigInt(view.getUint32(operand, true));
        const v = exactOf(x);
        let want = 0n;
        let flags = 0;
        if (v.num !== 0n) {
          const r = round(v, (fcw >> 10) & 3, precision, max, min, precision);
          flags = r.flags;
          const hidden = 1n << BigInt(precision - 1);
          if (r.q === -1n) want = BigInt(2 * max + 1) << BigInt(precision - 1);
          else want = r.q < hidden ? r.q : (BigInt(r.e + precision - 1 + max) << BigInt(precision - 1)) + (r.q - hidden);
        }
        if (v.negative) want |= 1n << BigInt(size - 1);
        expect(`${name} ${fcw.toString(16)} ${show(x)} ${got.toString(16)} ${status() & 0x27f}`).toBe(
          `${name} ${fcw.toString(16)} ${show(x)} ${want.toString(16)} ${flags}`,
        );
      }
    }
  });

  it("widens every double it stores back unchanged", () => {
    for (let n = 0; n < 2000; n++) {
      const raw = n < 64 ? 1n << BigInt(n) : random64();
      const nan = ((raw >> 52n) & 0x7ffn) === 0x7ffn && (raw & 0xfffffffffffffn) !== 0n;
      load(0x37f);
      view.setBigUint64(operand, raw, true);
      unit["x87FldM64"]!(cpu, operand);
      unit["x87FstpM64"]!(cpu, operand);
      expect(view.getBigUint64(operand, true)).toBe(nan ? raw | (1n << 51n) : raw);
      expect(view.getUint32(cpu + FTW, true)).toBe(0);
    }
  });

  it("rounds to integers, and answers the indefinite beyond their range", () => {
    for (let n = 0; n < 1500; n++) {
      const a = finite();
      const x = n & 1 ? ext((a.se & 0x8000) | (16383 - 3 + (next() % 70)), a.m | TOP_BIT) : a;
      const fcw = anyFcw();
      const rc = (fcw >> 10) & 3;
      const v = exactOf(x);
      const { q, rest } = scaled(v, 0);
      for (const [name, size, mode] of [
        ["x87FistM16", 16, rc],
        ["x87FistM32", 32, rc],
        ["x87FistpM64", 64, rc],
        ["x87FisttpM64", 64, 3],
      ] as const) {
        load(fcw, x);
        unit[name]!(cpu, operand);
        const carry = up(mode, v.negative, q, rest);
        let value = (carry ? q + 1n : q) * (v.negative ? -1n : 1n);
        let flags = rest === undefined ? 0 : PE | (carry ? C1 : 0);
        if (BigInt.asIntN(size, value) !== value) {
          value = -(1n << BigInt(size - 1));
          flags = IE;
        }
        const got =
          size === 16
            ? BigInt(view.getInt16(operand, true))
            : size === 32
              ? BigInt(view.getInt32(operand, true))
              : view.getBigInt64(operand, true);
        expect(`${name} ${show(x)} ${got} ${status() & 0x27f}`).toBe(`${name} ${show(x)} ${value} ${flags}`);
      }
    }
  });

  it("packs eighteen decimal digits and reads them back", () => {
    for (const value of [0n, 1n, -1n, 42n, -999999999999999999n, 123456789012345678n]) {
      view.setBigInt64(operand, value, true);
      load(0x37f);
      unit["x87FildM64"]!(cpu, operand);
      unit["x87Fbstp"]!(cpu, operand);
      let digits = "";
      for (let i = 8; i >= 0; i--)
        digits += view
          .getUint8(operand + i)
          .toString(16)
          .padStart(2, "0");
      expect(BigInt(digits) * (view.getUint8(operand + 9) ? -1n : 1n)).toBe(value);
      unit["x87Fbld"]!(cpu, operand);
      unit["x87FistpM64"]!(cpu, operand);
      expect(view.getBigInt64(operand, true)).toBe(value);
    }
    load(0x37f, ext(0x403a, 0xde0b6b3a76400000n)); // 10^18
    unit["x87Fbstp"]!(cpu, operand);
    expect(view.getBigUint64(operand, true)).toBe(0xc000000000000000n);
    expect(view.getUint16(operand + 8, true)).toBe(0xffff);
  });

  it("tells stack overflow from underflow by C1", () => {
    load(0x37f, ...Array.from({ length: 8 }, () => ext(0x3fff, TOP_BIT)));
    unit["x87Fld1"]!(cpu, 0);
    expect(status() & 0x27f).toBe(IE | SF | C1);
    load(0x37f);
    unit["x87Fadd"]!(cpu, 1);
    expect(status() & 0x27f).toBe(IE | SF);
    expect(show(st(0))).toBe("ffff:c000000000000000");
  });
});

describe("x87 remainders and scaling", () => {
  it("reduces step by step to the exact remainder, with the quotient's low bits", () => {
    for (let n = 0; n < 600; n++) {
      const a = finite();
      const b = finite();
      if (b.m === 0n || a.m === 0n) continue;
      const x = exactOf(a);
      const y = exactOf(b);
      const whole = (x.num * y.den) / (y.num * x.den);
      for (const [name, nearest] of [
        ["x87Fprem", false],
        ["x87Fprem1", true],
      ] as const) {
        load(0x37f, a, b);
        let steps = 0;
        do unit[name]!(cpu, 0);
        while (status() & 0x400 && ++steps < 1200);
        let q = whole;
        let r = x.num * y.den - whole * y.num * x.den;
        const d = y.num * x.den;
        let negative = x.negative;
        if (nearest && (2n * r > d || (2n * r === d && q & 1n))) {
          q += 1n;
          r = d - r;
          negative = !negative;
        }
        if (r === 0n) negative = x.negative;
        const want = toExt({ negative, num: r, den: x.den * y.den }, 0x37f, 64).value;
        const s = status();
        const low = ((s >> 8) & 1) * 4 + ((s >> 14) & 1) * 2 + ((s >> 9) & 1);
        // the quotient is known only when one step did it all
        const wantLow = steps === 0 ? Number(q & 7n) : low;
        expect(`${name} ${show(a)} ${show(b)} ${show(st(0))} ${low}`).toBe(`${name} ${show(a)} ${show(b)} ${show(want)} ${wantLow}`);
      }
    }
  });

  it("takes a number apart and puts it together again", () => {
    for (let n = 0; n < 1000; n++) {
      const a = finite();
      if (a.m === 0n) continue;
      load(0x37f, a);
      unit["x87Fxtract"]!(cpu, 0);
      unit["x87Fscale"]!(cpu, 0);
      const pseudo = (a.se & 0x7fff) === 0 && a.m >= TOP_BIT;
      expect(show(st(0))).toBe(show(pseudo ? ext(a.se | 1, a.m) : a));
    }
  });
});

// -- transcendental functions in fixed point, 300 bits after the point ---------------------------------------------------------------

const F = 300n;
const ONE = 1n << F;
const mul = (a: bigint, b: bigint): bigint => (a * b) / ONE; // towards zero, so that series end

/** Sum of terms, each made from the one before. */
function series(first: bigint, following: (term: bigint, n: bigint) => bigint): bigint {
  let total = 0n;
  let term = first;
  for (let n = 1n; term !== 0n; n++) {
    total += term;
    term = following(term, n);
  }
  return total;
}
const sine = (x: bigint): bigint => series(x, (t, n) => -mul(mul(t, x), x) / (2n * n * (2n * n + 1n)));
const cosine = (x: bigint): bigint => series(ONE, (t, n) => -mul(mul(t, x), x) / (2n * n * (2n * n - 1n)));
const exponential = (x: bigint): bigint => series(ONE, (t, n) => mul(t, x) / n);
/** atanh for small arguments, or atan when `alternate`. */
function inverse(x: bigint, alternate: boolean): bigint {
  const square = alternate ? -mul(x, x) : mul(x, x);
  let power = x;
  let total = 0n;
  for (let n = 1n; power !== 0n; n += 2n) {
    total += power / n;
    power = mul(power, square);
  }
  return total;
}
const LN2 = 2n * inverse(ONE / 3n, false);
const PI = 4n * (4n * inverse(ONE / 5n, true) - inverse(ONE / 239n, true));
function logarithm(x: bigint): bigint {
  let k = 0n;
  while (x > 2n * ONE) {
    x >>= 1n;
    k += 1n;
  }
  return k * LN2 + 2n * inverse(((x - ONE) << F) / (x + ONE), false);
}

/** Distance of a register from a fixed-point value, in units of the register's last place. */
function distance(x: Ext, value: bigint): number {
  const e = Math.max(x.se & 0x7fff, 1) - 16383 - 63 + Number(F);
  const got = (x.m << BigInt(e)) * (x.se > 0x7fff ? -1n : 1n);
  return Number(((got - value) * 1000n) / (1n << BigInt(e))) / 1000;
}
const fixed = (x: Ext): bigint => {
  const e = (x.se & 0x7fff) - 16383 - 63 + Number(F);
  return (e >= 0 ? x.m << BigInt(e) : x.m >> BigInt(-e)) * (x.se > 0x7fff ? -1n : 1n);
};
const between = (low: number, high: number): Ext =>
  ext((next() & 1 ? 0x8000 : 0) | (16383 + low + (next() % (high - low + 1))), TOP_BIT | random64());

describe("x87 transcendental instructions", () => {
  it("computes sine, cosine and tangent to the last place, arguments reduced by the 66-bit pi", () => {
    const quarter = (PI >> (F - 64n)) << (F - 65n);
    for (let n = 0; n < 150; n++) {
      const x = between(-20, n % 4 === 0 ? 62 : 3);
      const v = fixed(x);
      const k = (2n * abs(v) + quarter) / (2n * quarter);
      const r = abs(v) - k * quarter;
      const turn = Number(k & 3n);
      const s = [sine(r), cosine(r), -sine(r), -cosine(r)][turn]! * (v < 0n ? -1n : 1n);
      const c = [cosine(r), -sine(r), -cosine(r), sine(r)][turn]!;
      load(0x37f, x);
      unit["x87Fsincos"]!(cpu, 0);
      expect(Math.abs(distance(st(0), c))).toBeLessThan(0.501);
      expect(Math.abs(distance(st(1), s))).toBeLessThan(0.501);
      load(0x37f, x);
      unit["x87Fptan"]!(cpu, 0);
      expect(Math.abs(distance(st(1), (s << F) / c))).toBeLessThan(0.501);
    }
    load(0x37f, ext(0x403e, TOP_BIT)); // 2^63
    unit["x87Fsin"]!(cpu, 0);
    expect(status() & 0x47f).toBe(0x400);
  });

  it("computes arc tangents in all quadrants to the last place", () => {
    for (let n = 0; n < 150; n++) {
      const y = between(-6, 6);
      const x = n % 5 === 0 ? ext(y.se ^ (next() & 0x8000), y.m ^ BigInt(next() & 1)) : between(-6, 6);
      load(0x37f, x, y);
      unit["x87Fpatan"]!(cpu, 0);
      // halve the angle twice: atan t = 2 atan(t / (1 + sqrt(1 + t^2)))
      const steep = abs(fixed(y)) > abs(fixed(x));
      const a = abs(fixed(steep ? x : y));
      const b = abs(fixed(steep ? y : x));
      let t = (a << F) / b;
      for (let i = 0; i < 2; i++) t = (t << F) / (ONE + isqrt((ONE + mul(t, t)) << F));
      let angle = 4n * inverse(t, true);
      if (steep) angle = PI / 2n - angle;
      if (x.se > 0x7fff) angle = PI - angle;
      expect(Math.abs(distance(st(0), y.se > 0x7fff ? -angle : angle))).toBeLessThan(0.501);
    }
  });

  it("computes powers and logarithms to the last place", () => {
    for (let n = 0; n < 150; n++) {
      const x = between(-40, -1);
      load(0x37f, x);
      unit["x87F2xm1"]!(cpu, 0);
      expect(Math.abs(distance(st(0), exponential(mul(fixed(x), LN2)) - ONE))).toBeLessThan(0.501);
      const y = between(-3, 8);
      load(0x37f, x, y);
      unit["x87Fyl2xp1"]!(cpu, 0);
      const t = fixed(x);
      const scale = (v: bigint): bigint => (fixed(y) * v) / LN2;
      expect(Math.abs(distance(st(0), scale(2n * inverse((t << F) / (2n * ONE + t), false))))).toBeLessThan(0.501);
      const p = ext(n % 3 === 0 ? 0x3fff : 0x3fff + (next() % 60), n % 3 === 0 ? TOP_BIT + BigInt(next()) : x.m);
      load(0x37f, p, y);
      unit["x87Fyl2x"]!(cpu, 0);
      expect(Math.abs(distance(st(0), scale(logarithm(fixed(p)))))).toBeLessThan(0.501);
    }
  });
});

/** floor of the square root. */
function isqrt(n: bigint): bigint {
  if (n < 2n) return n;
  let x = 1n << BigInt((bits(n) + 1) >> 1);
  for (;;) {
    const y = (x + n / x) >> 1n;
    if (y >= x) return x;
    x = y;
  }
}
