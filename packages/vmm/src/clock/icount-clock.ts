/**
 * Guest time as a function of retired instructions: two runs are equal to the bit, and the host's speed does not exist.
 * Each instruction takes 2 ns (a 500 MIPS processor); when every vCPU sleeps, time skips to the next alarm.
 * With several vCPUs the instructions of all of them count: they share one processor's time in turns.
 */
import type { Alarm, Ns } from "@paravane/paravirt-ops";
import { AlarmQueue } from "./alarm-queue.js";
import type { MachineClock, RetiredSource } from "./machine-clock.js";

/** Guest nanoseconds per retired instruction. Part of what a recorded run depends on: never changes within a major version. */
export const ICOUNT_NS_PER_INSTRUCTION = 2;

/** Guest time = instructions × 2 ns + time skipped while idle. */
export class IcountClock implements MachineClock {
  readonly kind = "icount";
  readonly #alarms: AlarmQueue;
  #skippedNs = 0;
  #sliceEndNs = 0;

  /** @param onEarlier - told that an alarm was set before the present slice's end */
  constructor(
    private readonly retired: RetiredSource,
    onEarlier: () => void = () => {},
  ) {
    this.#alarms = new AlarmQueue((deadlineNs) => {
      if (deadlineNs < this.#sliceEndNs) onEarlier();
    });
  }

  nowNs(): Ns {
    return this.retired() * ICOUNT_NS_PER_INSTRUCTION + this.#skippedNs;
  }

  createAlarm(name: string, fire: (deadlineNs: Ns) => void): Alarm {
    return this.#alarms.create(name, fire);
  }

  get nextDeadlineNs(): Ns {
    return this.#alarms.nextNs;
  }

  start(): void {}

  stop(): void {}

  poll(): void {
    this.#alarms.fireDue(this.nowNs());
  }

  budget(limitNs: number): number {
    const nowNs = this.nowNs();
    const untilAlarm = this.#alarms.nextNs - nowNs;
    const budget = Math.max(1, Math.ceil(Math.min(untilAlarm, limitNs) / ICOUNT_NS_PER_INSTRUCTION));
    this.#sliceEndNs = nowNs + budget * ICOUNT_NS_PER_INSTRUCTION;
    return budget;
  }

  idleMs(): number {
    const next = this.#alarms.nextNs;
    this.#sliceEndNs = next;
    if (next === Number.POSITIVE_INFINITY) return next;
    this.#skippedNs += Math.max(0, next - this.nowNs());
    return 0;
  }

  woke(): void {}
}
