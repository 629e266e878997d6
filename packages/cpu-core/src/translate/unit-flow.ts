/**
 * Where control goes inside a unit: by branches of structured code where these reach, else over the dispatcher at the top; by the jump cache when
 * only the guest knows; and out of it.
 */
import * as L from "../layout.js";
import { type FlagUse, type JoinedRecipes, storedOnEdge } from "./flag-recipes.js";
import { ALL_ENTERED, BASE, COUNT, CTX, EXIT, exitCode, FLAG_REGISTERS, NEXT, TARGET } from "./locals.js";
import * as N from "./node.js";
import type { Node } from "./node.js";
import { tlbAddend, tlbEntry, tlbTag } from "./places.js";
import type { Region, RegionBlock } from "./region.js";
import { returnsOf } from "./returns.js";
import { type Structure, structureOf } from "./structure.js";
import { UnitFrame } from "./unit-frame.js";
import { Op } from "./wasm.js";

/** So many addresses are compared one by one; more have a table. */
const MOST_COMPARED = 2;

/**
 * Bits of an offset by which each of `deltas` has a slot of its own: the number of the delta in each slot. Undefined when a small table does
 * not tell them apart.
 */
export function spreadOf(deltas: readonly number[]): { shift: number; slots: readonly (number | undefined)[] } | undefined {
  for (let size = 4; size <= 16 * deltas.length; size *= 2) {
    for (let shift = 0; size >= deltas.length && shift < 12; shift++) {
      const slots = new Array<number | undefined>(size).fill(undefined);
      const isFree = (delta: number, i: number): boolean => {
        const slot = (delta >>> shift) & (size - 1);
        if (slots[slot] !== undefined) return false;
        slots[slot] = i;
        return true;
      };
      if (deltas.every(isFree)) return { shift, slots };
    }
  }
  return undefined;
}

export class UnitFlow extends UnitFrame {
  /** Where control may go at the end of each block; undefined is out of the unit. */
  readonly #onward: readonly (readonly (number | undefined)[])[];
  /** Edges between blocks. */
  protected readonly successors: readonly (readonly number[])[];
  protected readonly structure: Structure;
  /** Blocks that the dispatcher reaches, by the number that it knows them by; the first `outer` from outside too. */
  protected entries: readonly number[];
  protected readonly outer: number;
  /** So many of them, the first ones, take the flags as they come: to these the unit's own jumps go without leaving it. */
  protected openEntries: number;
  /** What blocks do with the flags, and what they know of them. */
  protected flagUses: readonly FlagUse[] = [];
  protected recipes: JoinedRecipes = { entering: [], fresh: new Set() };
  /** Flag registers that the end of the block in hand has stored for all ways on. */
  #common = 0;
  readonly #returns: ReadonlyMap<number, readonly number[]>;
  readonly #entryNumber = new Map<number, number>();
  /** Pages by number and host address. */
  readonly #pageBits = new Map<string, number>();

  constructor(
    region: Region,
    /** H_UNIT of its entry 0. */
    readonly number: number,
  ) {
    super(region);
    const { blocks } = region;
    this.#returns = returnsOf(region);
    const entries: number[] = [];
    blocks.forEach(({ entry }, i) => {
      if (entry) entries.push(i);
    });
    this.#onward = blocks.map((block, i) => this.#waysOn(block, i));
    this.successors = this.#onward.map((ways) => ways.filter((to) => to !== undefined));
    this.structure = structureOf(this.successors, entries);
    const isInner = (entry: number): boolean => blocks[entry]!.inner;
    const outer = this.structure.entries.filter((entry) => !isInner(entry));
    this.entries = [...outer, ...this.structure.entries.filter(isInner)];
    this.outer = outer.length;
    this.openEntries = outer.length;
  }

  /** Stores what of the flags is not in memory behind block `from` and must be at block `to`, or outside. */
  #storeFlags(from: number, to: number | undefined): void {
    this.#storeAtEnd(from, this.#storedTo(from, to) & ~this.#common);
  }
  #storeAtEnd(from: number, stored: number): void {
    const { kept } = this.flagUses[from]!;
    this.storeRecipes(this.recipes.entering[from]!, stored & kept);
    this.storeRegisters(stored & ~kept);
  }
  #storedTo(from: number, to: number | undefined): number {
    const { entering } = this.recipes;
    return storedOnEdge(this.flagUses[from]!, entering[from]!, to === undefined ? undefined : entering[to]);
  }
  /** Ways out are those of block `number`; `counted`: its instructions have been counted. */
  protected enterFlags(number: number, counted: boolean): void {
    this.entering = this.recipes.entering[number]!;
    this.fresh = counted && this.recipes.fresh.has(number) ? this.region.blocks[number]!.count : 0;
  }
  /** Gives the entries their numbers; `settled` are those that want settled flags. */
  protected numberEntries(settled: ReadonlySet<number>): void {
    const outer = this.entries.slice(0, this.outer);
    const open = outer.filter((entry) => !settled.has(entry));
    this.entries = [...open, ...outer.filter((entry) => settled.has(entry)), ...this.entries.slice(this.outer)];
    this.openEntries = open.length;
    this.entries.forEach((block, number) => {
      this.#entryNumber.set(block, number);
    });
  }

  #waysOn({ ending, targets }: RegionBlock, number: number): readonly (number | undefined)[] {
    switch (ending.kind) {
      case "goto":
      case "call":
        return [this.region.at(ending.target)];
      case "branch":
        return [this.region.at(ending.taken), this.region.at(ending.next)];
      case "return":
        return [...(this.#returns.get(number) ?? []), undefined];
      case "indirect":
        return [...targets, undefined];
      case "interpret":
        return [undefined];
      case "system":
        return [];
    }
  }

  /** Goes to `delta`: inside the region if it can be reached from here, else out of it. `following`: the block whose code comes next. */
  protected goto(from: number, delta: number, following: number | undefined): void {
    const to = this.region.at(delta);
    if (to === undefined) {
      this.#storeFlags(from, undefined);
      this.expression(N.add(N.local(BASE, true), N.i64(delta)));
      this.cut();
      this.leaveForTarget();
      return;
    }
    this.#gotoBlock(from, to, following);
  }
  /** As goto, to block `to`. */
  #gotoBlock(from: number, to: number, following: number | undefined): void {
    const { out } = this;
    const target = this.region.blocks[to]!;
    const here = this.region.blocks[from]!;
    this.#storeFlags(from, to);
    if (target.page !== here.page) {
      this.enterFlags(to, false);
      this.#proveOnce(target, here);
    }
    if (to === following) return;
    const back = this.structure.isBackEdge(from, to);
    const depth = this.depth(back ? "loop" : "forward", to);
    if (depth === undefined) {
      const entry = this.#entryNumber.get(to);
      if (entry === undefined) throw new Error("a region's edge has no way to go");
      out.i32Const(entry);
      out.local(Op.localSet, NEXT);
      out.op(Op.br);
      out.u32(this.depth("dispatch")!);
      return;
    }
    out.op(Op.br);
    out.u32(depth);
  }
  /** Leaves for the address on the stack. */
  protected leaveForTarget(): void {
    this.out.local(Op.localSet, TARGET);
    this.#leaveForKnownTarget();
  }
  #leaveForKnownTarget(): void {
    const { out } = this;
    out.i32Const(L.UNIT_GO);
    out.local(Op.localSet, EXIT);
    out.op(Op.br);
    out.u32(this.depth("leave")!);
  }
  /** Goes to block `to` if that is where TARGET is. */
  protected gotoIfTarget(from: number, to: number): void {
    const { out } = this;
    this.open(Op.block, { kind: "forward", target: -1 });
    this.#unlessTarget(this.region.blocks[to]!.delta);
    out.op(Op.brIf);
    out.u32(0);
    this.#gotoBlock(from, to, undefined);
    this.close();
    this.exit = -1;
  }
  /** Goes to the one of `blocks` where TARGET is, if it is one: by a table of this jump's own, so that the host predicts each jump by itself. */
  #gotoOneOf(from: number, blocks: readonly number[]): void {
    const { out } = this;
    const deltas = blocks.map((block) => this.region.blocks[block]!.delta);
    const spread = deltas.length > MOST_COMPARED ? spreadOf(deltas) : undefined;
    if (spread === undefined) {
      for (const block of blocks.slice(0, MOST_COMPARED)) this.gotoIfTarget(from, block);
      return;
    }
    const distance = N.binary(Op.i32Sub, false, 32, N.wrap(N.local(TARGET, true)), N.wrap(N.local(BASE, true)));
    this.open(Op.block, { kind: "forward", target: -1 });
    for (const _ of deltas) this.open(Op.block, { kind: "forward", target: -1 });
    this.expression(
      N.binary(Op.i32And, false, 32, N.binary(Op.i32ShrU, false, 32, distance, N.i32(spread.shift)), N.i32(spread.slots.length - 1)),
    );
    out.op(Op.brTable);
    out.u32(spread.slots.length - 1);
    for (const slot of spread.slots) out.u32(slot ?? deltas.length);
    deltas.forEach((delta, i) => {
      this.close();
      this.#unlessTarget(delta);
      out.op(Op.brIf);
      out.u32(deltas.length - 1 - i);
      this.exit = -1;
      this.#gotoBlock(from, blocks[i]!, undefined);
    });
    this.close();
    this.exit = -1;
  }
  /** Is TARGET not at `delta`? */
  #unlessTarget(delta: number): void {
    const wide = N.sub(N.local(TARGET, true), N.local(BASE, true));
    const low = N.binary(Op.i32Sub, false, 32, N.wrap(N.local(TARGET, true)), N.wrap(N.local(BASE, true)));
    this.expression(this.region.long ? N.binary(Op.i64Ne, false, 1, wide, N.i64(delta)) : N.binary(Op.i32Ne, false, 1, low, N.i32(delta)));
  }
  /** Goes to TARGET: inside the unit when the jump cache knows it as one of its entries that take the flags as they come. */
  protected jump(): void {
    const { out } = this;
    if (this.openEntries === 0) {
      this.#leaveForKnownTarget();
      return;
    }
    const low = N.wrap(N.local(TARGET, true));
    const shifted = (op: number, by: number): Node => N.binary(op, false, 32, low, N.i32(by));
    const both = (op: number, a: Node, b: Node): Node => N.binary(op, false, 32, a, b);
    const folded = both(Op.i32Xor, shifted(Op.i32Shl, L.JUMP_FOLD_LEFT), shifted(Op.i32ShrU, L.JUMP_FOLD_RIGHT));
    const mixed = both(Op.i32Xor, shifted(Op.i32Shl, 1), both(Op.i32And, folded, N.i32(L.JUMP_FOLD_MASK)));
    this.expression(both(Op.i32Add, this.places.cpu, both(Op.i32And, mixed, N.i32(L.JUMP_MASK))));
    out.local(Op.localSet, EXIT);
    const field = (opcode: number, wide: boolean, offset: number): Node =>
      N.loadNode(opcode, wide, wide ? 64 : 32, N.local(EXIT, false), L.JUMP_OFFSET + offset);
    this.open(Op.block, { kind: "forward", target: -1 });
    const wanted = N.xor(N.local(TARGET, true), N.shift(Op.i64Shl, N.local(CTX, true), N.i64(L.CTX_TO_JUMP)));
    this.expression(N.binary(Op.i64Ne, false, 1, field(Op.i64Load, true, L.JUMP_TAG), wanted));
    out.op(Op.brIf);
    out.u32(0);
    this.expression(N.binary(Op.i32Sub, false, 32, field(Op.i32Load, false, L.JUMP_UNIT), N.i32(this.number)));
    out.local(Op.localTee, NEXT);
    out.i32Const(this.openEntries);
    out.op(Op.i32GeU);
    out.op(Op.brIf);
    out.u32(0);
    // An entry that is reached so is as good as one from outside.
    if (this.recipes.fresh.size > 0) this.storeField(Op.i64Store, L.COUNT, COUNT);
    this.expression(N.sub(N.local(TARGET, true), N.local(BASE, true)));
    this.expression(field(Op.i32Load, false, L.JUMP_DELTA));
    out.op(Op.i64ExtendI32S);
    out.op(Op.i64Eq);
    out.op(Op.brIf);
    out.u32(this.depth("dispatch")!);
    this.close();
    this.#leaveForKnownTarget();
  }
  /**
   * Leaves for `target` unless its page is mapped as it was; control comes from `here`, whose page is. Nothing in a unit changes mappings and
   * stays in it, so once a run is enough.
   */
  #proveOnce(target: RegionBlock, here: RegionBlock): void {
    const { out } = this;
    const code = exitCode(target.delta, 0, L.UNIT_GO);
    const bit = this.#pageBit(target);
    if (bit === 0) {
      this.#provePage(target.delta, target.host, code);
      return;
    }
    const proven = N.loadNode(Op.i32Load, false, 32, this.places.cpu, L.PROVEN);
    this.open(Op.block, { kind: "forward", target: -1 });
    this.expression(N.binary(Op.i32And, false, 32, proven, N.i32(bit)));
    out.op(Op.brIf);
    out.u32(0);
    this.#provePage(target.delta, target.host, code);
    this.expression(this.places.cpu);
    this.expression(N.binary(Op.i32Or, false, 32, proven, N.i32(bit | this.#pageBit(here))));
    out.memory(Op.i32Store, L.PROVEN);
    this.close();
    this.exit = -1;
  }
  /** The bit of a block's page in PROVEN; 0 when all are taken. */
  #pageBit({ page, host }: RegionBlock): number {
    const key = `${page} ${host >>> 12}`;
    const known = this.#pageBits.get(key);
    if (known !== undefined) return known;
    const bit = this.#pageBits.size < 32 ? 1 << this.#pageBits.size : 0;
    this.#pageBits.set(key, bit);
    return bit;
  }
  /** Leaves with `code` unless what is at `delta` is mapped to host address `host`, as it was when the region was formed. */
  #provePage(delta: number, host: number, code: number): void {
    const at = N.add(N.local(BASE, true), N.i64(delta));
    const linear = this.region.long ? at : N.truncate(at, 32);
    const entry = tlbEntry(this.places, N.wrap(at));
    const wanted = N.xor(N.and(linear, N.i64(-4096)), N.local(CTX, true));
    const mapped = N.binary(Op.i32Add, false, 32, tlbAddend(this.places, entry), N.wrap(linear));
    this.exitIf(N.binary(Op.i64Ne, false, 1, tlbTag(this.places, entry, L.TLB_X), wanted), code, ALL_ENTERED);
    this.exitIf(N.binary(Op.i32Ne, false, 1, mapped, N.i32(host)), code, ALL_ENTERED);
  }
  /** An instruction that crosses into another page: the engine does not tell when its bytes change, so they are compared. */
  #proveCrossing({ crossing, delta, host, count }: RegionBlock): void {
    if (crossing === undefined) return;
    const code = exitCode(delta, count, L.UNIT_SIDE);
    const first = 4096 - (host & 0xfff);
    this.#provePage(delta + first, crossing.second, code);
    this.#proveBytes(host, crossing.bytes.subarray(0, first), code);
    this.#proveBytes(crossing.second, crossing.bytes.subarray(first), code);
  }
  #proveBytes(host: number, bytes: Uint8Array, code: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    for (let at = 0; at < bytes.length; ) {
      const size = bytes.length - at >= 4 ? 4 : bytes.length - at >= 2 ? 2 : 1;
      const op = size === 4 ? Op.i32Load : size === 2 ? Op.i32Load16u : Op.i32Load8u;
      const expected = size === 4 ? view.getInt32(at, true) : size === 2 ? view.getUint16(at, true) : view.getUint8(at);
      const found = N.loadNode(op, false, size * 8, N.i32(host + at), 0);
      this.exitIf(N.binary(Op.i32Ne, false, 1, found, N.i32(expected)), code, ALL_ENTERED);
      at += size;
    }
  }

  /** Counts block `number`, and leaves before it when the budget does not cover it or its bytes may not be what they were. */
  protected count(number: number): void {
    const { out } = this;
    const block = this.region.blocks[number]!;
    out.local(Op.localGet, COUNT);
    out.byte(Op.i64Const);
    out.s64(block.count);
    out.op(Op.i64Sub);
    out.local(Op.localTee, COUNT);
    out.byte(Op.i64Const);
    out.s64(0);
    out.op(Op.i64LtS);
    this.exitOnTop(exitCode(block.delta, block.count, L.UNIT_SIDE), ALL_ENTERED);
    this.#proveCrossing(block);
  }
  /** The end of block `number`; `following`: the block whose code comes next. */
  protected leaveBlock(number: number, following: number | undefined): void {
    const { out } = this;
    const block = this.region.blocks[number]!;
    const { code, ending } = block;
    const ways = this.#onward[number]!;
    this.#common = ways.length === 0 ? 0 : ways.reduce<number>((all, to) => all & this.#storedTo(number, to), FLAG_REGISTERS);
    this.#storeAtEnd(number, this.#common);
    switch (ending.kind) {
      case "goto":
      case "call":
        this.goto(number, ending.target, following);
        return;
      case "branch": {
        this.open(Op.block, { kind: "forward", target: -1 });
        this.expression(code.endValue!);
        out.op(Op.i32Eqz);
        out.op(Op.brIf);
        out.u32(0);
        this.goto(number, ending.taken, undefined);
        this.close();
        this.exit = -1;
        this.goto(number, ending.next, following);
        return;
      }
      case "indirect":
      case "return":
        this.expression(code.endValue!);
        out.local(Op.localSet, TARGET);
        for (const back of this.#returns.get(number) ?? []) this.gotoIfTarget(number, back);
        this.#gotoOneOf(number, block.targets);
        this.#storeFlags(number, undefined);
        if (block.closed) this.#leaveForKnownTarget();
        else this.jump();
        return;
      case "system":
        return;
      case "interpret":
        out.i32Const(code.side);
        out.local(Op.localSet, EXIT);
        this.branchToWay(0);
        return;
    }
  }
}
