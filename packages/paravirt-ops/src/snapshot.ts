/**
 * Versioned state. Each part saves a plain record that names its schema, `part@version`; loading an unknown schema is an error that says so.
 * Restoring must not replay edges that the guest has already seen.
 */
import { HvError } from "./errors.js";

/** Plain data: what structuredClone takes, without functions and without cycles. */
export type SnapshotValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly SnapshotValue[]
  | { readonly [key: string]: SnapshotValue };

/** One part's state. `schema` is "uart-16550@1". */
export interface SnapshotRecord {
  /** `part@version`. */
  readonly schema: string;
  /** State, as the part likes. */
  readonly [key: string]: SnapshotValue;
}

/** A part whose state can be saved and put back. */
export interface Snapshottable<State extends SnapshotRecord = SnapshotRecord> {
  /** The whole state, as a copy. */
  save(): State;
  /** Puts a saved state back. @throws HvError "snapshot/unknown-schema" for a schema that it does not know */
  load(state: State): void;
}

/** Checks that a record is one that its reader knows. @throws HvError "snapshot/unknown-schema" */
export function expectSchema<State extends SnapshotRecord>(record: SnapshotRecord, schema: State["schema"]): State {
  if (record.schema !== schema) {
    throw new HvError("snapshot/unknown-schema", `the saved state is "${record.schema}", and this version reads "${schema}"`, {
      hint: "load it with the version that saved it",
    });
  }
  return record as State;
}
