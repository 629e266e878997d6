/**
 * Which accesses of a block share one probe of the TLB. Where an address comes from is followed through sums with constants, so that what a
 * function keeps on its stack, or the fields of a structure, are one range of bytes from one root; the first access of a range asks for all
 * of it, and leaves when the range lies in two pages.
 */
import * as N from "./node.js";
import type { Node, Variable } from "./node.js";
import { Op } from "./wasm.js";

/** The parts of an address. */
export interface Place {
  readonly base: Node | undefined;
  readonly index: Node | undefined;
  readonly scale: number;
  readonly displacement: number;
  readonly path: number;
}

/** A value as another one and a constant. */
interface Origin {
  readonly root: Node;
  readonly offset: number;
}

/** What is taken for granted of the memory that a block uses. */
export interface Probing {
  /** Longest range of bytes that is asked for at once. */
  readonly rangeBytes: number;
  /** Registers, one bit each, through which it finds its stack, which lies in one page. */
  readonly stack: number;
}

/** Bytes `low` to `high` from what the addresses of a range have in common. */
export interface Range {
  readonly base: Node | undefined;
  readonly index: Node | undefined;
  readonly scale: number;
  readonly path: number;
  low: number;
  high: number;
  write: boolean;
  /** More than one access goes by it. */
  shared: boolean;
  /** The first access: its offset, linear address and host address. */
  readonly first: number;
  readonly at: Node;
  readonly pointer: Variable;
  /** The TLB's entry, which the statement before `statement` finds; none where it is the stack's page. */
  readonly entry: Variable | undefined;
  /** What leaves unless the range can be used. */
  readonly statement: number;
  readonly side: number;
  /** Flag registers that are to be stored when the first access leaves. */
  readonly flags: number;
}

/** Ranges become no longer than this: the longer, the more often they lie in two pages. */
export const MOST_BYTES = 256;

export class Origins {
  readonly #known = new Map<Node, Origin>();

  constructor(readonly long: boolean) {}

  of(value: Node): Origin {
    let offset = 0;
    for (let node = value; ; ) {
      const known = this.#known.get(node);
      if (known !== undefined) return { root: known.root, offset: this.#cut(known.offset + offset) };
      if (!this.long && (node.op === Op.i64ExtendI32U || node.op === Op.i32WrapI64)) node = node.a!;
      else if (node.op === Op.i64Add && node.b!.op === N.CONST && typeof node.b!.value === "number") {
        offset += node.b!.value;
        node = node.a!;
      } else return { root: node, offset: this.#cut(offset) };
    }
  }
  /** `target` holds what `value` is. */
  note(target: Node, value: Node): void {
    const origin = this.of(value);
    if (origin.root !== target) this.#known.set(target, origin);
  }
  /** The low `bits` bits of a value as another one's and a constant. */
  low(value: Node, bits: number): Origin {
    let offset = 0;
    for (let node = value; ; ) {
      const origin = this.of(node);
      offset = this.#cut(offset + origin.offset);
      node = origin.root;
      const { op } = node;
      const extends32 = (op === Op.i64ExtendI32U || op === Op.i32WrapI64) && bits <= 32;
      if (!extends32 && !(op === Op.i64And && N.isLowMask(node.b!, bits))) return { root: node, offset };
      node = node.a!;
    }
  }
  #cut(offset: number): number {
    return this.long ? offset : offset | 0;
  }
  /** The place as a root and an offset from it. */
  root({ base, index, scale, displacement, path }: Place): Pick<Range, "base" | "index" | "scale" | "path"> & { offset: number } {
    const from = base && this.of(base);
    const by = index && this.of(index);
    const offset = (from?.offset ?? 0) + (by?.offset ?? 0) * 2 ** scale + displacement;
    return { base: from?.root, index: by?.root, scale, path, offset: this.#cut(offset) };
  }
}

/** The range that covers `bytes` at a place, or can be made to without becoming longer than `most`. */
export function rangeFor(ranges: readonly Range[], place: ReturnType<Origins["root"]>, bytes: number, most: number): Range | undefined {
  return ranges.find(
    (r) =>
      r.base === place.base &&
      r.index === place.index &&
      r.scale === place.scale &&
      r.path === place.path &&
      Math.max(r.high, place.offset + bytes) - Math.min(r.low, place.offset) <= Math.max(most, r.high - r.low),
  );
}
