/**
 * Flags that wait, from block to block of a region: a block that asks for flags which it has not set is told how they wait, if all ways to it
 * agree; otherwise those that come before it settle them.
 */
import { AS_ENTERED, NOTHING } from "./flag-code.js";
import type { RegionBlock } from "./region.js";

/** Not looked at yet. */
const ANY = -3;
/** What a block is told may depend on what it was told before; after so many changes it is told nothing. */
const MOST_CHANGES = 3;

/** What is known of flags where blocks begin. */
export interface JoinedFlags {
  /** FLAG_KIND on entering each block, negative where that is not one number. */
  readonly kinds: readonly number[];
  /** Blocks that may be entered from outside, but only with flags that are settled. */
  readonly settled: ReadonlySet<number>;
}

/**
 * @param successors - edges between blocks
 * @param isEntry - may be entered from outside, where nothing is known
 */
export function joinFlags(blocks: readonly RegionBlock[], successors: readonly (readonly number[])[], isEntry: Uint8Array): JoinedFlags {
  if (blocks.every(({ code }) => code.flags.needs === NOTHING)) {
    const kinds = kindsOnEntering(blocks, successors, isEntry, (i, entered) => kindAtEnd(blocks[i]!, entered));
    return { kinds, settled: new Set() };
  }
  const untold = blocks.map(({ code }) => code);
  const told: number[] = blocks.map(() => AS_ENTERED);
  const tell = (i: number, kind: number): void => {
    told[i] = kind;
    blocks[i]!.code = kind >= 0 ? blocks[i]!.lower(kind, blocks[i]!.known) : untold[i]!;
  };
  kindsOnEntering(blocks, successors, isEntry, (i, entered) => kindAtEnd(blocks[i]!, entered)).forEach((kind, i) => {
    if (kind >= 0 && untold[i]!.flags.needs !== NOTHING) tell(i, kind);
  });
  // What a block was told changes how it leaves the flags, and so does what others want of it: until everybody was told the truth.
  const changes = new Uint8Array(blocks.length);
  for (;;) {
    const wanted = wantedAfter(blocks, successors);
    const kinds = kindsOnEntering(blocks, successors, isEntry, (i, entered) =>
      blocks[i]!.code.flags.settlesFor(wanted[i]!) ? 0 : kindAtEnd(blocks[i]!, told[i]! >= 0 ? told[i]! : entered),
    );
    const wrong = told.flatMap((kind, i) => (kind >= 0 && kinds[i] !== kind ? [i] : []));
    if (wrong.length === 0) {
      blocks.forEach(({ code }, i) => {
        code.flags.provide(wanted[i]!);
      });
      return { kinds, settled: new Set(blocks.flatMap((block, i) => (isEntry[i] && needOf(block, wanted[i]!) !== NOTHING ? [i] : []))) };
    }
    for (const i of wrong) tell(i, ++changes[i]! > MOST_CHANGES ? AS_ENTERED : kinds[i]!);
  }
}

/** How the flags wait behind a block that is entered with them waiting as `entered` says. */
function kindAtEnd({ code }: RegionBlock, entered: number): number {
  const { kind } = code.flags;
  return kind === AS_ENTERED ? entered : kind < 0 ? AS_ENTERED : kind;
}

/** How the flags wait where each block begins, AS_ENTERED where that is not one way; `atEnd` says it for a block's end. */
function kindsOnEntering(
  blocks: readonly RegionBlock[],
  successors: readonly (readonly number[])[],
  isEntry: Uint8Array,
  atEnd: (block: number, entered: number) => number,
): number[] {
  const entered: number[] = blocks.map((_, i) => (isEntry[i] ? AS_ENTERED : ANY));
  for (let again = true; again; ) {
    again = false;
    for (let i = 0; i < blocks.length; i++) {
      if (entered[i] === ANY) continue;
      const kind = atEnd(i, entered[i]!);
      for (const to of successors[i]!) {
        const before = entered[to]!;
        if (before === kind || before === AS_ENTERED) continue;
        entered[to] = before === ANY ? kind : AS_ENTERED;
        again = true;
      }
    }
  }
  return entered;
}

/** What a block wants of the flags, for itself and, where it leaves them alone, for those behind it. */
const needOf = ({ code }: RegionBlock, behind: number): number =>
  code.flags.kind === AS_ENTERED ? Math.max(code.flags.needs, behind) : code.flags.needs;

/** What is wanted of the flags behind each block. */
function wantedAfter(blocks: readonly RegionBlock[], successors: readonly (readonly number[])[]): number[] {
  const wanted = blocks.map(() => NOTHING);
  for (let again = true; again; ) {
    again = false;
    for (let i = blocks.length - 1; i >= 0; i--) {
      const now = successors[i]!.reduce((most, to) => Math.max(most, needOf(blocks[to]!, wanted[to]!)), NOTHING);
      if (now === wanted[i]) continue;
      wanted[i] = now;
      again = true;
    }
  }
  return wanted;
}
