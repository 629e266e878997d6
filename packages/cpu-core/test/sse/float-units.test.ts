/** Loops over floating-point numbers of every kind, under every MXCSR: each run of a translation is done again by the interpreter and compared. */
import { describe, expect, it } from "vitest";
import type { CpuCoreOptions } from "../../src/core.js";
import { MXCSR } from "../../src/layout.js";
import { Random } from "../../src/reference/values.js";
import { Bench, CODE } from "../system/bench.js";

const DATA = 0x30000,
  CONTROLS = 0x31000,
  OUT = 0x32000;
const PROGRAMS = 60,
  ROUNDS = 150;
const le32 = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

/** Doubles that programs compute with, and now and then those at which something else happens. */
function double(random: Random, odd: number): number {
  if (random.below(100) >= odd) {
    const plain = [0, -0, 1, 0.5, 3, -0.25, 1024, 0.1, -7.3, 1e-5, 12345.678, 2 ** 53, 1 / 3];
    return plain[random.below(plain.length)]!;
  }
  const strange = [
    5e-324,
    1e-310,
    1e300,
    -1e200,
    1e-200,
    1e-40,
    1e40,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** -1022,
    2 ** -127,
    2 ** 129,
    2 ** -128,
  ];
  return strange[random.below(strange.length)]!;
}

/** mod=3 for two vector registers, or a vector register and an absolute address. */
const registers = (random: Random): number[] => [0xc0 | (random.below(8) << 3) | random.below(8)];
const memory = (random: Random, align: number, base = DATA): number[] => [
  0x04 | (random.below(8) << 3),
  0x25,
  ...le32(base + random.below(256 / align) * align),
];

function body(random: Random, controls: boolean): number[] {
  const pick = (...choices: number[]): number => choices[random.below(choices.length)]!;
  const arithmetic = (): number => pick(0x58, 0x59, 0x5c, 0x58, 0x59, 0x5c, 0x5e, 0x51, 0x5d, 0x5f);
  const out: number[] = [];
  const pieces: (() => number[])[] = [
    () => [0xf2, 0x0f, arithmetic(), ...registers(random)],
    () => [0xf2, 0x0f, arithmetic(), ...registers(random)],
    () => [0xf2, 0x0f, arithmetic(), ...memory(random, 8)],
    () => [0xf3, 0x0f, arithmetic(), ...registers(random)],
    () => [0xf3, 0x0f, arithmetic(), ...memory(random, 4)],
    () => [0x66, 0x0f, arithmetic(), ...registers(random)],
    () => [0x66, 0x0f, arithmetic(), ...memory(random, 16)],
    () => [0x0f, arithmetic(), ...registers(random)],
    () => [0x0f, arithmetic(), ...memory(random, 16)],
    () => [0xf2, 0x0f, 0x10, ...memory(random, 8)], // movsd, and the store
    () => [0xf2, 0x0f, 0x10, ...memory(random, 8)],
    () => [0xf2, 0x0f, 0x11, ...memory(random, 8, OUT)],
    () => [0x66, 0x0f, 0x28, ...registers(random)], // movapd
    () => [0x66, 0x0f, 0x28, ...memory(random, 16)],
    () => [0x66, 0x0f, pick(0x14, 0x54, 0x57, 0xef), ...registers(random)], // unpcklpd, andpd, xorpd, pxor
    () => [0x66, 0x0f, 0xc2, ...registers(random), random.below(8)], // cmppd
    () => [0xf2, 0x0f, 0x2a, 0xc0 | (random.below(8) << 3) | 1], // cvtsi2sd xmm, ecx
    () => [pick(0xf2, 0xf3), 0x0f, 0x5a, ...registers(random)], // cvtsd2ss, cvtss2sd
    () => [0xf2, 0x0f, 0x2c, 0xc0 | random.below(8)], // cvttsd2si eax, xmm
  ];
  const count = 4 + random.below(10);
  for (let i = 0; i < count; i++) {
    out.push(...pieces[random.below(pieces.length)]!());
    if (random.below(5) === 0) {
      // comisd, and over the next instruction
      const skipped = pieces[random.below(pieces.length)]!();
      out.push(0x66, 0x0f, 0x2f, ...registers(random), pick(0x72, 0x73, 0x74, 0x76, 0x7a), skipped.length, ...skipped);
    }
    if (controls && random.below(8) === 0) out.push(0x0f, 0xae, 0x14, 0x25, ...le32(CONTROLS + 4 * random.below(8))); // ldmxcsr
  }
  return out;
}

const VERIFIED: CpuCoreOptions = { engine: "verify", translation: { heat: 2, leastRuns: 1, leaps: 3, synchronous: true } };

describe("floating point in units", () => {
  for (const [name, odd, controls] of [
    ["ordinary numbers", 0, false],
    ["a few strange ones", 4, false],
    ["many strange ones", 40, false],
    ["MXCSR changing in the loop", 4, true],
  ] as const)
    it(`does what the interpreter does: ${name}`, { timeout: 120_000 }, async () => {
      const bench = await Bench.create(undefined, VERIFIED);
      const random = new Random(odd + (controls ? 7 : 3));
      for (let n = 0; n < PROGRAMS; n++) {
        bench.start("long");
        const { guestMemory } = bench.core;
        const doubles = new Float64Array(32).map(() => double(random, odd));
        const singles = new Float32Array(32).map((_, i) => (random.below(2) === 0 ? doubles[i]! : double(random, odd)));
        guestMemory.write(DATA as never, new Uint8Array(doubles.buffer));
        if (random.below(2) === 0) guestMemory.write((DATA + 128) as never, new Uint8Array(singles.buffer));
        // Rounding modes, FTZ and DAZ are rarer than PE.
        bench.poke32(CONTROLS, 0x1f80, 0x1fa0, 0x1f80, 0x1fa0, 0x1fc0, 0x9fa0, 0x7fa0, 0x3f80);
        const inner = body(random, controls);
        const loads = Array.from({ length: 8 }, (_, i) => [0x66, 0x0f, 0x28, 0x04 | (i << 3), 0x25, ...le32(DATA + 16 * i)]).flat();
        const start = [0x0f, 0xae, 0x14, 0x25, ...le32(CONTROLS + 4 * random.below(2)), ...loads, 0xb9, ...le32(ROUNDS)];
        const distance = -(inner.length + 2 + 6);
        const bytes = [...start, ...inner, 0xff, 0xc9, 0x0f, 0x85, ...le32(distance), 0xf4]; // dec ecx; jnz; hlt
        guestMemory.write(CODE as never, Uint8Array.from(bytes));
        let exit = "budget";
        for (let turn = 0; exit === "budget" && turn < 400; turn++) exit = bench.vcpu.run(20 + random.below(300));
        expect(exit, `program ${n}`).not.toBe("budget");
      }
      expect(bench.core.stats()["verify.compared"]).toBeGreaterThan(PROGRAMS);
      expect(bench.core.stats()["tiers.jit.instructions"]).toBeGreaterThan(PROGRAMS * 50);
    });

  it("asks a number anew that a loop computes from itself", async () => {
    const bench = (await Bench.create(undefined, VERIFIED)).start("long");
    bench.core.guestMemory.write(DATA as never, new Uint8Array(new Float64Array([1024, 0, 1, 0]).buffer));
    bench.poke32(CONTROLS, 0x1fa0);
    // ldmxcsr; movapd xmm0, [DATA + 16]; mov ecx, 300
    const start = [0x0f, 0xae, 0x14, 0x25, ...le32(CONTROLS), 0x66, 0x0f, 0x28, 0x04, 0x25, ...le32(DATA + 16), 0xb9, ...le32(300)];
    // mulsd xmm0, [DATA]; dec ecx; jnz
    const inner = [0xf2, 0x0f, 0x59, 0x04, 0x25, ...le32(DATA)];
    bench.core.guestMemory.write(CODE as never, Uint8Array.from([...start, ...inner, 0xff, 0xc9, 0x75, -(inner.length + 4) & 0xff, 0xf4]));
    // Translated after a few rounds, then without a stop.
    for (let exit = "budget", turn = 0; exit === "budget"; turn++) exit = bench.vcpu.run(turn < 3 ? 6 : 2000);
    const OVERFLOW = 0x08;
    expect(bench.word(MXCSR) & OVERFLOW).toBe(OVERFLOW);
    expect(bench.core.stats()["tiers.jit.instructions"]).toBeGreaterThan(20);
  });
});
