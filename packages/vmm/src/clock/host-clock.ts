/**
 * Guest time that follows the host's, smoothed so that a guest which calibrates one timer against another never sees the host's
 * scheduler, its garbage collector or a cold code path:
 *
 * - A reading may advance guest time by what the instructions since the last reading explain, and no more. What the host took beyond
 *   that is lag: the guest simply does not see it yet.
 * - Lag is paid back by running up to 1/8 faster, at once while the guest is idle, and beyond ten seconds (the host slept) by a jump
 *   between two slices.
 * - While the thread sleeps for a vCPU that spins time passes for 150 µs at most; what the host took beyond that is lag again.
 * - Time never goes back, stands still while the machine is paused, and agrees with the host's in the long run.
 *
 * All of the guest's timers are functions of this one clock, so they agree with one another at every instant, lag or not.
 * Host clocks may be coarse (100 µs in some browsers): between two of their ticks lag is paid back per instruction.
 *
 * Asking the host costs as much as hundreds of instructions, and kernels read the TSC at each entry: for the next 4,000 instructions after a
 * reading a vCPU may take each for half of what instructions took of late. The next reading is not behind that, and where the guess was
 * too high time stands still until the host's has caught up: 20 µs at most, since nothing is guessed while it is ahead.
 */
import type { Alarm, Ns, TscGuess } from "@paravane/paravirt-ops";
import { AlarmQueue } from "./alarm-queue.js";
import { MAX_NAP_NS, type MachineClock, type RetiredSource } from "./machine-clock.js";

/** What one reading explains without any instruction: a device access that left the compiled code. */
const EXPLAINED_NS = 1_000;
/** What each instruction explains: a slow one on a slow host. */
const EXPLAINED_NS_PER_INSTRUCTION = 20;
const GUESSED_INSTRUCTIONS = 4_000;
/** The part of the pace of late that is guessed, in 1/256, and the most that an instruction is taken for, in 1/256 ns. */
const GUESSED_PACE = 128;
const MOST_GUESSED = 5 * 256;
const MAX_LAG_NS = 10_000_000_000;
const MIN_BUDGET = 2_000;
const MAX_BUDGET = 4_000_000;

/** Milliseconds of the host's monotonic clock. */
export type HostNow = () => number;

/** Kept, since Node's global is an accessor: to ask for it each time costs as much as to read the clock. */
const { performance: monotonic } = globalThis;

/** Guest time that follows the host's. */
export class HostClock implements MachineClock {
  readonly kind = "host";
  readonly #alarms: AlarmQueue;
  #running = false;
  /** Where guest time would be without smoothing. */
  #targetNs = 0;
  #guestNs = 0;
  #hostMs = 0;
  #retiredAt = 0;
  #polledMs = 0;
  #polledRetired = 0;
  /** Host nanoseconds per instruction of late; decides budgets and the pace between ticks of a coarse host clock. */
  #pace = 10;
  #sliceEndNs = 0;
  /** Every vCPU sleeps: time passes without instructions, and host callbacks that read the clock see it pass. */
  #idle = false;
  /** 1/256 ns that vCPUs take each instruction for since the last reading. */
  #guessed = 0;
  /** What a sleep since the last reading explains. */
  #nappedNs = 0;
  readonly tscGuess: TscGuess = {
    instructions: GUESSED_INSTRUCTIONS,
    pace: () => {
      this.#guessed = this.lagNs < 0 ? 0 : Math.min(Math.floor(this.#pace * GUESSED_PACE), MOST_GUESSED);
      return this.#guessed;
    },
  };

  /** @param onEarlier - told that an alarm was set before the present slice's end */
  constructor(
    private readonly retired: RetiredSource,
    onEarlier: () => void = () => {},
    private readonly hostNow: HostNow = () => monotonic.now(),
  ) {
    this.#alarms = new AlarmQueue((deadlineNs) => {
      if (deadlineNs < this.#sliceEndNs) onEarlier();
    });
  }

  /** How far guest time is behind the host's, in ns; negative while it waits for the host's. */
  get lagNs(): number {
    return this.#targetNs - this.#guestNs;
  }

  nowNs(): Ns {
    if (this.#running) this.#advance();
    return Math.floor(this.#guestNs);
  }

  createAlarm(name: string, fire: (deadlineNs: Ns) => void): Alarm {
    return this.#alarms.create(name, fire);
  }

  get nextDeadlineNs(): Ns {
    return this.#alarms.nextNs;
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#hostMs = this.#polledMs = this.hostNow();
    this.#retiredAt = this.#polledRetired = this.retired();
  }

  stop(): void {
    if (!this.#running) return;
    this.#advance();
    this.#running = false;
  }

  poll(): void {
    if (this.#idle) this.woke();
    this.#measurePace();
    if (this.lagNs > MAX_LAG_NS) this.#guestNs = this.#targetNs;
    this.#alarms.fireDue(this.nowNs());
  }

  budget(limitNs: number): number {
    const untilAlarm = this.#alarms.nextNs - this.#guestNs;
    const wanted = Math.min(untilAlarm, limitNs) / this.#pace;
    const budget = Math.round(Math.max(MIN_BUDGET, Math.min(wanted, MAX_BUDGET)));
    this.#sliceEndNs = this.#guestNs + budget * this.#pace;
    return budget;
  }

  idleMs(): number {
    this.woke();
    this.#idle = true;
    this.#sliceEndNs = this.#alarms.idleUntilNs(this.#guestNs);
    return Math.max(0, (this.#sliceEndNs - this.#guestNs) / 1e6);
  }

  woke(): void {
    this.#idle = true;
    this.#advance();
    this.#idle = false;
    this.#polledMs = this.#hostMs;
    this.#polledRetired = this.#retiredAt;
  }

  napped(ms: number): void {
    this.#polledMs += ms;
    this.#nappedNs = Math.min(ms * 1e6, MAX_NAP_NS);
    this.#advance();
    this.#nappedNs = 0;
  }

  #advance(): void {
    const hostMs = this.hostNow();
    const retired = this.retired();
    const elapsed = Math.max(0, (hostMs - this.#hostMs) * 1e6);
    const instructions = Math.max(0, retired - this.#retiredAt);
    const guessed = (Math.min(instructions, GUESSED_INSTRUCTIONS) * this.#guessed) / 256;
    this.#hostMs = hostMs;
    this.#retiredAt = retired;
    this.#guessed = 0;
    this.#targetNs += elapsed;
    if (this.#idle) {
      this.#guestNs = Math.max(this.#targetNs, this.#guestNs + guessed);
      return;
    }
    const explained = EXPLAINED_NS + EXPLAINED_NS_PER_INSTRUCTION * instructions + this.#nappedNs;
    const faster = (9 / 8) * (elapsed > 0 ? elapsed : this.#pace * instructions);
    this.#guestNs += Math.max(guessed, Math.min(this.lagNs, faster, explained));
  }

  #measurePace(): void {
    const retired = this.retired();
    const instructions = retired - this.#polledRetired;
    if (instructions < MIN_BUDGET / 4) return;
    const hostMs = this.hostNow();
    const pace = ((hostMs - this.#polledMs) * 1e6) / instructions;
    this.#polledMs = hostMs;
    this.#polledRetired = retired;
    this.#pace += (Math.min(Math.max(pace, 0.25), 100) - this.#pace) / 4;
  }
}
