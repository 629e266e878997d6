// Suite "boot": stock kernels to user space, each boot in a process of its own; with another emulator, the two take turns.
import { spawn } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { CliError, ExitStatus, imageError, usageError } from "../errors.js";
import { takeGuest } from "../img/guests.js";
import type { BootJob, BootSample } from "./boot-job.js";
import { LINUX_STAGES, type Reading } from "./checkpoints.js";
import type { SuiteResult } from "./loops.js";
import { takeSeabios } from "./seabios.js";
import { type Metric, metric, ratios } from "./statistics.js";

const MIB = 2 ** 20;
const LIMIT_SECONDS = 900;

/** What to boot and against whom. */
export interface BootOptions {
  readonly guests: readonly string[];
  readonly rounds: number;
  readonly memoryBytes: number;
  readonly versus: readonly "v86"[];
}

type Emulator = BootJob["emulator"];

/** Boots every guest in every round; guests that v86 cannot run (it has no 64-bit mode) are ours alone. */
export async function runBoots(options: BootOptions, progress: (line: string) => void): Promise<SuiteResult> {
  const bios = options.versus.includes("v86") ? await prepareV86(options, progress) : undefined;
  const metrics: Metric[] = [];
  const notes: string[] = [];
  for (const guest of options.guests) {
    const { kernel, initrd, append, title } = await takeGuest(guest, progress);
    const common = { kernel, ...(initrd ? { initrd } : {}), append, memoryBytes: options.memoryBytes, limitSeconds: LIMIT_SECONDS };
    const emulators: Emulator[] = bios && is32Bit(guest) ? ["paravane", "v86"] : ["paravane"];
    const samples: Record<Emulator, BootSample[]> = { paravane: [], v86: [] };
    for (let round = 1; round <= options.rounds; round++) {
      for (const emulator of emulators) {
        progress(`boot: ${guest} on ${emulator}, round ${round} of ${options.rounds}`);
        samples[emulator].push(await bootOnce({ ...common, emulator, ...(bios ? { bios } : {}) }));
      }
    }
    metrics.push(...summarize(`boot ${guest}`, samples));
    notes.push(
      `${guest}: ${title}, ${options.memoryBytes / MIB} MiB, command line "${append}"`,
      countersNote(guest, samples.paravane.at(-1)!),
    );
    if (bios && !is32Bit(guest)) notes.push(`${guest} is a 64-bit kernel, which v86 cannot run`);
  }
  return { metrics, notes };
}

/** True for guests that a 32-bit processor can run. */
export const is32Bit = (guest: string): boolean => /^debian-686(-pae)?$/.test(guest);

async function prepareV86(options: BootOptions, progress: (line: string) => void): Promise<{ system: string; vga: string }> {
  if (!options.guests.some(is32Bit)) throw usageError("--vs v86 needs a 32-bit guest: debian-686 or debian-686-pae");
  try {
    import.meta.resolve("v86");
  } catch {
    throw usageError(
      "--vs v86: v86 is not installed; it is a development dependency of a clone and does not come with the published package",
    );
  }
  return takeSeabios(progress);
}

const all = ({ stages }: BootSample): Reading => ({
  instructions: stages.reduce((sum, stage) => sum + stage.instructions, 0),
  cpuSeconds: stages.reduce((sum, stage) => sum + stage.cpuSeconds, 0),
});

const speed = ({ instructions, cpuSeconds }: Reading): number => instructions / cpuSeconds / 1e6;

/** All metrics of one guest: whole boot, stages, memory; then v86's, then the ratios. */
export function summarize(suite: string, { paravane, v86 }: Readonly<Record<Emulator, readonly BootSample[]>>): Metric[] {
  const of = (who: string, samples: readonly BootSample[]): Metric[] => [
    metric(suite, `${who}, all`, "M instructions/s", "higher", samples.map(all).map(speed)),
    ...LINUX_STAGES.map(({ name }, index) =>
      metric(
        suite,
        `${who}, ${name}`,
        "M instructions/s",
        "higher",
        samples.map(({ stages }) => speed(stages[index]!)),
      ),
    ),
    metric(
      suite,
      `${who}, to user space`,
      "CPU s",
      "lower",
      samples.map((sample) => all(sample).cpuSeconds),
    ),
    metric(
      suite,
      `${who}, guest instructions`,
      "M",
      "lower",
      samples.map((sample) => all(sample).instructions / 1e6),
    ),
    metric(
      suite,
      `${who}, peak resident memory`,
      "MiB",
      "lower",
      samples.map(({ residentPeak }) => residentPeak / MIB),
    ),
  ];
  const metrics = of("paravane", paravane);
  metrics.push(
    metric(
      suite,
      "paravane, guest pages in use",
      "MiB",
      "lower",
      paravane.map(({ touchedBytes }) => touchedBytes! / MIB),
    ),
    metric(
      suite,
      "paravane, peak less guest pages in use",
      "MiB",
      "lower",
      paravane.map(({ residentPeak, touchedBytes }) => (residentPeak - touchedBytes!) / MIB),
    ),
  );
  if (v86.length === 0) return metrics;
  metrics.push(...of("v86", v86));
  const ratio = (name: string, pick: (sample: BootSample) => Reading): Metric =>
    metric(
      suite,
      `paravane : v86, ${name}`,
      "times",
      "higher",
      ratios(
        paravane.map((sample) => speed(pick(sample))),
        v86.map((sample) => speed(pick(sample))),
      ),
    );
  metrics.push(ratio("all", all), ...LINUX_STAGES.map(({ name }, index) => ratio(name, ({ stages }) => stages[index]!)));
  return metrics;
}

function countersNote(guest: string, { counters = {}, residentBefore }: BootSample): string {
  const { blocksDecoded = 0, blocksDropped = 0, codeFlushes = 0 } = counters;
  return (
    `${guest}: ${blocksDecoded} blocks decoded, ${blocksDropped} dropped, ${codeFlushes} code flushes; ` +
    `${(residentBefore / MIB).toFixed(0)} MiB resident before the machine was made`
  );
}

/** This file's neighbour, as source or as built. */
const child = fileURLToPath(new URL(`./child${extname(import.meta.url)}`, import.meta.url));

function bootOnce(job: BootJob): Promise<BootSample> {
  return new Promise((resolve, reject) => {
    const { signal, stop } = onInterrupt();
    const running = spawn(process.execPath, [...process.execArgv, child, JSON.stringify(job)], {
      stdio: ["ignore", "pipe", "inherit"],
      signal,
    });
    let out = "";
    running.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    running.on("error", (error) => {
      stop();
      reject(signal.aborted ? new CliError(ExitStatus.interrupted, "interrupted") : error);
    });
    running.on("close", (status) => {
      stop();
      const line = out.trim().split("\n").at(-1) ?? "";
      if (status !== 0 || line === "") return reject(imageError(`a boot on ${job.emulator} ended with status ${status}`));
      const answer = JSON.parse(line) as { sample: BootSample } | { error: string };
      if ("error" in answer) reject(imageError(answer.error));
      else resolve(answer.sample);
    });
  });
}

/** A signal that follows the keyboard's and the system's, so that no child stays behind. */
function onInterrupt(): { signal: AbortSignal; stop: () => void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, abort);
  return {
    signal: controller.signal,
    stop: () => {
      for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, abort);
    },
  };
}
