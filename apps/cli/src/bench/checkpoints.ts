// How far a guest's boot has come, by lines of its console, with a reading at each stage.
import type { ProcessReading } from "./process-clock.js";

/** Part of a boot: from the end of the part before to the line that ends this one. */
export interface Stage extends ProcessReading {
  readonly name: string;
}

/** The parts of a Linux boot, and the console lines that end them. The first begins with the emulator's own process. */
export const LINUX_STAGES = [
  { name: "starting, unpacking the kernel", ends: "Linux version" },
  { name: "kernel", ends: "Run /init as init process" },
  { name: "init to user space", ends: "paravane: user space" },
] as const;

const MAX_LINE = 4096;

/** Watches a console. */
export class Checkpoints {
  readonly stages: Stage[] = [];
  #line = "";
  #last: ProcessReading = { thread: 0, process: 0 };

  /** @param read - CPU seconds since the process began */
  constructor(private readonly read: () => ProcessReading) {}

  /** The console's next characters. */
  feed(text: string): void {
    for (const character of text) this.#next(character);
  }

  #next(character: string): void {
    const expected = LINUX_STAGES[this.stages.length];
    if (expected === undefined) return;
    this.#line = character === "\n" || this.#line.length >= MAX_LINE ? "" : this.#line + character;
    if (!this.#line.endsWith(expected.ends)) return;
    const now = this.read();
    this.stages.push({ name: expected.name, thread: now.thread - this.#last.thread, process: now.process - this.#last.process });
    this.#last = now;
  }

  /** The console line that is waited for, or undefined after the last. */
  get waitingFor(): string | undefined {
    return LINUX_STAGES[this.stages.length]?.ends;
  }
}
