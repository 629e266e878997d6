// CPU time of another process, thread by thread: proc(5), /proc/PID/task/TID/schedstat. Nanoseconds, and exact while the thread sleeps;
// of a running thread the kernel tells what it knew at its last tick.
import { readdirSync, readFileSync } from "node:fs";

/** CPU seconds so far. */
export interface ProcessReading {
  /** Of the thread that runs the guest's processor. */
  readonly thread: number;
  /** Of all threads. */
  readonly process: number;
}

/** Which thread of a process runs the guest's processor: its first, or the one with this name. */
export type ThreadChoice = "main" | { readonly named: RegExp };

/** True where the system tells CPU time by thread. */
export function hasThreadClocks(): boolean {
  try {
    return readFileSync(`/proc/self/task/${process.pid}/schedstat`, "latin1").startsWith("0 ") === false;
  } catch {
    return false;
  }
}

/** Reads clocks of one process. */
export class ProcessClock {
  #thread: string | undefined;

  constructor(
    private readonly pid: number,
    private readonly choice: ThreadChoice,
  ) {}

  /** CPU time now. Threads that have ended no longer count, so differences are of threads that live. @throws when the process is gone */
  read(): ProcessReading {
    const tasks = `/proc/${this.pid}/task`;
    let thread = 0;
    let sum = 0;
    for (const id of readdirSync(tasks)) {
      const seconds = secondsOf(`${tasks}/${id}`);
      sum += seconds;
      if (id === this.#vcpuThread(tasks)) thread = seconds;
    }
    return { thread, process: sum };
  }

  #vcpuThread(tasks: string): string {
    if (this.choice === "main") return String(this.pid);
    const { named } = this.choice;
    this.#thread ??= readdirSync(tasks).find((id) => named.test(readFileSync(`${tasks}/${id}/comm`, "latin1").trim()));
    return this.#thread ?? "";
  }
}

function secondsOf(task: string): number {
  try {
    return Number(readFileSync(`${task}/schedstat`, "latin1").split(" ", 1)[0]) / 1e9;
  } catch {
    return 0; // It ended between the list and the look.
  }
}
