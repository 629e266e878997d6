/**
 * Writes a region as one WebAssembly function (cpu, entry, base) -> UNIT_*: registers come from the vCPU's block into locals at the start and
 * go back at the end; inside, control stays in structured code, or passes the dispatcher at its top.
 */
import type { Statement } from "./block-code.js";
import { joinFlags } from "./flag-flow.js";
import { joinRecipes } from "./flag-recipes.js";
import { dropUnused } from "./liveness.js";
import {
  ALL_ENTERED,
  BASE,
  COUNT,
  EXIT,
  FIXED_I32,
  FIXED_I64,
  FK,
  FLAG_REGISTERS,
  FR,
  NEXT,
  RANGE,
  RANGE_BYTES,
  REGISTER_COUNT,
  TARGET,
} from "./locals.js";
import * as L from "../layout.js";
import * as N from "./node.js";
import type { Node } from "./node.js";
import type { Region, RegionBlock } from "./region.js";
import { headOf, type Item } from "./structure.js";
import { UnitFlow } from "./unit-flow.js";
import { joinKnown } from "./vector-known.js";
import { ByteWriter, type EngineFunction, type FunctionBody, Op, TYPE_I32, TYPE_I64 } from "./wasm.js";

/** The interpreter's function for a rare operation: (cpu, u). */
const COLD_OP: EngineFunction = { name: "coldOp", parameters: [TYPE_I32, TYPE_I32], result: TYPE_I32 };

/** The engine's function for an operation that ends a block: (cpu, u). */
const SYSTEM_OP: EngineFunction = { name: "systemOp", parameters: [TYPE_I32, TYPE_I32], result: undefined };

/** Ways out without recipes for flags, and most different sets of recipes. */
const PLAIN_WAYS = 3;
const MOST_RECIPES = 16;

/** A block by where it was decoded to, and its offset from its unit's base. */
export interface UnitBlock {
  readonly header: number;
  readonly delta: number;
}

export interface UnitCode {
  readonly body: FunctionBody;
  /** Everything that the unit was made from. */
  readonly blocks: readonly UnitBlock[];
  /** Blocks that can be entered, by the number that `entry` gives. */
  readonly entries: readonly UnitBlock[];
  readonly instructions: number;
  /** Headers of blocks inside that are reached by a table and cannot be entered. */
  readonly cases: ReadonlySet<number>;
}

class UnitWriter extends UnitFlow {
  /** Ways out with UNIT_APART that are taken. */
  readonly #taken = { apart: new Set<number>(), stack: new Set<number>() };

  constructor(region: Region, number: number) {
    super(region, number);
    const { blocks } = region;
    const isEntry = new Uint8Array(blocks.length);
    for (const entry of this.entries) isEntry[entry] = 1;
    joinKnown(blocks, this.successors, isEntry, this.structure.items);
    const outer = this.entries.slice(0, this.outer);
    isEntry.fill(0);
    for (const entry of outer) isEntry[entry] = 1;
    const { kinds, settled } = joinFlags(blocks, this.successors, isEntry);
    this.flagUses = blocks.map(({ code }, i) => code.flagUse(kinds[i]!));
    this.recipes = joinRecipes(this.flagUses, this.successors, isEntry, MOST_RECIPES);
    this.numberEntries(settled);
    let used = 0;
    let written = 0;
    let usedVectors = 0;
    let writtenVectors = 0;
    for (const { code } of blocks) {
      used |= code.used;
      written |= code.written;
      usedVectors |= code.usedVectors;
      writtenVectors |= code.writtenVectors;
      dropUnused(code.statements);
      this.expressions.assign(code.statements);
    }
    this.registers = { used, written, usedVectors, writtenVectors };
    blocks.forEach((block, i) => {
      this.#findWaysOut(block, i, this.successors[i]!);
    });
  }

  /** Numbers the ways out that block `number` needs: they are written around all of the code. */
  #findWaysOut({ code, page }: RegionBlock, number: number, successors: readonly number[]): void {
    this.enterFlags(number, true);
    this.wayOut(ALL_ENTERED);
    for (const s of code.statements) {
      if (s?.kind !== "exitIf") continue;
      const way = this.wayOut(s.flags);
      if (s.by !== undefined) this.#taken[s.by].add(way);
    }
    for (const to of successors) {
      if (this.region.blocks[to]!.page === page) continue;
      this.enterFlags(to, false);
      this.wayOut(ALL_ENTERED);
    }
  }

  write(): UnitCode {
    const { region, out } = this;
    const temporaries = this.expressions.declarations(this.registers.usedVectors);
    this.enter(this.openEntries < this.outer ? this.openEntries : undefined);
    this.open(Op.block, { kind: "leave", target: -1 });
    for (const way of this.ways.keys()) this.open(Op.block, { kind: "side", target: way });
    for (const kind of ["apart", "stack"] as const) for (const way of this.#taken[kind]) this.open(Op.block, { kind, target: way });
    this.open(Op.loop, { kind: "dispatch", target: -1 });
    this.#sequence(this.structure.items, true);
    this.close();
    out.op(Op.unreachable); // every block leaves or branches
    for (const kind of ["stack", "apart"] as const)
      for (const way of [...this.#taken[kind]].reverse()) {
        this.close();
        if (kind === "stack") this.#tellWhy(L.APART_STACK);
        else this.#tellApart();
        this.branchToWay(way);
      }
    for (let way = this.ways.length - 1; way >= PLAIN_WAYS; way--) {
      this.close();
      this.storeOnWay(this.ways[way]!);
      this.branchToWay(0);
    }
    for (let way = PLAIN_WAYS - 1; way > 0; way--) {
      this.close();
      this.storeRegisters(this.ways[way]!.flags & ~this.ways[way - 1]!.flags);
    }
    this.close();
    // side: the constant says where and what is to be taken back
    out.local(Op.localGet, BASE);
    out.local(Op.localGet, EXIT);
    out.i32Const(8);
    out.op(Op.i32ShrS);
    out.op(Op.i64ExtendI32S);
    out.op(Op.i64Add);
    this.cut();
    out.local(Op.localSet, TARGET);
    out.local(Op.localGet, COUNT);
    out.local(Op.localGet, EXIT);
    out.i32Const(2);
    out.op(Op.i32ShrU);
    out.i32Const(63);
    out.op(Op.i32And);
    out.op(Op.i64ExtendI32U);
    out.op(Op.i64Add);
    out.local(Op.localSet, COUNT);
    this.close();
    this.leave();
    out.op(Op.end);
    const prologue = new ByteWriter(0);
    const groups: readonly (readonly [count: number, type: number])[] = [
      [FR, region.long ? TYPE_I64 : TYPE_I32],
      [FK - FR, TYPE_I64],
      [1, TYPE_I32],
      [FIXED_I64 - REGISTER_COUNT, TYPE_I64],
      [FIXED_I32, TYPE_I32],
      ...temporaries,
      this.expressions.constants(prologue),
    ];
    const body = new ByteWriter(64 + prologue.length + out.length);
    body.u32(groups.length);
    for (const [count, type] of groups) {
      body.u32(count);
      body.byte(type);
    }
    body.append(prologue);
    const before = body.length;
    body.append(out);
    const calls = this.calls.map(({ at, callee }) => ({ at: before + at, callee }));
    const blocks = region.blocks.map(({ header, delta }): UnitBlock => ({ header, delta }));
    return {
      body: { code: body, calls },
      blocks,
      entries: this.entries.slice(0, this.outer).map((block) => blocks[block]!),
      cases: region.cases,
      instructions: region.blocks.reduce((sum, { count, inner }) => (inner ? sum : sum + count), 0),
    };
  }

  /** Items in order; each is reachable by a forward branch from those before it, and all entries from the dispatcher at the top. */
  #sequence(items: readonly Item[], top: boolean): void {
    const { entries } = this;
    for (let i = items.length - 1; i >= 0; i--) this.open(Op.block, { kind: "forward", target: headOf(items[i]!) });
    if (top) {
      if (entries.length > 1) {
        this.out.local(Op.localGet, NEXT);
        this.out.op(Op.brTable);
        this.out.u32(entries.length - 1);
        for (const entry of entries) this.out.u32(this.depth("forward", entry)!);
      } else {
        this.out.op(Op.br);
        this.out.u32(this.depth("forward", entries[0])!);
      }
    }
    items.forEach((item, i) => {
      this.close();
      const next = items[i + 1];
      if ("loop" in item) {
        this.open(Op.loop, { kind: "loop", target: item.loop });
        this.#sequence(item.items, false);
        this.close();
      } else this.#block(item.block, next === undefined ? undefined : headOf(next));
    });
  }

  /** Of a range that was not covered: does it lie in two pages, or was it no more than a miss? */
  #tellApart(): void {
    const both = (op: number, a: Node, b: Node): Node => N.binary(op, false, 32, a, b);
    const start = both(Op.i32And, N.local(RANGE, false), N.i32(4095));
    const within = both(Op.i32LtU, both(Op.i32Add, start, N.local(RANGE_BYTES, false)), N.i32(4097));
    this.expression(within);
    this.out.open(Op.if);
    this.expression(both(Op.i32Xor, N.local(EXIT, false), N.i32(L.UNIT_APART ^ L.UNIT_SIDE)));
    this.out.local(Op.localSet, EXIT);
    this.out.op(Op.else);
    this.#tellWhy(L.APART_BYTES);
    this.out.op(Op.end);
  }
  #tellWhy(why: number): void {
    this.expression(this.places.cpu);
    this.out.i32Const(why);
    this.out.memory(Op.i32Store, L.APART_WHY);
  }
  #block(number: number, following: number | undefined): void {
    this.exit = -1;
    this.enterFlags(number, true);
    this.count(number);
    const { code } = this.region.blocks[number]!;
    const { statements } = code;
    for (let at = 0; at < statements.length; at++) this.#statement(statements[at]);
    this.leaveBlock(number, following);
  }

  // -- statements -----------------------------------------------------------------------------------------------------------------------------
  #statement(s: Statement): void {
    if (s === undefined) return;
    const { out } = this;
    switch (s.kind) {
      case "let":
        this.expressions.let(s.target, s.value);
        break;
      case "set":
        this.expression(s.value);
        out.localSet(this.expressions.register(s.register));
        break;
      case "copy":
        this.expressions.copy(s.source);
        break;
      case "store":
        this.expression(s.address);
        this.expression(s.value);
        out.memory(s.op, s.offset);
        break;
      case "exitIf":
        this.#exitIf(s);
        break;
      case "call":
        this.#callEngine(s);
        break;
      case "system":
        this.#system(s);
        break;
      case "cold":
        this.#cold(s);
        break;
      case "end":
        break;
    }
  }
  #exitIf({ condition, code, flags, by, range }: Extract<Statement, { kind: "exitIf" }>): void {
    const { out } = this;
    if (range !== undefined) {
      this.expression(range.at);
      out.local(Op.localSet, RANGE);
      out.i32Const(range.bytes);
      out.local(Op.localSet, RANGE_BYTES);
    }
    this.exitIf(condition, code, flags, by);
  }
  #system({ u, flags, next }: Extract<Statement, { kind: "system" }>): void {
    const { out } = this;
    this.storeRegisters((this.registers.written & ~FLAG_REGISTERS) | flags);
    this.storeVectors();
    this.storeField(Op.i64Store, L.COUNT, COUNT);
    this.expression(this.places.cpu);
    this.expression(next);
    out.memory(Op.i64Store, L.RIP);
    this.expression(this.places.cpu);
    out.i32Const(u);
    this.calls.push({ at: out.openCall(), callee: SYSTEM_OP });
    out.i32Const(L.UNIT_LOOK);
    out.op(Op.return);
  }
  #callEngine({ callee, args, result, spilled, reloaded, translations, vectors }: Extract<Statement, { kind: "call" }>): void {
    const { out } = this;
    this.storeRegisters(spilled & this.registers.written);
    if (vectors) this.storeVectors();
    for (const arg of args) this.expression(arg);
    this.calls.push({ at: out.openCall(), callee });
    if (result !== undefined) out.local(Op.localSet, this.expressions.local(result));
    else if (callee.result !== undefined) out.op(Op.drop);
    this.loadRegisters(reloaded);
    if (translations) this.selectTranslations();
    if (vectors) this.loadVectors();
  }
  #cold(s: Extract<Statement, { kind: "cold" }>): void {
    const { out } = this;
    this.exit = -1;
    this.storeRegisters((this.registers.written & ~FLAG_REGISTERS) | s.flags);
    this.storeVectors();
    this.storeField(Op.i64Store, L.COUNT, COUNT);
    this.expression(this.places.cpu);
    this.expression(N.add(N.local(BASE, true), N.i64(s.blockDelta)));
    this.cut();
    out.memory(Op.i64Store, L.RIP_BASE);
    this.expression(this.places.cpu);
    out.i32Const(s.u);
    this.calls.push({ at: out.openCall(), callee: COLD_OP });
    out.local(Op.localSet, EXIT);
    this.loadRegisters();
    this.loadVectors();
    // 0: go on; 1: a fault is pending; 2: done, but code or mode may have changed
    this.open(Op.block, { kind: "forward", target: -1 });
    out.local(Op.localGet, EXIT);
    out.op(Op.i32Eqz);
    out.op(Op.brIf);
    out.u32(0);
    out.i32Const(s.abandoned);
    out.i32Const(s.restarted);
    out.local(Op.localGet, EXIT);
    out.i32Const(1);
    out.op(Op.i32Eq);
    out.op(Op.select);
    out.local(Op.localSet, EXIT);
    this.branchToWay(0);
    this.close();
  }
}

/** Writes the region's function, which will be known by `number` (H_UNIT of its first entry). The region is not empty. */
export function writeUnit(region: Region, number: number): UnitCode {
  return new UnitWriter(region, number).write();
}
