// The suite's findings as tables in Markdown: the summary by columns, ratios, and each program.
import { MEMORY_FIGURES } from "../memory-figures.js";
import type { Metric } from "../statistics.js";
import { presentColumns } from "./columns.js";
import { type Measured, NATIVE } from "./rounds.js";

const digits = (value: number): string => value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);

/** A table in Markdown with its columns lined up; the first is text, the others are numbers. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join(" | ")} |`;
  const rule = `| ${widths.map((width, column) => (column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)).join(" | ")} |`;
  return [line(head), rule, ...rows.map(line)];
}

/** What is spent beside the work, where it was measured. */
function upkeepTable(suite: string, names: readonly string[], metrics: readonly Metric[]): string[] {
  const value = (name: string): string => {
    const found = metrics.find((entry) => entry.suite === suite && entry.name === name);
    return found === undefined ? "" : digits(found.median);
  };
  const rows = names.map((name) => [
    name,
    ...["thread", "process"].map((clock) => value(`idle, ${name}, ${clock === "thread" ? "vCPU thread" : clock}`)),
    ...["peak resident memory", ...MEMORY_FIGURES.map(([figure]) => figure)].map((what) => value(`${what}, ${name}`)),
  ]);
  if (rows.every(([, ...cells]) => cells.every((cell) => cell === ""))) return [];
  const head = [
    "idle: % of a CPU, thread",
    "process",
    "memory: peak MiB",
    "guest touched",
    "difference",
    "guest pages not all zeros",
    "difference",
  ];
  return ["Beside the work", "", ...markdownTable([suite, ...head], rows), ""];
}

/** All tables of one word size. */
export function programTables(
  suite: string,
  names: readonly string[],
  measured: readonly Measured[],
  metrics: readonly Metric[],
): string[] {
  const find = (name: string, unit: string): Metric | undefined =>
    metrics.find((entry) => entry.suite === suite && entry.name === name && entry.unit === unit);
  const median = (name: string, unit: string): string => {
    const found = find(name, unit);
    return found === undefined ? "" : digits(found.median);
  };
  const ranged = (name: string): string => {
    const found = find(name, "times");
    return found === undefined ? "" : `${digits(found.median)} (${digits(found.low)} to ${digits(found.high)})`;
  };
  const columns = presentColumns(measured);
  const [ours = "", ...others] = names;
  const lines: string[] = [];
  if (measured.some(({ sections }) => sections.has(NATIVE))) {
    lines.push(`CPU time as multiples of native, geometric means`, "");
    const rows = names.flatMap((name) =>
      (["vCPU thread", "process"] as const).map((clock) => [
        `${name}, ${clock}`,
        ...columns.map((column) => median(`${column}, ${name}, ${clock}`, "× native")),
      ]),
    );
    lines.push(...markdownTable([suite, ...columns], rows), "");
  }
  if (others.length > 0) {
    lines.push(
      `CPU time of ${ours} against others, geometric means, median of the rounds (lowest to highest); below 1 ${ours} is faster`,
      "",
    );
    const pairs = others.flatMap((other) => [
      [`thread : ${other}'s thread`, `${ours} : ${other}, vCPU thread`],
      [`process : ${other}'s process`, `${ours} : ${other}, process`],
      [`thread : ${other}'s process`, `${ours}'s thread : ${other}'s process`],
    ]);
    lines.push(
      ...markdownTable(
        [suite, ...columns],
        pairs.map(([title, key]) => [title!, ...columns.map((column) => ranged(`${column}, ${key}`))]),
      ),
      "",
    );
  }
  lines.push(...upkeepTable(suite, names, metrics));
  lines.push("CPU time a unit in µs (thread / process), and the ratio of threads", "");
  lines.push(
    ...markdownTable(
      [suite, "units", ...(measured[0]?.sections.has(NATIVE) ? [NATIVE] : []), ...names, ...others.map((other) => `: ${other}`)],
      measured.map(({ program, count, sections, wrong }) => [
        program.name,
        String(count),
        ...(sections.has(NATIVE) ? [median(`${program.name}, ${NATIVE}, process`, "µs a unit")] : []),
        ...names.map((name) => {
          const [thread, process] = ["vCPU thread", "process"].map((clock) => median(`${program.name}, ${name}, ${clock}`, "µs a unit"));
          return `${thread} / ${process}${wrong.has(name) ? " WRONG" : ""}`;
        }),
        ...others.map((other) => ranged(`${program.name}, ${ours} : ${other}, vCPU thread`)),
      ]),
    ),
  );
  return lines;
}
