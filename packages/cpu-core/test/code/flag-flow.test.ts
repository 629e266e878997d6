/** Flags that several blocks ask for, each in its own way, one of them behind others: what waits for one may have to be settled for another. */
import { expect, it } from "vitest";
import type { CpuCoreOptions } from "../../src/core.js";
import { Bench, CODE } from "../system/bench.js";

const FUNCTION = 0x9060,
  ROUNDS = 200;
const TIERS: Record<string, CpuCoreOptions> = {
  interpreted: { engine: "interp" },
  ...Object.fromEntries(
    [1, 5, 1000].map((leaps) => [
      `verified, joined after ${leaps} leaps`,
      { engine: "verify", translation: { heat: 2, leastRuns: 1, leaps, synchronous: true } },
    ]),
  ),
};

it.each(Object.entries(TIERS))(
  "a second condition on one comparison holds although the way of the first keeps CF for a DEC: %s",
  async (_name, options) => {
    const bench = (await Bench.create(undefined, options)).start("long");
    const values = [1, 9, 10, 8];
    for (let i = 0; i < 8; i++) bench.poke64(0x32000 + i * 8, BigInt(values[i % 4]!) << 36n);
    bench.poke64(0x31000, 9n << 36n);
    bench.code(CODE, "bf 00 10 03 00 41 b8 c8 00 00 00 31 d2"); // mov edi, 0x31000; mov r8d, ROUNDS; xor edx, edx
    const loop = CODE + 13;
    const call = loop + 14;
    const le32 = (value: number): string =>
      [0, 8, 16, 24].map((shift) => ((value >>> shift) & 0xff).toString(16).padStart(2, "0")).join("");
    bench.code(loop, "44 89 c6 83 e6 07 48 8b 0c f5 00 20 03 00"); // mov esi, r8d; and esi, 7; mov rcx, [rsi*8 + 0x32000]
    bench.code(call, `e8 ${le32(FUNCTION - (call + 5))} 41 ff c8 75 ${((loop - (call + 10)) & 0xff).toString(16)} f4`); // call; dec r8d; jnz; hlt
    bench.code(FUNCTION, "48 3b 0f 74 05 72 03 48 ff c2 c3"); // cmp rcx, [rdi]; je out; jb out; inc rdx; out: ret
    for (let exit = "budget"; exit === "budget"; ) exit = bench.vcpu.run(200);
    expect(bench.get("rdx")).toBe(ROUNDS / 4);
    if (options.engine === "verify") expect(bench.core.stats()["verify.compared"]).toBeGreaterThan(10);
  },
);
