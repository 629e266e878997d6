// A PV kernel on a machine of ours, in this process.
import { installedParts } from "../../../apps/cli/src/parts.js";
import { xen } from "../../../packages/backend-xen/src/index.js";
import { createMachine } from "../../../packages/vmm/src/index.js";

/** What came of a run. */
export interface Outcome {
  /** All that hvc0 said. */
  readonly console: string;
  /** How it ended, in words: "poweroff" when the guest meant to. */
  readonly end: string;
}

/** Boots the kernel as a PV domain of 32 MiB and waits for its end. */
export async function runDomain(kernel: Uint8Array, limitSeconds = 60): Promise<Outcome> {
  const signal = AbortSignal.timeout(limitSeconds * 1000);
  const parts = installedParts("auto");
  const machine = await createMachine({ ...parts, backends: [...parts.backends, xen], guest: { kernel }, memory: "32M", signal });
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
