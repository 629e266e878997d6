// The matrix for a terminal, and as a Markdown page.
import { asked, type Cell, type Matrix } from "./matrix.js";
import { KIND_MEANINGS, KIND_WORDS, KINDS } from "./columns.js";

/** Lines with columns under one another; the first line is the head. */
export function table(lines: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const line of lines) for (const [index, text] of line.entries()) widths[index] = Math.max(widths[index] ?? 0, text.length);
  return lines
    .map((line) =>
      line
        .map((text, index) => text.padEnd(widths[index]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const words = (cell: Cell): string => `${KIND_WORDS[cell.kind]}${cell.alsoEmulated ? "+" : ""} ${asked(cell)}`.trimEnd();

const SHARED = "A call that serves several operations counts for each of them.";

/** For people at a terminal. */
export function formatMatrix({ columns, rows }: Matrix): string {
  const ran = columns.some(({ run }) => run !== undefined);
  const summary = (title: string, value: (column: (typeof columns)[number]) => string | number): string[] => [
    title,
    ...columns.map((column) => String(value(column))),
  ];
  return [
    table([
      ["", ...columns.map(({ title }) => title)],
      ...rows.map(({ operation, cells }) => [operation, ...cells.map(words)]),
      [""],
      ...KINDS.map((kind) => summary(kind === "none" ? "not applicable" : KIND_WORDS[kind], ({ totals }) => totals[kind])),
      summary("hooks", ({ hooks }) => hooks),
      ...(ran
        ? [summary("call sites", ({ run }) => run?.callSites ?? "not run"), summary("ended", ({ run }) => run?.end ?? "not run")]
        : []),
    ]),
    "",
    ...KINDS.map((kind) => `${KIND_WORDS[kind].padEnd(12)} ${KIND_MEANINGS[kind]}`),
    `${"+".padEnd(12)} the bare machine's instruction is answered as well`,
    `${"hooks".padEnd(12)} operations for which the backend has an answer of its own: paravirtual, emulated or in memory`,
    ...(ran ? [`${"call sites".padEnd(12)} distinct places in the guest that asked; numbers in cells are how often. ${SHARED}`] : []),
  ].join("\n");
}

const detail = (cell: Cell): string => {
  const also = cell.alsoEmulated ? "; also emulated" : "";
  if (cell.kind === "memory") return `${KIND_WORDS.memory}: ${cell.note}${also}`;
  if (cell.calls.length > 0) return `paravirtual: ${cell.calls.map((call) => `\`${call}\``).join(", ")}${also}`;
  return cell.note === "" ? KIND_WORDS[cell.kind] : `${KIND_WORDS[cell.kind] === "-" ? "–" : KIND_WORDS[cell.kind]}: ${cell.note}`;
};

/** `docs/abi.md`. */
export function formatMarkdown({ columns, rows }: Matrix): string {
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(" | ")} |`;
  return `${[
    "# Operations and hypervisors",
    "",
    "Every operation of the contract, and how a guest of each hypervisor gets what it promises. The page is printed by `paravane abi matrix --markdown`, a test keeps it true, and another runs guests",
    "and compares what they did with what is said here.",
    "",
    line(["", ...columns.map(({ title }) => title)]),
    line(["---", ...columns.map(() => "---")]),
    ...KINDS.map((kind) => line([kind === "none" ? "not applicable" : KIND_WORDS[kind], ...columns.map(({ totals }) => totals[kind])])),
    line(["**hooks**", ...columns.map(({ hooks }) => `**${hooks}**`)]),
    "",
    ...KINDS.map(
      (kind) =>
        `- **${kind === "none" ? "not applicable (–)" : KIND_WORDS[kind]}**: ${KIND_MEANINGS[kind].replace("not applicable: ", "")}.`,
    ),
    "- **hooks** are operations for which a hypervisor has an answer of its own: paravirtual, emulated or in memory. Call sites, the places in a guest that ask, depend on the guest:",
    "  `paravane abi matrix --run GUEST` counts them.",
    "",
    line(["operation", ...columns.map(({ title }) => title)]),
    line(["---", ...columns.map(() => "---")]),
    ...rows.map(({ operation, cells }) => line([`\`${operation}\``, ...cells.map(detail)])),
  ].join("\n")}\n`;
}
