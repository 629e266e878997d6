/** Giving up the host thread: between macrotasks, for a while, and until something happens. Works in Node, browsers and workers. */

/** Host timers take no more than this; a longer sleep wakes in between. */
const MAX_TIMER_MS = 60_000;

/** The event loop under one machine. At most one sleeper at a time. */
export class EventLoop {
  #channel: MessageChannel | undefined;
  #yielded: (() => void) | undefined;
  #sleeper: (() => void) | undefined;
  #wakePending = false;

  /** Resolves after pending host events (input, completed reads, timers) have had their turn. */
  yield(): Promise<void> {
    const { setImmediate } = globalThis as { setImmediate?: (callback: () => void) => unknown };
    // A MessageChannel would do in Node too, but setImmediate lets it poll for input and output first.
    if (setImmediate !== undefined) return new Promise((resolve) => setImmediate(resolve));
    if (this.#channel === undefined) {
      this.#channel = new MessageChannel();
      this.#channel.port1.onmessage = () => this.#yielded?.();
    }
    const { port2 } = this.#channel;
    return new Promise((resolve) => {
      this.#yielded = resolve;
      port2.postMessage(0);
    });
  }

  /** Resolves after `ms` or at `wake()`, whichever comes first. A wake that came just before counts. */
  sleep(ms: number): Promise<void> {
    if (this.#wakePending) {
      this.#wakePending = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.wake(), Math.min(ms, MAX_TIMER_MS));
      this.#sleeper = () => {
        clearTimeout(timer);
        this.#sleeper = undefined;
        resolve();
      };
    });
  }

  /** Ends a sleep. */
  wake(): void {
    if (this.#sleeper !== undefined) this.#sleeper();
    else this.#wakePending = true;
  }

  /** Forgets a wake that was meant for work already seen. */
  clearWake(): void {
    this.#wakePending = false;
  }

  close(): void {
    this.#channel?.port1.close();
    this.#channel = undefined;
  }
}
