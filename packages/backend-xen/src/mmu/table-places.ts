/**
 * Where the tables of a 64-bit guest hang, as far as it is one place: so that the linear address whose leaf has changed is known. A kernel's
 * tables are shared by all top levels, in the same slot of each, which is one place.
 */
import type { Mfn } from "@paravane/paravirt-ops";
import { type FrameType, frameTypes } from "./frame-table.js";

const NOWHERE = -1;
const SEVERAL = -2;
const ENTRIES = 512;

/** Places of the tables among the first frames of the machine, which are RAM. */
export class TablePlaces {
  /** Table above, for first and second levels; 0 for third levels, whose table above does not matter. */
  readonly #above: Int32Array;
  /** Its slot there. */
  readonly #slot: Uint16Array;

  constructor(ramFrames: number) {
    this.#above = new Int32Array(ramFrames).fill(NOWHERE);
    this.#slot = new Uint16Array(ramFrames);
  }

  /** Entry `slot` of a table of `type` names `child` now. */
  hang(child: Mfn, table: Mfn, type: FrameType, slot: number): void {
    const above = type === frameTypes.l4 ? 0 : table;
    const before = this.#above[child];
    if (before === NOWHERE) {
      this.#above[child] = above;
      this.#slot[child] = slot;
    } else if (before !== above || type !== frameTypes.l4 || this.#slot[child] !== slot) this.#above[child] = SEVERAL;
  }

  /** Nothing names `child` any more. */
  drop(child: Mfn): void {
    this.#above[child] = NOWHERE;
  }

  /** Number of the linear page of 48 bits that entry `index` of first-level `table` translates; undefined when it is not one, or not known. */
  pageOf(table: Mfn, index: number): number | undefined {
    const second = this.#above[table] ?? SEVERAL;
    const third = second > 0 ? this.#above[second]! : SEVERAL;
    if (third <= 0 || this.#above[third] !== 0) return undefined;
    const upper = (this.#slot[third]! * ENTRIES + this.#slot[second]!) * ENTRIES;
    return (upper + this.#slot[table]!) * ENTRIES + index;
  }
}
