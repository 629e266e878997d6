// One program on several machines, in turns: how many units make a section, warming up until every tier has come, then rounds A B C A B C.
import type { Program } from "./catalogue.js";
import type { Section } from "./server.js";

/** What the rounds need of a machine. */
export interface Runner {
  run(name: string, count: number): Promise<Section>;
}

/** How long and how often. CPU seconds of the vCPU's thread. */
export interface RoundPlan {
  readonly rounds: number;
  /** A section on the slowest machine. */
  readonly sectionSeconds: number;
  /** Warming up ends when no section is this much faster than the fastest so far, */
  readonly warmShare: number;
  /** for so many sections, since translating makes single ones slow, */
  readonly warmPatience: number;
  /** or after so many in all. */
  readonly warmSections: number;
}

/** What every machine took for one program. */
export interface Measured {
  readonly program: Program;
  /** Units of a section. */
  readonly count: number;
  readonly checksum: string;
  /** CPU seconds by machine, one section a round. */
  readonly sections: ReadonlyMap<string, readonly Section[]>;
  /** Machines whose result was another one, and theirs. */
  readonly wrong: ReadonlyMap<string, string>;
}

/** Name of the host's column, where the programs run without a machine. */
export const NATIVE = "native";

const LARGEST_STEP = 8;
const CLOSE_ENOUGH = 1.4;
const MAX_COUNT = 5_000_000;
/** A section on the host, which is too fast for the count of the machines. */
const HOST_SECONDS = 0.02;

/** Measures one program; `host` gives the unit of the results where programs can run on it. */
export async function measure(
  program: Program,
  machines: ReadonlyMap<string, Runner>,
  host: Runner | undefined,
  plan: RoundPlan,
): Promise<Measured> {
  const { name } = program;
  const all = [...machines];
  let count = await calibrate(name, all, 1, plan.sectionSeconds);
  const warm = await warmUp(name, all, count, plan);
  if (warm * CLOSE_ENOUGH < plan.sectionSeconds) {
    count = await calibrate(name, all, count, plan.sectionSeconds);
    await warmUp(name, all, count, plan);
  }
  const { checksum } = await (host ?? all[0]![1]).run(name, count);
  const hostCount = host === undefined ? 0 : await hostUnits(host, name, count);
  const sections = new Map<string, Section[]>(all.map(([machine]) => [machine, []]));
  const wrong = new Map<string, string>();
  for (let round = 0; round < plan.rounds; round++) {
    for (const [machine, runner] of all) {
      const section = await runner.run(name, count);
      if (section.checksum !== checksum) wrong.set(machine, section.checksum);
      sections.get(machine)!.push(section);
    }
    if (host === undefined) continue;
    const { thread } = await host.run(name, hostCount);
    const scaled = (thread * count) / hostCount;
    sections.set(NATIVE, [...(sections.get(NATIVE) ?? []), { checksum, thread: scaled, process: scaled }]);
  }
  return { program, count, checksum, sections, wrong };
}

/** How many units take the slowest machine about so long, found by steps that none of them takes too long for. */
async function calibrate(name: string, all: readonly [string, Runner][], from: number, wanted: number): Promise<number> {
  let count = from;
  for (;;) {
    let seconds = 0;
    for (const [, machine] of all) seconds = Math.max(seconds, (await machine.run(name, count)).thread);
    const step = Math.min(LARGEST_STEP, wanted / Math.max(seconds, 1e-6));
    if (step < CLOSE_ENOUGH || count === MAX_COUNT) return Math.max(1, Math.round(count * step));
    count = Math.min(MAX_COUNT, Math.ceil(count * step));
  }
}

/** Runs sections until they get no faster; the slowest machine's fastest. */
async function warmUp(name: string, all: readonly [string, Runner][], count: number, plan: RoundPlan): Promise<number> {
  let slowest = 0;
  for (const [, machine] of all) {
    let fastest = Number.POSITIVE_INFINITY;
    let waited = 0;
    for (let section = 0; section < plan.warmSections && waited < plan.warmPatience; section++) {
      const { thread } = await machine.run(name, count);
      waited = thread > fastest * (1 - plan.warmShare) ? waited + 1 : 0;
      fastest = Math.min(fastest, thread);
    }
    slowest = Math.max(slowest, fastest);
  }
  return slowest;
}

async function hostUnits(host: Runner, name: string, count: number): Promise<number> {
  const { thread } = await host.run(name, count);
  return Math.min(MAX_COUNT, Math.max(count, Math.round((count * HOST_SECONDS) / Math.max(thread, 1e-6))));
}
