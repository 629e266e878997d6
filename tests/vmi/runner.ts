// Builds a guest program of this folder and runs it in process, natively under nothing but VMI.
import { join } from "node:path";
import { vmi, type VmiConfig } from "../../packages/backend-vmi/src/index.js";
import { native } from "../../packages/backend-native/src/index.js";
import { pcBoard } from "../../packages/devices/src/board/index.js";
import type { BackendDefinition } from "../../packages/paravirt-ops/src/index.js";
import { cpuCoreWith } from "../../packages/cpu-core/src/index.js";
import { createMachine } from "../../packages/vmm/src/index.js";
import { buildImage } from "../system/runner/build.js";
import type { Mode } from "../system/runner/catalogue.js";

/** How a guest is built and run. */
export interface RunOptions {
  readonly mode: Mode;
  readonly config: Partial<VmiConfig>;
  readonly defines: Readonly<Record<string, string>>;
  readonly vcpus?: number;
  readonly clock?: "host" | "icount";
  readonly limitMs: number;
  /** Sees the console as it grows. */
  readonly onConsole?: (all: string) => void;
}

/** What became of it. */
export interface Run {
  readonly console: string;
  /** "exit 1", or kind and detail. */
  readonly end: string;
}

/** Builds `program` and runs it to its end. */
export async function run(program: string, options: RunOptions): Promise<Run> {
  const { mode, config, defines, vcpus = 1, clock = "host", limitMs, onConsole } = options;
  const folder = join(import.meta.dirname, program);
  const { bytes } = await buildImage({ title: program, folder, mode, suite: "quick", settings: { defines } });
  const layer: BackendDefinition = { ...native, boot: { ...native.boot, accepts: () => "no" } };
  const machine = await createMachine({
    core: cpuCoreWith({ engine: "jit" }),
    board: pcBoard,
    backends: [layer, vmi.with(config) as BackendDefinition],
    guest: { kernel: bytes },
    memory: "32M",
    vcpus,
    clock,
    exitPort: 0xf4,
    signal: AbortSignal.timeout(limitMs),
  });
  let console = "";
  const reading = (async () => {
    const text = machine.serial!.readable.pipeThrough(new TextDecoderStream("latin1") as ReadableWritablePair<string, Uint8Array>);
    for await (const piece of text) {
      console += piece;
      onConsole?.(console);
    }
  })();
  const result = await machine.run();
  await machine.close();
  await reading;
  return { console, end: result.kind === "exit" ? `exit ${result.status}` : `${result.kind}: ${"detail" in result ? result.detail : ""}` };
}
