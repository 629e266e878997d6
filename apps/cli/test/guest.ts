// A guest that a test talks to: the command line as a process, its console as text to wait for, its CPU time from /proc.
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const cli = join(import.meta.dirname, "../dist/cli.js");
const CLOCK_TICKS = 100; // USER_HZ, the unit of /proc/PID/stat

/** A running `paravane run`. */
export class Guest {
  #text = "";
  #from = 0;
  #stderr = "";
  #changed: () => void = () => {};
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, [cli, "run", ...args], { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stdout!.setEncoding("latin1").on("data", (text: string) => {
      this.#text += text;
      this.#changed();
    });
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.#child.stdin!.on("error", () => {});
    this.#ended = new Promise((resolve) => {
      this.#child.on("close", (status) => {
        resolve(status);
        this.#changed();
      });
    });
  }

  /** The whole console so far. */
  get console(): string {
    return this.#text;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Waits until the console, after what was matched before, shows the pattern. */
  async waitFor(pattern: RegExp, limitMs = 300_000): Promise<RegExpExecArray> {
    const deadline = Date.now() + limitMs;
    for (;;) {
      const match = pattern.exec(this.#text.slice(this.#from));
      if (match) {
        this.#from += match.index + match[0].length;
        return match;
      }
      const left = deadline - Date.now();
      if (left <= 0 || this.#child.exitCode !== null) {
        throw new Error(`${pattern} did not appear; the console ends with:\n${this.#text.slice(-2000)}\n${this.#stderr.slice(-2000)}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Types a line at the shell and waits for the output that ends with `done`. */
  async command(line: string, limitMs?: number): Promise<string> {
    this.type(`${line}; echo "status=$?"\r`);
    await this.waitFor(/\$\?"\r+\n/, limitMs); // the echo of what was typed
    const start = this.#from;
    const match = await this.waitFor(/status=(\d+)/, limitMs);
    const output = this.#text.slice(start, this.#from - match[0].length);
    await this.waitFor(/# /, limitMs);
    if (match[1] !== "0") throw new Error(`${line}: status ${match[1]}: ${output}`);
    return output.replaceAll("\r", "").trim();
  }

  type(text: string): void {
    this.#child.stdin!.write(text);
  }

  /** Seconds of host CPU that the process has used. */
  cpuSeconds(): number {
    const fields = readFileSync(`/proc/${this.#child.pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ");
    return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS;
  }

  /** Waits for the end; the exit status. */
  async ended(limitMs = 60_000): Promise<number | null> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), limitMs);
    try {
      return await this.#ended;
    } finally {
      clearTimeout(timer);
    }
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}
