/**
 * Where the returns of a region go: a guess from its calls, so that a return compares a few addresses before it asks the jump cache. Guest
 * code may return anywhere; nothing depends on the guess but speed.
 */
import type { Blocks, Region, RegionBlock } from "./region.js";

/** More places than this to return to are for the jump cache. */
const MOST = 4;

/** Where control goes from a block in the same function, over calls: blocks by number. */
export function followers(region: Blocks, { ending, targets }: RegionBlock): readonly number[] {
  switch (ending.kind) {
    case "goto":
      return blocksAt(region, ending.target);
    case "branch":
      return blocksAt(region, ending.taken, ending.next);
    case "call":
      return blocksAt(region, ending.back);
    case "indirect":
      return ending.back === undefined ? targets : blocksAt(region, ending.back);
    case "system":
    case "interpret":
      return blocksAt(region, ending.next);
    case "return":
      return [];
  }
}

/** Those of the blocks at two offsets that the region has. */
function blocksAt(region: Blocks, first: number, second?: number): number[] {
  const one = region.at(first);
  const other = second === undefined ? undefined : region.at(second);
  if (one === undefined) return other === undefined ? [] : [other];
  return other === undefined ? [one] : [one, other];
}

/** For each block that ends with a return, the blocks after the calls through which it is reached, when they are few; all by number. */
export function returnsOf(region: Region): ReadonlyMap<number, readonly number[]> {
  const { blocks } = region;
  const found = new Map<number, Set<number>>();
  const callsTo = new Map<number, Set<number>>();
  for (const { ending } of blocks) {
    if (ending.kind !== "call") continue;
    const callee = region.at(ending.target);
    const back = region.at(ending.back);
    if (callee !== undefined && back !== undefined) callsTo.set(callee, (callsTo.get(callee) ?? new Set()).add(back));
  }
  for (const [callee, backs] of callsTo) {
    const seen = new Set([callee]);
    for (const number of seen) {
      const block = blocks[number]!;
      if (block.ending.kind === "return") {
        const all = found.get(number) ?? new Set();
        for (const back of backs) all.add(back);
        found.set(number, all);
      }
      for (const next of followers(region, block)) seen.add(next);
    }
  }
  blocks.forEach(({ returnsTo }, number) => {
    const back = returnsTo === undefined ? undefined : region.at(returnsTo);
    if (back !== undefined) found.set(number, new Set([back]));
  });
  const few = new Map<number, readonly number[]>();
  for (const [number, backs] of found) if (backs.size <= MOST) few.set(number, [...backs]);
  return few;
}
