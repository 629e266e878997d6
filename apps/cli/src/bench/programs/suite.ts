// Suite "programs": small programs inside guests, ours beside others in turns, by CPU time. Debian's stock kernels, one for each word size.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, parse } from "node:path";
import type { SuiteResult } from "../loops.js";
import { canRun, isV86, ourselves, type OwnOptions, type Rival, rivalMachine } from "../contenders.js";
import { CliError, ExitStatus } from "../../errors.js";
import { takeGuest } from "../../img/guests.js";
import { hasThreadClocks } from "../process-clock.js";
import { takeSeabios } from "../seabios.js";
import { type Bits, buildPrograms, GUEST_PROGRAM, hostDirectory, initrdWithPrograms } from "./build.js";
import type { Program } from "./catalogue.js";
import { programMetrics } from "./columns.js";
import { type Measured, measure, NATIVE, type RoundPlan } from "./rounds.js";
import { ProgramServer } from "./server.js";
import type { Metric } from "../statistics.js";
import { memoryMetrics, upkeep } from "./upkeep.js";
import { programTables } from "./tables.js";

/** What to run and against whom. */
export interface ProgramsOptions {
  readonly programs: readonly Program[];
  readonly sizes: readonly Bits[];
  readonly versus: readonly Rival[];
  readonly own: OwnOptions;
  readonly plan: RoundPlan;
  readonly memoryBytes: number;
  /** A file for profiles of ours, to whose name the suite's is added. */
  readonly profile: string | undefined;
}

/** The kernel of each word size. */
const KERNELS: Readonly<Record<Bits, string>> = { 32: "debian-686", 64: "debian" };
const SUITES: Readonly<Record<Bits, string>> = { 32: "i386", 64: "x86-64" };
/** Mitigations would measure the kernel's opinion of the processor. */
const APPEND = `console=ttyS0 panic=-1 mitigations=off quiet rdinit=${GUEST_PROGRAM}`;

/** Runs the suite for each word size. */
export async function runPrograms(options: ProgramsOptions, progress: (line: string) => void): Promise<SuiteResult> {
  if (!hasThreadClocks())
    throw new CliError(ExitStatus.image, "the suite programs reads CPU time of other processes from /proc, which only Linux has");
  const results: SuiteResult[] = [];
  for (const bits of options.sizes) results.push(await runSize(bits, options, progress));
  return {
    metrics: results.flatMap(({ metrics }) => metrics),
    tables: Object.assign({}, ...results.map(({ tables }) => tables)) as Record<string, readonly string[]>,
    notes: results.flatMap(({ notes }) => notes),
    failed: results.some(({ failed }) => failed === true),
  };
}

async function runSize(bits: Bits, options: ProgramsOptions, progress: (line: string) => void): Promise<SuiteResult> {
  const suite = SUITES[bits];
  const { kernel, initrd, title } = await takeGuest(KERNELS[bits], progress);
  const setup = { bits, kernel, initrd: await initrdWithPrograms(initrd!, bits), append: APPEND, memoryBytes: options.memoryBytes };
  const rivals = options.versus.filter((rival) => canRun(rival, bits));
  const bios = rivals.some(isV86) ? await takeSeabios(progress) : undefined;
  const machines = new Map<string, ProgramServer>();
  const dir = mkdtempSync(join(tmpdir(), "paravane-programs-"));
  const statsFile = join(dir, "stats.json");
  const upkeepMetrics: Metric[] = [];
  let host: ProgramServer | undefined;
  const measured: Measured[] = [];
  const notes = [`${suite}: ${title}, ${options.memoryBytes / 2 ** 20} MiB, command line "${APPEND}"`];
  try {
    const more = ["--stats", statsFile, ...(options.profile === undefined ? [] : profileWords(options.profile, suite, bits))];
    for (const contender of [
      ourselves(setup, { ...options.own, more }),
      ...rivals.map((rival) => rivalMachine(rival, setup, options.own, bios)),
    ]) {
      progress(`${suite}: booting ${contender.name}`);
      machines.set(contender.name, await ProgramServer.start(contender));
    }
    host = await startHost(bits, initrd!, progress);
    for (const [index, program] of options.programs.entries()) {
      progress(`${suite}: ${program.name} (${index + 1} of ${options.programs.length})`);
      measured.push(await measure(program, machines, host, options.plan));
    }
    progress(`${suite}: idle`);
    upkeepMetrics.push(...(await upkeep(suite, machines)));
    for (const server of machines.values()) await server.stop();
    upkeepMetrics.push(...memoryMetrics(suite, [...machines.keys()][0]!, statsFile));
  } finally {
    for (const server of machines.values()) await server.stop();
    await host?.stop();
    rmSync(dir, { recursive: true, force: true });
  }
  notes.push(...processorNotes(suite, machines), ...checksumNotes(suite, measured));
  const names = [...machines.keys()];
  const metrics = [...programMetrics(suite, names, measured), ...upkeepMetrics];
  const [ours = ""] = names;
  return {
    metrics,
    tables: { [suite]: programTables(suite, names, measured, metrics) },
    notes,
    failed: measured.some(({ wrong }) => wrong.has(ours)),
  };
}

/** A profile of the programs alone, with their names. */
function profileWords(path: string, suite: string, bits: Bits): string[] {
  const { dir, name, ext } = parse(path);
  return ["--profile", join(dir, `${name}.${suite}${ext}`), "--profile-from", "@ready;", "--symbols", buildPrograms(bits)];
}

/** The programs on this host; undefined where it cannot run them (another processor, or a kernel without 32-bit programs). */
async function startHost(bits: Bits, initrd: string, progress: (line: string) => void): Promise<ProgramServer | undefined> {
  const contender = { name: NATIVE, command: buildPrograms(bits), args: [], vcpuThread: "main" } as const;
  try {
    return await ProgramServer.start(contender, { hostDirectory: await hostDirectory(initrd, bits) });
  } catch (error) {
    progress(`this host does not run the programs itself, so there is no native column: ${(error as Error).message.split("\n", 1)[0]}`);
    return undefined;
  }
}

/** The kernels' word on their processors; they must work around the same bugs. */
function processorNotes(suite: string, machines: ReadonlyMap<string, ProgramServer>): string[] {
  const notes = [...machines].map(([name, { processor }]) => {
    const [vendor, model, bugs] = ["vendor_id", "model name", "bugs"].map((key) => processor.get(key) ?? "");
    return `${suite}, ${name}: ${vendor}, "${model}", bugs: ${bugs || "none"}`;
  });
  const bugs = new Set([...machines.values()].map(({ processor }) => processor.get("bugs") ?? ""));
  if (bugs.size > 1) notes.push(`${suite}: the kernels see DIFFERENT BUGS in their processors; with mitigations=off they work around none`);
  return notes;
}

function checksumNotes(suite: string, measured: readonly Measured[]): string[] {
  const wrong = measured.flatMap(({ program, checksum, wrong: others }) =>
    [...others].map(([name, theirs]) => `${suite}, ${program.name}: ${name} computed ${theirs} where ${checksum} is right`),
  );
  if (wrong.length > 0) return wrong;
  const all = measured.map(({ program, count, checksum }) => `${program.name} ${count} ${checksum}`).join(", ");
  return [`${suite}: all results are equal (program, units, checksum): ${all}`];
}
