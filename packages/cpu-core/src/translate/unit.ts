/**
 * Writes a region as one WebAssembly function (cpu, entry, base) -> UNIT_*: registers come from the vCPU's block into locals at the start and
 * go back at the end; inside, control stays in structured code, or passes the dispatcher at its top.
 */
import * as L from "../layout.js";
import type { Statement } from "./block-code.js";
import { ExpressionWriter } from "./expressions.js";
import { joinFlags } from "./flag-flow.js";
import { dropUnused } from "./liveness.js";
import {
  BASE,
  COUNT,
  CPU,
  CTX,
  EXIT,
  exitCode,
  FIXED_I32,
  FIXED_I64,
  FK,
  FR,
  FV,
  isWideRegister,
  NEXT,
  REGISTER_COUNT,
  REGISTERS,
  TARGET,
  TLB,
  VECTOR_COUNT,
  XMM0,
} from "./locals.js";
import * as N from "./node.js";
import type { Node } from "./node.js";
import type { Region, RegionBlock } from "./region.js";
import { returnsOf } from "./returns.js";
import { headOf, type Item, type Structure, structureOf } from "./structure.js";
import { Vector } from "./vector-opcodes.js";
import { ByteWriter, type EngineFunction, type FunctionBody, Op, TYPE_I32, TYPE_I64 } from "./wasm.js";

/** The interpreter's function for a rare operation: (cpu, u). */
const COLD_OP: EngineFunction = { name: "coldOp", parameters: [TYPE_I32, TYPE_I32], result: TYPE_I32 };

/** Makes words of flags that wait: (cpu). */
const SETTLE_FLAGS: EngineFunction = { name: "settleFlags", parameters: [TYPE_I32], result: undefined };

/** The engine's function for an operation that ends a block: (cpu, u). */
const SYSTEM_OP: EngineFunction = { name: "systemOp", parameters: [TYPE_I32, TYPE_I32], result: undefined };

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
}

/** Does a block go to an address that is not known, perhaps one of its own unit? */
const jumps = ({ ending }: RegionBlock): boolean => ending.kind === "indirect" || ending.kind === "return";

/** An open block or loop; `target` is the region block that a branch to it reaches. */
interface Label {
  readonly kind: "forward" | "loop" | "dispatch" | "side" | "leave";
  readonly target: number;
}

class UnitWriter {
  readonly out = new ByteWriter();
  readonly #labels: Label[] = [];
  readonly #calls: { at: number; callee: EngineFunction }[] = [];
  readonly #structure: Structure;
  /** Registers that have locals, and those that go back to memory. */
  readonly #used: number;
  readonly #written: number;
  readonly #returns: ReadonlyMap<RegionBlock, readonly RegionBlock[]>;
  /** Some entry wants flags that do not wait. */
  readonly #settles: boolean;
  /** The same of vector registers. */
  readonly #usedVectors: number;
  readonly #writtenVectors: number;
  readonly #entryNumber = new Map<number, number>();
  readonly #expressions = new ExpressionWriter(this.out);

  /** What EXIT holds here, or -1. */
  #exit = -1;

  constructor(
    readonly region: Region,
    /** H_UNIT of its entry 0. */
    readonly number: number,
  ) {
    const { blocks } = region;
    this.#returns = returnsOf(region);
    const entries = blocks.flatMap((block, i) => (block.entry ? [i] : []));
    this.#structure = structureOf(
      blocks.map((block) => this.#successors(block)),
      entries,
    );
    this.#structure.entries.forEach((block, number) => {
      this.#entryNumber.set(block, number);
    });
    const isEntry = new Uint8Array(blocks.length);
    for (const entry of this.#structure.entries) isEntry[entry] = 1;
    this.#settles = joinFlags(
      blocks,
      blocks.map((block) => (jumps(block) ? [...this.#structure.entries, ...this.#successors(block)] : this.#successors(block))),
      isEntry,
    );
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
      this.#expressions.assign(code.statements);
    }
    this.#used = used;
    this.#written = written;
    this.#usedVectors = usedVectors;
    this.#writtenVectors = writtenVectors;
  }

  #successors(block: RegionBlock): number[] {
    const { ending } = block;
    const inside = (delta: number): number[] => {
      const block = this.region.at(delta);
      return block === undefined ? [] : [block];
    };
    switch (ending.kind) {
      case "goto":
      case "call":
        return inside(ending.target);
      case "branch":
        return [...inside(ending.taken), ...inside(ending.next)];
      case "return":
        return (this.#returns.get(block) ?? []).flatMap(({ delta }) => inside(delta));
      default:
        return [];
    }
  }

  write(): UnitCode {
    const { region, out } = this;
    const body = new ByteWriter();
    const groups: readonly (readonly [count: number, type: number])[] = [
      [FR, region.long ? TYPE_I64 : TYPE_I32],
      [FK - FR, TYPE_I64],
      [1, TYPE_I32],
      [FIXED_I64 - REGISTER_COUNT, TYPE_I64],
      [FIXED_I32, TYPE_I32],
      ...this.#expressions.declarations(this.#usedVectors),
    ];
    body.u32(groups.length);
    for (const [count, type] of groups) {
      body.u32(count);
      body.byte(type);
    }
    this.#enter();
    this.#open(Op.block, { kind: "leave", target: -1 });
    this.#open(Op.block, { kind: "side", target: -1 });
    this.#open(Op.loop, { kind: "dispatch", target: -1 });
    this.#sequence(this.#structure.items, true);
    this.#close();
    out.op(Op.unreachable); // every block leaves or branches
    this.#close();
    // side: the constant says where and what is to be taken back
    out.local(Op.localGet, BASE);
    out.local(Op.localGet, EXIT);
    out.i32Const(8);
    out.op(Op.i32ShrS);
    out.op(Op.i64ExtendI32S);
    out.op(Op.i64Add);
    this.#cut();
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
    this.#close();
    this.#leave();
    out.op(Op.end);
    const declarations = body.length;
    body.append(out);
    const calls = this.#calls.map(({ at, callee }) => ({ at: declarations + at, callee }));
    const blocks = region.blocks.map(({ header, delta }): UnitBlock => ({ header, delta }));
    return {
      body: { code: body, calls },
      blocks,
      entries: this.#structure.entries.map((block) => blocks[block]!),
      instructions: region.blocks.reduce((sum, { count }) => sum + count, 0),
    };
  }

  #open(opcode: number, label: Label): void {
    this.out.open(opcode);
    this.#labels.push(label);
  }
  #close(): void {
    this.out.op(Op.end);
    this.#labels.pop();
  }
  #depth(found: (label: Label) => boolean): number | undefined {
    for (let i = this.#labels.length - 1; i >= 0; i--) if (found(this.#labels[i]!)) return this.#labels.length - 1 - i;
    return undefined;
  }
  /** Truncates an address outside 64-bit code. */
  #cut(): void {
    if (this.region.long) return;
    this.out.byte(Op.i64Const);
    this.out.s64(0xffffffff);
    this.out.op(Op.i64And);
  }

  // -- state in and out -----------------------------------------------------------------------------------------------------------------------
  #loadField(opcode: number, offset: number, local: number): void {
    this.out.local(Op.localGet, CPU);
    this.out.memory(opcode, offset);
    this.out.local(Op.localSet, local);
  }
  #storeField(opcode: number, offset: number, local: number): void {
    this.out.local(Op.localGet, CPU);
    this.out.local(Op.localGet, local);
    this.out.memory(opcode, offset);
  }
  /** Fills the locals of registers. Outside 64-bit code the upper halves are not there (SDM Vol. 1 §3.4.1.1). */
  #loadRegisters(among = this.#used): void {
    for (let register = 0; register < REGISTER_COUNT; register++) {
      if ((among & (1 << register)) === 0) continue;
      const wide = isWideRegister(register, this.region.long);
      this.#loadField(wide ? Op.i64Load : Op.i32Load, registerField(register), REGISTERS + register);
    }
  }
  #storeRegisters(among = this.#written): void {
    for (let register = 0; register < REGISTER_COUNT; register++) {
      if ((among & (1 << register)) === 0) continue;
      this.out.local(Op.localGet, CPU);
      this.out.local(Op.localGet, REGISTERS + register);
      if (!this.region.long && register < FR) this.out.op(Op.i64ExtendI32U);
      this.out.memory(register === FK ? Op.i32Store : Op.i64Store, registerField(register));
    }
  }
  #loadVectors(among = this.#usedVectors): void {
    for (let vector = 0; vector < VECTOR_COUNT; vector++)
      if (among & (1 << vector)) this.#loadField(Vector.load, L.XMM + vector * 16, this.#expressions.register(XMM0 + vector));
  }
  #storeVectors(): void {
    for (let vector = 0; vector < VECTOR_COUNT; vector++)
      if (this.#writtenVectors & (1 << vector))
        this.#storeField(Vector.store, L.XMM + vector * 16, this.#expressions.register(XMM0 + vector));
  }
  #enter(): void {
    if (this.#settles) {
      this.#labels.push({ kind: "forward", target: -1 });
      this.out.open(Op.block);
      this.out.local(Op.localGet, CPU);
      this.out.memory(Op.i32Load, L.FLAG_KIND);
      this.out.op(Op.i32Eqz);
      this.out.op(Op.brIf);
      this.out.u32(0);
      this.out.local(Op.localGet, CPU);
      this.#calls.push({ at: this.out.openCall(), callee: SETTLE_FLAGS });
      this.#close();
    }
    this.#loadRegisters();
    this.#loadVectors();
    this.#loadField(Op.i64Load, L.COUNT, COUNT);
    this.#selectTranslations();
  }
  #selectTranslations(): void {
    this.#loadField(Op.i64Load, L.CTX, CTX);
    this.#loadField(Op.i32Load, L.TLB, TLB);
  }
  #leave(): void {
    this.#storeRegisters();
    this.#storeVectors();
    this.#storeField(Op.i64Store, L.COUNT, COUNT);
    this.#storeField(Op.i64Store, L.RIP, TARGET);
    this.out.local(Op.localGet, EXIT);
    this.out.i32Const(3);
    this.out.op(Op.i32And);
  }

  // -- control flow ---------------------------------------------------------------------------------------------------------------------------
  /** Items in order; each is reachable by a forward branch from those before it, and all entries from the dispatcher at the top. */
  #sequence(items: readonly Item[], top: boolean): void {
    const entries = this.#structure.entries;
    for (let i = items.length - 1; i >= 0; i--) this.#open(Op.block, { kind: "forward", target: headOf(items[i]!) });
    if (top) {
      if (entries.length > 1) {
        this.out.local(Op.localGet, NEXT);
        this.out.op(Op.brTable);
        this.out.u32(entries.length - 1);
        for (const entry of entries) this.out.u32(this.#depth((l) => l.kind === "forward" && l.target === entry)!);
      } else {
        this.out.op(Op.br);
        this.out.u32(this.#depth((l) => l.kind === "forward" && l.target === entries[0])!);
      }
    }
    items.forEach((item, i) => {
      this.#close();
      const next = items[i + 1];
      if ("loop" in item) {
        this.#open(Op.loop, { kind: "loop", target: item.loop });
        this.#sequence(item.items, false);
        this.#close();
      } else this.#block(item.block, next === undefined ? undefined : headOf(next));
    });
  }

  /** Goes to `delta`: inside the region if it can be reached from here, else out of it. `following`: the block whose code comes next. */
  #goto(from: number, delta: number, following: number | undefined): void {
    const { out } = this;
    const to = this.region.at(delta);
    if (to === undefined) {
      this.#expression(N.add(N.local(BASE, true), N.i64(delta)));
      this.#cut();
      this.#leaveForTarget();
      return;
    }
    const target = this.region.blocks[to]!;
    if (target.page !== this.region.blocks[from]!.page) this.#provePage(target);
    if (to === following) return;
    const back = this.#structure.isBackEdge(from, to);
    const depth = back
      ? this.#depth((l) => l.kind === "loop" && l.target === to)
      : this.#depth((l) => l.kind === "forward" && l.target === to);
    if (depth === undefined) {
      const entry = this.#entryNumber.get(to);
      if (entry === undefined) throw new Error("a region's edge has no way to go");
      out.i32Const(entry);
      out.local(Op.localSet, NEXT);
      out.op(Op.br);
      out.u32(this.#depth((l) => l.kind === "dispatch")!);
      return;
    }
    out.op(Op.br);
    out.u32(depth);
  }
  /** Leaves for the address on the stack. */
  #leaveForTarget(): void {
    const { out } = this;
    out.local(Op.localSet, TARGET);
    out.i32Const(L.UNIT_GO);
    out.local(Op.localSet, EXIT);
    out.op(Op.br);
    out.u32(this.#depth((l) => l.kind === "leave")!);
  }
  /** Goes to `delta` if that is where TARGET is. */
  #gotoIfTarget(from: number, delta: number): void {
    const { out, region } = this;
    this.#open(Op.block, { kind: "forward", target: -1 });
    const distance = N.sub(N.local(TARGET, true), N.local(BASE, true));
    this.#expression(
      region.long
        ? N.binary(Op.i64Ne, false, 1, distance, N.i64(delta))
        : N.binary(
            Op.i32Ne,
            false,
            1,
            N.binary(Op.i32Sub, false, 32, N.wrap(N.local(TARGET, true)), N.wrap(N.local(BASE, true))),
            N.i32(delta),
          ),
    );
    out.op(Op.brIf);
    out.u32(0);
    this.#goto(from, delta, undefined);
    this.#close();
    this.#exit = -1;
  }
  /** Goes to TARGET: inside the unit when the jump cache knows it as one of its entries. */
  #jump(): void {
    const { out } = this;
    const low = N.wrap(N.local(TARGET, true));
    const shifted = (op: number, by: number): Node => N.binary(op, false, 32, low, N.i32(by));
    const both = (op: number, a: Node, b: Node): Node => N.binary(op, false, 32, a, b);
    const folded = both(Op.i32Xor, shifted(Op.i32Shl, L.JUMP_FOLD_LEFT), shifted(Op.i32ShrU, L.JUMP_FOLD_RIGHT));
    const mixed = both(Op.i32Xor, shifted(Op.i32Shl, 1), both(Op.i32And, folded, N.i32(L.JUMP_FOLD_MASK)));
    this.#expression(both(Op.i32Add, N.local(CPU, false), both(Op.i32And, mixed, N.i32(L.JUMP_MASK))));
    out.local(Op.localSet, EXIT);
    const field = (opcode: number, wide: boolean, offset: number): Node =>
      N.loadNode(opcode, wide, wide ? 64 : 32, N.local(EXIT, false), L.JUMP_OFFSET + offset);
    this.#open(Op.block, { kind: "forward", target: -1 });
    const wanted = N.xor(N.local(TARGET, true), N.shift(Op.i64Shl, N.local(CTX, true), N.i64(L.CTX_TO_JUMP)));
    this.#expression(N.binary(Op.i64Ne, false, 1, field(Op.i64Load, true, L.JUMP_TAG), wanted));
    out.op(Op.brIf);
    out.u32(0);
    this.#expression(N.binary(Op.i32Sub, false, 32, field(Op.i32Load, false, L.JUMP_UNIT), N.i32(this.number)));
    out.local(Op.localTee, NEXT);
    out.i32Const(this.#structure.entries.length);
    out.op(Op.i32GeU);
    out.op(Op.brIf);
    out.u32(0);
    this.#expression(N.sub(N.local(TARGET, true), N.local(BASE, true)));
    this.#expression(field(Op.i32Load, false, L.JUMP_DELTA));
    out.op(Op.i64ExtendI32S);
    out.op(Op.i64Eq);
    out.op(Op.brIf);
    out.u32(this.#depth((l) => l.kind === "dispatch")!);
    this.#close();
    out.i32Const(L.UNIT_GO);
    out.local(Op.localSet, EXIT);
    out.op(Op.br);
    out.u32(this.#depth((l) => l.kind === "leave")!);
  }
  /** Leaves for `target` unless its page is mapped where it was when the region was formed. */
  #provePage(target: RegionBlock): void {
    const at = N.add(N.local(BASE, true), N.i64(target.delta));
    const linear = this.region.long ? at : N.truncate(at, 32);
    const mask = (L.TLB_ENTRIES - 1) << L.TLB_SHIFT;
    const index = N.binary(Op.i32And, false, 32, N.wrap(N.shift(Op.i64ShrU, linear, N.i64(12 - L.TLB_SHIFT))), N.i32(mask));
    const entry = N.binary(Op.i32Add, false, 32, index, N.local(TLB, false));
    const tag = N.loadNode(Op.i64Load, true, 64, entry, L.TLB_X);
    const wanted = N.xor(N.and(linear, N.i64(-4096)), N.local(CTX, true));
    const host = N.binary(Op.i32Add, false, 32, N.loadNode(Op.i32Load, false, 32, entry, L.TLB_ADDEND), N.wrap(linear));
    const wrong = N.binary(
      Op.i32Or,
      false,
      1,
      N.binary(Op.i64Ne, false, 1, tag, wanted),
      N.binary(Op.i32Ne, false, 1, host, N.i32(target.host)),
    );
    this.#exitIf(wrong, exitCode(target.delta, 0, L.UNIT_GO));
  }

  #block(number: number, following: number | undefined): void {
    const { out } = this;
    const block = this.region.blocks[number]!;
    const { code, ending } = block;
    this.#exit = -1;
    out.local(Op.localGet, COUNT);
    out.byte(Op.i64Const);
    out.s64(block.count);
    out.op(Op.i64Sub);
    out.local(Op.localTee, COUNT);
    out.byte(Op.i64Const);
    out.s64(0);
    out.op(Op.i64LtS);
    this.#exitOnTop(exitCode(block.delta, block.count, L.UNIT_SIDE));
    for (const s of code.statements) if (s !== undefined) this.#statement(s);
    switch (ending.kind) {
      case "goto":
      case "call":
        this.#goto(number, ending.target, following);
        return;
      case "branch": {
        out.open(Op.block);
        this.#labels.push({ kind: "forward", target: -1 });
        this.#expression(code.endValue!);
        out.op(Op.i32Eqz);
        out.op(Op.brIf);
        out.u32(0);
        this.#goto(number, ending.taken, undefined);
        this.#close();
        this.#exit = -1;
        this.#goto(number, ending.next, following);
        return;
      }
      case "indirect":
      case "return":
        this.#expression(code.endValue!);
        out.local(Op.localSet, TARGET);
        for (const back of this.#returns.get(block) ?? []) this.#gotoIfTarget(number, back.delta);
        this.#jump();
        return;
      case "system":
        return;
      case "interpret":
        out.i32Const(code.side);
        out.local(Op.localSet, EXIT);
        out.op(Op.br);
        out.u32(this.#depth((l) => l.kind === "side")!);
        return;
    }
  }

  // -- statements -----------------------------------------------------------------------------------------------------------------------------
  /** Leaves with `code` when the i32 on the stack is not zero. */
  #exitOnTop(code: number): void {
    if (code !== this.#exit) {
      this.out.i32Const(code);
      this.out.local(Op.localSet, EXIT);
      this.#exit = code;
    }
    this.out.op(Op.brIf);
    this.out.u32(this.#depth((l) => l.kind === "side")!);
  }
  #exitIf(condition: Node, code: number): void {
    this.#expression(condition);
    this.#exitOnTop(code);
  }
  #statement(s: NonNullable<Statement>): void {
    const { out } = this;
    switch (s.kind) {
      case "let":
        this.#expressions.let(s.target, s.value);
        break;
      case "set":
        this.#expression(s.value);
        out.localSet(this.#expressions.register(s.register));
        break;
      case "copy":
        this.#expressions.copy(s.source);
        break;
      case "store":
        this.#expression(s.address);
        this.#expression(s.value);
        out.memory(s.op, s.offset);
        break;
      case "exitIf":
        this.#exitIf(s.condition, s.code);
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
  #system({ u, next }: Extract<Statement, { kind: "system" }>): void {
    const { out } = this;
    this.#storeRegisters();
    this.#storeVectors();
    this.#storeField(Op.i64Store, L.COUNT, COUNT);
    out.local(Op.localGet, CPU);
    this.#expression(next);
    out.memory(Op.i64Store, L.RIP);
    out.local(Op.localGet, CPU);
    out.i32Const(u);
    this.#calls.push({ at: out.openCall(), callee: SYSTEM_OP });
    out.i32Const(L.UNIT_LOOK);
    out.op(Op.return);
  }
  #callEngine({ callee, args, result, spilled, reloaded, translations, vectors }: Extract<Statement, { kind: "call" }>): void {
    const { out } = this;
    this.#storeRegisters(spilled & this.#written);
    if (vectors) this.#storeVectors();
    for (const arg of args) this.#expression(arg);
    this.#calls.push({ at: out.openCall(), callee });
    if (result !== undefined) out.local(Op.localSet, this.#expressions.local(result));
    else if (callee.result !== undefined) out.op(Op.drop);
    this.#loadRegisters(reloaded);
    if (translations) this.#selectTranslations();
    if (vectors) this.#loadVectors();
  }
  #cold(s: Extract<Statement, { kind: "cold" }>): void {
    const { out } = this;
    this.#exit = -1;
    this.#storeRegisters();
    this.#storeVectors();
    this.#storeField(Op.i64Store, L.COUNT, COUNT);
    out.local(Op.localGet, CPU);
    this.#expression(N.add(N.local(BASE, true), N.i64(s.blockDelta)));
    this.#cut();
    out.memory(Op.i64Store, L.RIP_BASE);
    out.local(Op.localGet, CPU);
    out.i32Const(s.u);
    this.#calls.push({ at: out.openCall(), callee: COLD_OP });
    out.local(Op.localSet, EXIT);
    this.#loadRegisters();
    this.#loadVectors();
    // 0: go on; 1: a fault is pending; 2: done, but code or mode may have changed
    out.open(Op.block);
    this.#labels.push({ kind: "forward", target: -1 });
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
    out.op(Op.br);
    out.u32(this.#depth((l) => l.kind === "side")!);
    this.#close();
  }
  #expression(node: Node): void {
    this.#expressions.write(node);
  }
}

/** Where register `register` (0-15, FR, FV, FK) lies in the vCPU's block. */
const registerField = (register: number): number =>
  register === FR ? L.FR : register === FV ? L.FV : register === FK ? L.FLAG_KIND : L.GPR + register * 8;

/** Writes the region's function, which will be known by `number` (H_UNIT of its first entry). The region is not empty. */
export function writeUnit(region: Region, number: number): UnitCode {
  return new UnitWriter(region, number).write();
}
