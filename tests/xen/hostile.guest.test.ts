// A million calls of the hostile kernel, in each width: no exception of the host, right books all along, and memory that does not grow.
import { describe, expect, test } from "vitest";
import { heapBytes } from "../heap.js";
import { type Bits, buildGuest, buildPvhGuest, canBuild, INSTALL } from "./runner/build.js";
import { brokenInvariants } from "./runner/invariants.js";
import { complaints, runDomain } from "./runner/machine.js";

const SEED = 1;
const CALLS = 1_000_000;
const LOOK_EVERY = 250_000;
const GROWTH_BYTES = 16 << 20;

describe.each([64, 32] as const)("a million random calls of a %i-bit PV guest", (bits: Bits) => {
  if (!canBuild(bits)) {
    test.skip(`needs a compiler: ${INSTALL}`, () => {});
    return;
  }
  test("runs to its end", { timeout: 1_800_000 }, async () => {
    const broken: string[] = [];
    const sizes: number[] = [];
    const outcome = await runDomain(await buildGuest("hostile", bits, { SEED, CALLS }), {
      limitSeconds: 1_700,
      look: {
        every: LOOK_EVERY,
        at: (domain) => {
          broken.push(...brokenInvariants(domain));
          sizes.push(heapBytes());
        },
      },
    });
    expect([...complaints(outcome), ...broken.slice(0, 20)]).toEqual([]);
    expect(outcome.console).toContain(`calls 0x${CALLS.toString(16)} `);
    expect(sizes.length).toBeGreaterThan(4);
    expect(sizes.at(-1)! - sizes[1]!).toBeLessThan(GROWTH_BYTES);
  });
});

describe.each([
  ["64-bit", 64, 4],
  ["PAE", 32, 3],
] as const)("a hundred thousand random calls of a %s PVH guest", (_, bits, paging) => {
  if (!canBuild(bits)) {
    test.skip(`needs a compiler: ${INSTALL}`, () => {});
    return;
  }
  test("run to their end", { timeout: 300_000 }, async () => {
    const sizes: number[] = [];
    const look = { every: 20_000, at: () => void sizes.push(heapBytes()) };
    const kernel = await buildPvhGuest("pvhhostile", paging, { SEED, CALLS: 100_000 });
    expect(complaints(await runDomain(kernel, { limitSeconds: 280, look }))).toEqual([]);
    expect(sizes.length).toBeGreaterThan(4);
    expect(sizes.at(-1)! - sizes[1]!).toBeLessThan(GROWTH_BYTES);
  });
});
