// Which packages a machine of the command line is made of. The one place that names them all.
import { native } from "@paravane/backend-native";
import { cpuCore } from "@paravane/cpu-core";
import { pcBoard } from "@paravane/devices/board";
import type { BackendDefinition, BoardDefinition, CoreDefinition } from "@paravane/paravirt-ops";

/** Definitions, never instances. */
export interface Parts {
  readonly core: CoreDefinition;
  readonly board: BoardDefinition;
  readonly backends: readonly BackendDefinition[];
}

/** What is installed. */
export const installedParts: Parts = { core: cpuCore, board: pcBoard, backends: [native] };
