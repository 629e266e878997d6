// Bounds for V8's heap, whose own are made for programs that live from it: a machine lives from its WebAssembly memory, and what it allocates
// beside that is mostly gone before the next collection. V8 reads both flags whenever it collects, so they can be set while it runs.
import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

const MIB = 2 ** 20;
/** Bytes of one half of the young generation, where V8 goes on to 16 or 32 MiB. With less, more gets old that is garbage soon after. */
const YOUNG_HALF_BYTES = 8 * MIB;
/** How much the old generation grows between its collections, in per cent of what lives; V8 goes up to 300. */
const OLD_GROWTH_PERCENT = 100;

/**
 * Bounds the heap of this process from here on. For whoever owns the process, since V8's flags are for all of its programs; and once all code has been
 * loaded, since V8 takes no compiled code out of a cache that was written with other flags.
 */
export function boundHeap(): void {
  setFlagsFromString(`--heap-growing-percent=${OLD_GROWTH_PERCENT}`);
  let growing = true;
  // V8 doubles the young generation while much survives in it, and makes it small again when there is little to do: from there it may grow.
  new PerformanceObserver(() => {
    const mayGrow = youngHalfBytes() <= YOUNG_HALF_BYTES / 2;
    if (mayGrow === growing) return;
    growing = mayGrow;
    setFlagsFromString(`--semi-space-growth-factor=${mayGrow ? 2 : 1}`);
  }).observe({ entryTypes: ["gc"] });
}

/** What fits into the half that is in use. The space's own size counts pages that V8 has taken so far, and lags behind. */
export function youngHalfBytes(): number {
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space");
  return young === undefined ? 0 : young.space_used_size + young.space_available_size;
}
