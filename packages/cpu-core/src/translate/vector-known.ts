/**
 * What is known of vector registers and of MXCSR where a block begins: what all ways to it agree in. A register that nothing in a loop writes is in the
 * loop what it was before.
 */
import { type FloatRange, hull } from "../isa/float-range.js";
import type { Ordinary } from "../isa/vector-sem.js";
import { AS_ENTERED } from "./flag-code.js";
import { VECTOR_COUNT } from "./locals.js";
import type { RegionBlock } from "./region.js";
import type { Item } from "./structure.js";

/** Ranges of a vector's lanes, or of the lowest one. */
export type Ranges = Readonly<Partial<Record<Ordinary, FloatRange>>>;

export interface VectorKnown {
  /** By register. */
  readonly registers: readonly (Ranges | undefined)[];
  /** Questions about MXCSR whose answer was yes. */
  readonly controls: ReadonlySet<string>;
}

export const NOTHING_KNOWN: VectorKnown = { registers: [], controls: new Set() };

function commonRanges(x: Ranges | undefined, y: Ranges | undefined): Ranges | undefined {
  if (x === undefined || y === undefined) return undefined;
  const both = (Object.keys(x) as Ordinary[]).flatMap((what) => (y[what] ? [[what, hull(x[what]!, y[what])] as const] : []));
  return both.length === 0 ? undefined : Object.fromEntries(both);
}

/** What holds in both cases. */
const common = (x: VectorKnown, y: VectorKnown): VectorKnown => ({
  registers: x.registers.map((ranges, register) => commonRanges(ranges, y.registers[register])),
  controls: new Set([...x.controls].filter((question) => y.controls.has(question))),
});

const isNothing = ({ registers, controls }: VectorKnown): boolean =>
  controls.size === 0 && registers.every((ranges) => ranges === undefined);

/** What is left of `known` when the blocks may run any number of times. */
function after(known: VectorKnown, blocks: readonly RegionBlock[]): VectorKnown {
  if (blocks.some(({ code }) => code.lost)) return NOTHING_KNOWN;
  const written = blocks.reduce((bits, { code }) => bits | code.writtenVectors, 0);
  return { ...known, registers: known.registers.map((ranges, register) => ((written >> register) & 1 ? undefined : ranges)) };
}

const blocksOf = (items: readonly Item[]): number[] => items.flatMap((item) => ("loop" in item ? blocksOf(item.items) : [item.block]));

/**
 * Tells each block what is known where it begins.
 *
 * @param items - all blocks in an order in which each comes after those before it, but for the ways back in loops
 * @param isEntry - is reached by ways that are not among `successors`
 */
export function joinKnown(
  blocks: readonly RegionBlock[],
  successors: readonly (readonly number[])[],
  isEntry: Uint8Array,
  items: readonly Item[],
): void {
  if (!blocks.some(({ code }) => code.asksVectors)) return;
  const predecessors: number[][] = blocks.map(() => []);
  successors.forEach((list, from) => {
    for (const to of list) predecessors[to]!.push(from);
  });
  const atEnd: (VectorKnown | undefined)[] = blocks.map(() => undefined);
  const visit = (number: number, loop: readonly number[]): void => {
    const block = blocks[number]!;
    const before = predecessors[number]!;
    const ready = before.flatMap((from) => atEnd[from] ?? []);
    const others = before.filter((from) => atEnd[from] === undefined);
    let known = NOTHING_KNOWN;
    if (!isEntry[number] && ready.length > 0 && others.every((from) => loop.includes(from))) {
      known = ready.reduce(common);
      if (others.length > 0)
        known = after(
          known,
          loop.map((i) => blocks[i]!),
        );
    }
    if (!isNothing(known)) {
      block.known = known;
      if (block.code.usedVectors !== 0) block.code = block.lower(AS_ENTERED, known);
    }
    atEnd[number] = block.code.usedVectors !== 0 || block.code.lost ? block.code.knownAtEnd() : known;
  };
  const walk = (list: readonly Item[], loop: readonly number[]): void => {
    for (const item of list) {
      if ("loop" in item) {
        const body = blocksOf(item.items);
        const [head, ...rest] = item.items;
        walk([head!], body);
        walk(rest, []);
      } else visit(item.block, loop);
    }
  };
  walk(items, []);
}

/** Of each register the ranges that `rangesOf` tells. */
export const knownOf = (rangesOf: (register: number) => Ranges | undefined, controls: ReadonlySet<string>): VectorKnown => ({
  registers: Array.from({ length: VECTOR_COUNT }, (_, register) => rangesOf(register)),
  controls: new Set(controls),
});
