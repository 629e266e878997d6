// CPU time of this thread, so that other processes, the compiler's threads and sleeping do not count: proc(5), /proc/PID/task/TID/schedstat.
import { readFileSync } from "node:fs";

/** Which threads a reading covers. */
export type CpuClockKind = "main thread" | "process";

const path = `/proc/self/task/${process.pid}/schedstat`;

function threadSeconds(): number {
  try {
    return Number(readFileSync(path, "latin1").split(" ", 1)[0]) / 1e9;
  } catch {
    return 0; // Not Linux, or a kernel without scheduler statistics.
  }
}

/** What `cpuSeconds` reads here: of the main thread where the system tells it, else of the whole process. */
export const cpuClockKind: CpuClockKind = threadSeconds() > 0 ? "main thread" : "process";

/** CPU seconds used so far, user and system. */
export function cpuSeconds(): number {
  if (cpuClockKind === "main thread") return threadSeconds();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
