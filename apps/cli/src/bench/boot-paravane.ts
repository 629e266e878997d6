// One boot on our machine, measured from the guest's first instruction to its marker.
import { readFileSync } from "node:fs";
import type { ByteStream, Core } from "@paravane/paravirt-ops";
import { createMachine } from "@paravane/vmm";
import { installedParts } from "../parts.js";
import type { BootJob, BootSample } from "./boot-job.js";
import { Checkpoints } from "./checkpoints.js";
import { cpuSeconds } from "./cpu-clock.js";

const FRAME = 4096;

/** Boots; rejects when the guest ends or the limit passes before the marker. */
export async function bootParavane(job: BootJob): Promise<BootSample> {
  const residentBefore = process.memoryUsage.rss();
  let core: Core | undefined;
  let feed = (_character: string): void => {};
  const serial: ByteStream = {
    write(bytes) {
      for (const byte of bytes) feed(String.fromCharCode(byte));
      return true;
    },
    onDrain: () => {},
    onData: () => {},
    ready: () => {},
  };
  const machine = await createMachine({
    ...installedParts,
    core: {
      ...installedParts.core,
      create: async (environment) => {
        core = await installedParts.core.create(environment);
        return core;
      },
    },
    guest: {
      kernel: readFileSync(job.kernel),
      ...(job.initrd === undefined ? {} : { initrd: readFileSync(job.initrd) }),
      commandLine: job.append,
    },
    memory: job.memoryBytes,
    serial,
  });
  const startedAt = cpuSeconds();
  const checkpoints = new Checkpoints(
    () => ({ instructions: core!.vcpus[0]!.retired, cpuSeconds: cpuSeconds() }),
    () => void machine.pause(),
  );
  feed = (character) => checkpoints.feed(character);
  const watchdog = setInterval(() => {
    if (cpuSeconds() - startedAt > job.limitSeconds) void machine.pause();
  }, 1000);
  const result = await machine.run();
  clearInterval(watchdog);
  if (checkpoints.waitingFor !== undefined)
    throw new Error(
      `the guest did not get as far as "${checkpoints.waitingFor}": ${result.kind === "stopped" ? "it took too long" : result.detail}`,
    );
  const residentPeak = process.resourceUsage().maxRSS * 1024;
  const sample = { stages: checkpoints.stages, residentBefore, residentPeak, touchedBytes: touchedBytes(core!), counters: core!.stats() };
  await machine.close();
  return sample;
}

/** Bytes of the frames that are not all zeros: the guest may have touched more and cleared it, so this is a lower bound. */
export function touchedBytes({ guestMemory }: Pick<Core, "guestMemory">): number {
  let frames = 0;
  for (let frame = 0; frame < guestMemory.size; frame += FRAME) {
    if (!guestMemory.contains(frame, FRAME)) continue;
    const bytes = guestMemory.view(frame, FRAME);
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, FRAME / 4);
    if (words.some((word) => word !== 0)) frames++;
  }
  return frames * FRAME;
}
