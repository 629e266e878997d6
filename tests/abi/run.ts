// A guest under one column of the matrix, in this process, with everything counted that it asks for.
import { type Column, columns } from "../../apps/cli/src/abi/columns.js";
import { GuestCounts, type RunCounts } from "../../apps/cli/src/abi/counts.js";
import { installedBackends, layerOnly } from "../../apps/cli/src/backends.js";
import { installedParts } from "../../apps/cli/src/parts.js";
import type { Core } from "../../packages/paravirt-ops/src/index.js";
import { createMachine } from "../../packages/vmm/src/index.js";

/** What came of it. */
export interface CountedRun {
  readonly column: Column;
  readonly console: string;
  readonly end: string;
  readonly counts: RunCounts;
}

/** How the machine is made. */
export interface CountedOptions {
  readonly vcpus?: number;
  readonly memory?: string;
  readonly exitPort?: number;
  readonly commandLine?: string;
  /** Typed when the console first shows `at`. */
  readonly type?: { readonly at: string; readonly text: string };
}

/** Runs a kernel to its end under the column of that title. */
export async function runCounted(title: string, kernel: Uint8Array, options: CountedOptions = {}): Promise<CountedRun> {
  const parts = installedParts("auto");
  const installed = await installedBackends(parts);
  const [column] = (await columns(installed, [title])) as [Column];
  let core: Core | undefined;
  const counts = new GuestCounts(column, () => core);
  const { vcpus = 1, memory = "32M", exitPort, commandLine, type } = options;
  const machine = await createMachine({
    ...parts,
    core: {
      ...parts.core,
      create: async (environment) => {
        core = await parts.core.create(environment);
        return core;
      },
    },
    backends: [...installed.filter(({ name }) => column.backend.needs.includes(name)).map(layerOnly), column.backend],
    guest: { kernel, ...(commandLine === undefined ? {} : { commandLine }) },
    memory,
    vcpus,
    ...(exitPort === undefined ? {} : { exitPort }),
    taps: counts.taps,
    signal: AbortSignal.timeout(60_000),
  });
  let console = "";
  const reading = (async () => {
    const text = machine.serial!.readable.pipeThrough(new TextDecoderStream("latin1") as ReadableWritablePair<string, Uint8Array>);
    const writer = machine.serial!.writable.getWriter();
    let typed = false;
    for await (const piece of text) {
      console += piece;
      if (typed || type === undefined || !console.includes(type.at)) continue;
      typed = true;
      await writer.write(new TextEncoder().encode(type.text));
    }
  })();
  try {
    const result = await machine.run();
    await machine.close();
    await reading;
    return { column, console, end: result.kind === "exit" ? `exit ${result.status}` : result.kind, counts: counts.report() };
  } finally {
    await machine.close();
  }
}

/** How often operations of a kind were asked for by calls, by instructions, and how often their functions ran. */
export function sums({ column, counts }: CountedRun, kind: string): { calls: number; instructions: number; functions: number } {
  const sum = { calls: 0, instructions: 0, functions: 0 };
  for (const { operation, answer } of column.rows) {
    const count = counts.operations.get(operation);
    if (answer.kind !== kind || count === undefined) continue;
    sum.calls += count.calls;
    sum.instructions += count.instructions;
    sum.functions += count.functions;
  }
  return sum;
}
