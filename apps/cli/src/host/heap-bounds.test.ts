import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";

const MIB = 2 ** 20;

/** Keeps some 25 MiB of small objects for a while each, some 400 MiB in all, in a process of its own: V8's flags are a process's. */
const program = (prelude: string): string => `
  import { setImmediate } from "node:timers/promises";
  import { getHeapSpaceStatistics } from "node:v8";
  import { boundHeap, youngHalfBytes } from ${JSON.stringify(new URL("heap-bounds.ts", import.meta.url).href)};
  ${prelude}
  const kept = new Array(4000).fill(undefined);
  const young = [];
  let old = 0;
  for (let turn = 0; turn < 66_000; turn++) {
    kept[turn % kept.length] = Array.from({ length: 96 }, (_, i) => ({ turn, i }));
    if (turn % 50 > 0) continue;
    await setImmediate();
    young.push(youngHalfBytes());
    old = Math.max(old, getHeapSpaceStatistics().find((space) => space.space_name === "old_space").space_used_size);
  }
  // Between its decision and the next collection V8's figures may not add up, so not the largest.
  young.sort((a, b) => a - b);
  console.log(JSON.stringify({ young: young[young.length >> 1], old }));
`;

function grown(prelude: string): { young: number; old: number } {
  const args = ["--import", import.meta.resolve("tsx"), "--input-type=module", "--eval", program(prelude)];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  expect(stderr).toBe("");
  return JSON.parse(stdout) as { young: number; old: number };
}

describe("the bounds of V8's heap", () => {
  const bounded = grown("boundHeap();");
  const free = grown("");

  it("end the growth of the young generation at 8 MiB a half, where V8 goes on", () => {
    expect(bounded.young).toBeGreaterThan(4 * MIB);
    expect(bounded.young).toBeLessThanOrEqual(8 * MIB);
    expect(free.young).toBeGreaterThan(8 * MIB);
  });

  it("have garbage collected before there is much of it that is old", () => {
    expect(bounded.old).toBeLessThan(free.old);
  });
});
