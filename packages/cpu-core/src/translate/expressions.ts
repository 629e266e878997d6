/**
 * Writes expression trees as WebAssembly, and decides which local of the function holds which temporary. Temporaries of all blocks share the
 * locals: each block begins with all of them free, and a temporary's local is free again after its last use.
 */
import type { Statement } from "./block-code.js";
import { REGISTERS, TEMPS, VECTOR_COUNT, XMM0 } from "./locals.js";
import * as N from "./node.js";
import type { Node, Variable } from "./node.js";
import { isVectorLoad, takesLane, Vector } from "./vector-opcodes.js";
import { type ByteWriter, Op, TYPE_F32, TYPE_F64, TYPE_I32, TYPE_I64, TYPE_V128 } from "./wasm.js";

/** In the order of their locals. */
const TYPES = [TYPE_I64, TYPE_I32, TYPE_V128, TYPE_F32, TYPE_F64] as const;
/** Which of the types the local of a temporary or kept register has: one of which only the low half is wanted has an i32. */
const place = (variable: Variable): number =>
  variable.wide && !variable.full && variable.op !== N.REG ? 1 : TYPES.indexOf(variable.type as (typeof TYPES)[number]);

export class ExpressionWriter {
  /** Most temporaries of each type that any block needs at once. */
  readonly #most = TYPES.map(() => 0);
  /** The locals of vector registers, or -1. */
  readonly #vectors = new Array<number>(VECTOR_COUNT).fill(-1);
  /** The bytes of vector constants, whose locals follow: V8 would make each of them anew, of four instructions, wherever one stands. */
  readonly #constants: (readonly number[])[] = [];
  #firstConstant = 0;

  constructor(readonly out: ByteWriter) {}

  /** Gives each temporary of a block its local. All blocks come before the first expression is written: types follow one another. */
  assign(statements: readonly Statement[]): void {
    const free: number[][] = TYPES.map(() => []);
    const count = TYPES.map(() => 0);
    /** Temporaries by their last use. */
    const ending: (Variable[] | undefined)[] = new Array(statements.length);
    for (let at = 0; at < statements.length; at++) {
      const s = statements[at];
      if (s === undefined) continue;
      const node = s.kind === "let" ? s.target : s.kind === "copy" ? s.source : s.kind === "call" ? s.result : undefined;
      if (node !== undefined) {
        const type = place(node);
        node.local = free[type]!.pop() ?? count[type]!++;
        const last = Math.max(node.last, at);
        const others = ending[last];
        if (others === undefined) ending[last] = [node];
        else others.push(node);
      }
      const done = ending[at];
      if (done !== undefined) for (const node of done) free[place(node)]!.push(node.local);
    }
    for (let type = 0; type < count.length; type++) this.#most[type] = Math.max(this.#most[type]!, count[type]!);
  }
  /** Groups of locals that the function declares for temporaries and vector registers (`used`, as bits): how many of which type. */
  declarations(used: number): readonly (readonly [count: number, type: number])[] {
    const first = this.#most.reduce((sum, n) => sum + n, TEMPS);
    let next = first;
    for (let vector = 0; vector < VECTOR_COUNT; vector++) if (used & (1 << vector)) this.#vectors[vector] = next++;
    this.#firstConstant = next;
    return [...TYPES.map((type, i) => [this.#most[i]!, type] as const), [next - first, TYPE_V128]];
  }
  /** Once all is written: the last group of locals, vector constants, and what is to fill them before everything else. */
  constants(prologue: ByteWriter): readonly [count: number, type: number] {
    this.#constants.forEach((bytes, i) => {
      prologue.op(Vector.constant);
      for (const byte of bytes) prologue.byte(byte);
      prologue.localSet(this.#firstConstant + i);
    });
    return [this.#constants.length, TYPE_V128];
  }
  #constant(bytes: readonly number[]): number {
    const known = this.#constants.findIndex((other) => other.every((byte, i) => byte === bytes[i]));
    return this.#firstConstant + (known >= 0 ? known : this.#constants.push(bytes) - 1);
  }
  /** The local of a temporary. */
  local(node: Variable): number {
    let before = TEMPS;
    for (let type = place(node) - 1; type >= 0; type--) before += this.#most[type]!;
    return before + node.local;
  }
  /** The local of a register. */
  register(number: number): number {
    return number < XMM0 ? REGISTERS + number : this.#vectors[number - XMM0]!;
  }

  /** Gives a temporary its value. */
  let(target: Variable, value: Node): void {
    if (target.wide && !target.full) this.writeLow(value);
    else this.write(value);
    this.out.localSet(this.local(target));
  }
  /** Keeps the value that a register has here. */
  copy(source: Variable): void {
    this.out.localGet(this.register(source.value as number));
    this.out.localSet(this.local(source));
  }

  /** An i32 or i64, as the node is. */
  write(node: Node): void {
    const { out } = this;
    switch (node.op) {
      case N.CONST:
        if (node.wide) {
          out.byte(Op.i64Const);
          out.s64(node.value);
        } else out.i32Const(node.value as number);
        return;
      case N.TEMP:
      case N.REG: {
        const variable = node as Variable;
        if (variable.inline !== undefined) this.write(variable.inline);
        else if (node.op === N.TEMP || variable.last > variable.until) out.localGet(this.local(variable));
        else out.localGet(this.register(node.value as number));
        return;
      }
      case N.LOCAL:
        out.localGet(node.value as number);
        return;
      case Op.i32WrapI64:
        this.writeLow(node.a!);
        return;
      case N.OR_ELSE:
        this.write(node.a!);
        out.op(Op.if);
        out.byte(TYPE_I32);
        out.i32Const(1);
        out.op(Op.else);
        this.write(node.b!);
        out.op(Op.end);
        return;
    }
    if (node.op === Vector.constant && node.lanes!.some((byte) => byte !== node.lanes![0] || (byte !== 0 && byte !== 0xff))) {
      out.localGet(this.#constant(node.lanes!));
      return;
    }
    const comparison = N.lowComparison(node);
    if (comparison !== 0) {
      this.writeLow(node.a!);
      if (node.b !== undefined) this.writeLow(node.b);
      out.op(comparison);
      return;
    }
    if (node.a !== undefined) this.write(node.a);
    if (node.b !== undefined) this.write(node.b);
    if (node.c !== undefined) this.write(node.c);
    if (N.isLoad(node.op) || isVectorLoad(node.op)) {
      out.memory(node.op, node.value as number);
      return;
    }
    out.op(node.op);
    if (takesLane(node.op)) out.byte(node.value as number);
    else if (node.lanes !== undefined) for (const byte of node.lanes) out.byte(byte);
  }

  /** The low half of an i64 node, as an i32. */
  writeLow(node: Node): void {
    const { out } = this;
    switch (node.op) {
      case N.CONST:
        out.i32Const(typeof node.value === "number" ? node.value | 0 : Number(BigInt.asIntN(32, node.value)));
        return;
      case N.TEMP: {
        const { inline, full } = node as Variable;
        if (inline !== undefined) this.writeLow(inline);
        else {
          out.localGet(this.local(node as Variable));
          if (full) out.op(Op.i32WrapI64);
        }
        return;
      }
      case Op.i64ExtendI32U:
      case Op.i64ExtendI32S:
        this.write(node.a!);
        return;
      case Op.i64Extend32S:
        this.writeLow(node.a!);
        return;
    }
    const half = N.lowHalf(node);
    if (half === 0) {
      this.write(node);
      out.op(Op.i32WrapI64);
      return;
    }
    if (N.isLoad(node.op)) {
      this.write(node.a!);
      out.memory(half, node.value as number);
      return;
    }
    this.writeLow(node.a!);
    if (node.b !== undefined) this.writeLow(node.b);
    if (node.c !== undefined) this.write(node.c);
    out.op(half);
  }
}
