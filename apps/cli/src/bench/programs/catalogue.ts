// The programs of the suite "programs": what they are called in guests/bench, and the column of the summary that each belongs to.

/** Columns of the summary, in order. */
export const COLUMNS = ["compute", "memory", "strings", "x87", "SSE", "SIMD integer", "OS work", "new code"] as const;

/** Kinds of work that are summed up together. */
export type Column = (typeof COLUMNS)[number];

/** One program. */
export interface Program {
  readonly name: string;
  readonly column: Column;
}

const NAMES: Readonly<Record<Column, readonly string[]>> = {
  compute: ["integer", "interpreter", "calls", "indirect", "hashing", "sorting", "bignum", "gzip"],
  memory: ["stream", "chase-near", "chase-far", "scatter"],
  strings: ["copying", "filling", "scanning", "comparing"],
  x87: ["x87-nbody", "x87-matrix", "x87-mandelbrot", "x87-extended"],
  SSE: ["sse-nbody", "sse-matrix", "sse-mandelbrot", "sse-packed-single", "sse-packed-double"],
  "SIMD integer": ["sse-integer"],
  "OS work": ["system-call", "pipe", "fork", "exec", "page-fault"],
  "new code": ["new-code"],
};

/** All programs, in the order in which they are run. */
export const PROGRAMS: readonly Program[] = COLUMNS.flatMap((column) => NAMES[column].map((name) => ({ name, column })));

/** Programs that a word of `--only` selects: one by its name, or a column's. Undefined when there is no such word. */
export function selected(word: string): readonly Program[] | undefined {
  const found = PROGRAMS.filter(({ name, column }) => name === word || column.toLowerCase().replaceAll(" ", "-") === word.toLowerCase());
  return found.length > 0 ? found : undefined;
}
