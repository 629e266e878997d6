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
const STEADY_PERIODS = 250;
const SHORTEST_PERIOD_NS = 1_000_000;
const LATEST_NS = 24_000_000;

/** Recognises the tick of one timer and says how long it may wait. */
export class IdleTicks {
  #periodNs = 0;
  #lastNs = 0;
  #steady = 0;

  /** Called when the guest goes idle with the timer armed for `deadlineNs`; gives the time by which to wake it for that. */
  wakeAt(deadlineNs: Ns): Ns {
    if (deadlineNs !== this.#lastNs) this.#see(deadlineNs);
    if (this.#steady < STEADY_PERIODS) return deadlineNs;
    return deadlineNs + this.#periodNs * (Math.floor(LATEST_NS / this.#periodNs) - 1);
  }

  #see(deadlineNs: Ns): void {
    const step = deadlineNs - this.#lastNs;
    this.#lastNs = deadlineNs;
    const periods = this.#periodNs === 0 ? 0 : Math.round(step / this.#periodNs);
    if (periods >= 1 && step <= LATEST_NS + this.#periodNs && Math.abs(step - periods * this.#periodNs) <= this.#periodNs / 64) {
      this.#steady += periods;
      return;
    }
    this.#steady = 0;
    this.#periodNs = step >= SHORTEST_PERIOD_NS && step <= LONGEST_PERIOD_NS ? step : 0;
  }
}
