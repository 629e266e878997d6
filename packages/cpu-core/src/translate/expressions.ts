/**
 * Writes expression trees as WebAssembly, and decides which local of the function holds which temporary. Temporaries of all blocks share the
 * locals: each block begins with all of them free, and a temporary's local is free again after its last use.
 */
import type { BlockCode } from "./block-code.js";
import { REGISTERS, TEMPS } from "./locals.js";
import * as N from "./node.js";
import type { Node } from "./node.js";
import { type ByteWriter, Op, TYPE_I32, TYPE_I64 } from "./wasm.js";

const isMemory = (op: number): boolean => op >= Op.i32Load && op <= Op.i64Store32;

export class ExpressionWriter {
  /** Most temporaries of each type that any block needs at once. */
  #wide = 0;
  #narrow = 0;

  constructor(readonly out: ByteWriter) {}

  /** Gives each temporary of a block its local. All blocks come before the first expression is written: i32 temporaries follow the i64 ones. */
  assign(code: BlockCode): void {
    const free: { wide: number[]; narrow: number[] } = { wide: [], narrow: [] };
    let wide = 0;
    let narrow = 0;
    const releases = new Map<number, Node[]>();
    const take = (node: Node): void => {
      node.local = (node.wide ? free.wide : free.narrow).pop() ?? (node.wide ? wide++ : narrow++);
      const list = releases.get(node.last) ?? [];
      list.push(node);
      releases.set(node.last, list);
    };
    code.statements.forEach((s, at) => {
      if (s?.kind === "let") take(s.target);
      else if (s?.kind === "call" && s.result !== undefined) take(s.result);
      else if (s?.kind === "copy") take(s.source);
      for (const node of releases.get(at) ?? []) (node.wide ? free.wide : free.narrow).push(node.local);
    });
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
  local(node: Node): number {
    return TEMPS + (node.wide ? node.local : this.#wide + node.local);
  }

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
        out.local(Op.localGet, this.local(node));
        return;
      case N.REG:
        out.local(Op.localGet, node.last > node.until ? this.local(node) : REGISTERS + (node.value as number));
        return;
      case N.LOCAL:
        out.local(Op.localGet, node.value as number);
        return;
    }
    if (node.a !== undefined) this.write(node.a);
    if (node.b !== undefined) this.write(node.b);
    if (node.c !== undefined) this.write(node.c);
    if (isMemory(node.op)) out.memory(node.op, node.value as number);
    else out.op(node.op);
  }
}
