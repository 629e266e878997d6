// The two machines that an image runs on: ours, in this process, and qemu-system-x86_64 without KVM.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installedParts } from "../../../apps/cli/src/parts.js";
import { cpuCoreWith } from "../../../packages/cpu-core/src/index.js";
import type { CoreDefinition } from "../../../packages/paravirt-ops/src/index.js";
import { createMachine } from "../../../packages/vmm/src/index.js";
import type { Settings } from "./catalogue.js";

/** What came of a run. */
export interface Outcome {
  /** COM1's text. */
  readonly console: string;
  /** The debug exit's status, 1 for success; undefined when the run ended in another way. */
  readonly status: number | undefined;
  /** A triple fault ended it. */
  readonly shutdown: boolean;
  /** How it ended, in words. */
  readonly end: string;
  /** Retired by all vCPUs; ours only. */
  readonly instructions?: number;
}

/** A processor that translates all code on its second run, and compares each run of a translation with the interpreter. */
export const verified: CoreDefinition = cpuCoreWith({ engine: "verify", translation: { heat: 2, leastRuns: 1, synchronous: true } });

/** Boots the image on a machine of ours under the host's clock or the guest's instructions, with the usual processor or another. */
export async function runOurs(
  kernel: Uint8Array,
  { vcpus = 1, cpu, memory = "32M", limitSeconds = 20 }: Settings,
  core: CoreDefinition = installedParts("auto").core,
  clock: "host" | "icount" = "host",
): Promise<Outcome> {
  const signal = AbortSignal.timeout(limitSeconds * 1000);
  const machine = await createMachine({
    ...installedParts("auto"),
    core,
    clock,
    guest: { kernel },
    memory,
    vcpus,
    exitPort: 0xf4,
    testDevice: true,
    signal,
    ...(cpu === undefined ? {} : { cpu }),
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
    const { kind } = result;
    return {
      console,
      shutdown: kind === "shutdown",
      status: kind === "exit" ? result.status : undefined,
      instructions: machine.stats().instructions,
      end: "detail" in result ? `${kind}: ${result.detail}` : kind,
    };
  } catch (error) {
    if (!signal.aborted) throw error;
    return { console, shutdown: false, status: undefined, end: `no end within ${limitSeconds} s` };
  } finally {
    await machine.close();
  }
}

/** Boots the image on QEMU's TCG. */
export async function runQemu(path: string, { vcpus = 1, memory = "32M", limitSeconds = 20, qemu = {} }: Settings): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "paravane-qemu-"));
  // A pipe that is full for a moment loses what the debug exit comes after; a file never is.
  const serial = join(folder, "serial");
  const args = `-accel tcg -machine pc -nodefaults -no-user-config -display none -no-reboot -serial file:${serial} -device isa-debug-exit,iobase=0xf4,iosize=4 -device pc-testdev -m ${memory} -smp ${vcpus} -cpu ${qemu.cpu ?? "max"}`;
  const child = spawn("qemu-system-x86_64", [...args.split(" "), ...(qemu.args ?? []), "-kernel", path], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), limitSeconds * 1000);
  const code = await new Promise<number | null>((resolve, reject) => child.on("error", reject).on("close", resolve));
  clearTimeout(timer);
  const console = existsSync(serial) ? readFileSync(serial, "latin1") : "";
  rmSync(folder, { recursive: true });
  // An odd status is the debug exit's, except that 1 is also how QEMU refuses its arguments.
  const exited = code !== null && code % 2 === 1 && stderr === "";
  return {
    console,
    status: exited ? code : undefined,
    shutdown: code === 0, // -no-reboot: a triple fault ends QEMU
    end: code === null ? `no end within ${limitSeconds} s` : `status ${code} ${stderr}`.trim(),
  };
}
