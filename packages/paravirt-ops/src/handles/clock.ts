/**
 * Guest time. One clock per machine: TSC, PIT, PM timer, HPET and LAPIC timers are all functions of it, so they agree by construction.
 */
import type { Ns } from "../units.js";

/** An alarm that a device keeps for its whole life and re-arms. */
export interface Alarm {
  /** Fires once when guest time reaches `deadlineNs`; a deadline in the past fires at the next poll. Replaces an earlier deadline. */
  arm(deadlineNs: Ns): void;
  /** Forgets the deadline; nothing fires. */
  disarm(): void;
  /** The pending deadline, or undefined. */
  readonly deadlineNs: Ns | undefined;
}

/** Guest time as devices and backends see it. */
export interface Clock {
  /** Guest time now; never goes back, stands still while the machine is paused. */
  nowNs(): Ns;
  /** `fire` gets the time for which it was armed, so that a periodic device can re-arm without drift. */
  createAlarm(name: string, fire: (deadlineNs: Ns) => void): Alarm;
}
