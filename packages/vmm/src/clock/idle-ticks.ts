/**
 * The tick of an idle kernel. A kernel without NO_HZ wakes 250 times a second to find nothing to do, and each wake costs a host far more than
 * its few thousand instructions, for its caches are cold. Such a kernel re-arms a one-shot timer at exact multiples of its period and
 * counts the periods that went by, so it loses nothing when it is woken for several at once.
 *
 * After STEADY_PERIODS of nothing but such a tick an idle guest is woken at most every LATEST_NS; the first deadline off the grid, as
 * any sleeping program sets one, ends that. Device periods that count (a periodic APIC timer, PIT, RTC) and host input are never late.
 */
import type { Ns } from "@paravane/paravirt-ops";

const LONGEST_PERIOD_NS = 6_000_000;
const STEADY_PERIODS = 125;
const SHORTEST_PERIOD_NS = 1_000_000;
const LATEST_NS = 48_000_000;

/** Recognises the tick of one timer and says how long it may wait. */
export class IdleTicks {
  #periodNs = 0;
  #lastNs = 0;
  #steady = 0;

  /** Called when the guest goes idle at `nowNs` with the timer armed for `deadlineNs`; gives the time by which to wake it for that. */
  wakeAt(deadlineNs: Ns, nowNs: Ns): Ns {
    if (deadlineNs !== this.#lastNs) this.#see(deadlineNs, nowNs);
    if (this.#steady < STEADY_PERIODS) return deadlineNs;
    return deadlineNs + this.#periodNs * (Math.floor(LATEST_NS / this.#periodNs) - 1);
  }

  #see(deadlineNs: Ns, nowNs: Ns): void {
    const step = deadlineNs - this.#lastNs;
    this.#lastNs = deadlineNs;
    const period = this.#periodNs;
    const periods = period === 0 ? 0 : Math.round(step / period);
    // However many periods a busy host let go by, a tick is armed for the next one.
    if (periods >= 1 && Math.abs(step - periods * period) <= period / 64 && deadlineNs - nowNs <= period + period / 64) {
      this.#steady += periods;
      return;
    }
    this.#steady = 0;
    this.#periodNs = step >= SHORTEST_PERIOD_NS && step <= LONGEST_PERIOD_NS ? step : 0;
  }
}
