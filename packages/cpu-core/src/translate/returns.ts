/**
 * Where the returns of a region go: a guess from its calls, so that a return compares a few addresses before it asks the jump cache. Guest
 * code may return anywhere; nothing depends on the guess but speed.
 */
import type { Blocks, Region, RegionBlock } from "./region.js";

/** More places than this to return to are for the jump cache. */
const MOST = 4;

/** Where control goes from a block in the same function, over calls. */
export function followers(region: Blocks, { ending, targets }: RegionBlock): (RegionBlock | undefined)[] {
  const at = (delta: number): RegionBlock | undefined => {
    const number = region.at(delta);
    return number === undefined ? undefined : region.blocks[number];
  };
  switch (ending.kind) {
    case "goto":
      return [at(ending.target)];
    case "branch":
      return [at(ending.taken), at(ending.next)];
    case "call":
      return [at(ending.back)];
    case "indirect":
      return ending.back === undefined ? targets.map((target) => region.blocks[target]) : [at(ending.back)];
    case "system":
    case "interpret":
      return [at(ending.next)];
    case "return":
      return [];
  }
}

/** For each block that ends with a return, the blocks after the calls through which it is reached, when they are few. */
export function returnsOf(region: Region): ReadonlyMap<RegionBlock, readonly RegionBlock[]> {
  const found = new Map<RegionBlock, Set<RegionBlock>>();
  const blockAt = (delta: number | undefined): RegionBlock | undefined => {
    const number = delta === undefined ? undefined : region.at(delta);
    return number === undefined ? undefined : region.blocks[number];
  };
  const callsTo = new Map<RegionBlock, Set<RegionBlock>>();
  for (const { ending } of region.blocks) {
    if (ending.kind !== "call") continue;
    const callee = blockAt(ending.target);
    const back = blockAt(ending.back);
    if (callee !== undefined && back !== undefined) callsTo.set(callee, (callsTo.get(callee) ?? new Set()).add(back));
  }
  for (const [callee, backs] of callsTo) {
    const seen = new Set([callee]);
    for (const block of seen) {
      if (block.ending.kind === "return") {
        const all = found.get(block) ?? new Set();
        for (const back of backs) all.add(back);
        found.set(block, all);
      }
      for (const next of followers(region, block)) if (next !== undefined) seen.add(next);
    }
  }
  for (const block of region.blocks) {
    const back = blockAt(block.returnsTo);
    if (back !== undefined) found.set(block, new Set([back]));
  }
  return new Map([...found].filter(([, backs]) => backs.size <= MOST).map(([block, backs]) => [block, [...backs]]));
}
