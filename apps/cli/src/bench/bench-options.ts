// What `paravane bench` was asked for, checked.
import { parseMemory, parseWord } from "../args/values.js";
import { usageError } from "../errors.js";
import { GUEST_NAMES } from "../img/guests.js";

/** The suites by name. */
export const SUITES = ["loops", "boot"] as const;
/** Emulators to be compared with. */
export const RIVALS = ["v86"] as const;
/** Guests of the boot suite where none are named. */
export const BENCH_GUESTS = ["debian-686", "debian"] as const;

/** As written. */
export interface RawBenchOptions {
  vs?: string;
  compare?: string;
  rounds?: string;
  guest?: string[];
  memory?: string;
}

/** Understood. */
export interface BenchOptions {
  readonly suites: readonly (typeof SUITES)[number][];
  readonly versus: readonly (typeof RIVALS)[number][];
  readonly compare: string | undefined;
  readonly loopRounds: number;
  readonly bootRounds: number;
  readonly guests: readonly string[];
  readonly memoryBytes: number;
}

const LOOP_ROUNDS = 10;
const BOOT_ROUNDS = 3;
const MAX_ROUNDS = 1000;
const MEMORY = "256M";

/** Checks the words; the first mistake is a usage error. Without a suite all of them run; `--vs` alone means the boot suite. */
export function understandBench(suite: string | undefined, raw: RawBenchOptions): BenchOptions {
  const versus = raw.vs === undefined ? [] : raw.vs.split(",").map((word) => parseWord("--vs", word, RIVALS));
  const suites = suite === undefined ? (versus.length > 0 ? (["boot"] as const) : SUITES) : [parseWord("bench", suite, SUITES)];
  if (versus.length > 0 && !suites.includes("boot")) throw usageError(`--vs ${raw.vs}: other emulators are compared in the suite boot`);
  const rounds = raw.rounds === undefined ? undefined : Number(raw.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1 && rounds <= MAX_ROUNDS))
    throw usageError(`--rounds ${raw.rounds}: not a number of rounds from 1 to ${MAX_ROUNDS}`);
  const linux = GUEST_NAMES.map(({ name }) => name).filter((name) => name.startsWith("debian"));
  const guests = raw.guest?.map((name) => parseWord("--guest", name, linux)) ?? (versus.length > 0 ? ["debian-686"] : BENCH_GUESTS);
  return {
    suites,
    versus,
    compare: raw.compare,
    loopRounds: rounds ?? LOOP_ROUNDS,
    bootRounds: rounds ?? BOOT_ROUNDS,
    guests,
    memoryBytes: parseMemory(raw.memory ?? MEMORY),
  };
}
