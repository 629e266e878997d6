// What `--stats FILE` holds: where the host's time and memory went, and what the guest did with them. Keys are stable; more may come.
import type { GuestMemory } from "@paravane/paravirt-ops";
import type { MachineStats } from "@paravane/vmm";
import { cpuClockKind, cpuSeconds } from "./bench/cpu-clock.js";
import { guestResidentBytes } from "./guest-residency.js";

const FRAME = 4096;

/** Where a run began. */
export interface StatsStart {
  readonly wall: number;
  readonly cpu: NodeJS.CpuUsage;
  /** Host CPU since the process began, when the guest was about to execute its first instruction. */
  firstInstruction?: CpuTimes;
}

/** Host CPU seconds since the process began. */
export interface CpuTimes {
  /** Of the vCPU's thread. Where the system cannot tell threads apart it is the process's, and `threadClock` says so. */
  readonly vcpuThreadSeconds: number;
  readonly processSeconds: number;
}

/** Now. */
export function cpuTimes(): CpuTimes {
  const { user, system } = process.cpuUsage();
  return { vcpuThreadSeconds: cpuSeconds(), processSeconds: (user + system) / 1e6 };
}

/** Now. */
export const statsStart = (): StatsStart => ({ wall: performance.now(), cpu: process.cpuUsage() });

/** The report as plain data. `cpu` counts from the start of the process, everything else from `started`. */
export function statsReport(stats: MachineStats, guestMemory: GuestMemory | undefined, guestBytes: number, started: StatsStart) {
  const { user, system } = process.cpuUsage(started.cpu);
  // Before the guest's memory is looked at, which takes some itself.
  const ofProcess = { residentBytes: process.memoryUsage.rss(), peakResidentBytes: process.resourceUsage().maxRSS * 1024 };
  const resident = guestMemory === undefined ? undefined : guestResidentBytes(guestMemory);
  return {
    hostCpuSeconds: (user + system) / 1e6,
    wallSeconds: (performance.now() - started.wall) / 1000,
    cpu: { ...cpuTimes(), threadClock: cpuClockKind, ...(started.firstInstruction ? { firstInstruction: started.firstInstruction } : {}) },
    vcpuSeconds: stats.vcpuMs / 1000,
    idleSeconds: stats.idleMs / 1000,
    napSeconds: stats.napMs / 1000,
    guestSeconds: stats.guestNs / 1e9,
    instructions: stats.instructions,
    tiers: { interp: { instructions: stats.instructions }, ...grouped(stats.core, "tiers") },
    exits: grouped(stats.core, "exits"),
    ...("verify.runs" in stats.core ? { verify: grouped(stats.core, "verify") } : {}),
    slices: stats.slices,
    sliceEndings: stats.endings,
    yields: stats.yields,
    naps: stats.naps,
    vcpus: stats.vcpus,
    core: Object.fromEntries(Object.entries(stats.core).filter(([name]) => !name.includes("."))),
    memory: {
      guestBytes,
      touchedBytes: guestMemory === undefined ? 0 : touchedBytes(guestMemory),
      ...(resident === undefined ? {} : { guestResidentBytes: resident }),
      ...ofProcess,
    },
  };
}

type Group = { [name: string]: number | Group };

/** The counters under `group.`, nested as their dots say. */
export function grouped(counters: Readonly<Record<string, number>>, group: string): Group {
  const result: Group = {};
  for (const [name, value] of Object.entries(counters)) {
    const [first, ...path] = name.split(".");
    const last = path.pop();
    if (first !== group || last === undefined) continue;
    let at = result;
    for (const part of path) {
      const known = at[part];
      const next: Group = typeof known === "object" ? known : {};
      at[part] = next;
      at = next;
    }
    at[last] = value;
  }
  return result;
}

/** Bytes of the frames that are not all zeros: the guest may have touched more and cleared it, so this is a lower bound of `guestResidentBytes`. */
export function touchedBytes(guestMemory: GuestMemory): number {
  let frames = 0;
  for (let frame = 0; frame < guestMemory.size; frame += FRAME) {
    if (!guestMemory.contains(frame, FRAME)) continue;
    const bytes = guestMemory.view(frame, FRAME);
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, FRAME / 4);
    // A loop: a function called for each word of memory takes half a second.
    let at = 0;
    while (at < words.length && words[at] === 0) at++;
    if (at < words.length) frames++;
  }
  return frames * FRAME;
}
