/**
 * A lock: everything that a package shows to guests, one line an entry, sorted, so that a diff reads like the change. It is compared with
 * what the sources say now, and with the released one under `api/released/`.
 */
import type { AbiEntry } from "../../packages/paravirt-ops/src/index.js";
import type { GuestPromise } from "./parts.js";
import type { Change } from "./weights.js";

/** A lock as it is kept: kind, then name, to `value` or `value (size)`. */
export interface Lock {
  readonly part: string;
  readonly abi: string;
  readonly entries: Readonly<Record<string, Readonly<Record<string, string | number>>>>;
}

const told = ({ value, size }: AbiEntry): string | number => (size === undefined ? value : `${value} (${size} bytes)`);

/** The lock of a promise. @throws Error when two entries of a kind have one name */
export function lockOf({ part, abi, entries }: GuestPromise): Lock {
  const kinds: Record<string, Record<string, string | number>> = {};
  for (const entry of [...entries].sort((a, b) => (a.kind === b.kind ? compare(a.name, b.name) : compare(a.kind, b.kind)))) {
    kinds[entry.kind] ??= {};
    const names = kinds[entry.kind]!;
    if (entry.name in names) throw new Error(`${part}: "${entry.kind} ${entry.name}" stands twice`);
    names[entry.name] = told(entry);
  }
  return { part, abi, entries: kinds };
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** As it is committed. */
export const textOf = (lock: Lock): string => `${JSON.stringify(lock, undefined, 2)}\n`;

const flat = ({ entries }: Lock): Map<string, string | number> =>
  new Map(
    Object.entries(entries).flatMap(([kind, names]) => Object.entries(names).map(([name, value]) => [`${kind} ${name}`, value] as const)),
  );

/** What differs, and how much: what is new is minor, what is gone or different is "never" when it has been released. */
export function lockChanges(before: Lock, after: Lock): Change[] {
  const [old, now] = [flat(before), flat(after)];
  const changes: Change[] = [];
  if (before.abi !== after.abi) changes.push({ weight: "minor", what: `version ${before.abi} is ${after.abi}` });
  for (const [name, value] of old) {
    const present = now.get(name);
    if (present === undefined) changes.push({ weight: "never", what: `${name} = ${value} is gone` });
    else if (present !== value) changes.push({ weight: "never", what: `${name} was ${value} and is ${present}` });
  }
  for (const [name, value] of now) if (!old.has(name)) changes.push({ weight: "minor", what: `${name} = ${value} is new` });
  return changes;
}
