// Suite "loops": small programs on a core alone. What the engine does at best, and what an address-space switch costs.
import type { CoreDefinition } from "@paravane/paravirt-ops";
import { ADDRESS_SPACES } from "./bare-core.js";
import { ContractCost } from "./contract-cost.js";
import { addressSpaces, COPY_BYTES, copy, fibonacci, hotLoop, SWITCHES } from "./loop-programs.js";
import { Running } from "./running.js";
import { type Metric, metric } from "./statistics.js";

const SUITE = "loops";
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

const switchNs = ({ roundRates }: Running): number[] => roundRates.map((rate) => 1e9 / (rate * SWITCHES));

/**
 * Measures each program once a round, so that they share whatever else the host is doing. `interpreter` is a core that translates nothing.
 */
export async function runLoops(
  definition: CoreDefinition,
  interpreter: CoreDefinition,
  rounds: number,
  progress: (line: string) => void,
): Promise<SuiteResult> {
  progress("loops: warming up");
  const running: Running[] = [];
  for (const program of [hotLoop, fibonacci, copy]) running.push(await Running.start(definition, program));
  const [loop, fib, copying] = running as [Running, Running, Running];
  const switching = await Running.start(definition, addressSpaces(...ADDRESS_SPACES, false));
  const loading = await Running.start(definition, addressSpaces(...ADDRESS_SPACES, true));
  const contract = await ContractCost.start(interpreter, hotLoop);
  const decodedBefore = switching.blocksDecoded;
  for (let round = 1; round <= rounds; round++) {
    progress(`loops: round ${round} of ${rounds}`);
    for (const program of running) program.measure((_, seconds) => seconds >= ROUND_SECONDS);
    contract.measure(ROUND_SECONDS);
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
      metric(SUITE, "hot loop, interpreted, operations bound over not bound", "x time", "lower", contract.ratios),
    ],
    notes: [`${switches.toLocaleString("en")} CR3 switches; blocks decoded: ${decodedBefore} before, ${switching.blocksDecoded} after`],
  };
  for (const { core } of [...running, switching, loading, ...contract.running]) core.close();
  return result;
}
