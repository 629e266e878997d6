/** A conformance case: a sentence, and a function that throws when it does not hold. Plain records, so that any test runner can loop over them. */

/** One case. */
export interface ConformanceCase {
  readonly name: string;
  run(): void | Promise<void>;
}

/** Fails a case. */
export function check(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(message);
}

/** Fails unless two plain values are the same. */
export function same(actual: unknown, expected: unknown, what: string): void {
  const show = (value: unknown): string =>
    JSON.stringify(value, (_key, part: unknown) =>
      typeof part === "bigint" ? `${part}n` : part instanceof Uint8Array ? [...part] : part,
    ) ?? "undefined";
  if (show(actual) !== show(expected)) throw new Error(`${what}: got ${show(actual)}, expected ${show(expected)}`);
}
