// A PV kernel on a machine of ours, in this process.
import { openFileStore } from "../../../apps/cli/src/host/file-store.js";
import { installedParts } from "../../../apps/cli/src/parts.js";
import { domains } from "../../../packages/backend-xen/src/backend.js";
import type { Domain } from "../../../packages/backend-xen/src/domain/domain.js";
import { xen } from "../../../packages/backend-xen/src/index.js";
import type { BackendDefinition, BackendEnvironment } from "../../../packages/paravirt-ops/src/index.js";
import { createMachine } from "../../../packages/vmm/src/index.js";

/** What came of a run. */
export interface Outcome {
  /** All that hvc0 said. */
  readonly console: string;
  /** How it ended, in words: "poweroff" when the guest meant to. */
  readonly end: string;
}

/** How a domain is watched while it runs. */
export interface Watch {
  readonly limitSeconds?: number;
  /** "32M" unless said otherwise. */
  readonly memory?: string;
  /** 1 unless said otherwise. */
  readonly vcpus?: number;
  /** File with the contents of a disk that it only reads. */
  readonly disk?: string;
  /** Time by the guest's instructions, so that two runs are alike. */
  readonly clock?: "host" | "icount";
  /** Sees the domain after each so many calls of its guest. */
  readonly look?: { readonly every: number; readonly at: (domain: Domain, calls: number) => void };
}

/** Xen, and a way to the environment that it was put to work in. */
function watchedXen(): { readonly backend: BackendDefinition; readonly domain: () => Domain | undefined } {
  const definition = xen as BackendDefinition;
  let environment: BackendEnvironment | undefined;
  const install: BackendDefinition["install"] = (...args) => {
    environment = args[1];
    return definition.install(...args);
  };
  return { backend: { ...definition, install }, domain: () => environment && domains.get(environment) };
}

/** Boots the kernel as a domain, PV or PVH as its notes say, and waits for its end. */
export async function runDomain(
  kernel: Uint8Array,
  { limitSeconds = 60, memory = "32M", vcpus = 1, disk, clock = "host", look }: Watch = {},
): Promise<Outcome> {
  const signal = AbortSignal.timeout(limitSeconds * 1000);
  const parts = installedParts("auto");
  const { backend, domain } = watchedXen();
  let calls = 0;
  const taps = look && { hypercall: () => void (++calls % look.every === 0 && look.at(domain()!, calls)) };
  const machine = await createMachine({
    ...parts,
    backends: [...parts.backends, backend],
    preference: ["xen"],
    guest: { kernel },
    memory,
    vcpus,
    drives: disk === undefined ? [] : [{ store: await openFileStore(disk, true), readOnly: true }],
    clock,
    signal,
    ...(taps && { taps }),
  });
  const text = machine.serial!.readable.pipeThrough(new TextDecoderStream("latin1") as ReadableWritablePair<string, Uint8Array>);
  let console = "";
  const reading = (async () => {
    for await (const piece of text) console += piece;
  })();
  try {
    const { kind, ...rest } = await machine.run();
    await machine.close();
    await reading;
    return { console, end: kind === "poweroff" || !("detail" in rest) ? kind : `${kind}: ${rest.detail}` };
  } finally {
    await machine.close();
  }
}

/** What is wrong with a run, one line each: verdicts that failed, a missing sum, an end that was not meant. */
export function complaints({ console, end }: Outcome): string[] {
  const lines = console.split("\n").map((line) => line.trim());
  const found = lines.filter((line) => line.startsWith("not ok") || line.startsWith("a trap that nobody waits for"));
  if (!lines.some((line) => /passed, 0x0 failed$/.test(line)) && found.length === 0)
    found.push(`no sum; the last line is: ${lines.at(-1)}`);
  if (end !== "poweroff") found.push(end);
  return found;
}
