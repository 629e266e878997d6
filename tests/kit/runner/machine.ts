// The guest kit on a machine of ours, in this process: on which platform, with which answers, and what it asked for meanwhile.
import { native } from "../../../packages/backend-native/src/index.js";
import { type VmiConfig, vmi } from "../../../packages/backend-vmi/src/index.js";
import { xen } from "../../../packages/backend-xen/src/index.js";
import { cpuCore } from "../../../packages/cpu-core/src/index.js";
import { pcBoard } from "../../../packages/devices/src/board/index.js";
import type { BackendDefinition } from "../../../packages/paravirt-ops/src/index.js";
import { createMachine } from "../../../packages/vmm/src/index.js";

/** Where the kit runs. */
export type Platform = "native" | "vmi" | "xen";

/** One run of it. */
export interface KitRun {
  readonly platform: Platform;
  readonly vcpus?: number;
  readonly commandLine?: string;
  readonly vmi?: Partial<VmiConfig>;
  /** Seconds. */
  readonly limit?: number;
  /** Calls are counted by name. */
  readonly count?: boolean;
}

/** What came of it. */
export interface KitOutcome {
  readonly console: string;
  /** "poweroff" when all went well, on bare metal "exit 0". */
  readonly end: string;
  /** Calls and hypercalls by name; empty unless they were counted. */
  readonly calls: ReadonlyMap<string, number>;
}

/** A layer that starts no guest itself. */
const beneath: BackendDefinition = { ...native, boot: { ...native.boot, accepts: () => "no" } };

function backendsOf({ platform, vmi: config = {} }: KitRun): BackendDefinition[] {
  if (platform === "native") return [native];
  return [beneath, platform === "vmi" ? (vmi.with(config) as BackendDefinition) : (xen.with({ mode: "pv" }) as BackendDefinition)];
}

/** Boots the kit and waits for its end. */
export async function runKit(kernel: Uint8Array, run: KitRun): Promise<KitOutcome> {
  const { vcpus = 1, commandLine = "", limit = 20, count = false } = run;
  const calls = new Map<string, number>();
  const hypercall = (_at: number, _vcpu: number, name: string) => void calls.set(name, (calls.get(name) ?? 0) + 1);
  const machine = await createMachine({
    core: cpuCore,
    board: pcBoard,
    backends: backendsOf(run),
    guest: { kernel, commandLine },
    memory: "32M",
    vcpus,
    exitPort: 0xf4,
    signal: AbortSignal.timeout(limit * 1000),
    ...(count ? { taps: { hypercall } } : {}),
  });
  const text = machine.serial!.readable.pipeThrough(new TextDecoderStream("latin1") as ReadableWritablePair<string, Uint8Array>);
  let console = "";
  const reading = (async () => {
    for await (const piece of text) console += piece;
  })();
  try {
    const result = await machine.run();
    await machine.close();
    await reading;
    const end =
      result.kind === "exit" ? `exit ${result.status}` : result.kind === "poweroff" ? result.kind : `${result.kind}: ${result.detail}`;
    return { console, end, calls };
  } catch (error) {
    await machine.close();
    await reading;
    return { console, end: `${error}`, calls };
  }
}

/** What is wrong with a run, one line each: verdicts that failed, a missing sum, an end that was not meant. */
export function complaints({ console, end }: KitOutcome): string[] {
  const lines = console.split("\n").map((line) => line.trim());
  const found = lines.filter((line) => line.startsWith("not ok"));
  if (!lines.some((line) => /^[1-9]\d* passed, 0 failed$/.test(line)) && found.length === 0)
    found.push(`no sum; the last line is: ${lines.filter((line) => line !== "").at(-1)}`);
  if (end !== "poweroff" && end !== "exit 1" && end !== "reset") found.push(end);
  return found;
}
