// The guest kit: one kernel in three modes, on every platform that has the mode. A sample; kit.guest.test.ts has the whole matrix.
import { describe, expect, test } from "vitest";
import { buildKit, canBuild, INSTALL } from "./runner/build.js";
import { complaints, type KitRun, runKit } from "./runner/machine.js";

const RUNS: readonly (readonly [mode: "32" | "32-pae" | "64", run: KitRun])[] = [
  ["32", { platform: "native" }],
  ["32-pae", { platform: "native", vcpus: 4 }],
  ["64", { platform: "native", vcpus: 4 }],
  ["32-pae", { platform: "xen", vcpus: 4 }],
  ["64", { platform: "xen", vcpus: 4 }],
  ["32", { platform: "vmi", vcpus: 4 }],
  ["32-pae", { platform: "vmi", vcpus: 4, vmi: { cpl: 1 } }],
  ["32", { platform: "vmi", vmi: { cpl: 1, calls: "all=native" } }],
];

describe.skipIf(!canBuild("32") || !canBuild("64"))(`the guest kit (needs ${INSTALL})`, () => {
  test.each(RUNS)("%s bits with %j", async (mode, run) => {
    const outcome = await runKit(await buildKit(mode), run);
    expect(complaints(outcome), outcome.console.slice(-600)).toEqual([]);
  });
});
