/**
 * VMI's alarm of one vCPU: a clock event device whose expiry is an absolute value of one of the cycle counters, and whose interrupt goes to
 * IRQ 0 or to the local timer entry. Lines are the board's; no timer chip knows of it.
 */
import type { BackendEnvironment, ClockEvent, IrqLine, Ns } from "@paravane/paravirt-ops";
import { alarmFlags, counters } from "../abi/vmi.js";
import type { CycleCounters } from "./counters.js";

/** Alarms are not closer together than this, nor are looks at a counter that stands still. */
const LEAST_NS = 1_000;
const LOOK_AGAIN_NS = 100_000;

interface Programmed {
  readonly counter: number;
  readonly line: IrqLine;
  expiry: bigint;
  /** 0 for one shot. */
  readonly period: bigint;
}

/** The alarm. */
export class VmiAlarm {
  readonly #event: ClockEvent;
  #programmed: Programmed | undefined;
  /** Where the interrupt goes: as SetAlarm said last. */
  #wiring = 0;

  constructor(
    private readonly vcpu: number,
    private readonly environment: BackendEnvironment,
    private readonly cycles: CycleCounters,
  ) {
    this.#event = environment.time.createClockEvent(vcpu, "vmi-alarm", () => this.#expire());
  }

  /** SetAlarm (68): replaces what was programmed; an expiry that is past fires at once. */
  set(flags: number, expiry: bigint, period: bigint): void {
    const { board } = this.environment;
    this.#wiring = flags & alarmFlags.lvtt;
    const counter = flags & alarmFlags.counter;
    const periodic = (flags & alarmFlags.periodic) !== 0;
    this.#programmed = {
      counter,
      expiry,
      line: (flags & alarmFlags.lvtt) === 0 ? board.timerLine() : board.localTimerLine(this.vcpu),
      period: periodic ? larger(period, this.#leastPeriod()) : 0n,
    };
    this.#arm();
  }

  /** CancelAlarm (69). */
  cancel(): void {
    this.#programmed = undefined;
    this.#event.shutdown();
  }

  /** As a clock event device: one shot of real time, wired as it is. */
  setNextEvent(deadlineNs: Ns): void {
    this.set(this.#wiring | counters.real, this.cycles.ticksOf(deadlineNs), 0n);
  }

  /** As a clock event device: periodic, from now on. */
  setPeriodic(periodNs: Ns): void {
    const period = this.cycles.ticksOf(periodNs);
    this.set(this.#wiring | counters.real | alarmFlags.periodic, this.cycles.read(this.vcpu, counters.real) + period, period);
  }

  /** As a clock event device. */
  shutdown(): void {
    this.cancel();
  }

  #leastPeriod(): bigint {
    return BigInt(Math.ceil((LEAST_NS * this.cycles.hz) / 1e9));
  }

  /** At the earliest moment at which the counter can have come to the expiry. */
  #arm(): void {
    const { counter, expiry } = this.#programmed!;
    const left = expiry - this.cycles.read(this.vcpu, counter);
    const now = this.environment.clock.nowNs();
    const ns = left <= 0n ? 0 : this.cycles.nsOf(left);
    this.#event.setNextEvent(now + (counter === counters.stolen && ns > 0 ? Math.max(ns, LOOK_AGAIN_NS) : ns));
  }

  #expire(): void {
    const programmed = this.#programmed;
    if (programmed === undefined) return;
    const now = this.cycles.read(this.vcpu, programmed.counter);
    if (now < programmed.expiry) {
      this.#arm();
      return;
    }
    if (programmed.period === 0n) this.#programmed = undefined;
    else {
      // Periods that nobody was there for are one interrupt; the next is in the future.
      programmed.expiry += programmed.period * ((now - programmed.expiry) / programmed.period + 1n);
      this.#arm();
    }
    programmed.line.set(true);
    programmed.line.set(false);
  }
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
