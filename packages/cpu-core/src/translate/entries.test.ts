import { describe, expect, test } from "vitest";
import { backwardTargets, misplacedEntries } from "./entries.js";
import type { Ending } from "./lower.js";
import type { RegionBlock } from "./region.js";

type Described = readonly [entry: boolean, ending: Ending];

const goto = (target: number): Ending => ({ kind: "goto", target });
const branch = (taken: number, next: number): Ending => ({ kind: "branch", taken, next });
const call = (target: number, back: number): Ending => ({ kind: "call", target, back });
const leave: Ending = { kind: "return" };

/** Blocks at offsets 0, 1, 2 ...; only what the search looks at. */
function region(...described: readonly Described[]) {
  const blocks = described.map(([entry, ending], delta) => ({ delta, entry, ending, targets: [] }) as unknown as RegionBlock);
  return { blocks, at: (delta: number) => (blocks[delta] === undefined ? undefined : delta) };
}
const none = new Set<number>();

describe("an entry in the middle of a loop", () => {
  test("goes to the loop's first block", () => {
    const loop = region([true, goto(1)], [false, branch(3, 2)], [true, goto(1)], [false, leave]);
    expect(misplacedEntries(loop, none)).toEqual([[2, 1]]);
  });
  test("goes to the first block of the innermost loop, to which it is never far", () => {
    const nested = region([true, goto(1)], [false, goto(2)], [false, branch(4, 3)], [true, goto(2)], [false, branch(1, 5)], [false, leave]);
    expect(misplacedEntries(nested, none)).toEqual([[3, 2]]);
  });
  test("stays where calls lead and return to", () => {
    const called = region([true, goto(1)], [false, call(3, 2)], [true, branch(1, 4)], [true, leave], [false, leave]);
    expect(misplacedEntries(called, new Set([2]))).toEqual([]);
  });
  test("stays when it is the only way in", () => {
    expect(misplacedEntries(region([false, branch(1, 2)], [true, goto(0)], [false, leave]), none)).toEqual([]);
  });
});

describe("the first block of a loop", () => {
  const isBack = (...described: readonly Described[]): ReadonlySet<number> => backwardTargets(region(...described).blocks);
  test("is where a branch leads back to", () => {
    expect(isBack([true, goto(1)], [false, branch(3, 2)], [false, goto(1)], [false, branch(3, 4)])).toEqual(new Set([1, 3]));
  });
  test("is not looked for around calls, behind which the loop is entered anyway", () => {
    expect(isBack([true, goto(1)], [false, call(3, 2)], [true, branch(1, 4)], [false, leave])).toEqual(new Set());
  });
});
