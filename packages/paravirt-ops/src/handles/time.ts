/**
 * Timers for guests, self-contained: a clocksource to read and a clock event device per vCPU to program. Neither knows an interrupt
 * number; what expiry means is the backend's affair. Stolen time is part of it.
 */
import type { Ns } from "../units.js";

/** Something that counts. */
export interface Clocksource {
  /** For traces. */
  readonly name: string;
  /** Ticks a second. */
  readonly hz: number;
  /** Ticks now; never less than an earlier answer on any vCPU. */
  read(vcpu: number): number;
  /** Time that the vCPU was ready to run and did not. */
  stolenNs(vcpu: number): Ns;
}

/** One vCPU's timer. N vCPUs whose devices expire in the same instant get N calls. */
export interface ClockEvent {
  /** For traces. */
  readonly name: string;
  /** Whose timer it is. */
  readonly vcpu: number;
  /** Fires once at `deadlineNs`; at once when that is past. Replaces what was programmed. */
  setNextEvent(deadlineNs: Ns): void;
  /** Fires every `periodNs`, at least 1 µs apart, the first time one period from now. */
  setPeriodic(periodNs: Ns): void;
  /** It does not fire until programmed again. */
  shutdown(): void;
}

/** What a monitor lends to backends for time. */
export interface Timekeeping {
  /** What can be read. */
  readonly clocksource: Clocksource;
  /** `expire` gets the time for which the device was programmed. */
  createClockEvent(vcpu: number, name: string, expire: (deadlineNs: Ns) => void): ClockEvent;
}
