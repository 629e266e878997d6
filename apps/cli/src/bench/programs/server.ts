// A running copy of the programs, in a guest or on this host: asked by a line on its console, answered by a line, with CPU clocks read on
// both sides of the work while it sleeps.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { imageError } from "../../errors.js";
import type { Contender } from "../contenders.js";
import { ProcessClock, type ProcessReading } from "../process-clock.js";

/** One measured section. */
export interface Section extends ProcessReading {
  readonly checksum: string;
}

/** After an answer the guest goes to sleep and the host's threads come to rest; then their clocks are exact. */
const SETTLE_MS = 4;
const BOOT_LIMIT_MS = 300_000;
const SECTION_LIMIT_MS = 300_000;
const STOP_LIMIT_MS = 30_000;
const CONSOLE_TAIL = 2000;

/** Serves the programs; `stop` when done. */
export class ProgramServer {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #clock: ProcessClock;
  readonly #kill = (): void => void this.#child.kill("SIGKILL");
  #console = "";
  #arrived = (): void => {};
  #ended: string | undefined;
  /** What the guest's kernel says about its processor: "bugs", "flags" and the like. */
  readonly processor = new Map<string, string>();

  private constructor(
    readonly contender: Contender,
    /** Where it runs; on the host the program looks for files here. */
    cwd: string | undefined,
    private readonly onHost: boolean,
  ) {
    this.#child = spawn(contender.command, contender.args, { ...(cwd === undefined ? {} : { cwd }), stdio: ["pipe", "pipe", "pipe"] });
    this.#clock = new ProcessClock(this.#child.pid ?? 0, contender.vcpuThread);
    process.on("exit", this.#kill);
    const hear = (text: string): void => {
      this.#console += text;
      this.#arrived();
    };
    this.#child.stdout.setEncoding("latin1").on("data", hear);
    this.#child.stderr.setEncoding("latin1").on("data", hear);
    this.#child.stdin.on("error", () => {}); // Told by the end of the process.
    const end = (why: string): void => {
      this.#ended ??= why;
      this.#arrived();
    };
    this.#child.on("error", (error) => end(error.message));
    this.#child.on("close", (code, signal) => end(`ended with ${signal ?? `status ${code}`}`));
  }

  /** Starts and waits until it can be asked. */
  static async start(contender: Contender, place: { readonly hostDirectory?: string } = {}): Promise<ProgramServer> {
    const server = new ProgramServer(contender, place.hostDirectory, place.hostDirectory !== undefined);
    try {
      const text = await server.#wait(/@ready;/, BOOT_LIMIT_MS, "start the programs");
      for (const [, key = "", value = ""] of text.matchAll(/@info ([^:;\t]+?)\s*:\s*([^;]*);/g)) server.processor.set(key, value.trim());
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** Does `count` units of a program. */
  async run(name: string, count: number): Promise<Section> {
    this.#console = "";
    const before = this.#clock.read();
    this.#child.stdin.write(`${name} ${count}\n`);
    const text = await this.#wait(/@[^;@]*;/, SECTION_LIMIT_MS, `do ${count} units of ${name}`);
    await delay(SETTLE_MS);
    const after = this.#clock.read();
    const answer = new RegExp(`@${name} ${count} ([0-9a-f]+) ([0-9]+);`).exec(text);
    if (!answer) throw imageError(`${this.contender.name} answered ${JSON.stringify(text.slice(-200))} when asked for ${name}`);
    const [, checksum = "", microseconds = "0"] = answer;
    // On the host the work is done by processes that come and go: their parent knows what they used.
    if (this.onHost) return { checksum, thread: Number(microseconds) / 1e6, process: Number(microseconds) / 1e6 };
    return { checksum, thread: after.thread - before.thread, process: after.process - before.process };
  }

  /** CPU seconds so far. */
  readClock(): ProcessReading {
    return this.#clock.read();
  }

  /** The most resident memory so far: proc(5), VmHWM. 0 where that is not told. */
  peakResidentBytes(): number {
    const kib = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.#child.pid}/status`, "latin1"))?.[1];
    return Number(kib ?? 0) * 1024;
  }

  /** Ends the process; what it writes at its end is there afterwards. */
  async stop(): Promise<void> {
    if (this.#ended === undefined) {
      const gone = new Promise<void>((resolve) => void this.#child.on("close", () => resolve()));
      this.#child.kill("SIGTERM");
      const late = setTimeout(this.#kill, STOP_LIMIT_MS);
      await gone;
      clearTimeout(late);
    }
    process.off("exit", this.#kill);
  }

  /** The console's text once it matches. */
  async #wait(pattern: RegExp, limitMs: number, purpose: string): Promise<string> {
    const { name } = this.contender;
    const deadline = Date.now() + limitMs;
    for (;;) {
      if (pattern.test(this.#console)) return this.#console;
      const tail = this.#console.slice(-CONSOLE_TAIL);
      if (this.#ended !== undefined) throw imageError(`${name} did not ${purpose}: it ${this.#ended}\n${tail}`);
      if (Date.now() > deadline) throw imageError(`${name} did not ${purpose} in ${limitMs / 1000} s\n${tail}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000);
        this.#arrived = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
