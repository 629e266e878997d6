/** Verification: silent about what is right, and it names a planted mistake. */
import { isHvError } from "@paravane/paravirt-ops";
import { describe, expect, it } from "vitest";
import type { CpuCoreOptions } from "../../src/core.js";
import { Random } from "../../src/reference/values.js";
import { Bench, CODE, FRAMES, WINDOW } from "../system/bench.js";
import { program } from "./random-program.js";

const PROGRAMS = 60;
/** Everything is translated as soon as it has run twice, and before `run` returns. */
const EAGER = { heat: 2, leastRuns: 1, synchronous: true };
const VERIFY: CpuCoreOptions = { engine: "verify", translation: EAGER };

for (const mode of ["long", "protected"] as const)
  for (const hostile of [false, true])
    it(`finds nothing in random programs: ${mode} mode, ${hostile ? "overwriting themselves" : "code left alone"}`, {
      timeout: 120_000,
    }, async () => {
      const bench = await Bench.create(undefined, VERIFY);
      const random = new Random(hostile ? 31 : 32);
      for (let n = 0; n < PROGRAMS; n++) {
        bench.core.guestMemory.fill(0 as never, 0xa0000, 0);
        bench.start(mode);
        bench.core.guestMemory.write(CODE as never, Uint8Array.from(program(random, mode, hostile)));
        bench.set("rflags", 2);
        for (let left = 3000; left > 0; left -= 100) bench.vcpu.run(100);
      }
      const stats = bench.core.stats();
      expect(stats["verify.compared"]).toBeGreaterThan(PROGRAMS * 8);
      expect(stats["verify.skipped"]).toBe(0);
      expect(stats["tiers.jit.instructions"]).toBeGreaterThan(PROGRAMS * 100);
    });

/** 0x12345678 and 0x12345679 as WebAssembly's constants have them. */
const CONSTANT = [0xf8, 0xac, 0xd1, 0x91, 0x01];
const WRONG = [0xf9, ...CONSTANT.slice(1)];

/** Takes the next larger number wherever the translation has 0x12345678. */
function mistranslate(module: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const changed = module.slice();
  for (let at = 0; at < changed.length; at++) if (CONSTANT.every((byte, i) => changed[at + i] === byte)) changed.set(WRONG, at);
  return changed;
}
const wrong = (options: CpuCoreOptions = {}): CpuCoreOptions => ({
  ...VERIFY,
  translation: { ...EAGER, rewrite: mistranslate },
  ...options,
});

/** Runs a loop of 100 rounds around `hex` in 64-bit code; the text of what verification said, or undefined. */
async function found(hex: string, options: CpuCoreOptions, budget = 50): Promise<{ said: string | undefined; bench: Bench }> {
  const bench = await Bench.create(undefined, options);
  bench.start("long");
  bench.setPage(0, BigInt(FRAMES | 7));
  const body = hex.replaceAll(" ", "");
  const back = (-(body.length / 2 + 4) & 0xff).toString(16).padStart(2, "0");
  bench.code(CODE, `b964000000 ${body} ffc9 75${back} f4`);
  try {
    for (let left = 1000; left > 0; left -= budget) bench.vcpu.run(budget);
  } catch (error) {
    if (!isHvError(error) || error.code !== "core/verify") throw error;
    return { said: error.message, bench };
  }
  return { said: undefined, bench };
}

const ADD = "0578563412"; // add eax, 0x12345678
const address = (at: number): string => [0, 1, 2, 3].map((n) => ((at >>> (8 * n)) & 0xff).toString(16).padStart(2, "0")).join("");
const STORE = `c70425${address(WINDOW)}78563412`;

describe("a planted mistake", () => {
  it("is not seen where there is none", async () => {
    for (const hex of [ADD, STORE]) expect((await found(hex, VERIFY)).said).toBeUndefined();
  });
  it("in a register is named with the instruction and both values", async () => {
    const { said } = await found(`90 ${ADD}`, wrong());
    expect(said).toMatch(/the translation at 0x8005 \(\d+ instructions in \d+ blocks?\) and the interpreter differ/);
    const row = /rax +([0-9a-f]{16}) +([0-9a-f]{16}) +([0-9a-f]{16})/
      .exec(said!)!
      .slice(1, 4)
      .map((text) => Number.parseInt(text, 16));
    expect([row[0]! - row[2]!, row[1]! - row[2]!]).toEqual([0x12345679, 0x12345678]);
    expect(said).toMatch(/8006 +05 78 56 34 12 +add eax, 0x12345678/);
  });
  it("in memory is named by the physical address", async () => {
    const { said } = await found(STORE, wrong());
    expect(said).toMatch(new RegExp(`memory 0x${FRAMES.toString(16)} +79 +78 +78`));
    expect(said).not.toMatch(/\n {2}rax/);
  });
  it("in flags is found: a comparison that comes out otherwise", async () => {
    // mov eax, 0x12345678 by way of memory, so that the constant is in the comparison alone; cmp eax, 0x12345678; sete dl
    const load = `66c70425${address(WINDOW)}7856 66c70425${address(WINDOW + 2)}3412 8b0425${address(WINDOW)}`;
    const { said } = await found(`${load} 3d78563412 0f94c2`, wrong());
    expect(said).toMatch(/\n {2}rdx +/);
  });
  it("is found when runs are sampled, and what was not compared is counted", async () => {
    expect((await found(ADD, wrong({ verify: { first: 1, every: 1000 } }))).said).toBeDefined();
    const { bench } = await found(ADD, { ...VERIFY, verify: { first: 2, every: 5 } }, 7);
    const stats = bench.core.stats();
    expect(stats["verify.skipped"]).toBeGreaterThan(stats["verify.compared"]!);
    expect(stats["verify.compared"]).toBeGreaterThan(2);
    expect(stats["verify.runs"]).toBe(stats["verify.skipped"]! + stats["verify.compared"]!);
  });
});
