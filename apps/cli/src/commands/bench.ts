// `paravane bench`: runs the suites that were asked for and puts the findings together.
import { loadavg } from "node:os";
import { requireRivals } from "../bench/contenders.js";
import type { BenchOptions } from "../bench/bench-options.js";
import { runBoots } from "../bench/boot.js";
import { runLoops, type SuiteResult } from "../bench/loops.js";
import { runPrograms } from "../bench/programs/suite.js";
import { conditionsNow, type Report } from "../bench/report.js";
import { ExitStatus } from "../errors.js";
import { installedParts } from "../parts.js";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Measures; takes minutes. A signal ends this process at once, and with it the emulators that it started. */
export async function bench(options: BenchOptions, progress: (line: string) => void): Promise<Report> {
  const leave = (): never => process.exit(ExitStatus.interrupted);
  for (const signal of SIGNALS) process.on(signal, leave);
  try {
    return await measure(options, progress);
  } finally {
    for (const signal of SIGNALS) process.off(signal, leave);
  }
}

async function measure(options: BenchOptions, progress: (line: string) => void): Promise<Report> {
  const loadBefore = loadavg()[0]!;
  const results: SuiteResult[] = [];
  requireRivals(options.versus, options.sizes);
  if (options.suites.includes("loops"))
    results.push(await runLoops(installedParts("auto").core, installedParts("interp").core, options.loopRounds, progress));
  if (options.suites.includes("programs")) results.push(await runPrograms(options, progress));
  if (options.suites.includes("boot")) results.push(await runBoots({ ...options, rounds: options.bootRounds }, progress));
  return {
    conditions: conditionsNow(loadBefore),
    metrics: results.flatMap(({ metrics }) => metrics),
    tables: Object.assign({}, ...results.map(({ tables }) => tables)) as Report["tables"],
    notes: results.flatMap(({ notes }) => notes),
    failed: results.some(({ failed }) => failed === true),
  };
}
