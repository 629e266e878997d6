/**
 * What translations take for granted of a block, and leave when it is not so (UNIT_APART): that bytes asked for at once lie in one page, that
 * the stack stays in the page where it is on entering, that floating-point numbers are of common sizes, and that MXCSR.PE is as it was. What comes out wrong too often is taken for granted no more.
 */

/** So often a block is written for MXCSR.PE as it is, then for both. */
const MISJUDGED = 2;

/** What was wrong. */
export type Mistake = "bytes" | "stack" | "numbers" | "inexact";

export class Assumptions {
  /** Blocks whose accesses are asked for one by one. */
  readonly #apart = new Set<number>();
  /** Blocks whose stack is asked for as other memory is. */
  readonly #roaming = new Set<number>();
  /** Blocks whose numbers are looked at one by one. */
  readonly #plain = new Set<number>();
  /** How often a block's translation was wrong about MXCSR.PE. */
  readonly #misjudged = new Map<number, number>();

  apart(header: number): boolean {
    return this.#apart.has(header);
  }
  roaming(header: number): boolean {
    return this.#roaming.has(header);
  }
  plain(header: number): boolean {
    return this.#plain.has(header);
  }
  /** Is MXCSR.PE to be taken to stay as it is? */
  mayJudge(header: number): boolean {
    return (this.#misjudged.get(header) ?? 0) < MISJUDGED;
  }
  wrong(header: number, mistake: Mistake): void {
    if (mistake === "inexact") this.#misjudged.set(header, (this.#misjudged.get(header) ?? 0) + 1);
    else (mistake === "bytes" ? this.#apart : mistake === "stack" ? this.#roaming : this.#plain).add(header);
  }
  /** The block is gone. */
  forget(header: number): void {
    this.#apart.delete(header);
    this.#roaming.delete(header);
    this.#plain.delete(header);
    this.#misjudged.delete(header);
  }
  clear(): void {
    this.#apart.clear();
    this.#roaming.clear();
    this.#plain.clear();
    this.#misjudged.clear();
  }
}
