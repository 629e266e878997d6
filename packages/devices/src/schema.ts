/** The one check every `load` starts with: a snapshot names its schema, and a reader takes only the one it was written for. STYLE §7, state trio. */
import { HvError } from "@paravane/paravirt-ops";

/**
 * Makes sure that a saved state is of the schema its reader knows.
 *
 * @throws HvError "snapshot/unknown-schema" naming both
 */
export function requireSchema(state: { readonly schema: string }, schema: string): void {
  if (state.schema !== schema) {
    throw new HvError(
      "snapshot/unknown-schema",
      `cannot load device state of schema "${String(state.schema)}": this version reads "${schema}"`,
      {
        hint: "load the snapshot with the version of @paravane/devices that saved it",
      },
    );
  }
}
