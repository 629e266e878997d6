/**
 * Flags that wait, from block to block of a region: a block that asks for flags which it has not set is told how they wait, if all ways to it
 * agree; otherwise those that come before it settle them.
 */
import { AS_ENTERED, NOTHING } from "./flag-code.js";
import type { RegionBlock } from "./region.js";

/** Not looked at yet. */
const ANY = -3;

/**
 * @param successors - edges between blocks; those of an indirect jump are all entries
 * @param isEntry - may be entered from outside, where nothing is known
 * @returns whether some entry asks for settled flags
 */
export function joinFlags(blocks: readonly RegionBlock[], successors: readonly (readonly number[])[], isEntry: Uint8Array): boolean {
  if (blocks.every(({ code }) => code.flags.needs === NOTHING)) return false;
  const entered: number[] = blocks.map((_, i) => (isEntry[i] ? AS_ENTERED : ANY));
  const atEnd = (i: number): number => {
    const { kind } = blocks[i]!.code.flags;
    return kind === AS_ENTERED ? entered[i]! : kind < 0 ? AS_ENTERED : kind;
  };
  for (let again = true; again; ) {
    again = false;
    for (let i = 0; i < blocks.length; i++) {
      const kind = atEnd(i);
      if (kind === ANY) continue;
      for (const to of successors[i]!) {
        const before = entered[to]!;
        if (before === kind || before === AS_ENTERED) continue;
        entered[to] = before === ANY ? kind : AS_ENTERED;
        again = true;
      }
    }
  }
  blocks.forEach((block, i) => {
    if (block.code.flags.needs !== NOTHING && entered[i]! >= 0) block.code = block.lower(entered[i]!);
  });
  const needs = blocks.map(({ code }) => code.flags.needs);
  const after = (i: number): number => successors[i]!.reduce((most, to) => Math.max(most, needs[to]!), NOTHING);
  for (let again = true; again; ) {
    again = false;
    for (let i = blocks.length - 1; i >= 0; i--) {
      if (blocks[i]!.code.flags.kind !== AS_ENTERED || after(i) <= needs[i]!) continue;
      needs[i] = after(i);
      again = true;
    }
  }
  blocks.forEach(({ code }, i) => {
    if (code.flags.kind !== AS_ENTERED) code.flags.provide(after(i));
  });
  return needs.some((need, i) => isEntry[i] === 1 && need !== NOTHING);
}
