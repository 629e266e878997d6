// A million random calls of a hostile kernel at each level, PAE or not: architectural answers, memory that does not grow, and the same run again
// from the same seed. Then kernels that keep off nothing, until they end themselves.
import { describe, expect, test } from "vitest";
import { heapBytes } from "../heap.js";
import { INSTALL, installed } from "../system/runner/build.js";
import { run } from "./runner.js";

/** Of each kind: a million at each level. */
const CALLS = 500_000;
const AGAIN = 30_000;
const GROWTH_BYTES = 16 << 20;
const WILD_SEEDS = 12;
const WILD_LIMIT_MS = 400;

const wrong = (console: string): string[] => console.split("\n").filter((line) => /^not ok|unexpected/.test(line));

const kinds = [
  ["pae", { cpl: 1 }],
  ["32p", { cpl: 1, hole: 0 }],
  ["32p", { cpl: 0 }],
  ["pae", { cpl: 0, hole: 64 << 20 }],
] as const;

describe.skipIf(!installed("gcc"))(`hostile calls (needs ${INSTALL})`, () => {
  describe.each(kinds)("%s, %j", (mode, config) => {
    test("are answered as the architecture has it, and cost no memory", { timeout: 600_000 }, async () => {
      const sizes: number[] = [];
      const quarters = (all: string): number => all.split("\n").filter((line) => line.startsWith("calls ")).length;
      const { console, end } = await run("hostile", {
        mode,
        config,
        defines: { SEED: "1", CALLS_MADE: String(CALLS) },
        clock: "icount",
        limitMs: 500_000,
        onConsole: (all) => {
          while (sizes.length < quarters(all)) sizes.push(heapBytes());
        },
      });
      expect([...wrong(console), end], console.slice(-600)).toEqual(["exit 1"]);
      expect(sizes.length).toBe(4);
      expect(sizes[3]! - sizes[1]!).toBeLessThan(GROWTH_BYTES);
    });

    test("are the same run from the same seed, and another one from another", async () => {
      const of = (seed: number) =>
        run("hostile", { mode, config, defines: { SEED: String(seed), CALLS_MADE: String(AGAIN) }, clock: "icount", limitMs: 100_000 });
      const [first, second, other] = [await of(2), await of(2), await of(3)];
      expect(second).toEqual(first);
      expect(other.console).not.toBe(first.console);
    });

    test("end the guest at most when it keeps off nothing", async () => {
      for (let seed = 1; seed <= WILD_SEEDS; seed++) {
        const defines = { SEED: String(seed), CALLS_MADE: "4000", WILD: "true" };
        const { end } = await run("hostile", { mode, config, defines, limitMs: WILD_LIMIT_MS });
        expect(end, `seed ${seed}`).toMatch(/^(exit|aborted|reset|crash|poweroff|halted|stopped|shutdown)/);
      }
    });
  });
});
