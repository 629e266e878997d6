// A hostile guest: random operations on page tables, with every invariant checked after each. Seeded, so a failure repeats.
import { expect, test } from "vitest";
import { FIRST, PagingBench } from "../../test/paging.js";
import { type FrameType, frameTypes, isGuarded } from "./frame-table.js";
import { random } from "../../test/random.js";

const STEPS = 1500;
const FRAMES = 12;
const SLOTS = [0, 1, 2, 3, 255, 256, 271, 272, 427, 428, 511];

/** One random operation; what it did, in words. */
function step(bench: PagingBench, below: (bound: number) => number): string {
  const frame = FIRST + below(FRAMES);
  const slot = SLOTS[below(SLOTS.length)]!;
  const target = below(20) === 0 ? below(4096) : FIRST + below(FRAMES);
  const flags = BigInt([1, 1, 3, 3, 7, 5, 0, 0x67, 0x61, 0x83, 0x1e3][below(11)]!) | (below(10) === 0 ? 1n << 63n : 0n);
  const value = (BigInt(target) << 12n) | flags;
  switch (below(8)) {
    case 0: {
      // A fresh table; one that could be a 32-bit top level has its last slot filled.
      if (bench.protectedFrames.has(frame)) return "nothing";
      bench.memory.fill(frame * 4096, 4096, 0);
      if (bench.bits === 32 && below(2) === 0) bench.write(frame, 3, (BigInt(FIRST + below(FRAMES)) << 12n) | 1n);
      return `clear ${frame.toString(16)}`;
    }
    case 1:
    case 2: {
      // The guest stores where it may: a frame that is protected is out of its reach.
      if (!bench.protectedFrames.has(frame)) bench.write(frame, slot, value);
      return `store ${frame.toString(16)}[${slot}] = ${value.toString(16)}`;
    }
    case 3:
    case 4:
      return `set ${frame.toString(16)}[${slot}] = ${value.toString(16)}: ${bench.set(frame, slot, value, below(2) === 0)}`;
    case 5: {
      const type = (1 + below(4)) as FrameType;
      return `pin ${frame.toString(16)} as ${type}: ${bench.paging.pin(frame, type)}`;
    }
    case 6:
      return `unpin ${frame.toString(16)}: ${bench.paging.unpin(frame)}`;
    default: {
      const held = bench.roots.length > 1 ? bench.roots.shift() : undefined;
      if (bench.frames.get(frame, bench.paging.rootType) === 0) bench.roots.push(frame);
      if (held !== undefined) bench.frames.put(held);
      return `root ${frame.toString(16)}`;
    }
  }
}

/** One random operation on two trees of tables, which now and then share a branch; what it did, in words. */
function treeStep(bench: PagingBench, below: (bound: number) => number): string {
  const level = 1 + below(4);
  const tree = below(2);
  const table = FIRST + 2 * (4 - level) + tree;
  const name = table.toString(16);
  switch (below(12)) {
    case 0:
      return `pin ${name}: ${bench.paging.pin(table, level as FrameType)}`;
    case 1:
      return `unpin ${name}: ${bench.paging.unpin(table)}`;
    default: {
      const usual = level > 1 && below(16) !== 0;
      const slot = usual ? 300 : level === 1 ? [0, 1, 300, 511][below(4)]! : 0;
      const child = level === 1 ? FIRST + 8 + below(4) : FIRST + 2 * (5 - level) + (usual ? tree : below(2));
      // What is unusual goes soon, or no table would be in one place.
      const value = (below(16) === 0) === (usual || level === 1) ? 0n : (BigInt(child) << 12n) | 5n;
      if (!bench.protectedFrames.has(table)) bench.write(table, slot, value);
      else bench.set(table, slot, value);
      return `${name}[${slot}] = ${value.toString(16)}`;
    }
  }
}

/** What a processor remembers of leaves, by top level and page. A load of a root drops what may have changed since the last time. */
class CachedLeaves {
  readonly #entries = new Map<string, bigint>();
  #seen = 0;

  constructor(private readonly bench: PagingBench) {}

  touch(): void {
    for (const root of this.bench.pool)
      if (this.bench.frames.typeOf(root) === frameTypes.l4)
        for (const [page, leaf] of this.#leaves(root, 4, 0n)) this.#entries.set(`${root}:${page}`, leaf);
  }

  /** Pages that are used afterwards although no table says so any more. */
  load(): string[] {
    const { stale } = this.bench.paging.validation;
    const pages = stale.since(this.#seen);
    this.#seen = stale.changes;
    if (pages === undefined) this.#entries.clear();
    for (const address of pages ?? [])
      for (const root of this.bench.pool) this.#entries.delete(`${root}:${BigInt.asUintN(48, address) >> 12n}`);
    return [...this.#entries].flatMap(([key, value]) => {
      const [root = 0, page = 0] = key.split(":").map(Number);
      if (this.bench.frames.typeOf(root) !== frameTypes.l4) return [];
      return this.#leafOf(root, page) === value ? [] : [key];
    });
  }

  /** Leaves under a table that stands for `level`. */
  *#leaves(table: number, level: number, above: bigint): Generator<[bigint, bigint]> {
    for (const slot of [0, 1, 300, 511]) {
      const entry = this.bench.read(table, slot);
      if ((entry & 1n) === 0n) continue;
      const page = above * 512n + BigInt(slot);
      if (level === 1) yield [page, entry];
      else yield* this.#leaves(Number((entry >> 12n) & 0xff_ffffn), level - 1, page);
    }
  }

  #leafOf(root: number, page: number): bigint | undefined {
    let table = root;
    for (let level = 4; ; level--) {
      const entry = this.bench.read(table, Math.floor(page / 512 ** (level - 1)) % 512);
      if ((entry & 1n) === 0n) return undefined;
      if (level === 1) return entry;
      table = Number((entry >> 12n) & 0xff_ffffn);
    }
  }
}

test.each([1, 2, 3])("seed %i: a processor that drops what is told of changed tables uses nothing that is gone", (seed) => {
  const bench = new PagingBench(64, FRAMES);
  const below = random(seed * 0x51ed270b);
  const vcpus = [new CachedLeaves(bench), new CachedLeaves(bench)];
  let single = 0;
  for (let count = 0; count < 6 * STEPS; count++) {
    const before = bench.paging.validation.stale.changes;
    const what = treeStep(bench, below);
    if (bench.paging.validation.stale.since(before)?.length === 1) single++;
    const vcpu = vcpus[below(2)]!;
    if (below(3) === 0) vcpu.touch();
    else expect(vcpu.load(), `step ${count}: ${what}`).toEqual([]);
  }
  // It shows something only when changes of single pages are among them.
  expect(single).toBeGreaterThan(STEPS / 10);
});

test.each([
  [64, 1],
  [64, 2],
  [64, 3],
  [32, 4],
  [32, 5],
  [32, 6],
] as const)("%i bit, seed %i: no table is ever writable, and all counts are what the tables say", (bits, seed) => {
  const bench = new PagingBench(bits, FRAMES);
  const below = random(seed * 0x9e3779b9);
  let tables = 0;
  for (let count = 0; count < STEPS; count++) {
    const what = step(bench, below);
    const faults = bench.faults();
    if (faults.length > 0) expect(faults, `step ${count}: ${what}`).toEqual([]);
    if (bench.pool.some((frame) => isGuarded(bench.frames.typeOf(frame)) && bench.frames.typeOf(frame) !== frameTypes.l1)) tables++;
  }
  // The sequence is worth something only when trees of tables come and go.
  expect(tables).toBeGreaterThan(STEPS / 4);
});
