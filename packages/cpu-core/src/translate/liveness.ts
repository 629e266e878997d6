/**
 * What of a block's code is needed: one walk from its end to its beginning drops the statements whose results nobody uses, counts the uses of
 * temporaries, finds those of which only the low half is wanted, and puts an expression that is used once, by the next statement, in its place.
 */
import type { Statement } from "./block-code.js";
import { FLAG_REGISTERS, REGISTER_COUNT, XMM0 } from "./locals.js";
import * as N from "./node.js";
import type { Node, Variable } from "./node.js";
import { Op } from "./wasm.js";

const ALL = (1 << REGISTER_COUNT) - 1;

class Walk {
  /** Registers whose present values are used later. */
  needed = ALL;
  /** The statement in hand. */
  at = 0;

  /** An expression that the statement evaluates; `low`: only the low half of it. */
  use(node: Node, low: boolean): void {
    switch (node.op) {
      case N.CONST:
      case N.LOCAL:
        return;
      case N.TEMP:
      case N.REG:
        this.#useVariable(node as Variable, low);
        return;
      case Op.i32WrapI64:
        this.use(node.a!, true);
        return;
      case Op.i64ExtendI32U:
      case Op.i64ExtendI32S:
        this.use(node.a!, false);
        return;
    }
    if (low && node.op === Op.i64Extend32S) {
      this.use(node.a!, true);
      return;
    }
    const half = low ? N.lowHalf(node) !== 0 && !N.isLoad(node.op) : N.lowComparison(node) !== 0;
    if (node.a !== undefined) this.use(node.a, half);
    if (node.b !== undefined) this.use(node.b, half);
    if (node.c !== undefined) this.use(node.c, false);
  }
  #useVariable(variable: Variable, low: boolean): void {
    if (variable.last === N.NEVER) variable.last = this.at;
    if (variable.op === N.TEMP) {
      variable.uses++;
      if (!low) variable.full = true;
    } else if (variable.last <= variable.until && (variable.value as number) < XMM0) this.needed |= 1 << (variable.value as number);
  }
}

/** Drops what nobody needs; whatever follows the block may need every register and the flags. */
export function dropUnused(statements: Statement[]): void {
  const walk = new Walk();
  /** The statement that comes next in what is kept. */
  let next = N.NEVER;
  for (let at = statements.length - 1; at >= 0; at--) {
    const s = statements[at]!;
    walk.at = at;
    switch (s.kind) {
      case "let": {
        const { target } = s;
        if (target.uses === 1 && target.last === next) {
          target.inline = s.value;
          walk.at = next;
          walk.use(s.value, !target.full);
        }
        if (target.uses === 0 || target.inline !== undefined) {
          statements[at] = undefined;
          continue;
        }
        walk.use(s.value, !target.full);
        break;
      }
      case "set":
        if (s.register >= XMM0) {
          walk.use(s.value, false);
          break;
        }
        if ((walk.needed & (1 << s.register)) === 0) {
          statements[at] = undefined;
          continue;
        }
        walk.needed &= ~(1 << s.register);
        walk.use(s.value, false);
        break;
      case "copy":
        if (s.source.last <= s.source.until) {
          statements[at] = undefined;
          continue;
        }
        if ((s.source.value as number) < XMM0) walk.needed |= 1 << (s.source.value as number);
        break;
      case "store":
        walk.use(s.address, false);
        walk.use(s.value, false);
        break;
      case "call":
        walk.needed |= s.spilled;
        for (const arg of s.args) walk.use(arg, false);
        break;
      case "end":
        if (s.value !== undefined) walk.use(s.value, false);
        break;
      case "system":
        walk.needed = ALL;
        walk.use(s.next, false);
        break;
      case "exitIf":
        walk.needed |= (ALL & ~FLAG_REGISTERS) | s.flags;
        walk.use(s.condition, false);
        if (s.range !== undefined) walk.use(s.range.at, false);
        break;
      default:
        walk.needed = ALL;
    }
    next = at;
  }
}
