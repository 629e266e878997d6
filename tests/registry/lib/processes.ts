// Programs that the test starts: what they print, how they end, and never longer than they may.
import { spawn } from "node:child_process";

/** How a program ended. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  /** stdout and stderr, as they came. */
  readonly all: string;
}

/** Runs a program to its end. The workspace's export condition and how quiet its scripts are is not passed on: what is tried is what a stranger has. */
export function run(command: string, args: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const { NODE_OPTIONS: _options, npm_config_loglevel: _quiet, ...inherited } = process.env;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...inherited, ...env }, stdio: ["ignore", "pipe", "pipe"], timeout: 120_000 });
    let stdout = "";
    let all = "";
    child.stdout.on("data", (bytes) => {
      stdout += String(bytes);
      all += String(bytes);
    });
    child.stderr.on("data", (bytes) => {
      all += String(bytes);
    });
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, stdout, all }));
  });
}

/** The same; @throws with all that it said when it fails. */
export async function must(
  command: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { status, stdout, all } = await run(command, args, cwd, env);
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}:\n${all.slice(-4000)}`);
  return stdout;
}
