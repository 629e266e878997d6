// What is said about repeated measurements: medians, the range around them, and ratios of rounds that ran next to each other.

/** A quantity measured in several rounds. */
export interface Metric {
  readonly suite: string;
  readonly name: string;
  readonly unit: string;
  /** Which direction is an improvement. */
  readonly better: "higher" | "lower";
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** One value a round, in order. */
  readonly samples: readonly number[];
}

/** The middle value; the mean of the two middle ones when their number is even. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Summary of the rounds of one quantity. */
export function metric(suite: string, name: string, unit: string, better: Metric["better"], samples: readonly number[]): Metric {
  return { suite, name, unit, better, median: median(samples), low: Math.min(...samples), high: Math.max(...samples), samples };
}

/** Round by round `ours / theirs`: rounds are neighbours in time, so what disturbed one probably disturbed the other. */
export function ratios(ours: readonly number[], theirs: readonly number[]): number[] {
  return ours.slice(0, theirs.length).map((value, round) => value / theirs[round]!);
}

/** Width of the range in per cent of the median. */
export const spreadPercent = ({ low, high, median: middle }: Metric): number => ((high - low) / middle) * 100;

/** How a metric moved against an earlier run: positive per cent is an improvement. Undefined when the earlier run does not have it. */
export function improvementPercent(now: Metric, before: readonly Metric[]): number | undefined {
  const was = before.find(({ suite, name, unit }) => suite === now.suite && name === now.name && unit === now.unit);
  if (was === undefined) return undefined;
  const ratio = now.better === "higher" ? now.median / was.median : was.median / now.median;
  return (ratio - 1) * 100;
}
