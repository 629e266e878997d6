// What `paravane bench` was asked for, checked.
import { parseMemory, parseWord } from "../args/values.js";
import { usageError } from "../errors.js";
import { GUEST_NAMES } from "../img/guests.js";
import { canRun, type OwnOptions, parseRival, type Rival, RIVALS, rivalName } from "./contenders.js";
import type { Bits } from "./programs/build.js";
import { COLUMNS, type Program, PROGRAMS, selected } from "./programs/catalogue.js";
import type { RoundPlan } from "./programs/rounds.js";

/** The suites by name. */
export const SUITES = ["loops", "programs", "boot"] as const;
/** Guests of the boot suite where none are named. */
export const BENCH_GUESTS = ["debian-686", "debian"] as const;

/** As written. */
export interface RawBenchOptions {
  vs?: string;
  compare?: string;
  rounds?: string;
  guest?: string[];
  memory?: string;
  only?: string;
  bits?: string;
  quick?: boolean;
  cpu?: string;
  engine?: string;
  profile?: string;
  plot?: string;
}

/** Understood. */
export interface BenchOptions {
  readonly suites: readonly (typeof SUITES)[number][];
  readonly versus: readonly Rival[];
  readonly own: OwnOptions;
  readonly compare: string | undefined;
  readonly loopRounds: number;
  readonly bootRounds: number;
  readonly guests: readonly string[];
  readonly programs: readonly Program[];
  readonly sizes: readonly Bits[];
  readonly plan: RoundPlan;
  readonly memoryBytes: number;
  readonly profile: string | undefined;
  readonly plot: string | undefined;
}

const LOOP_ROUNDS = 10;
const BOOT_ROUNDS = 3;
const MAX_ROUNDS = 1000;
const MEMORY = "256M";
const PLAN: RoundPlan = { rounds: 5, sectionSeconds: 0.4, warmShare: 0.05, warmPatience: 3, warmSections: 12 };
const QUICK: RoundPlan = { rounds: 3, sectionSeconds: 0.15, warmShare: 0.1, warmPatience: 1, warmSections: 2 };

/** Checks the words; the first mistake is a usage error. Without a suite all of them run; `--vs` leaves out the one that has no rivals. */
export function understandBench(suite: string | undefined, raw: RawBenchOptions): BenchOptions {
  const versus = raw.vs === undefined ? [] : raw.vs.split(",").map(parseRival);
  const names = versus.map(rivalName);
  if (new Set(names).size < names.length) throw usageError(`--vs ${raw.vs}: each may be named once`);
  const suites =
    suite === undefined ? SUITES.filter((name) => name !== "loops" || versus.length === 0) : [parseWord("bench", suite, SUITES)];
  if (versus.length > 0 && suites.includes("loops"))
    throw usageError(`--vs ${raw.vs}: others are compared in the suites programs and boot`);
  const rounds = raw.rounds === undefined ? undefined : Number(raw.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1 && rounds <= MAX_ROUNDS))
    throw usageError(`--rounds ${raw.rounds}: not a number of rounds from 1 to ${MAX_ROUNDS}`);
  const sizes: readonly Bits[] = raw.bits === undefined ? [32, 64] : [Number(parseWord("--bits", raw.bits, ["32", "64"])) as Bits];
  const runnable = sizes.filter((bits) => versus.length === 0 || versus.some((rival) => canRun(rival, bits)));
  if (runnable.length === 0)
    throw usageError(`--vs ${raw.vs} --bits ${raw.bits}: v86 has no 64-bit mode, and stock 32-bit kernels are no Xen guests`);
  const linux = GUEST_NAMES.map(({ name }) => name).filter((name) => name.startsWith("debian"));
  const plan = raw.quick ? QUICK : PLAN;
  return {
    suites,
    versus,
    own: { cpu: raw.cpu, engine: raw.engine },
    compare: raw.compare,
    loopRounds: rounds ?? (raw.quick ? 2 : LOOP_ROUNDS),
    bootRounds: rounds ?? (raw.quick ? 1 : BOOT_ROUNDS),
    guests: raw.guest?.map((name) => parseWord("--guest", name, linux)) ?? BENCH_GUESTS,
    programs: raw.only === undefined ? PROGRAMS : understandOnly(raw.only),
    sizes: runnable,
    plan: { ...plan, rounds: rounds ?? plan.rounds },
    memoryBytes: parseMemory(raw.memory ?? MEMORY),
    profile: raw.profile,
    plot: raw.plot,
  };
}

function understandOnly(only: string): readonly Program[] {
  const wanted = new Set(
    only.split(",").flatMap((word) => {
      const found = selected(word);
      if (found === undefined)
        throw usageError(
          `--only ${word}: neither a program nor a column; columns: ${COLUMNS.map((column) => column.toLowerCase().replaceAll(" ", "-")).join(", ")}; ` +
            `programs: ${PROGRAMS.map(({ name }) => name).join(", ")}`,
        );
      return found;
    }),
  );
  return PROGRAMS.filter((program) => wanted.has(program));
}

/** For the help text. */
export const RIVAL_WORDS = `${RIVALS.join(", ")}, or the cli.js of another build; with commas between`;
