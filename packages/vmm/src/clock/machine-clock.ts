/**
 * What the run loop needs of a clock beyond the contract's `Clock`. Guest time is in nanoseconds and the time-stamp counter ticks
 * once per nanosecond (1 GHz), so TSC, PIT, PM timer, HPET and LAPIC timers agree by construction under every clock.
 */
import type { Clock, Ns, TscGuess } from "@paravane/paravirt-ops";

/** Frequency of the guest's invariant TSC. */
export const TSC_HZ = 1_000_000_000;

/** Guest ns that pass at once while the thread sleeps for a vCPU that spins: what a delay loop of the guest's may overshoot by. */
export const MAX_NAP_NS = 150_000;

/** A clock as the run loop drives it. */
export interface MachineClock extends Clock {
  readonly kind: "host" | "icount";
  /** How a TSC that follows this clock may go on between readings; absent where each one counts. */
  readonly tscGuess?: TscGuess;
  /** The earliest deadline, or Infinity. */
  readonly nextDeadlineNs: Ns;
  /** Lets time go on. */
  start(): void;
  /** Freezes time: pause, and before the first run. */
  stop(): void;
  /** Fires every alarm that is due. Called between slices. */
  poll(): void;
  /** Instructions that the next slice of at most `limitNs` guest ns may run so that no alarm is late; at least 1. */
  budget(limitNs: number): number;
  /** All vCPUs sleep: returns how long the host may sleep until the next alarm, in ms; 0 when the clock skipped to the alarm. */
  idleMs(): number;
  /** The machine slept, and time may have passed without instructions. */
  woke(): void;
  /** The thread slept for `ms` while a vCPU spun: guest time goes on with it, by MAX_NAP_NS at most. Absent where time does not follow the host. */
  napped?(ms: number): void;
}

/** Instructions retired by all vCPUs since the machine was created; must be exact from within a device's callback. */
export type RetiredSource = () => number;
