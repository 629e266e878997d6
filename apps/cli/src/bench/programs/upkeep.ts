// What machines cost beside their work: CPU time while the guest sleeps, and memory at the end of a run.
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { MEMORY_FIGURES, type MemoryStats } from "../memory-figures.js";
import { type Metric, metric } from "../statistics.js";
import type { ProgramServer } from "./server.js";

const MIB = 2 ** 20;
const WINDOWS = 3;
const WINDOW_MS = 2000;

/** Shares of one CPU that each machine takes while all guests wait for a key, in per cent, and the most memory that each has had. */
export async function upkeep(suite: string, machines: ReadonlyMap<string, ProgramServer>): Promise<Metric[]> {
  const shares = new Map([...machines].map(([name]) => [name, { thread: [] as number[], process: [] as number[] }]));
  for (let window = 0; window < WINDOWS; window++) {
    const before = [...machines].map(([, server]) => server.readClock());
    const started = performance.now();
    await delay(WINDOW_MS);
    const ms = performance.now() - started;
    [...machines].forEach(([name, server], index) => {
      const { thread, process } = server.readClock();
      shares.get(name)!.thread.push(((thread - before[index]!.thread) * 1e5) / ms);
      shares.get(name)!.process.push(((process - before[index]!.process) * 1e5) / ms);
    });
  }
  return [...machines].flatMap(([name, server]) => [
    metric(suite, `idle, ${name}, vCPU thread`, "% of a CPU", "lower", shares.get(name)!.thread),
    metric(suite, `idle, ${name}, process`, "% of a CPU", "lower", shares.get(name)!.process),
    metric(suite, `peak resident memory, ${name}`, "MiB", "lower", [server.peakResidentBytes() / MIB]),
  ]);
}

/** What our machine wrote at its end. */
export function memoryMetrics(suite: string, name: string, statsFile: string): Metric[] {
  const { memory } = JSON.parse(readFileSync(statsFile, "utf8")) as { memory: MemoryStats };
  return MEMORY_FIGURES.flatMap(([figure, mib]) => {
    const value = mib(memory);
    return value === undefined ? [] : [metric(suite, `${figure}, ${name}`, "MiB", "lower", [value])];
  });
}
