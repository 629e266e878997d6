// Runs the built command line as a process, as a person would, for tests that look at statuses, streams and signals.
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

const cli = join(import.meta.dirname, "../dist/cli.js");

/** How a run ended and what it said. */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What goes with the arguments. */
export interface RunOptions {
  readonly input?: string;
  readonly env?: Record<string, string>;
  /** Ends the process when it takes longer; the status is then null. */
  readonly limitMs?: number;
  /** Sees the console as it grows; may end the process by a signal. */
  readonly watch?: (stdout: string, kill: (signal: NodeJS.Signals) => void) => void;
  /** Keeps only the end of long output. */
  readonly keepBytes?: number;
}

/** Runs `paravane ARGS`. */
export function paravane(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  if (!existsSync(cli)) throw new Error("the command line is not built: npm run build");
  const { input, env = {}, limitMs = 60_000, watch, keepBytes = 1 << 20 } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [cli, ...args], { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("latin1").on("data", (text: string) => {
      stdout = (stdout + text).slice(-keepBytes);
      watch?.(stdout, (signal) => child.kill(signal));
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-keepBytes);
    });
    child.stdin.on("error", () => {}); // A guest that ends early does not read the rest.
    if (input === undefined) child.stdin.end();
    else child.stdin.end(input);
    const timer = setTimeout(() => child.kill("SIGKILL"), limitMs);
    child.on("error", reject);
    child.on("close", (status) => {
      clearTimeout(timer);
      resolve({ status, stdout, stderr });
    });
  });
}

/** True when the host has a tool. On CI a missing tool is a failure, so there tests are not skipped for it. */
export function hasTool(command: string, ...args: string[]): boolean {
  return (
    process.env["CI"] !== undefined || spawnSync(command, args.length > 0 ? args : ["--version"], { stdio: "ignore" }).error === undefined
  );
}
