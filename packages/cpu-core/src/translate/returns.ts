/**
 * Where the returns of a region go: a guess from its calls, so that a return compares a few addresses before it asks the jump cache. Guest
 * code may return anywhere; nothing depends on the guess but speed.
 */
import type { Region, RegionBlock } from "./region.js";

/** More places than this to return to are for the jump cache. */
const MOST = 4;

/** For each block that ends with a return, the blocks after the calls through which it is reached, when they are few. */
export function returnsOf(region: Region): ReadonlyMap<RegionBlock, readonly RegionBlock[]> {
  const found = new Map<RegionBlock, Set<RegionBlock>>();
  const blockAt = (delta: number | undefined): RegionBlock | undefined => {
    const number = delta === undefined ? undefined : region.at(delta);
    return number === undefined ? undefined : region.blocks[number];
  };
  /** What follows in the same function. */
  const successors = ({ ending, targets }: RegionBlock): (RegionBlock | undefined)[] => {
    switch (ending.kind) {
      case "goto":
        return [blockAt(ending.target)];
      case "branch":
        return [blockAt(ending.taken), blockAt(ending.next)];
      case "call":
        return [blockAt(ending.back)];
      case "indirect":
        return ending.back === undefined ? targets.map((target) => region.blocks[target]) : [blockAt(ending.back)];
      case "system":
      case "interpret":
        return [blockAt(ending.next)];
      case "return":
        return [];
    }
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
      for (const next of successors(block)) if (next !== undefined) seen.add(next);
    }
  }
  for (const block of region.blocks) {
    const back = blockAt(block.returnsTo);
    if (back !== undefined) found.set(block, new Set([back]));
  }
  return new Map([...found].filter(([, backs]) => backs.size <= MOST).map(([block, backs]) => [block, [...backs]]));
}
