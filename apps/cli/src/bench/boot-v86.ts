// One boot on v86 (https://github.com/copy/v86, BSD-2-Clause) with its translator off. It is a development dependency, never shipped.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { BootJob, BootSample } from "./boot-job.js";
import { Checkpoints } from "./checkpoints.js";
import { cpuSeconds } from "./cpu-clock.js";

/** v86's instruction counter has 32 bits; it must be read more often than it wraps. */
const COUNT_EVERY_MS = 500;

const read = (path: string): { buffer: ArrayBuffer } => {
  const { buffer, byteOffset, byteLength } = readFileSync(path);
  return { buffer: buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer };
};

/** Boots; rejects when the limit passes before the marker. */
export async function bootV86(job: BootJob): Promise<BootSample> {
  const { V86 } = await import("v86");
  const residentBefore = process.memoryUsage.rss();
  const emulator = new V86({
    wasm_path: fileURLToPath(new URL("v86.wasm", import.meta.resolve("v86"))),
    bios: read(job.bios!.system),
    vga_bios: read(job.bios!.vga),
    bzimage: read(job.kernel),
    ...(job.initrd === undefined ? {} : { initrd: read(job.initrd) }),
    cmdline: job.append,
    memory_size: job.memoryBytes,
    disable_jit: true,
    disable_keyboard: true,
    disable_mouse: true,
    disable_speaker: true,
    autostart: false,
  });
  await new Promise<void>((resolve) => emulator.add_listener("emulator-ready", () => resolve()));
  let total = 0;
  let last = emulator.get_instruction_counter() >>> 0;
  const instructions = (): number => {
    const now = emulator.get_instruction_counter() >>> 0;
    total += (now - last) >>> 0;
    last = now;
    return total;
  };
  const startedAt = cpuSeconds();
  const stages = await new Promise<BootSample["stages"]>((resolve, reject) => {
    const checkpoints = new Checkpoints(
      () => ({ instructions: instructions(), cpuSeconds: cpuSeconds() }),
      () => resolve(checkpoints.stages),
    );
    emulator.add_listener("serial0-output-byte", (byte) => checkpoints.feed(String.fromCharCode(byte)));
    setInterval(() => {
      instructions();
      if (cpuSeconds() - startedAt > job.limitSeconds)
        reject(new Error(`under v86 the guest did not get as far as "${checkpoints.waitingFor}": it took too long`));
    }, COUNT_EVERY_MS);
    void emulator.run();
  });
  return { stages, residentBefore, residentPeak: process.resourceUsage().maxRSS * 1024 };
}
