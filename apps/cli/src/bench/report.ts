// The bench's findings as text for people and as one JSON object for machines and for --compare.
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg } from "node:os";
import { fileError, usageError } from "../errors.js";
import { cpuClockKind } from "./cpu-clock.js";
import { improvementPercent, type Metric, spreadPercent } from "./statistics.js";

/** Where and when the numbers were made. */
export interface Conditions {
  readonly date: string;
  readonly node: string;
  readonly v8: string;
  readonly cpu: string;
  readonly processors: number;
  readonly cpuTimeOf: string;
  /** One-minute load averages before and after; 0 where the system has none. */
  readonly load: readonly [number, number];
}

/** Everything that one run found. */
export interface Report {
  readonly conditions: Conditions;
  readonly metrics: readonly Metric[];
  /** Metrics as Markdown, by suite; a suite that is not here is told a line a metric. */
  readonly tables: Readonly<Record<string, readonly string[]>>;
  readonly notes: readonly string[];
  /** A guest computed something wrong. */
  readonly failed: boolean;
}

/** The conditions of a run that began under `loadBefore`. */
export function conditionsNow(loadBefore: number): Conditions {
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    v8: process.versions.v8,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    processors: availableParallelism(),
    cpuTimeOf: cpuClockKind,
    load: [loadBefore, loadavg()[0]!],
  };
}

/** How far to trust the numbers, in a sentence. */
export function noise({ load, processors }: Conditions): string {
  const busiest = Math.max(...load);
  const share = `load average ${load[0].toFixed(1)} before, ${load[1].toFixed(1)} after, on ${processors} processors`;
  if (busiest > processors + 1) return `${share}: the host was busy with other work; CPU time hides waiting, not shared caches and clocks`;
  return `${share}: the host was quiet`;
}

const digits = (value: number): string => value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);

/** Text: a suite's table where it has one, else one line a metric. */
export function formatReport({ conditions, metrics, tables, notes }: Report, before?: readonly Metric[]): string {
  const { date, node, v8, cpu, cpuTimeOf } = conditions;
  const lines = [`${date}, Node ${node} (V8 ${v8}), ${cpu}; CPU time of the ${cpuTimeOf}`, noise(conditions)];
  for (const suite of new Set(metrics.map((entry) => entry.suite))) {
    const own = metrics.filter((candidate) => candidate.suite === suite);
    const table = tables[suite];
    lines.push("", suite);
    if (table) lines.push("", ...table, ...linesOf(own.filter(isOwnTime), before, true));
    else lines.push(...linesOf(own, before, false));
  }
  return [...lines, "", ...notes].join("\n");
}

/** A program's time on our machine: what --compare tells of suites with a table. */
const isOwnTime = ({ name, unit }: Metric): boolean => unit === "µs a unit" && name.endsWith(", paravane, vCPU thread");

function linesOf(metrics: readonly Metric[], before: readonly Metric[] | undefined, onlyCompared: boolean): string[] {
  const width = Math.max(0, ...metrics.map(({ name }) => name.length));
  return metrics.flatMap((entry) => {
    const change = before && improvementPercent(entry, before);
    if (onlyCompared && change === undefined) return [];
    const range = entry.samples.length > 1 ? `  (${digits(entry.low)} to ${digits(entry.high)}, ${spreadPercent(entry).toFixed(0)} %)` : "";
    const moved = change === undefined ? "" : `  ${change >= 0 ? "better" : "worse"} by ${Math.abs(change).toFixed(1)} %`;
    return [`  ${entry.name.padEnd(width)}  ${digits(entry.median).padStart(7)} ${entry.unit}${range}${moved}`];
  });
}

/** The metrics of a file that `bench --json` wrote. */
export function readReport(path: string): readonly Metric[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw usageError(fileError(path, error).message);
  }
  try {
    const { metrics } = JSON.parse(text) as Partial<Report>;
    if (Array.isArray(metrics) && metrics.every(({ name, median }) => typeof name === "string" && typeof median === "number"))
      return metrics;
  } catch {
    // Said below, in the same words as for JSON of another kind.
  }
  throw usageError(`${path} is not what 'paravane bench --json' writes`);
}
