// A hostile kernel of our own: random calls with random arguments, from a seed. The host survives, its books are right, and two runs are alike.
import { describe, expect, test } from "vitest";
import { buildGuest, buildPvhGuest, canBuild, INSTALL } from "./runner/build.js";
import { brokenInvariants } from "./runner/invariants.js";
import { complaints, runDomain } from "./runner/machine.js";

const CALLS = 4000;

const guests = [
  { what: "64-bit PV", bits: 64, build: () => buildGuest("hostile", 64, { SEED: 7, CALLS }) },
  { what: "32-bit PV", bits: 32, build: () => buildGuest("hostile", 32, { SEED: 7, CALLS }) },
  { what: "64-bit PVH", bits: 64, build: () => buildPvhGuest("pvhhostile", 4, { SEED: 7, CALLS }) },
  { what: "PAE PVH", bits: 32, build: () => buildPvhGuest("pvhhostile", 3, { SEED: 7, CALLS }) },
] as const;

describe.each(guests)("a hostile $what guest", ({ bits, build }) => {
  if (!canBuild(bits)) {
    test.skip(`needs a compiler: ${INSTALL}`, () => {});
    return;
  }
  test("breaks nothing, and does the same twice", { timeout: 120_000 }, async () => {
    const kernel = await build();
    const runs = [];
    for (let run = 0; run < 2; run++) {
      const broken: string[] = [];
      const look = { every: 5000, at: (domain: Parameters<typeof brokenInvariants>[0]) => void broken.push(...brokenInvariants(domain)) };
      const outcome = await runDomain(kernel, { clock: "icount", look });
      expect([...complaints(outcome), ...broken]).toEqual([]);
      runs.push(outcome.console);
    }
    expect(runs[1]).toBe(runs[0]);
    // Nearly right is worth something: a good part of the calls succeeds.
    const answered = [...runs[0]!.matchAll(/answered (0x[0-9a-f]+)/g)].map(([, number]) => Number(number));
    expect(answered.at(-1)).toBeGreaterThan(CALLS / 10);
  });
});
