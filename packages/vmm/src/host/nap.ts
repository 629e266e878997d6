/**
 * A sleep of some microseconds that keeps the thread: `Atomics.wait` on memory that nobody else has. Node and workers of isolated pages allow
 * it, a page's main thread does not; it takes no shorter than the host's timers allow (Linux: 50 µs more than asked, by its timer slack).
 */

/** Blocks the thread for `ms`, which may be a fraction. */
export type Nap = (ms: number) => void;

/** How this thread sleeps without giving itself up; absent where the host does not let it. */
export function createNap(): Nap | undefined {
  if (typeof SharedArrayBuffer === "undefined") return undefined;
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const nap: Nap = (ms) => void Atomics.wait(cell, 0, 0, ms);
  try {
    nap(0);
    return nap;
  } catch {
    return undefined;
  }
}
