/** The engine's SSE arithmetic, compiled from its source, against the rational model: values, all flags, and when nothing may be written. */
import asc from "assemblyscript/asc";
import { beforeAll, describe, expect, it } from "vitest";
import { CR4, FAULT, MXCSR } from "../../src/layout.js";
import {
  DOUBLE,
  type Format,
  model,
  modelConvert,
  modelFromInteger,
  modelToInteger,
  type Operation,
  type Outcome,
  SINGLE,
} from "./float-model.js";

type VectorFunction = (cpu: number, dst: number, src: number, imm: number) => void;

const CPU = 0x4000;
const DST = 0x8000;
const SRC = 0x8010;
const BEFORE = 0x5a5a5a5a5a5a5a5an;
const OSXMMEXCPT = 1n << 10n;
const INVALID_OPCODE = 6;
const SIMD_EXCEPTION = 19;

const memory = new WebAssembly.Memory({ initial: 2 });
const view = new DataView(memory.buffer);
let engine: Record<string, VectorFunction>;

beforeAll(async () => {
  const root = new URL("../..", import.meta.url).pathname;
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    [
      "assembly/sse/arith.ts",
      "assembly/sse/convert.ts",
      "--baseDir",
      root,
      "--outFile",
      "out.wasm",
      "--runtime",
      "stub",
      "--enable",
      "simd",
      "--importMemory",
      "--noExportMemory",
      "--memoryBase",
      "1024",
      "--use",
      "abort=",
      "-O1",
    ],
    {
      writeFile: (_name, contents) => {
        if (typeof contents !== "string") binary = contents;
      },
    },
  );
  if (error !== null || binary === undefined) throw new Error(`asc: ${stderr.toString()}`);
  const { instance } = await WebAssembly.instantiate(binary as Uint8Array<ArrayBuffer>, { env: { memory } });
  engine = instance.exports as Record<string, VectorFunction>;
}, 60_000);

/** A repeatable sequence of 64-bit numbers (xorshift64*). */
function numbers(seed: bigint): () => bigint {
  let state = seed;
  return () => {
    state ^= state >> 12n;
    state = BigInt.asUintN(64, state ^ (state << 25n));
    state ^= state >> 27n;
    return BigInt.asUintN(64, state * 0x2545f4914f6cdd1dn);
  };
}

/** Operands that meet the corners: extreme exponents, few or nearly all fraction bits, zeroes, infinities, NaNs, neighbours of powers of two. */
function operand(f: Format, next: () => bigint): bigint {
  const choice = Number(next() % 16n);
  const mask = (1n << BigInt(f.fraction)) - 1n;
  const exponentMask = (1n << BigInt(f.bits - f.fraction - 1)) - 1n;
  const sign = (next() & 1n) << BigInt(f.bits - 1);
  const middle = exponentMask >> 1n;
  const shapes = [
    next() & mask,
    0n,
    mask,
    1n,
    mask & ~1n,
    1n << (next() % BigInt(f.fraction)),
    (next() & mask) >> (next() % BigInt(f.fraction)),
    mask & (next() << (next() % BigInt(f.fraction))),
  ];
  const fraction = shapes[Number(next() % 8n)]!;
  const near = (e: bigint): bigint => e + (next() % 5n) - 2n;
  const exponents = [
    0n,
    0n,
    1n,
    2n,
    exponentMask,
    exponentMask - 1n,
    exponentMask - 2n,
    near(middle >> 1n),
    near(middle + (middle >> 1n)),
    next() & exponentMask,
  ];
  const exponent = exponents[choice] ?? near(middle) + (choice === 15 ? BigInt(f.fraction) : 0n);
  return sign | ((exponent & exponentMask) << BigInt(f.fraction)) | fraction;
}
/** Sticky flags and any control bits; half of the time everything is masked, a quarter of the time the host may compute. */
function control(next: () => bigint): number {
  const random = Number(next() & 0xffffn);
  const kind = random & 3;
  if (kind === 0) return 0x1f80 | 0x20 | (random & 0x8040);
  return kind === 1 ? (random & 0x1f) | (random & 0x7fc0) | 0x1000 : random | 0x1f80;
}

function read(address: number, bits: number): bigint {
  return bits === 32 ? BigInt(view.getUint32(address, true)) : view.getBigUint64(address, true);
}

interface Case {
  readonly fn: string;
  readonly a: bigint;
  readonly b: bigint;
  readonly mxcsr: number;
  readonly bits: number;
  readonly expected: Outcome;
}
/** Runs one case; a text when something differs. */
function difference({ fn, a, b, mxcsr, bits, expected }: Case): string | undefined {
  view.setBigUint64(DST, a, true);
  view.setBigUint64(DST + 8, BEFORE, true);
  view.setBigUint64(SRC, b, true);
  view.setUint32(CPU + MXCSR, mxcsr, true);
  view.setBigUint64(CPU + CR4, OSXMMEXCPT, true);
  view.setInt32(CPU + FAULT, -1, true);
  engine[fn]!(CPU, DST, SRC, 0);
  const unmasked = expected.flags & ~(mxcsr >> 7) & 0x3f;
  const flags = unmasked & 7 ? expected.flags & 7 : expected.flags;
  const wanted = [unmasked ? SIMD_EXCEPTION : -1, mxcsr | flags, (unmasked ? BigInt.asUintN(bits, a) : expected.bits).toString(16)];
  const got = [view.getInt32(CPU + FAULT, true), view.getUint32(CPU + MXCSR, true), read(DST, bits).toString(16)];
  if (wanted.every((w, i) => w === got[i])) return undefined;
  return `${fn} ${a.toString(16)} ${b.toString(16)} mxcsr ${mxcsr.toString(16)}: ${got} instead of ${wanted}`;
}
function firstDifference(count: number, make: (i: number) => Case): string | undefined {
  for (let i = 0; i < count; i++) {
    const text = difference(make(i));
    if (text !== undefined) return text;
  }
  return undefined;
}

const FORMATS: readonly [Format, string][] = [
  [SINGLE, "ss"],
  [DOUBLE, "sd"],
];
const OPERATIONS: readonly Operation[] = ["add", "sub", "mul", "div", "sqrt", "min", "max"];

describe.each(FORMATS)("arithmetic of %o (%s)", (format, suffix) => {
  it.each(OPERATIONS)("%s agrees with exact rationals in every rounding mode, with its flags and its faults", (operation) => {
    const next = numbers(0x9e3779b97f4a7c15n + BigInt(operation.length));
    const report = firstDifference(4000, () => {
      const a = operand(format, next),
        b = operand(format, next),
        mxcsr = control(next);
      return { fn: operation + suffix, a, b, mxcsr, bits: format.bits, expected: model(format, operation, a, b, mxcsr) };
    });
    expect(report).toBeUndefined();
  });

  it("rounds sums of neighbours correctly when the host's arithmetic is used and when it is not", () => {
    const next = numbers(77n);
    const report = firstDifference(3000, (i) => {
      const a = operand(format, next);
      const b = BigInt.asUintN(format.bits, a ^ (next() & 7n) ^ ((next() & 1n) << BigInt(format.bits - 1)));
      const mxcsr = i & 1 ? 0x1fa0 : 0x1f80;
      return { fn: `add${suffix}`, a, b, mxcsr, bits: format.bits, expected: model(format, "add", a, b, mxcsr) };
    });
    expect(report).toBeUndefined();
  });
});

describe("conversions", () => {
  it("narrow doubles and widen singles exactly", () => {
    const next = numbers(5n);
    const report = firstDifference(6000, (i) => {
      const mxcsr = control(next);
      // Doubles near the range of singles are the interesting ones.
      const wide = operand(DOUBLE, next);
      const b =
        i % 2 === 0
          ? operand(SINGLE, next)
          : i % 4 === 1
            ? wide
            : modelConvert(SINGLE, DOUBLE, operand(SINGLE, next), 0x1f80).bits ^ (next() & 0x3fffffffn);
      const [from, to, fn] = i % 2 === 0 ? ([SINGLE, DOUBLE, "cvtss2sd"] as const) : ([DOUBLE, SINGLE, "cvtsd2ss"] as const);
      return { fn, a: BEFORE, b, mxcsr, bits: to.bits, expected: modelConvert(from, to, b, mxcsr) };
    });
    expect(report).toBeUndefined();
  });

  it("take signed integers of both sizes", () => {
    const next = numbers(6n);
    const report = firstDifference(4000, (i) => {
      const mxcsr = control(next);
      const b = (next() >> (next() % 64n)) << (next() % 64n);
      const [format, name] = i & 2 ? ([DOUBLE, "sd"] as const) : ([SINGLE, "ss"] as const);
      // Every 32-bit integer is a double: that one is a plain conversion, which the vectors cover.
      const bits = i & 1 || format === DOUBLE ? 64 : 32;
      const source = BigInt.asUintN(64, b);
      return {
        fn: `cvtsi2${name}${bits}`,
        a: BEFORE,
        b: source,
        mxcsr,
        bits: format.bits,
        expected: modelFromInteger(format, BigInt.asIntN(bits, source), mxcsr),
      };
    });
    expect(report).toBeUndefined();
  });

  it("give integers, or the integer indefinite with IE", () => {
    const next = numbers(7n);
    const report = firstDifference(8000, (i) => {
      const mxcsr = control(next);
      const bits = i & 1 ? 64 : 32;
      const truncate = (i & 2) !== 0;
      const [format, name] = i & 4 ? ([DOUBLE, "sd"] as const) : ([SINGLE, "ss"] as const);
      // Integers near the limits, with and without a fraction.
      const b =
        i % 3 === 0
          ? operand(format, next)
          : modelFromInteger(format, BigInt.asIntN(64, next() >> (next() % 40n)), 0x1f80).bits ^ (next() & 3n);
      const expected = modelToInteger(format, b, bits, truncate ? 3 : (mxcsr >> 13) & 3, mxcsr);
      return { fn: `cvt${truncate ? "t" : ""}${name}2si${bits}`, a: BEFORE, b, mxcsr, bits: 64, expected };
    });
    expect(report).toBeUndefined();
  });
});

describe("packed forms", () => {
  const packed: [Format, string][] = [
    [SINGLE, "ps"],
    [DOUBLE, "pd"],
  ];
  it.each(packed)("of %o (%s) do in every lane what the scalar form does, and collect the flags", (format, suffix) => {
    const next = numbers(11n);
    const lanes = 128 / format.bits;
    for (let i = 0; i < 3000; i++) {
      const operation = OPERATIONS[i % OPERATIONS.length]!;
      // Mostly moderate operands, or no vector would be free of corner cases.
      const simple = i % 3 !== 0;
      const value = (): bigint => (simple ? modelFromInteger(format, BigInt.asIntN(20, next()), 0x1f80).bits : operand(format, next));
      const mxcsr = simple ? 0x1fa0 : control(next) | 0x1f80;
      const lane = (i: number): [bigint, bigint] => [(i * format.bits) % 64 === 0 ? 0n : 32n, BigInt((i * format.bits) >> 6)];
      const a = Array.from({ length: lanes }, value),
        b = Array.from({ length: lanes }, value);
      for (const [values, at] of [
        [a, DST],
        [b, SRC],
      ] as const)
        for (let half = 0; half < 2; half++)
          view.setBigUint64(
            at + 8 * half,
            values.reduce((sum, v, k) => (lane(k)[1] === BigInt(half) ? sum | (v << lane(k)[0]) : sum), 0n),
            true,
          );
      view.setUint32(CPU + MXCSR, mxcsr, true);
      view.setInt32(CPU + FAULT, -1, true);
      const expected = a.map((x, k) => model(format, operation, x, b[k]!, mxcsr));
      engine[operation + suffix]!(CPU, DST, SRC, 0);
      const got = a.map((_, k) => read(DST + (k * format.bits) / 8, format.bits).toString(16));
      expect([operation, ...got, view.getUint32(CPU + MXCSR, true)]).toEqual([
        operation,
        ...expected.map((e) => e.bits.toString(16)),
        expected.reduce((flags, e) => flags | e.flags, mxcsr),
      ]);
    }
  });

  it("report the flags of all lanes but keep rounding flags back when an operand itself is unmasked", () => {
    view.setUint32(DST, 0x3f800000, true); // 1 / 3: inexact
    view.setUint32(DST + 4, 0x3f800000, true); // 1 / 0
    view.setBigUint64(DST + 8, 0x3f8000003f800000n, true);
    view.setUint32(SRC, 0x40400000, true);
    view.setUint32(SRC + 4, 0, true);
    view.setBigUint64(SRC + 8, 0x3f8000003f800000n, true);
    view.setBigUint64(CPU + CR4, OSXMMEXCPT, true);
    for (const [mxcsr, after, fault] of [
      [0x1f80, 0x1fa4, -1],
      [0x1d80, 0x1d84, SIMD_EXCEPTION],
    ] as const) {
      view.setUint32(DST, 0x3f800000, true);
      view.setUint32(CPU + MXCSR, mxcsr, true);
      view.setInt32(CPU + FAULT, -1, true);
      const before = view.getBigUint64(DST, true);
      engine["divps"]!(CPU, DST, SRC, 0);
      expect(view.getUint32(CPU + MXCSR, true)).toBe(after);
      expect(view.getInt32(CPU + FAULT, true)).toBe(fault);
      if (fault >= 0) expect(view.getBigUint64(DST, true)).toBe(before);
      view.setUint32(DST + 4, 0x3f800000, true);
    }
  });

  it("raise #UD instead of #XM for a kernel that has not set CR4.OSXMMEXCPT", () => {
    view.setBigUint64(DST, 0x3ff0000000000000n, true);
    view.setBigUint64(SRC, 0n, true);
    view.setUint32(CPU + MXCSR, 0, true);
    view.setBigUint64(CPU + CR4, 0n, true);
    view.setInt32(CPU + FAULT, -1, true);
    engine["divsd"]!(CPU, DST, SRC, 0);
    expect(view.getInt32(CPU + FAULT, true)).toBe(INVALID_OPCODE);
  });
});
