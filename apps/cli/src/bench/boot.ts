// Suite "boot": stock kernels to user space, cold: each boot in a process of its own, CPU time from the process's start; emulators take turns.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CliError, ExitStatus, imageError } from "../errors.js";
import { takeGuest } from "../img/guests.js";
import { Checkpoints, LINUX_STAGES, type Stage } from "./checkpoints.js";
import { canRun, type Contender, isV86, ourselves, type OwnOptions, type Rival, rivalMachine } from "./contenders.js";
import { MEMORY_FIGURES, type MemoryStats } from "./memory-figures.js";
import type { SuiteResult } from "./loops.js";
import { hasThreadClocks, ProcessClock, type ProcessReading } from "./process-clock.js";
import { takeSeabios } from "./seabios.js";
import { type Metric, metric, ratios } from "./statistics.js";

const MIB = 2 ** 20;
const LIMIT_SECONDS = 900;
const TAIL = 2000;

/** What to boot and against whom. */
export interface BootOptions {
  readonly guests: readonly string[];
  readonly rounds: number;
  readonly memoryBytes: number;
  readonly versus: readonly Rival[];
  readonly own: OwnOptions;
}

/** What one boot took. */
export interface BootSample {
  readonly stages: readonly Stage[];
  /** What `--stats` wrote: machines of ours alone. */
  readonly stats?: BootStats;
}

/** The part of `--stats` that a report tells. Bytes. */
export interface BootStats {
  readonly cpu: { readonly firstInstruction: { readonly vcpuThreadSeconds: number; readonly processSeconds: number } };
  readonly instructions: number;
  readonly memory: MemoryStats;
  readonly core: Readonly<Record<string, number>>;
}

/** Boots every guest in every round on everyone who can. */
export async function runBoots(options: BootOptions, progress: (line: string) => void): Promise<SuiteResult> {
  if (!hasThreadClocks())
    throw new CliError(ExitStatus.image, "the suite boot reads CPU time of other processes from /proc, which only Linux has");
  const metrics: Metric[] = [];
  const notes: string[] = [];
  const dir = mkdtempSync(join(tmpdir(), "paravane-boot-"));
  try {
    for (const guest of options.guests) {
      const { kernel, initrd, append: own, title } = await takeGuest(guest, progress);
      const append = `${own} mitigations=off`;
      const bits = is32Bit(guest) ? 32 : 64;
      const setup = { bits, kernel, initrd: initrd!, append, memoryBytes: options.memoryBytes } as const;
      const rivals = options.versus.filter((rival) => canRun(rival, bits));
      const bios = rivals.some(isV86) ? await takeSeabios(progress) : undefined;
      const statsFile = join(dir, "stats.json");
      const ours = ourselves(setup, options.own);
      const contenders = [ours, ...rivals.map((rival) => rivalMachine(rival, setup, options.own, bios))].map((machine) =>
        machine.ours ? { ...machine, args: [...machine.args, "--stats", statsFile] } : machine,
      );
      const samples = new Map<string, BootSample[]>(contenders.map(({ name }) => [name, []]));
      for (let round = 1; round <= options.rounds; round++) {
        for (const contender of contenders) {
          progress(`boot: ${guest} on ${contender.name}, round ${round} of ${options.rounds}`);
          const stages = await bootOnce(contender);
          const stats = contender.ours ? (JSON.parse(readFileSync(statsFile, "utf8")) as BootStats) : undefined;
          samples.get(contender.name)!.push({ stages, ...(stats ? { stats } : {}) });
        }
      }
      metrics.push(...summarize(`boot ${guest}`, samples));
      notes.push(`${guest}: ${title}, ${options.memoryBytes / MIB} MiB, command line "${append}"`);
      notes.push(countersNote(guest, samples.get(ours.name)!.at(-1)!.stats!));
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return { metrics, notes };
}

/** True for guests that a 32-bit processor can run. */
export const is32Bit = (guest: string): boolean => /^debian-686(-pae)?$/.test(guest);

const all = ({ stages }: BootSample): ProcessReading => ({
  thread: stages.reduce((sum, stage) => sum + stage.thread, 0),
  process: stages.reduce((sum, stage) => sum + stage.process, 0),
});

/** Of the vCPU's thread, without what was done before the guest began. */
const fromStart = (sample: BootSample): number => all(sample).thread - sample.stats!.cpu.firstInstruction.vcpuThreadSeconds;

/** All metrics of one guest: CPU seconds of everyone, our speed and memory, then the ratios of ours to each of the others. */
export function summarize(suite: string, samples: ReadonlyMap<string, readonly BootSample[]>): Metric[] {
  const metrics: Metric[] = [];
  const seconds = (name: string, unit: string, list: readonly number[]): void =>
    void metrics.push(metric(suite, name, unit, "lower", list));
  const [ours, ...others] = [...samples.keys()] as [string, ...string[]];
  for (const [name, list] of samples) {
    const total = list.map(all);
    seconds(
      `${name}, vCPU thread`,
      "CPU s",
      total.map(({ thread }) => thread),
    );
    seconds(
      `${name}, process`,
      "CPU s",
      total.map(({ process }) => process),
    );
    LINUX_STAGES.forEach((stage, index) => {
      seconds(
        `${name}, vCPU thread, ${stage.name}`,
        "CPU s",
        list.map(({ stages }) => stages[index]!.thread),
      );
    });
  }
  for (const [name, list] of samples) {
    const started = list.flatMap(({ stats }) => (stats === undefined ? [] : [stats.cpu.firstInstruction.processSeconds]));
    if (started.length > 0) seconds(`${name}, process, start to the first instruction`, "CPU s", started);
  }
  const mine = samples.get(ours)!;
  const told = mine.flatMap(({ stats }) => (stats === undefined ? [] : [stats]));
  if (told.length === mine.length) {
    const speeds = told.map(({ instructions }, round) => instructions / all(mine[round]!).thread / 1e6);
    metrics.push(metric(suite, `${ours}, speed`, "M instructions/s", "higher", speeds));
    const megabytes = (name: string, values: readonly (number | undefined)[]): void => {
      const known = values.filter((value) => value !== undefined);
      if (known.length === values.length) seconds(`${ours}, ${name}`, "MiB", known);
    };
    megabytes(
      "peak resident memory",
      told.map(({ memory }) => memory.peakResidentBytes / MIB),
    );
    for (const [figure, mib] of MEMORY_FIGURES)
      megabytes(
        figure,
        told.map(({ memory }) => mib(memory)),
      );
  }
  for (const other of others) {
    const theirs = samples.get(other)!;
    const ratio = (name: string, one: keyof ProcessReading, two: keyof ProcessReading): void =>
      seconds(
        name,
        "times",
        ratios(
          mine.map((sample) => all(sample)[one]),
          theirs.map((sample) => all(sample)[two]),
        ),
      );
    ratio(`${ours} : ${other}, vCPU thread`, "thread", "thread");
    ratio(`${ours} : ${other}, process`, "process", "process");
    ratio(`${ours}'s thread : ${other}'s process`, "thread", "process");
    if (theirs.every(({ stats }) => stats !== undefined))
      seconds(`${ours} : ${other}, vCPU thread from the first instruction`, "times", ratios(mine.map(fromStart), theirs.map(fromStart)));
  }
  return metrics;
}

function countersNote(guest: string, { core, instructions }: BootStats): string {
  const { blocksDecoded = 0, blocksDropped = 0, codeFlushes = 0 } = core;
  return `${guest}: ${(instructions / 1e6).toFixed(0)} M instructions; ${blocksDecoded} blocks decoded, ${blocksDropped} dropped, ${codeFlushes} code flushes`;
}

/** One boot; resolves when the process has ended. */
async function bootOnce({ name, command, args, vcpuThread }: Contender): Promise<readonly Stage[]> {
  const running = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
  const kill = (): void => void running.kill("SIGKILL");
  process.on("exit", kill);
  const clock = new ProcessClock(running.pid ?? 0, vcpuThread);
  const checkpoints = new Checkpoints(() => clock.read());
  let tail = "";
  const timer = setTimeout(kill, LIMIT_SECONDS * 1000);
  running.stdin.on("error", () => {}); // Told by the end of the process.
  const hear = (text: string): void => {
    tail = (tail + text).slice(-TAIL);
    checkpoints.feed(text);
    if (checkpoints.waitingFor === undefined) running.kill("SIGTERM");
  };
  running.stdout.setEncoding("latin1").on("data", hear);
  running.stderr.setEncoding("latin1").on("data", hear);
  try {
    const why = await ended(running);
    if (checkpoints.waitingFor !== undefined)
      throw imageError(`${name} did not get as far as "${checkpoints.waitingFor}": it ended with ${why}\n${tail}`);
    return checkpoints.stages;
  } finally {
    clearTimeout(timer);
    process.off("exit", kill);
  }
}

const ended = (running: ChildProcess): Promise<string> =>
  new Promise((resolve) => {
    running.on("error", (error) => resolve(error.message));
    running.on("close", (code, signal) => resolve(signal ?? `status ${code}`));
  });
