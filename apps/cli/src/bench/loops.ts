// Suite "loops": small programs on a core alone. What the engine does at best, and what an address-space switch costs.
import type { Core, CoreDefinition } from "@paravane/paravirt-ops";
import { ADDRESS_SPACES, coreFor } from "./bare-core.js";
import { cpuSeconds } from "./cpu-clock.js";
import { addressSpaces, COPY_BYTES, copy, fibonacci, hotLoop, type Program, SWITCHES } from "./loop-programs.js";
import { type Metric, metric } from "./statistics.js";

const SUITE = "loops";
const SLICE = 100_000;
/** V8 compiles the engine a second time, optimised, while it runs; a program counts from then on. */
const WARM_UP_SECONDS = 0.6;
const ROUND_SECONDS = 0.25;
/** Address-space switches over all rounds. */
const ALL_SWITCHES = 10_000_000;

/** What a suite found. */
export interface SuiteResult {
  readonly metrics: readonly Metric[];
  /** Lines of Markdown that say the same as a suite's metrics, where these are too many for a line each. */
  readonly tables?: Readonly<Record<string, readonly string[]>>;
  /** Facts that are not measurements, one sentence each. */
  readonly notes: readonly string[];
  /** A result was wrong: the numbers are for looking only. */
  readonly failed?: boolean;
}

class Running {
  readonly instructionRates: number[] = [];
  /** Rounds of the program's own loop per CPU second. */
  readonly roundRates: number[] = [];
  rounds = 0;

  private constructor(
    readonly program: Program,
    readonly core: Core,
  ) {}

  static async start(definition: CoreDefinition, program: Program): Promise<Running> {
    const running = new Running(program, await coreFor(definition, program));
    const until = cpuSeconds() + WARM_UP_SECONDS;
    while (cpuSeconds() < until) running.#slice();
    return running;
  }

  get blocksDecoded(): number {
    return this.core.stats()["blocksDecoded"]!;
  }

  /** Runs until `done` says so, asked with the program's rounds and the CPU seconds of this measurement. */
  measure(done: (rounds: number, seconds: number) => boolean): void {
    const vcpu = this.core.vcpus[0]!;
    const firstRound = vcpu.registers.get("r8");
    const firstInstruction = vcpu.retired;
    const started = cpuSeconds();
    let seconds: number;
    let rounds: number;
    do {
      for (let slice = 0; slice < 20; slice++) this.#slice();
      seconds = cpuSeconds() - started;
      rounds = Number(vcpu.registers.get("r8") - firstRound);
    } while (!done(rounds, seconds));
    this.instructionRates.push((vcpu.retired - firstInstruction) / seconds / 1e6);
    this.roundRates.push(rounds / seconds);
    this.rounds += rounds;
  }

  #slice(): void {
    const reason = this.core.vcpus[0]!.run(SLICE);
    if (reason !== "budget") throw new Error(`the program "${this.program.name}" ended with ${reason}`);
  }
}

const switchNs = ({ roundRates }: Running): number[] => roundRates.map((rate) => 1e9 / (rate * SWITCHES));

/** Measures each program once a round, so that they share whatever else the host is doing. */
export async function runLoops(definition: CoreDefinition, rounds: number, progress: (line: string) => void): Promise<SuiteResult> {
  progress("loops: warming up");
  const running: Running[] = [];
  for (const program of [hotLoop, fibonacci, copy]) running.push(await Running.start(definition, program));
  const [loop, fib, copying] = running as [Running, Running, Running];
  const switching = await Running.start(definition, addressSpaces(...ADDRESS_SPACES, false));
  const loading = await Running.start(definition, addressSpaces(...ADDRESS_SPACES, true));
  const decodedBefore = switching.blocksDecoded;
  for (let round = 1; round <= rounds; round++) {
    progress(`loops: round ${round} of ${rounds}`);
    for (const program of running) program.measure((_, seconds) => seconds >= ROUND_SECONDS);
    for (const program of [switching, loading]) program.measure((done) => done * SWITCHES >= ALL_SWITCHES / rounds);
  }
  const switches = switching.rounds * SWITCHES;
  const result: SuiteResult = {
    metrics: [
      metric(SUITE, "hot loop, one load and one store", "M instructions/s", "higher", loop.instructionRates),
      metric(SUITE, "recursive fib", "M instructions/s", "higher", fib.instructionRates),
      metric(
        SUITE,
        "copy by rep movs",
        "GB/s",
        "higher",
        copying.roundRates.map((rate) => (rate * COPY_BYTES) / 1e9),
      ),
      metric(SUITE, "CR3 switch", "ns", "lower", switchNs(switching)),
      metric(SUITE, "CR3 switch, then a load", "ns", "lower", switchNs(loading)),
    ],
    notes: [`${switches.toLocaleString("en")} CR3 switches; blocks decoded: ${decodedBefore} before, ${switching.blocksDecoded} after`],
  };
  for (const { core } of [...running, switching, loading]) core.close();
  return result;
}
