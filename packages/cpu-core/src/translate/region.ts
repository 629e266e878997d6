/**
 * Which blocks are translated together: those that are reached from a hot one by branches whose targets are known, and have run often enough
 * themselves. A region may extend over several pages; an edge into another page is taken only while that page is mapped as it was here.
 */
import * as L from "../layout.js";
import type { Handler } from "../interp/handlers.js";
import { BlockCode } from "./block-code.js";
import { type Ending, Lowering } from "./lower.js";
import { BASE, MAX_DELTA } from "./locals.js";
import * as N from "./node.js";

const MAX_BLOCKS = 96;
const MAX_INSTRUCTIONS = 300;

/** Where decoded blocks are found. */
export interface BlockSource {
  readonly view: DataView;
  readonly handlers: readonly Handler[];
  /** The block at a host address, or 0. */
  find(host: number, mode: number): number;
  /** Host address of a linear address by the fetch TLB, or 0. */
  hostOf(linear: bigint): number;
  /** How often a block has run in the interpreter. */
  runs(header: number): number;
}

export interface RegionBlock {
  readonly header: number;
  readonly host: number;
  /** Offset from the region's base. */
  readonly delta: number;
  readonly count: number;
  readonly code: BlockCode;
  readonly ending: Ending;
  /** May be entered from outside, by a return or after what the interpreter did. */
  entry: boolean;
}

export interface Region {
  readonly long: boolean;
  readonly blocks: readonly RegionBlock[];
  /** Block at an offset from the base. */
  at(delta: number): number | undefined;
}

/** Forms the region of the block `seed`, whose address is `linear`. */
export function formRegion(source: BlockSource, seed: number, mode: number, linear: bigint, leastRuns: number): Region {
  const { view } = source;
  const long = (mode & L.MODE_64) !== 0;
  const blocks: RegionBlock[] = [];
  const index = new Map<number, number>();
  const refused = new Set<number>();
  const queue: { delta: number; entry: boolean; from: { delta: number; host: number } | undefined }[] = [];
  const seedHost = view.getUint32(seed + L.H_HOST, true);
  let instructions = 0;

  const headerFor = (delta: number, from: { delta: number; host: number } | undefined): number => {
    if (from === undefined) return seed;
    const target = linear + BigInt(delta);
    const samePage = target >> 12n === (linear + BigInt(from.delta)) >> 12n;
    const host = samePage
      ? from.host + (delta - from.delta)
      : source.hostOf(long ? BigInt.asUintN(64, target) : BigInt.asUintN(32, target));
    if (host === 0) return 0;
    const header = source.find(host, mode);
    if (header === 0 || view.getUint32(header + L.H_COUNT, true) === L.HEADER_SPECIAL) return 0;
    return source.runs(header) >= leastRuns ? header : 0;
  };

  const visit = (delta: number, entry: boolean, from: { delta: number; host: number } | undefined): void => {
    const known = index.get(delta);
    if (known !== undefined) {
      if (entry) blocks[known]!.entry = true;
      return;
    }
    if (refused.has(delta) || Math.abs(delta) > MAX_DELTA || blocks.length >= MAX_BLOCKS || instructions >= MAX_INSTRUCTIONS) return;
    const header = headerFor(delta, from);
    if (header === 0) {
      refused.add(delta);
      return;
    }
    const host = from === undefined ? seedHost : view.getUint32(header + L.H_HOST, true);
    const count = view.getUint32(header + L.H_REAL, true);
    const code = new BlockCode(long);
    const ending = new Lowering(code, long, N.local(BASE, true)).block(view, header, delta, source.handlers);
    const here = { delta, host };
    const go = (target: number, asEntry: boolean): void => {
      queue.push({ delta: target, entry: asEntry, from: here });
    };
    if (ending.kind === "interpret" && ending.at === 0) {
      // Nothing to translate: what follows may be worth it.
      refused.add(delta);
      if (from !== undefined) go(ending.next, true);
      return;
    }
    instructions += count;
    index.set(delta, blocks.length);
    blocks.push({ header, host, delta, count, code, ending, entry });
    switch (ending.kind) {
      case "goto":
        go(ending.target, false);
        break;
      case "branch":
        go(ending.taken, false);
        go(ending.next, false);
        break;
      case "call":
        go(ending.target, false);
        go(ending.back, true);
        break;
      case "indirect":
        if (ending.back !== undefined) go(ending.back, true);
        break;
      case "interpret":
        go(ending.next, true);
        break;
    }
  };

  visit(0, true, undefined);
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) visit(next.delta, next.entry, next.from);
  return { long, blocks, at: (delta) => index.get(delta) };
}
