// How far a guest's boot has come, by lines of its console, with a reading at each stage.

/** Counters at one moment. */
export interface Reading {
  readonly instructions: number;
  readonly cpuSeconds: number;
}

/** Part of a boot: from the end of the part before to the line that ends this one. */
export interface Stage extends Reading {
  readonly name: string;
}

/** The parts of a Linux boot, and the console lines that end them. */
export const LINUX_STAGES = [
  { name: "unpacking the kernel", ends: "Linux version" },
  { name: "kernel", ends: "Run /init as init process" },
  { name: "init to user space", ends: "paravane: user space" },
] as const;

const MAX_LINE = 4096;

/** Watches a console. */
export class Checkpoints {
  readonly stages: Stage[] = [];
  #line = "";
  #last: Reading;

  /** @param read - takes a reading; called once now, where the boot begins */
  constructor(
    private readonly read: () => Reading,
    private readonly done: () => void,
  ) {
    this.#last = read();
  }

  /** The console's next character. */
  feed(character: string): void {
    const expected = LINUX_STAGES[this.stages.length];
    if (expected === undefined) return;
    this.#line = character === "\n" || this.#line.length >= MAX_LINE ? "" : this.#line + character;
    if (!this.#line.endsWith(expected.ends)) return;
    const now = this.read();
    this.stages.push({
      name: expected.name,
      instructions: now.instructions - this.#last.instructions,
      cpuSeconds: now.cpuSeconds - this.#last.cpuSeconds,
    });
    this.#last = now;
    if (this.stages.length === LINUX_STAGES.length) this.done();
  }

  /** The console line that is waited for, or undefined after the last. */
  get waitingFor(): string | undefined {
    return LINUX_STAGES[this.stages.length]?.ends;
  }
}
