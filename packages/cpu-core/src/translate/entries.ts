/**
 * Where a region is entered. A loop is best entered at its first block: any other way in makes it irreducible, and then its own branches pass
 * the dispatcher. Two things lead into the middle of loops: the block that got hot first is often their second, and what stands before a loop
 * was decoded in one piece with the loop's first block.
 */
import type { Blocks, RegionBlock } from "./region.js";
import { followers } from "./returns.js";
import { headOf, type Item, structureOf } from "./structure.js";

/** The first block of the innermost loop around each block that is reached; -1 outside loops. */
function loopsOf(items: readonly Item[]): ReadonlyMap<number, number> {
  const found = new Map<number, number>();
  const look = (items: readonly Item[], around: number): void => {
    for (const item of items) {
      if ("loop" in item) look(item.items, item.loop);
      else found.set(headOf(item), around);
    }
  };
  look(items, -1);
  return found;
}

/** Is a block followed by one that is entered from outside: after a call, or what the interpreter does? */
const isLeft = ({ ending }: RegionBlock): boolean =>
  ending.kind === "call" ||
  ending.kind === "system" ||
  ending.kind === "interpret" ||
  (ending.kind === "indirect" && ending.back !== undefined);

/** Offsets to which branches of the region lead backward, over code that is not entered from outside: there loops have several ways in anyway. */
export function backwardTargets(blocks: readonly RegionBlock[]): ReadonlySet<number> {
  const found = new Set<number>();
  const left: number[] = [];
  for (const block of blocks) if (isLeft(block)) left.push(block.delta);
  const look = (delta: number, target: number): void => {
    if (target <= delta && !left.some((inside) => inside >= target && inside <= delta)) found.add(target);
  };
  for (const { delta, ending } of blocks) {
    if (ending.kind === "goto") look(delta, ending.target);
    else if (ending.kind === "branch") {
      look(delta, ending.taken);
      look(delta, ending.next);
    }
  }
  return found;
}

/**
 * Entries in the middle of loops, with the first blocks of those loops, which the interpreter comes to within one turn. What a call leads to or
 * returns to (`landings`, by offset) stays an entry.
 */
export function misplacedEntries(region: Blocks, landings: ReadonlySet<number>): readonly (readonly [entry: number, first: number])[] {
  const { blocks } = region;
  if (blocks.filter(({ entry }) => entry).length < 2) return [];
  const called = new Set(blocks.flatMap(({ ending }) => (ending.kind === "call" ? [region.at(ending.target) ?? -1] : [])));
  const edges = blocks.map((block) => followers(region, block));
  const followed = new Set(edges.flat());
  const movable = (i: number): boolean => blocks[i]!.entry && followed.has(i) && !called.has(i) && !landings.has(blocks[i]!.delta);
  const numbers = blocks.map((_, i) => i);
  const candidates = numbers.filter(movable);
  if (candidates.length === 0) return [];
  const starts = numbers.filter((i) => called.has(i) || (blocks[i]!.entry && !movable(i)));
  let loops = loopsOf(structureOf(edges, starts).items);
  for (const i of candidates) {
    if (loops.has(i)) continue;
    starts.push(i);
    loops = loopsOf(structureOf(edges, starts).items);
  }
  return candidates.flatMap((i) => {
    const first = loops.get(i) ?? -1;
    return first < 0 || first === i ? [] : [[i, first] as const];
  });
}
