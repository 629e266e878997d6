// Some of the quick system tests as the same run in every tier: with the clock counting instructions, interpreted or translated, with
// translations compiled in between or in the background, the console and the count of instructions are the same.
import { describe, expect, test } from "vitest";
import { type CpuCoreOptions, cpuCoreWith } from "../../packages/cpu-core/src/index.js";
import { buildImage, INSTALL, installed } from "./runner/build.js";
import { allCases } from "./runner/catalogue.js";
import { runOurs } from "./runner/machines.js";

const EAGER = { heat: 2, leastRuns: 1 };
const TIERS: Record<string, CpuCoreOptions> = {
  "translations compiled at once": { engine: "jit", translation: { ...EAGER, synchronous: true } },
  "translations compiled in the background": { engine: "jit", translation: EAGER },
  "the usual thresholds": { engine: "jit" },
  verification: { engine: "verify", translation: { ...EAGER, synchronous: true } },
};
/** Loops that change themselves, fault and are stepped; interrupts by timers; several vCPUs. */
const CASES = ["hot-code (64)", "hot-code (32p)", "timers/one (64)", "shared-memory (pae)"];

describe.skipIf(!process.env["CI"] && !["gcc", "ld", "objcopy"].every(installed))(`system tests in every tier (${INSTALL})`, () => {
  for (const title of CASES)
    test(title, { timeout: 60_000 }, async () => {
      const one = allCases().find((known) => known.title === title)!;
      const { bytes } = await buildImage(one);
      const run = (options: CpuCoreOptions) => runOurs(bytes, one.settings, cpuCoreWith(options), "icount");
      const interpreted = await run({ engine: "interp" });
      expect(interpreted.status).toBe(1);
      for (const [tier, options] of Object.entries(TIERS)) expect({ tier, ...(await run(options)) }).toEqual({ tier, ...interpreted });
    });
});
