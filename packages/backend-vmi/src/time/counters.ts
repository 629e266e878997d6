/** GetCycleCounter's three counters, in the clocksource's ticks: real is the sum of available and stolen, exactly, and none goes back. */
import type { Ns, Timekeeping } from "@paravane/paravirt-ops";
import { counters } from "../abi/vmi.js";

const NS_PER_SECOND = 1e9;

/** The counters of one machine. */
export class CycleCounters {
  readonly #real: bigint[] = [];
  readonly #stolen: bigint[] = [];

  constructor(private readonly time: Timekeeping) {}

  /** Ticks a second. */
  get hz(): number {
    return this.time.clocksource.hz;
  }

  /** A counter now, for `vcpu`; numbers that name none are real time. */
  read(vcpu: number, counter: number): bigint {
    const { clocksource } = this.time;
    const real = larger(this.#real[vcpu], BigInt(Math.floor(clocksource.read(vcpu))));
    // What the scheduler books late must not make available time go back.
    const most = (this.#stolen[vcpu] ?? 0n) + (real - (this.#real[vcpu] ?? 0n));
    const booked = larger(this.#stolen[vcpu], BigInt(Math.floor((clocksource.stolenNs(vcpu) * this.hz) / NS_PER_SECOND)));
    const stolen = booked < most ? booked : most;
    this.#real[vcpu] = real;
    this.#stolen[vcpu] = stolen;
    return counter === counters.stolen ? stolen : counter === counters.available ? real - stolen : real;
  }

  /** Ticks that `ns` take, rounded up. */
  ticksOf(ns: Ns): bigint {
    return BigInt(Math.ceil((ns * this.hz) / NS_PER_SECOND));
  }

  /** Nanoseconds that `ticks` take, rounded up; at most what a clock can hold. */
  nsOf(ticks: bigint): number {
    const ns = (ticks * BigInt(NS_PER_SECOND) + BigInt(this.hz) - 1n) / BigInt(this.hz);
    return Number(ns > FAR_NS ? FAR_NS : ns);
  }
}

/** 52 days: further than this no alarm is armed at once. */
const FAR_NS = 2n ** 52n;

function larger(a: bigint | undefined, b: bigint): bigint {
  return a === undefined || b > a ? b : a;
}
