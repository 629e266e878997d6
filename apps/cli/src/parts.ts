// Which packages a machine of the command line is made of. The one place that names them all.
import { native } from "@paravane/backend-native";
import { cpuCoreWith } from "@paravane/cpu-core";
import { pcBoard } from "@paravane/devices/board";
import type { Engine } from "./args/settings.js";
import type { BackendDefinition, BoardDefinition, CoreDefinition } from "@paravane/paravirt-ops";

/** Definitions, never instances. */
export interface Parts {
  readonly core: CoreDefinition;
  readonly board: BoardDefinition;
  readonly backends: readonly BackendDefinition[];
}

/** What is installed, with the execution tier that `--engine` names. */
export const installedParts = (engine: Engine): Parts => ({
  core: cpuCoreWith({ engine: engine === "interp" ? "interp" : "jit" }),
  board: pcBoard,
  backends: [native],
});
