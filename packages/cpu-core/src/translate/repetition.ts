/**
 * Does the interpreter repeat itself? A boot brings code all the time, most of which is hardly run again: what is translated too soon there is
 * translated in vain. A guest that does the same work again and again decodes little, and what the interpreter still runs then goes on being run.
 */

/** Instructions in the interpreter, */
const INSTRUCTIONS = 8_000_000;
/** and blocks decoded: what comes first tells. Boots decode one in 700 to 3,000 instructions, a series of forks or execs one in 7,000 to 10,000. */
const BLOCKS = 1600;

export class Repetition {
  #instructions = 0;
  #blocks = 0;
  #found = false;

  /** Is little of what has been interpreted of late new? */
  get found(): boolean {
    return this.#found;
  }

  /** Tells what has happened since the start: instructions retired by the interpreter, and blocks decoded. */
  look(instructions: number, blocks: number): void {
    const fresh = blocks - this.#blocks >= BLOCKS;
    if (!fresh && instructions - this.#instructions < INSTRUCTIONS) return;
    this.#found = !fresh;
    this.#instructions = instructions;
    this.#blocks = blocks;
  }
}
