/**
 * What the host does about a vCPU that spins on PAUSE while no other one could run: once it has spun for a while the thread sleeps for a
 * moment, over and over until the loop ends. A guest that waits for time to pass, or for a device, then costs next to nothing. After VT-x's
 * PAUSE-loop exiting (SDM Vol. 3C §25.1.3): PLE_Gap is the core's, which says "yield" when PAUSEs follow one another closely; PLE_Window is here.
 */
import { MAX_NAP_NS, type MachineClock } from "../clock/machine-clock.js";
import type { Nap } from "../host/nap.js";

/** Guest ns that a vCPU spins for before the thread sleeps: locks and short delays are over by then. */
export const WINDOW_NS = 30_000;
/** Yields further apart, in guest ns, do not belong to the same loop. */
export const GAP_NS = 40_000;
/** What is asked of the host: it takes longer, Linux some 50 µs, and should still be in time for the next alarm. */
export const NAP_MS = 0.09;
/** A host that takes longer than this so many times in a row is not just busy, its timers are coarse: it is not asked again ... */
const LONG_NAP_MS = 1;
const LONG_NAPS = 32;
/** ... for so many host milliseconds, and then until it takes long once more. */
export const RESPITE_MS = 2000;

/** Milliseconds of the host's monotonic clock. */
export type HostNow = () => number;

/** The loops of one machine's vCPUs. */
export class PauseLoops {
  #vcpu = -1;
  #startNs = 0;
  /** When the vCPU yielded last, or the sleep after that was over. */
  #lastNs = Number.NEGATIVE_INFINITY;
  #longNaps = 0;
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  private constructor(
    private readonly clock: MachineClock & Required<Pick<MachineClock, "napped">>,
    private readonly nap: Nap,
    private readonly hostNow: HostNow,
  ) {}

  /** Undefined where time does not follow the host's, or the host cannot sleep like this. */
  static create(clock: MachineClock, nap: Nap | undefined, hostNow: HostNow = () => performance.now()): PauseLoops | undefined {
    return clock.napped === undefined || nap === undefined ? undefined : new PauseLoops(clock as PauseLoops["clock"], nap, hostNow);
  }

  /** `vcpu` yielded with nobody to yield to. Sleeps if it is time to, and returns for how many ms. */
  yielded(vcpu: number): number {
    const nowNs = this.clock.nowNs();
    if (vcpu !== this.#vcpu || nowNs - this.#lastNs > GAP_NS) this.#startNs = nowNs;
    this.#vcpu = vcpu;
    this.#lastNs = nowNs;
    if (nowNs - this.#startNs < WINDOW_NS || this.clock.nextDeadlineNs - nowNs < MAX_NAP_NS) return 0;
    const started = this.hostNow();
    if (started < this.#notBeforeMs) return 0;
    this.nap(NAP_MS);
    const ended = this.hostNow();
    const ms = ended - started;
    this.#longNaps = ms > LONG_NAP_MS ? this.#longNaps + 1 : 0;
    if (this.#longNaps >= LONG_NAPS) this.#notBeforeMs = ended + RESPITE_MS;
    this.clock.napped(ms);
    this.#lastNs = this.clock.nowNs();
    return ms;
  }
}
