// Operations × ways of being a guest, as plain data: what `--json` prints, and what the text, the page and the document are made of.
import { type AnswerKind, listOperations } from "@paravane/paravirt-ops";
import { type Column, KINDS } from "./columns.js";
import type { RunCounts } from "./counts.js";

/** One cell. */
export interface Cell {
  readonly kind: AnswerKind;
  /** Calls of the ABI that ask for it. */
  readonly calls: readonly string[];
  /** Where in memory, or why there is nothing to ask. */
  readonly note: string;
  /** The bare machine's instruction comes to the backend as well, which answers it. */
  readonly alsoEmulated: boolean;
  /** Of a run. */
  readonly count?: { readonly calls: number; readonly instructions: number; readonly functions: number; readonly sites: number };
}

/** What came of a run in one column. */
export interface ColumnRun {
  /** How it ended, in words. */
  readonly end: string;
  readonly counts: RunCounts | undefined;
}

/** One column of the matrix. */
export interface MatrixColumn {
  readonly title: string;
  readonly backend: string;
  readonly mode: string;
  readonly abi: string;
  /** Operations for which this backend has an answer of its own: calls, emulation, memory. */
  readonly hooks: number;
  readonly totals: Readonly<Record<AnswerKind, number>>;
  /** Of a run: how it ended, and the places in the guest that asked. */
  readonly run?: { readonly end: string; readonly callSites: number; readonly ownCalls: Readonly<Record<string, number>> };
}

/** The whole matrix. */
export interface Matrix {
  readonly columns: readonly MatrixColumn[];
  readonly rows: readonly { readonly operation: string; readonly holds: string; readonly cells: readonly Cell[] }[];
}

/** Makes it; `runs` belong to the columns, one each, where there were any. */
export function makeMatrix(columns: readonly Column[], runs: readonly (ColumnRun | undefined)[] = []): Matrix {
  return {
    columns: columns.map((column, index) => {
      const of = (kind: AnswerKind): number => column.rows.filter(({ answer }) => answer.kind === kind).length;
      const run = runs[index];
      return {
        title: column.title,
        backend: column.backend.name,
        mode: column.mode,
        abi: column.backend.abi,
        hooks: of("paravirtual") + of("emulated") + of("memory"),
        totals: Object.fromEntries(KINDS.map((kind) => [kind, of(kind)])) as Record<AnswerKind, number>,
        ...(run === undefined
          ? {}
          : { run: { end: run.end, callSites: run.counts?.sites ?? 0, ownCalls: Object.fromEntries(run.counts?.ownCalls ?? []) } }),
      };
    }),
    rows: listOperations().map(({ group, name, holds }, row) => ({
      operation: `${group}.${name}`,
      holds,
      cells: columns.map((column, index) => cellOf(column, row, runs[index])),
    })),
  };
}

function cellOf({ rows, alsoEmulated }: Column, row: number, run: ColumnRun | undefined): Cell {
  const { operation, answer } = rows[row]!;
  const count = run?.counts?.operations.get(operation);
  return {
    kind: answer.kind,
    calls: answer.calls,
    note: answer.note,
    alsoEmulated: (answer.kind === "paravirtual" || answer.kind === "memory") && alsoEmulated.has(operation),
    ...(run?.counts === undefined ? {} : { count: count ?? { calls: 0, instructions: 0, functions: 0, sites: 0 } }),
  };
}

/** How often a guest asked, in words, with the instructions apart where they are not the usual way; "" where nobody counted. */
export function asked({ kind, count, alsoEmulated }: Cell): string {
  if (count === undefined) return "";
  const { calls, instructions } = count;
  if (alsoEmulated) return instructions === 0 ? `${calls}` : `${calls} and ${instructions} emulated`;
  return kind === "none" && calls + instructions === 0 ? "" : `${calls + instructions}`;
}
