/**
 * Exact conversion between guest nanoseconds and the ticks of a part's crystal. Whole seconds and the rest are converted apart,
 * so that no product leaves the 2^53 range of exact numbers: good for crystals below 9 MHz and for rates that divide 1 GHz.
 */
import type { Ns } from "@paravane/paravirt-ops";

const NS_PER_SECOND = 1_000_000_000;

/** Ticks of a crystal of `hz` that have passed at `ns`. */
export function ticksAt(ns: Ns, hz: number): number {
  const seconds = Math.floor(ns / NS_PER_SECOND);
  const rest = ns - seconds * NS_PER_SECOND;
  return seconds * hz + Math.floor((rest * hz) / NS_PER_SECOND);
}

/** The first nanosecond at which `ticksAt` reaches `ticks`. */
export function nsOfTick(ticks: number, hz: number): Ns {
  const seconds = Math.floor(ticks / hz);
  const rest = ticks - seconds * hz;
  return seconds * NS_PER_SECOND + Math.ceil((rest * NS_PER_SECOND) / hz);
}
