// Which packages a machine of the command line is made of. The one place that names them all.
import { native } from "@paravane/backend-native";
import { type CpuCoreOptions, cpuCoreWith } from "@paravane/cpu-core";
import { pcBoard } from "@paravane/devices/board";
import type { Engine } from "./args/settings.js";
import type { BackendDefinition, BoardDefinition, CoreDefinition } from "@paravane/paravirt-ops";

/** Definitions, never instances. */
export interface Parts {
  readonly core: CoreDefinition;
  readonly board: BoardDefinition;
  readonly backends: readonly BackendDefinition[];
}

/** Of each translation `--engine verify:sampled` compares the first 200 runs with the interpreter, then each 16th. */
const SAMPLED = { first: 200, every: 16 };

const ENGINES: Record<Engine, CpuCoreOptions> = {
  auto: { engine: "jit" },
  jit: { engine: "jit" },
  interp: { engine: "interp" },
  verify: { engine: "verify" },
  "verify:sampled": { engine: "verify", verify: SAMPLED },
};

/** What is installed, with the execution tier that `--engine` names. */
export const installedParts = (engine: Engine): Parts => ({
  core: cpuCoreWith(ENGINES[engine]),
  board: pcBoard,
  backends: [native],
});
