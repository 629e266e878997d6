/** The x87 unit against an independent model, its instruction functions called as the interpreter would call them. */
import { beforeAll, describe, expect, it } from "vitest";
import { FTW } from "../../src/layout.js";
import {
  abs,
  bits,
  C1,
  cosine,
  DE,
  distance,
  exactOf,
  exponential,
  type Ext,
  ext,
  F,
  fixed,
  IE,
  inverse,
  isqrt,
  LN2,
  logarithm,
  minus,
  mul,
  OE,
  ONE,
  PE,
  PI,
  product,
  quotient,
  round,
  scaled,
  SF,
  show,
  sine,
  sum,
  toExt,
  TOP_BIT,
  UE,
  up,
  ZE,
} from "./model.js";
import { anyFcw, between, compileX87, cpu, finite, isDenormal, neighbour, next, operand, random64, type X87 } from "./unit.js";

let x87: X87;
beforeAll(async () => {
  x87 = await compileX87();
}, 60_000);

function check(name: string, fcw: number, inputs: Ext[], i: number, want: Ext, flags: number): void {
  const label = `${name} fcw ${fcw.toString(16)} of ${inputs.map(show).join(" ")}`;
  const denormal = inputs.some(isDenormal) ? DE : 0;
  expect(`${label}: ${show(x87.st(i))} ${(x87.status() & 0x27f).toString(16)}`).toBe(
    `${label}: ${show(want)} ${(flags | denormal).toString(16)}`,
  );
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
        x87.load(fcw, a, b);
        x87.run(name, 1);
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
        x87.load(fcw, a, b);
        x87.run("x87Fdiv", 1);
        const want = toExt(quotient(exactOf(a), exactOf(b)), fcw);
        check("x87Fdiv", fcw, [a, b], 0, want.value, want.flags);
      }
      const r = ext(a.se & 0x7fff, n % 3 === 0 ? TOP_BIT | ((random64() >> 33n) << 32n) : a.m);
      if (r.m === 0n) continue;
      x87.load(fcw, r);
      x87.run("x87Fsqrt");
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
      x87.load(0x37f, a, b);
      x87.run(name, 1);
      check(name, 0x37f, [a, b], 0, want, flags);
    }
  });

  it("leaves registers alone when an unmasked exception precedes the result, and wraps the exponent when it follows", () => {
    const one = ext(0x3fff, TOP_BIT);
    x87.load(0x37b, one, ext(0, 0n)); // ZE unmasked
    x87.run("x87Fdiv", 1);
    expect(show(x87.st(0))).toBe(show(one));
    expect(x87.status() & 0x80ff).toBe(0x8080 | ZE);
    const big = ext(0x7ffe, TOP_BIT);
    x87.load(0x377, big, big); // OE unmasked
    x87.run("x87Fmul", 1);
    expect(show(x87.st(0))).toBe(show(ext(0x7ffe + 0x7ffe - 0x3fff - 0x6000, TOP_BIT)));
    expect(x87.status() & 0x80ff).toBe(0x8080 | OE);
    const small = ext(1, TOP_BIT);
    x87.load(0x36f, small, small); // UE unmasked
    x87.run("x87Fmul", 1);
    expect(show(x87.st(0))).toBe(show(ext(2 - 0x3fff + 0x6000, TOP_BIT)));
    expect(x87.status() & 0x80ff).toBe(0x8080 | UE);
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
        x87.load(fcw, x);
        expect(x87.run(name, operand)).toBe(1);
        const got = size === 64 ? x87.view.getBigUint64(operand, true) : BigInt(x87.view.getUint32(operand, true));
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
        expect(`${name} ${fcw.toString(16)} ${show(x)} ${got.toString(16)} ${x87.status() & 0x27f}`).toBe(
          `${name} ${fcw.toString(16)} ${show(x)} ${want.toString(16)} ${flags}`,
        );
      }
    }
  });

  it("widens every double it stores back unchanged", () => {
    for (let n = 0; n < 2000; n++) {
      const raw = n < 64 ? 1n << BigInt(n) : random64();
      const nan = ((raw >> 52n) & 0x7ffn) === 0x7ffn && (raw & 0xfffffffffffffn) !== 0n;
      x87.load(0x37f);
      x87.view.setBigUint64(operand, raw, true);
      x87.run("x87FldM64", operand);
      x87.run("x87FstpM64", operand);
      expect(x87.view.getBigUint64(operand, true)).toBe(nan ? raw | (1n << 51n) : raw);
      expect(x87.view.getUint32(cpu + FTW, true)).toBe(0);
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
        x87.load(fcw, x);
        x87.run(name, operand);
        const carry = up(mode, v.negative, q, rest);
        let value = (carry ? q + 1n : q) * (v.negative ? -1n : 1n);
        let flags = rest === undefined ? 0 : PE | (carry ? C1 : 0);
        if (BigInt.asIntN(size, value) !== value) {
          value = -(1n << BigInt(size - 1));
          flags = IE;
        }
        const got =
          size === 16
            ? BigInt(x87.view.getInt16(operand, true))
            : size === 32
              ? BigInt(x87.view.getInt32(operand, true))
              : x87.view.getBigInt64(operand, true);
        expect(`${name} ${show(x)} ${got} ${x87.status() & 0x27f}`).toBe(`${name} ${show(x)} ${value} ${flags}`);
      }
    }
  });

  it("packs eighteen decimal digits and reads them back", () => {
    for (const value of [0n, 1n, -1n, 42n, -999999999999999999n, 123456789012345678n]) {
      x87.view.setBigInt64(operand, value, true);
      x87.load(0x37f);
      x87.run("x87FildM64", operand);
      x87.run("x87Fbstp", operand);
      let digits = "";
      for (let i = 8; i >= 0; i--)
        digits += x87.view
          .getUint8(operand + i)
          .toString(16)
          .padStart(2, "0");
      expect(BigInt(digits) * (x87.view.getUint8(operand + 9) ? -1n : 1n)).toBe(value);
      x87.run("x87Fbld", operand);
      x87.run("x87FistpM64", operand);
      expect(x87.view.getBigInt64(operand, true)).toBe(value);
    }
    x87.load(0x37f, ext(0x403a, 0xde0b6b3a76400000n)); // 10^18
    x87.run("x87Fbstp", operand);
    expect(x87.view.getBigUint64(operand, true)).toBe(0xc000000000000000n);
    expect(x87.view.getUint16(operand + 8, true)).toBe(0xffff);
  });

  it("tells stack overflow from underflow by C1", () => {
    x87.load(0x37f, ...Array.from({ length: 8 }, () => ext(0x3fff, TOP_BIT)));
    x87.run("x87Fld1");
    expect(x87.status() & 0x27f).toBe(IE | SF | C1);
    x87.load(0x37f);
    x87.run("x87Fadd", 1);
    expect(x87.status() & 0x27f).toBe(IE | SF);
    expect(show(x87.st(0))).toBe("ffff:c000000000000000");
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
        x87.load(0x37f, a, b);
        let steps = 0;
        do x87.run(name);
        while (x87.status() & 0x400 && ++steps < 1200);
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
        const s = x87.status();
        const low = ((s >> 8) & 1) * 4 + ((s >> 14) & 1) * 2 + ((s >> 9) & 1);
        // the quotient is known only when one step did it all
        const wantLow = steps === 0 ? Number(q & 7n) : low;
        expect(`${name} ${show(a)} ${show(b)} ${show(x87.st(0))} ${low}`).toBe(`${name} ${show(a)} ${show(b)} ${show(want)} ${wantLow}`);
      }
    }
  });

  it("takes a number apart and puts it together again", () => {
    for (let n = 0; n < 1000; n++) {
      const a = finite();
      if (a.m === 0n) continue;
      x87.load(0x37f, a);
      x87.run("x87Fxtract");
      x87.run("x87Fscale");
      const pseudo = (a.se & 0x7fff) === 0 && a.m >= TOP_BIT;
      expect(show(x87.st(0))).toBe(show(pseudo ? ext(a.se | 1, a.m) : a));
    }
  });
});

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
      x87.load(0x37f, x);
      x87.run("x87Fsincos");
      expect(Math.abs(distance(x87.st(0), c))).toBeLessThan(0.501);
      expect(Math.abs(distance(x87.st(1), s))).toBeLessThan(0.501);
      x87.load(0x37f, x);
      x87.run("x87Fptan");
      expect(Math.abs(distance(x87.st(1), (s << F) / c))).toBeLessThan(0.501);
    }
    x87.load(0x37f, ext(0x403e, TOP_BIT)); // 2^63
    x87.run("x87Fsin");
    expect(x87.status() & 0x47f).toBe(0x400);
  });

  it("computes arc tangents in all quadrants to the last place", () => {
    for (let n = 0; n < 150; n++) {
      const y = between(-6, 6);
      const x = n % 5 === 0 ? ext(y.se ^ (next() & 0x8000), y.m ^ BigInt(next() & 1)) : between(-6, 6);
      x87.load(0x37f, x, y);
      x87.run("x87Fpatan");
      // halve the angle twice: atan t = 2 atan(t / (1 + sqrt(1 + t^2)))
      const steep = abs(fixed(y)) > abs(fixed(x));
      const a = abs(fixed(steep ? x : y));
      const b = abs(fixed(steep ? y : x));
      let t = (a << F) / b;
      for (let i = 0; i < 2; i++) t = (t << F) / (ONE + isqrt((ONE + mul(t, t)) << F));
      let angle = 4n * inverse(t, true);
      if (steep) angle = PI / 2n - angle;
      if (x.se > 0x7fff) angle = PI - angle;
      expect(Math.abs(distance(x87.st(0), y.se > 0x7fff ? -angle : angle))).toBeLessThan(0.501);
    }
  });

  it("computes powers and logarithms to the last place", () => {
    for (let n = 0; n < 150; n++) {
      const x = between(-40, -1);
      x87.load(0x37f, x);
      x87.run("x87F2xm1");
      expect(Math.abs(distance(x87.st(0), exponential(mul(fixed(x), LN2)) - ONE))).toBeLessThan(0.501);
      const y = between(-3, 8);
      x87.load(0x37f, x, y);
      x87.run("x87Fyl2xp1");
      const t = fixed(x);
      const scale = (v: bigint): bigint => (fixed(y) * v) / LN2;
      expect(Math.abs(distance(x87.st(0), scale(2n * inverse((t << F) / (2n * ONE + t), false))))).toBeLessThan(0.501);
      const p = ext(n % 3 === 0 ? 0x3fff : 0x3fff + (next() % 60), n % 3 === 0 ? TOP_BIT + BigInt(next()) : x.m);
      x87.load(0x37f, p, y);
      x87.run("x87Fyl2x");
      expect(Math.abs(distance(x87.st(0), scale(logarithm(fixed(p)))))).toBeLessThan(0.501);
    }
  });
});
