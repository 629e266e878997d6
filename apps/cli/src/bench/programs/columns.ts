// From sections to what is said: CPU time a unit, multiples of native, ratios of ours to others round by round, geometric means by column.
import { type Metric, metric, ratios } from "../statistics.js";
import { COLUMNS, type Column } from "./catalogue.js";
import { type Measured, NATIVE } from "./rounds.js";
import type { Section } from "./server.js";

/** Whose CPU time. */
export const CLOCKS = ["thread", "process"] as const;

const CLOCK_NAMES = { thread: "vCPU thread", process: "process" } as const;

/** The geometric mean; NaN of nothing. */
export const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

const secondsOf = (sections: readonly Section[], clock: (typeof CLOCKS)[number]): number[] => sections.map((section) => section[clock]);

/** Every quantity of one word size, for JSON and --compare. `names` are the machines in order, ours first. */
export function programMetrics(suite: string, names: readonly string[], measured: readonly Measured[]): Metric[] {
  const metrics: Metric[] = [];
  const clocksOf = (name: string): readonly (typeof CLOCKS)[number][] => (name === NATIVE ? ["process"] : CLOCKS);
  for (const { program, count, sections } of measured) {
    for (const [name, list] of sections) {
      for (const clock of clocksOf(name)) {
        const micros = secondsOf(list, clock).map((seconds) => (seconds / count) * 1e6);
        metrics.push(metric(suite, `${program.name}, ${name}, ${CLOCK_NAMES[clock]}`, "µs a unit", "lower", micros));
      }
    }
  }
  const [ours = "", ...others] = names;
  const groups: readonly (readonly [string, readonly Measured[]])[] = [
    ...measured.map((one) => [one.program.name, [one]] as const),
    ...presentColumns(measured).map((column) => [column, measured.filter(({ program }) => program.column === column)] as const),
  ];
  for (const [title, members] of groups) {
    for (const other of others) {
      for (const clock of CLOCKS) {
        metrics.push(
          metric(
            suite,
            `${title}, ${ours} : ${other}, ${CLOCK_NAMES[clock]}`,
            "times",
            "lower",
            ratioOf(members, ours, other, clock, clock),
          ),
        );
      }
      metrics.push(
        metric(
          suite,
          `${title}, ${ours}'s thread : ${other}'s process`,
          "times",
          "lower",
          ratioOf(members, ours, other, "thread", "process"),
        ),
      );
    }
    for (const name of names) {
      for (const clock of CLOCKS) {
        if (members.every(({ sections }) => sections.has(NATIVE)))
          metrics.push(
            metric(
              suite,
              `${title}, ${name}, ${CLOCK_NAMES[clock]}`,
              "× native",
              "lower",
              ratioOf(members, name, NATIVE, clock, "process"),
            ),
          );
      }
    }
  }
  return metrics;
}

/** Columns that have at least one program. */
export const presentColumns = (measured: readonly Measured[]): Column[] =>
  COLUMNS.filter((column) => measured.some(({ program }) => program.column === column));

/** Round by round, the geometric mean over the programs of the ratio between two machines. */
function ratioOf(
  members: readonly Measured[],
  one: string,
  other: string,
  oneClock: (typeof CLOCKS)[number],
  otherClock: (typeof CLOCKS)[number],
): number[] {
  const each = members.map(({ sections }) => ratios(secondsOf(sections.get(one)!, oneClock), secondsOf(sections.get(other)!, otherClock)));
  return each[0]!.map((_, round) => geometricMean(each.map((values) => values[round]!)));
}
