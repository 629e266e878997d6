/**
 * The local APIC's timer: one-shot, periodic and TSC-deadline. SDM Vol. 3A §11.5.4.
 * Its input is a 1 GHz bus clock, so a count of the divided clock lasts `divide` nanoseconds. Counts are functions of the clock; an alarm is armed
 * only while an interrupt would come of it. Nothing here allocates.
 * Deadlines are in ticks of the machine's one TSC; a core takes the offset that its guest has written out of them before they come here.
 */
import type { Alarm, Clock } from "@paravane/paravirt-ops";

const ONE_SHOT = 0;
const PERIODIC = 1;
const TSC_DEADLINE = 2;
const NS_PER_SECOND = 1_000_000_000;
/** Deadlines further away than this are never. */
const FAR_NS = 2 ** 52;

/** Everything the timer remembers. `startNs` is -1 while nothing counts; `deadline` is the MSR's value in decimal. */
export interface ApicTimerState {
  initialCount: number;
  divideConfig: number;
  startNs: number;
  deadline: string;
  mode: number;
  masked: boolean;
}

/** A local APIC timer; `expired` puts its vector into the IRR. */
export class ApicTimer {
  readonly #clock: Clock;
  readonly #tscHz: number;
  readonly #alarm: Alarm;
  readonly #expired: () => void;
  #initialCount = 0;
  #divideConfig = 0;
  #divideNs = 2;
  #startNs = -1;
  #deadline = 0n;
  #mode = ONE_SHOT;
  #masked = true;

  constructor(name: string, clock: Clock, tscHz: number, expired: () => void) {
    this.#clock = clock;
    this.#tscHz = tscHz;
    this.#expired = expired;
    this.#alarm = clock.createAlarm(name, (deadlineNs) => this.#fire(deadlineNs));
  }

  reset(): void {
    this.#initialCount = 0;
    this.divideConfig = 0;
    this.#startNs = -1;
    this.#deadline = 0n;
    this.#mode = ONE_SHOT;
    this.#masked = true;
    this.#alarm.disarm();
  }

  /** The timer's LVT entry was written. Entering or leaving TSC-deadline mode disarms; a count goes on under the new mode from where it is. */
  setVectorEntry(entry: number, masked: boolean): void {
    this.settle();
    const mode = (entry >> 17) & 3;
    if ((mode === TSC_DEADLINE) !== (this.#mode === TSC_DEADLINE)) {
      this.#startNs = -1;
      this.#initialCount = 0;
      this.#deadline = 0n;
    }
    this.#mode = mode;
    this.#masked = masked;
    this.#arm();
  }

  get initialCount(): number {
    return this.#initialCount;
  }
  /** Starts counting, or stops with 0. In TSC-deadline mode the write is ignored. */
  set initialCount(count: number) {
    if (this.#mode === TSC_DEADLINE) return;
    this.settle();
    this.#initialCount = count;
    this.#startNs = count === 0 ? -1 : this.#clock.nowNs();
    this.#arm();
  }

  get currentCount(): number {
    this.settle();
    if (this.#startNs < 0) return 0;
    const passed = Math.floor((this.#clock.nowNs() - this.#startNs) / this.#divideNs);
    if (this.#mode !== PERIODIC && passed >= this.#initialCount) return 0;
    return this.#initialCount - (passed % this.#initialCount);
  }

  get divideConfig(): number {
    return this.#divideConfig;
  }
  /** Changes the divider; a count under way goes on from where it is. */
  set divideConfig(value: number) {
    this.settle();
    const left = this.currentCount;
    this.#divideConfig = value & 0x0b;
    const exponent = ((value & 3) | ((value >> 1) & 4)) + 1;
    this.#divideNs = exponent === 8 ? 1 : 1 << exponent;
    if (this.#startNs < 0) return;
    this.#startNs = this.#clock.nowNs() - (this.#initialCount - left) * this.#divideNs;
    this.#arm();
  }

  /** IA32_TSC_DEADLINE: 0 when nothing is armed. */
  get deadline(): bigint {
    this.settle();
    return this.#deadline;
  }
  /** Arms at a value of the TSC; one that is past expires at once. Outside TSC-deadline mode the write is ignored. */
  set deadline(value: bigint) {
    if (this.#mode !== TSC_DEADLINE) return;
    this.settle();
    this.#deadline = value;
    this.#arm();
  }

  save(): ApicTimerState {
    return {
      initialCount: this.#initialCount,
      divideConfig: this.#divideConfig,
      startNs: this.#startNs,
      deadline: this.#deadline.toString(),
      mode: this.#mode,
      masked: this.#masked,
    };
  }

  load(state: ApicTimerState): void {
    this.#startNs = -1;
    this.divideConfig = state.divideConfig;
    this.#initialCount = state.initialCount;
    this.#startNs = state.startNs;
    this.#deadline = BigInt(state.deadline);
    this.#mode = state.mode;
    this.#masked = state.masked;
    this.#arm();
  }

  /**
   * Brings what time has done up to date: an expiry whose alarm is late happens now, and a count that nobody waits for stops or begins again.
   * Due before anything changes what an expiry means.
   */
  settle(): void {
    const dueNs = this.#alarm.deadlineNs;
    if (dueNs !== undefined) {
      if (dueNs > this.#clock.nowNs()) return;
      this.#alarm.disarm();
      this.#fire(dueNs);
    } else if (this.#startNs >= 0) {
      const end = this.#startNs + this.#initialCount * this.#divideNs;
      if (this.#clock.nowNs() < end) return;
      if (this.#mode === PERIODIC) this.#skipPeriods(end);
      else this.#startNs = -1;
    }
  }

  /** Moves the start of a periodic count on to the period that is under way, of which `end` began one. */
  #skipPeriods(end: number): void {
    const period = this.#initialCount * this.#divideNs;
    this.#startNs = end + Math.floor(Math.max(0, this.#clock.nowNs() - end) / period) * period;
  }

  #arm(): void {
    if (this.#mode === TSC_DEADLINE) this.#armDeadline();
    else if (this.#startNs < 0 || this.#masked) this.#alarm.disarm();
    else {
      const period = this.#initialCount * this.#divideNs;
      const periods = this.#mode === PERIODIC ? Math.floor((this.#clock.nowNs() - this.#startNs) / period) + 1 : 1;
      this.#armAt(this.#startNs + periods * period);
    }
  }

  #armDeadline(): void {
    if (this.#deadline === 0n) {
      this.#alarm.disarm();
      return;
    }
    const ns = this.#nsOfTick(Number(this.#deadline));
    if (ns <= this.#clock.nowNs()) {
      this.#alarm.disarm();
      this.#deadline = 0n;
      if (!this.#masked) this.#expired();
    } else this.#armAt(ns);
  }

  /** The first nanosecond at which the TSC has reached `ticks`. */
  #nsOfTick(ticks: number): number {
    const hz = this.#tscHz;
    const seconds = Math.floor(ticks / hz);
    const part = ((ticks - seconds * hz) * NS_PER_SECOND) / hz;
    // A quotient that is not whole may have been rounded down to a whole number: an interrupt may be a nanosecond late, never early.
    return seconds * NS_PER_SECOND + (NS_PER_SECOND % hz === 0 ? part : Math.ceil(part + 1e-6));
  }

  #armAt(ns: number): void {
    if (ns < FAR_NS) this.#alarm.arm(ns);
    else this.#alarm.disarm();
  }

  #fire(deadlineNs: number): void {
    if (this.#mode === PERIODIC) {
      // Periods that passed while the host slept are one expiry; the next one is in the future.
      this.#skipPeriods(deadlineNs);
      this.#armAt(this.#startNs + this.#initialCount * this.#divideNs);
    } else {
      this.#startNs = -1;
      this.#deadline = 0n;
    }
    if (!this.#masked) this.#expired();
  }
}
