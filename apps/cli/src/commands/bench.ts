// `paravane bench`: runs the suites that were asked for and puts the findings together.
import { loadavg } from "node:os";
import type { BenchOptions } from "../bench/bench-options.js";
import { runBoots } from "../bench/boot.js";
import { runLoops, type SuiteResult } from "../bench/loops.js";
import { conditionsNow, type Report } from "../bench/report.js";
import { installedParts } from "../parts.js";

/** Measures; takes minutes. */
export async function bench(options: BenchOptions, progress: (line: string) => void): Promise<Report> {
  const loadBefore = loadavg()[0]!;
  const results: SuiteResult[] = [];
  if (options.suites.includes("loops")) results.push(await runLoops(installedParts.core, options.loopRounds, progress));
  if (options.suites.includes("boot")) results.push(await runBoots({ ...options, rounds: options.bootRounds }, progress));
  return {
    conditions: conditionsNow(loadBefore),
    metrics: results.flatMap(({ metrics }) => metrics),
    notes: results.flatMap(({ notes }) => notes),
  };
}
