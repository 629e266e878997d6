/**
 * What every part of a unit's writer stands on: the open blocks, expressions, and the registers on their way between the vCPU's block and locals.
 */
import { RSP } from "../isa/sem.js";
import * as L from "../layout.js";
import type { ApartWay } from "./block-code.js";
import { ExpressionWriter } from "./expressions.js";
import {
  COUNT,
  CTX,
  ENTERED_SHIFT,
  EXIT,
  FK,
  FLAG_REGISTERS,
  FR,
  FV,
  isWideRegister,
  NEXT,
  REGISTER_COUNT,
  REGISTERS,
  STACK_ADDEND,
  STACK_PAGE,
  TARGET,
  TLB,
  VECTOR_COUNT,
  XMM0,
} from "./locals.js";
import { NO_RECIPES, type Recipes, WAITING_REGISTERS, wayOf } from "./flag-recipes.js";
import { add, and, binary, extend, i64, local, type Node, OR_ELSE, truncate, unary, wrap, xor } from "./node.js";
import { type Places, tlbAddend, tlbEntry, tlbTag } from "./places.js";
import type { Region } from "./region.js";
import { Vector } from "./vector-opcodes.js";
import { ByteWriter, type EngineFunction, Op, TYPE_I32 } from "./wasm.js";

/** Makes words of flags that wait: (cpu). */
const SETTLE_FLAGS: EngineFunction = { name: "settleFlags", parameters: [TYPE_I32], result: undefined };

/** An open block or loop; `target` is the region block that a branch to it reaches, or the number of a way out. */
interface Label {
  readonly kind: "forward" | "loop" | "dispatch" | ApartWay | "side" | "leave";
  readonly target: number;
}

/** Registers, one bit each: those that have locals, and those that go back to memory. */
export interface UsedRegisters {
  readonly used: number;
  readonly written: number;
  readonly usedVectors: number;
  readonly writtenVectors: number;
}

/** What a way out does with the flags: stores the locals of `flags`, and the recipes. */
interface WayOut {
  readonly flags: number;
  readonly recipes: Recipes;
  /** The recipes do not hold, and memory does, when no more than so many instructions were counted since the unit was entered; 0 if never. */
  readonly fresh: number;
}

/** Where register `register` (0-15, FR, FV, FK) lies in the vCPU's block. */
const registerField = (register: number): number =>
  register === FR ? L.FR : register === FV ? L.FV : register === FK ? L.FLAG_KIND : L.GPR + register * 8;

export class UnitFrame {
  readonly out = new ByteWriter();
  protected readonly expressions = new ExpressionWriter(this.out);
  readonly #labels: Label[] = [];
  /** Calls to the engine, by where they stand in the code. */
  protected readonly calls: { at: number; callee: EngineFunction }[] = [];
  protected registers: UsedRegisters = { used: 0, written: 0, usedVectors: 0, writtenVectors: 0 };
  /** Ways out by what they do with the flags; the first three have no recipes, and each stores besides what the one before it stores. */
  readonly #wayNumbers = new Map<string, number>();
  protected readonly ways: WayOut[] = [];
  /** Flags on entering the block in hand, and its instructions if memory may have them all the same, else 0. */
  protected entering: Recipes = NO_RECIPES;
  protected fresh = 0;
  /** What EXIT holds here, or -1. */
  protected exit = -1;
  protected readonly places: Places;

  constructor(readonly region: Region) {
    this.places = region.places;
    for (const flags of [0, (1 << FR) | (1 << FK), FLAG_REGISTERS]) this.wayOut(flags);
  }

  protected open(opcode: number, label: Label): void {
    this.out.open(opcode);
    this.#labels.push(label);
  }
  protected close(): void {
    this.out.op(Op.end);
    this.#labels.pop();
  }
  /** How far out the innermost label of the kind is that leads to `target`. */
  protected depth(kind: Label["kind"], target = -1): number | undefined {
    for (let i = this.#labels.length - 1; i >= 0; i--) {
      const label = this.#labels[i]!;
      if (label.kind === kind && label.target === target) return this.#labels.length - 1 - i;
    }
    return undefined;
  }
  /** Truncates an address outside 64-bit code. */
  protected cut(): void {
    if (this.region.long) return;
    this.out.byte(Op.i64Const);
    this.out.s64(0xffffffff);
    this.out.op(Op.i64And);
  }
  protected expression(node: Node): void {
    this.expressions.write(node);
  }
  /** Leaves with `code` when the i32 on the stack is not zero. */
  protected exitOnTop(code: number, flags = 0, by: "side" | ApartWay = "side"): void {
    this.exitCode(code);
    this.out.op(Op.brIf);
    this.out.u32(this.depth(by, this.wayOut(flags))!);
  }
  /** Leaves as EXIT says by a way out. */
  protected branchToWay(way: number): void {
    this.out.op(Op.br);
    this.out.u32(this.depth("side", way)!);
  }
  /** The number of the way out that stores the locals of `flags`, and what of the rest its upper bits name. */
  protected wayOut(flags: number): number {
    const [fr, fv, fk] = this.entering.map((recipe, at) => (flags & (1 << (WAITING_REGISTERS[at]! + ENTERED_SHIFT)) ? recipe : undefined));
    const recipes: Recipes = [fr, fv, fk];
    const stored = flags & FLAG_REGISTERS;
    const fresh = (fr ?? fv ?? fk) ? this.fresh : 0;
    const key = `${stored} ${fresh} ${wayOf(recipes)}`;
    const known = this.#wayNumbers.get(key);
    if (known !== undefined) return known;
    this.#wayNumbers.set(key, this.ways.length);
    return this.ways.push({ flags: stored, recipes, fresh }) - 1;
  }
  /** Stores flags by those of `recipes` that `among` names. */
  protected storeRecipes(recipes: Recipes, among = FLAG_REGISTERS): void {
    WAITING_REGISTERS.forEach((register, at) => {
      const recipe = recipes[at];
      if (recipe === undefined || (among & (1 << register)) === 0) return;
      this.expression(this.places.cpu);
      this.expression(register === FK ? wrap(recipe.value) : recipe.value);
      this.out.memory(register === FK ? Op.i32Store : Op.i64Store, registerField(register));
    });
  }
  /** Behind a way out that has recipes. */
  protected storeOnWay({ flags, recipes, fresh }: WayOut): void {
    this.open(Op.block, { kind: "forward", target: -1 });
    if (fresh > 0) {
      this.expression(this.places.cpu);
      this.out.memory(Op.i64Load, L.COUNT);
      this.expression(add(local(COUNT, true), i64(fresh)));
      this.out.op(Op.i64Eq);
      this.out.op(Op.brIf);
      this.out.u32(0);
    }
    this.storeRecipes(recipes);
    this.close();
    this.storeRegisters(flags);
  }
  protected exitIf(condition: Node, code: number, flags = 0, by?: ApartWay): void {
    const choice = condition.op === Op.i32Eqz && condition.a!.op === OR_ELSE ? condition.a! : undefined;
    if (choice === undefined) {
      this.expression(condition);
      this.exitOnTop(code, flags, by);
      return;
    }
    this.exitCode(code);
    this.open(Op.block, { kind: "forward", target: -1 });
    this.#passIf(choice.a!);
    this.exitIf(unary(Op.i32Eqz, false, 1, choice.b!), code, flags, by);
    this.close();
  }
  /** Leaves the innermost block when `condition` is not zero. */
  #passIf(condition: Node): void {
    if (condition.op === OR_ELSE) {
      this.#passIf(condition.a!);
      this.#passIf(condition.b!);
      return;
    }
    this.expression(condition);
    this.out.op(Op.brIf);
    this.out.u32(0);
  }
  /** Keeps where and how the next exit leaves. */
  protected exitCode(code: number): void {
    if (code === this.exit) return;
    this.out.i32Const(code);
    this.out.local(Op.localSet, EXIT);
    this.exit = code;
  }

  // -- state in and out -----------------------------------------------------------------------------------------------------------------------
  protected loadField(opcode: number, offset: number, to: number): void {
    this.expression(this.places.cpu);
    this.out.memory(opcode, offset);
    this.out.local(Op.localSet, to);
  }
  protected storeField(opcode: number, offset: number, from: number): void {
    this.expression(this.places.cpu);
    this.out.local(Op.localGet, from);
    this.out.memory(opcode, offset);
  }
  /** Fills the locals of registers. Outside 64-bit code the upper halves are not there (SDM Vol. 1 §3.4.1.1). */
  protected loadRegisters(among = this.registers.used): void {
    for (let register = 0; register < REGISTER_COUNT; register++) {
      if ((among & (1 << register)) === 0) continue;
      const wide = isWideRegister(register, this.region.long);
      this.loadField(wide ? Op.i64Load : Op.i32Load, registerField(register), REGISTERS + register);
    }
  }
  protected storeRegisters(among = this.registers.written): void {
    for (let register = 0; register < REGISTER_COUNT; register++) {
      if ((among & (1 << register)) === 0) continue;
      this.expression(this.places.cpu);
      this.out.local(Op.localGet, REGISTERS + register);
      if (!this.region.long && register < FR) this.out.op(Op.i64ExtendI32U);
      this.out.memory(register === FK ? Op.i32Store : Op.i64Store, registerField(register));
    }
  }
  protected loadVectors(among = this.registers.usedVectors): void {
    for (let vector = 0; vector < VECTOR_COUNT; vector++)
      if (among & (1 << vector)) this.loadField(Vector.load, L.XMM + vector * 16, this.expressions.register(XMM0 + vector));
  }
  protected storeVectors(): void {
    for (let vector = 0; vector < VECTOR_COUNT; vector++)
      if (this.registers.writtenVectors & (1 << vector))
        this.storeField(Vector.store, L.XMM + vector * 16, this.expressions.register(XMM0 + vector));
  }
  /** `settledFrom`: the first entry that wants flags that do not wait, if there is one; those before it take them as they come. */
  protected enter(settledFrom: number | undefined): void {
    if (settledFrom !== undefined) {
      this.open(Op.block, { kind: "forward", target: -1 });
      if (settledFrom > 0) {
        this.out.local(Op.localGet, NEXT);
        this.out.i32Const(settledFrom);
        this.out.op(Op.i32LtU);
        this.out.op(Op.brIf);
        this.out.u32(0);
      }
      this.expression(this.places.cpu);
      this.out.memory(Op.i32Load, L.FLAG_KIND);
      this.out.op(Op.i32Eqz);
      this.out.op(Op.brIf);
      this.out.u32(0);
      this.expression(this.places.cpu);
      this.calls.push({ at: this.out.openCall(), callee: SETTLE_FLAGS });
      this.close();
    }
    this.loadRegisters();
    this.loadVectors();
    this.loadField(Op.i64Load, L.COUNT, COUNT);
    this.selectTranslations();
    if (this.region.blocks.some(({ code }) => code.usesStack)) this.#findStack();
    this.expression(this.places.cpu);
    this.out.i32Const(0);
    this.out.memory(Op.i32Store, L.PROVEN);
  }
  /** Which page the stack is in, if stores to it are allowed: while the unit runs nothing takes that back. */
  #findStack(): void {
    const { out, places } = this;
    const { long } = this.region;
    // What is pushed next is in the page below where the pointer stands at the beginning of one.
    const pointer = local(REGISTERS + RSP, long);
    const last = long ? add(pointer, i64(-1)) : truncate(add(extend(pointer), i64(-1)), 32);
    const entry = local(EXIT, false);
    this.expression(tlbEntry(places, wrap(last)));
    out.local(Op.localSet, EXIT);
    this.expression(tlbAddend(places, entry));
    out.local(Op.localSet, STACK_ADDEND);
    const page = and(last, i64(-4096));
    this.expression(page);
    this.expression(i64(-1));
    this.expression(binary(Op.i64Eq, false, 1, tlbTag(places, entry, L.TLB_W), xor(page, local(CTX, true))));
    out.op(Op.select);
    out.local(Op.localSet, STACK_PAGE);
  }
  protected selectTranslations(): void {
    this.loadField(Op.i64Load, L.CTX, CTX);
    if (this.places.needsTlb) this.loadField(Op.i32Load, L.TLB, TLB);
  }
  protected leave(): void {
    this.storeRegisters(this.registers.written & ~FLAG_REGISTERS);
    this.storeVectors();
    this.storeField(Op.i64Store, L.COUNT, COUNT);
    this.storeField(Op.i64Store, L.RIP, TARGET);
    this.out.local(Op.localGet, EXIT);
    this.out.i32Const(3);
    this.out.op(Op.i32And);
  }
}
