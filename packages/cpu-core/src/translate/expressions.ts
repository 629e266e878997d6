/**
 * Writes expression trees as WebAssembly, and decides which local of the function holds which temporary. Temporaries of all blocks share the
 * locals: each block begins with all of them free, and a temporary's local is free again after its last use.
 */
import type { Statement } from "./block-code.js";
import { REGISTERS, TEMPS } from "./locals.js";
import * as N from "./node.js";
import type { Node } from "./node.js";
import { type ByteWriter, Op, TYPE_I32, TYPE_I64 } from "./wasm.js";

/** Does the temporary's or register's value lie in an i64 local? */
const isWide = (node: Node): boolean => node.wide && (node.full || node.op === N.REG);

export class ExpressionWriter {
  /** Most temporaries of each type that any block needs at once. */
  #wide = 0;
  #narrow = 0;

  constructor(readonly out: ByteWriter) {}

  /** Gives each temporary of a block its local. All blocks come before the first expression is written: i32 temporaries follow the i64 ones. */
  assign(statements: readonly Statement[]): void {
    const free: { wide: number[]; narrow: number[] } = { wide: [], narrow: [] };
    let wide = 0;
    let narrow = 0;
    /** Temporaries by their last use. */
    const ending: (Node[] | undefined)[] = new Array(statements.length);
    for (let at = 0; at < statements.length; at++) {
      const s = statements[at];
      if (s === undefined) continue;
      const node = s.kind === "let" ? s.target : s.kind === "copy" ? s.source : s.kind === "call" ? s.result : undefined;
      if (node !== undefined) {
        node.local = isWide(node) ? (free.wide.pop() ?? wide++) : (free.narrow.pop() ?? narrow++);
        const last = Math.max(node.last, at);
        const others = ending[last];
        if (others === undefined) ending[last] = [node];
        else others.push(node);
      }
      const done = ending[at];
      if (done !== undefined) for (const node of done) (isWide(node) ? free.wide : free.narrow).push(node.local);
    }
    this.#wide = Math.max(this.#wide, wide);
    this.#narrow = Math.max(this.#narrow, narrow);
  }
  /** Groups of locals that the function declares for temporaries: how many of which type. */
  declarations(): readonly (readonly [count: number, type: number])[] {
    return [
      [this.#wide, TYPE_I64],
      [this.#narrow, TYPE_I32],
    ];
  }
  /** The local of a temporary. */
  local(node: Node): number {
    return TEMPS + (isWide(node) ? node.local : this.#wide + node.local);
  }

  /** Gives a temporary its value. */
  let(target: Node, value: Node): void {
    if (target.wide && !target.full) this.writeLow(value);
    else this.write(value);
    this.out.localSet(this.local(target));
  }
  /** Keeps the value that a register has here. */
  copy(source: Node): void {
    this.out.localGet(REGISTERS + (source.value as number));
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
        if (node.inline === undefined) out.localGet(this.local(node));
        else this.write(node.inline);
        return;
      case N.REG:
        out.localGet(node.last > node.until ? this.local(node) : REGISTERS + (node.value as number));
        return;
      case N.LOCAL:
        out.localGet(node.value as number);
        return;
      case Op.i32WrapI64:
        this.writeLow(node.a!);
        return;
    }
    const comparison = N.lowComparison(node);
    if (comparison !== 0) {
      this.writeLow(node.a!);
      if (node.b !== undefined) this.writeLow(node.b);
      out.op(comparison);
      return;
    }
    this.write(node.a!);
    if (node.b !== undefined) this.write(node.b);
    if (node.c !== undefined) this.write(node.c);
    if (N.isLoad(node.op)) out.memory(node.op, node.value as number);
    else out.op(node.op);
  }

  /** The low half of an i64 node, as an i32. */
  writeLow(node: Node): void {
    const { out } = this;
    switch (node.op) {
      case N.CONST:
        out.i32Const(typeof node.value === "number" ? node.value | 0 : Number(BigInt.asIntN(32, node.value)));
        return;
      case N.TEMP:
        if (node.inline !== undefined) this.writeLow(node.inline);
        else {
          out.localGet(this.local(node));
          if (node.full) out.op(Op.i32WrapI64);
        }
        return;
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
