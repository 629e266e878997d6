// `paravane abi matrix --run`: a guest under each backend, counted.
import type { BackendDefinition } from "@paravane/paravirt-ops";
import { isHvError } from "@paravane/paravirt-ops";
import { type RawSettings, understand } from "../args/settings.js";
import { layerOnly } from "../backends.js";
import type { Column } from "../abi/columns.js";
import { disagreements, GuestCounts } from "../abi/counts.js";
import type { ColumnRun } from "../abi/matrix.js";
import type { Step } from "../console/expect.js";
import { CliError, ExitStatus } from "../errors.js";
import type { ProcessIo } from "../host/process-io.js";
import type { Messages } from "../messages.js";
import { installedParts } from "../parts.js";
import { runSession } from "../session.js";

/** What came of the runs. */
export interface CountedRuns {
  readonly runs: readonly ColumnRun[];
  /** Where a guest did otherwise than a column says. */
  readonly disagreements: readonly string[];
  /** 0, or that of the last run that did not end as it was to. */
  readonly status: ExitStatus;
}

/** The machine's parts for guests of one column. */
function backendsFor({ backend }: Column, installed: readonly BackendDefinition[]): BackendDefinition[] {
  const beneath = installed.filter(({ name }) => backend.needs.includes(name)).map(layerOnly);
  return [...beneath, backend];
}

/** Runs the guest once for each column. A backend that cannot start it is told, and the others go on. */
export async function runColumns(
  columns: readonly Column[],
  installed: readonly BackendDefinition[],
  raw: RawSettings,
  steps: readonly Step[],
  io: ProcessIo,
  messages: Messages,
): Promise<CountedRuns> {
  const runs: ColumnRun[] = [];
  const found: string[] = [];
  let status: ExitStatus = ExitStatus.ok;
  for (const column of columns) {
    const settings = understand({ ...raw, serial: "none", backend: [column.backend.name] });
    const parts = { ...installedParts(settings.engine), backends: backendsFor(column, installed) };
    let counts: GuestCounts | undefined;
    const watch: NonNullable<Parameters<typeof runSession>[1]["watch"]> = (core) => {
      counts = new GuestCounts(column, core);
      return counts.taps;
    };
    messages.info(`${column.title}:`);
    try {
      const ended = await runSession(settings, { interactive: false, steps, watch }, parts, io, messages);
      if (ended !== ExitStatus.ok) status = ended;
      const report = counts?.report();
      if (report !== undefined) found.push(...disagreements(column, report));
      runs.push({ end: ended === ExitStatus.ok ? "as it was to" : `status ${ended}`, counts: report });
    } catch (error) {
      if (!isHvError(error) || !error.code.startsWith("image/")) throw error;
      messages.warn(`${column.title}: ${error.message}`);
      runs.push({ end: "cannot start it", counts: undefined });
    }
  }
  if (runs.every(({ counts }) => counts === undefined))
    throw new CliError(ExitStatus.image, "no backend that was asked for can start this guest");
  return { runs, disagreements: found, status };
}
