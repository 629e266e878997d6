/**
 * Which blocks are translated together: those that are reached from a hot one by branches whose targets are known, and have run often enough
 * themselves. A region may extend over several pages; an edge into another page is taken only while that page is mapped as it was here.
 */
import * as L from "../layout.js";
import type { Handler } from "../interp/handlers.js";
import { AS_ENTERED, NOTHING } from "./flag-code.js";
import { backwardTargets, misplacedEntries } from "./entries.js";
import { type Ending, Lowering } from "./lower.js";
import { BASE, MAX_DELTA } from "./locals.js";
import * as N from "./node.js";
import { type Places, placesOf } from "./places.js";
import type { Probing } from "./probes.js";
import { VectorCode } from "./vector-code.js";
import { NOTHING_KNOWN, type VectorKnown } from "./vector-known.js";

/** Code to which a table leads is not farther from the jump; whatever is, is no longer the table. */
const MOST_DISTANT_CASE = 0x20000;

/** Functions of more instructions are not copied to where they are called by pointer, nor are more than so many to one place, or in all. */
const MOST_INLINED = 24;
const MOST_CALLEES = 16;
const MOST_COPIES = 48;

/** How large a region may become; the roots are in it anyway. */
export interface RegionLimits {
  readonly blocks: number;
  readonly instructions: number;
}

/** A block that the region must have, and be enterable at. */
export interface Root {
  readonly header: number;
  /** Offset from the region's base. */
  readonly delta: number;
}

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
  /** The addresses in a table at a linear address, as far as it is mapped for reading; none for lack of it. */
  table(linear: bigint, long: boolean): readonly bigint[];
  /** How the block's memory is asked for. */
  probing(header: number): Probing;
  /** Are its floating-point numbers to be looked at one by one? */
  plain(header: number): boolean;
  /** Is MXCSR.PE set whenever the block runs, or never? */
  inexact(header: number): boolean | undefined;
}

/** What a block that crosses into another page was decoded from: its bytes, and the host address of that page. */
export interface Crossing {
  readonly bytes: Uint8Array;
  readonly second: number;
}

export interface RegionBlock {
  readonly header: number;
  readonly host: number;
  /** Offset from the region's base, and the page there, by number from the base's page. */
  readonly delta: number;
  readonly page: number;
  readonly count: number;
  readonly crossing: Crossing | undefined;
  code: VectorCode;
  readonly ending: Ending;
  /** What is known of vector registers on entering. */
  known: VectorKnown;
  /** The block's code when FLAG_KIND is known on entering, and what `known` says. */
  lower(entered: number, known: VectorKnown): VectorCode;
  /** May be entered from outside, by a return or after what the interpreter did. */
  entry: boolean;
  /** Blocks to which an indirect jump may well go, by number: a guess on which only speed depends. */
  targets: readonly number[];
  /** An indirect jump that leaves the unit for what was not guessed, so that nothing needs to be ready for other entries. */
  closed: boolean;
  /** Offset of what follows the only call of this copy of a function. */
  returnsTo: number | undefined;
  /** Another block has the same instructions and is the entry: this one is reached from inside only. */
  inner: boolean;
}

/** Blocks, and which of them is where. */
export interface Blocks {
  readonly blocks: readonly RegionBlock[];
  /** Block at an offset from the base. */
  at(delta: number): number | undefined;
}

export interface Region extends Blocks {
  readonly long: boolean;
  readonly places: Places;
  /** Headers of blocks that have run often and yet cannot be entered: another way in is better. */
  readonly cases: ReadonlySet<number>;
}

/** Where a block goes by itself. */
function targetsOf(ending: Ending): readonly number[] {
  switch (ending.kind) {
    case "goto":
      return [ending.target];
    case "branch":
      return [ending.taken, ending.next];
    default:
      return [];
  }
}

/** Offsets of the code that a table of addresses leads to from the block at `from`; it ends where something is far away. */
function casesIn(table: readonly bigint[], base: bigint, from: number): readonly number[] {
  const offsets = table.map((target) => Number(BigInt.asIntN(64, target - base)));
  const end = offsets.findIndex((offset) => Math.abs(offset - from) > MOST_DISTANT_CASE);
  return [...new Set(end < 0 ? offsets : offsets.slice(0, end))];
}

/**
 * Nobody comes from outside to what a jump in the region reaches by a table, lest the loop around the jump have many entries; the interpreter
 * finds the way from there to one of the others. If there is none, the block to which most branches lead becomes one.
 */
function closeCases(blocks: readonly RegionBlock[], cases: ReadonlySet<number>, landings: ReadonlySet<number>): void {
  if (cases.size === 0) return;
  for (const block of blocks) if (cases.has(block.delta) && !landings.has(block.delta)) block.entry = false;
  if (blocks.some(({ entry }) => entry)) return;
  const arrivals = new Map<number, number>();
  for (const { ending } of blocks) for (const to of targetsOf(ending)) arrivals.set(to, (arrivals.get(to) ?? 0) + 1);
  const open = blocks.filter(({ delta }) => !cases.has(delta));
  const choice = open.length > 0 ? open : blocks;
  choice.reduce((most, block) => ((arrivals.get(block.delta) ?? 0) > (arrivals.get(most.delta) ?? 0) ? block : most)).entry = true;
}

/**
 * Calls by pointer get copies of the small functions that they may call: entries to which nothing else in the region leads (`called`), of one
 * block each. A copy returns to one place, so that control flows through it as through any other code.
 */
function inlineCallees(blocks: RegionBlock[], called: readonly number[]): void {
  const small = called.filter((callee) => blocks[callee]!.ending.kind === "return" && blocks[callee]!.count <= MOST_INLINED);
  if (small.length === 0 || small.length > MOST_CALLEES) return;
  let left = MOST_COPIES;
  for (const block of [...blocks]) {
    const { ending } = block;
    if (ending.kind !== "indirect" || ending.back === undefined || left < small.length) continue;
    left -= small.length;
    const returnsTo = ending.back;
    block.closed = small.length === called.length;
    block.targets = small.map((callee) => {
      const original = blocks[callee]!;
      return (
        blocks.push({ ...original, code: original.lower(AS_ENTERED, NOTHING_KNOWN), entry: false, inner: true, closed: true, returnsTo }) -
        1
      );
    });
  }
}

/** Forms a region around `roots`; `base` is the linear address that offsets count from. */
export function formRegion(
  source: BlockSource,
  roots: readonly Root[],
  mode: number,
  base: bigint,
  leastRuns: number,
  limits: RegionLimits,
): Region {
  const { view } = source;
  const long = (mode & L.MODE_64) !== 0;
  const places = placesOf(view.getUint32(L.VCPU_COUNT_PTR, true), mode);
  const blocks: RegionBlock[] = [];
  const index = new Map<number, number>();
  const refused = new Set<number>();
  const queue: { delta: number; entry: boolean; from: RegionBlock }[] = [];
  /** Where others than branches and tables lead: what follows calls and what the interpreter does. */
  const landings = new Set<number>();
  /** Offsets that jumps find in tables. */
  const tables = new Map<RegionBlock, readonly number[]>();
  const pageOffset = Number(base & 0xfffn);
  const pageOf = (delta: number): number => Math.floor((pageOffset + delta) / 4096);
  let instructions = 0;

  const hostOf = (delta: number): number => source.hostOf(BigInt.asUintN(long ? 64 : 32, base + BigInt(delta)));
  const headerFor = (delta: number, from: RegionBlock): number => {
    const host = pageOf(delta) === from.page ? from.host + (delta - from.delta) : hostOf(delta);
    if (host === 0) return 0;
    const header = source.find(host, mode);
    if (header === 0 || view.getUint32(header + L.H_STATE, true) & L.BLOCK_STALE) return 0;
    return source.runs(header) >= leastRuns ? header : 0;
  };
  const crossingOf = (header: number, delta: number): Crossing | undefined => {
    if ((view.getUint32(header + L.H_STATE, true) & L.BLOCK_CROSSING) === 0) return undefined;
    const at = view.byteOffset + header + L.CROSSING_BYTES;
    const bytes = new Uint8Array(view.buffer, at, view.getUint32(header + L.H_BYTES, true)).slice();
    return { bytes, second: hostOf(delta + 4096 - (view.getUint32(header + L.H_HOST, true) & 0xfff)) };
  };

  /** Of a block that is cut no more than the instructions before `end` are translated. */
  const lowered = (
    header: number,
    delta: number,
    entered: number,
    known: VectorKnown,
    end?: number,
  ): { code: VectorCode; ending: Ending } => {
    const plain = source.plain(header);
    const inexact = plain ? undefined : source.inexact(header);
    const code = new VectorCode(long, places, (mode & L.MODE_LMA) === 0, source.probing(header), entered, plain, inexact, known);
    return { code, ending: new Lowering(code, long, N.local(BASE, true)).block(view, header, delta, source.handlers, end) };
  };
  /** Where block `p` runs into the first block of a loop, it ends and goes there: else the loop would have a second way in, behind that block. */
  const cut = (p: RegionBlock, heads: ReadonlySet<number>): RegionBlock => {
    const end = p.delta + view.getUint32(p.header + L.H_BYTES, true);
    for (let i = 1; i < p.count; i++) {
      const at = p.delta + view.getUint16(p.header + L.HEADER_SIZE + i * L.UOP_SIZE + L.U_DELTA, true);
      const head = heads.has(at) ? blocks[index.get(at) ?? -1] : undefined;
      if (head === undefined || head.host - p.host !== at - p.delta) continue;
      if (at + view.getUint32(head.header + L.H_BYTES, true) !== end) continue;
      const { code, ending } = lowered(p.header, p.delta, AS_ENTERED, NOTHING_KNOWN, at);
      const lower: RegionBlock["lower"] = (entered, known) => lowered(p.header, p.delta, entered, known, at).code;
      tables.delete(p);
      return { ...p, code, ending, lower, count: i, crossing: undefined };
    }
    return p;
  };

  /** Takes the block at `delta` in; without `from` it is the root `header`. */
  const visit = (delta: number, entry: boolean, from: RegionBlock | undefined, root: number): void => {
    const known = index.get(delta);
    if (known !== undefined) {
      if (entry) blocks[known]!.entry = true;
      return;
    }
    if (refused.has(delta) || Math.abs(delta) > MAX_DELTA || blocks.length >= limits.blocks || instructions >= limits.instructions) return;
    const header = from === undefined ? root : headerFor(delta, from);
    const crossing = header === 0 ? undefined : crossingOf(header, delta);
    if (header === 0 || crossing?.second === 0) {
      refused.add(delta);
      return;
    }
    const host = view.getUint32(header + L.H_HOST, true);
    const count = view.getUint32(header + L.H_REAL, true);
    const { code, ending } = lowered(header, delta, AS_ENTERED, NOTHING_KNOWN);
    const lower: RegionBlock["lower"] = (entered, known) => lowered(header, delta, entered, known).code;
    const here: RegionBlock = {
      header,
      host,
      delta,
      page: pageOf(delta),
      count,
      crossing,
      code,
      ending,
      known: NOTHING_KNOWN,
      lower,
      entry,
      inner: false,
      targets: [],
      closed: false,
      returnsTo: undefined,
    };
    const go = (target: number, asEntry: boolean): void => {
      if (asEntry) landings.add(target);
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
    blocks.push(here);
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
        if (ending.table !== undefined) {
          const targets = casesIn(source.table(BigInt(ending.table), long), base, delta);
          tables.set(here, targets);
          for (const target of targets) go(target, false);
        }
        break;
      case "system":
      case "interpret":
        go(ending.next, true);
        break;
    }
  };

  for (const { header, delta } of roots) visit(delta, true, undefined, header);
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) visit(next.delta, next.entry, next.from, 0);

  const heads = backwardTargets(blocks);
  if (heads.size > 0)
    blocks.forEach((block, i) => {
      blocks[i] = cut(block, heads);
    });
  for (const [block, targets] of tables) {
    block.targets = targets.flatMap((target) => index.get(target) ?? []);
    block.closed = block.targets.length > 0;
  }
  const cases = new Set([...tables.keys()].flatMap(({ targets }) => targets.map((target) => blocks[target]!.delta)));
  closeCases(blocks, cases, landings);
  const at = (delta: number): number | undefined => index.get(delta);
  const closed = new Set(blocks.filter(({ delta, entry }) => cases.has(delta) && !entry).map(({ header }) => header));
  for (const [entry, first] of misplacedEntries({ blocks, at }, landings)) {
    blocks[entry]!.entry = false;
    blocks[first]!.entry = true;
    closed.add(blocks[entry]!.header);
  }

  // A loop's first block is told how flags wait, and what vector registers hold, only if nobody comes from outside: an entry has a copy.
  const reached = new Set(blocks.flatMap(({ ending }) => targetsOf(ending)));
  for (const block of blocks.slice(0, limits.blocks - blocks.length)) {
    const asks = block.code.flags.needs !== NOTHING || block.code.asksVectors;
    if (!block.entry || !asks || !reached.has(block.delta)) continue;
    blocks.push({ ...block, code: block.lower(AS_ENTERED, NOTHING_KNOWN) });
    block.entry = false;
    block.inner = true;
  }
  const led = new Set(blocks.flatMap(({ ending }) => (ending.kind === "call" ? [ending.target] : targetsOf(ending))));
  const called = roots.flatMap(({ delta }) => (landings.has(delta) || cases.has(delta) || led.has(delta) ? [] : (index.get(delta) ?? [])));
  inlineCallees(blocks, called);
  return {
    long,
    places,
    blocks,
    cases: closed,
    at,
  };
}
