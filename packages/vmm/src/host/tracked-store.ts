/**
 * A block store that counts its requests in flight, so that the run loop looks at the host more often while one is. Under a
 * deterministic clock it also completes them in the order of submission, and the loop lets no instruction pass in between:
 * then the moment of each completion in guest time is the moment of its request.
 */
import type { BlockStore } from "@paravane/paravirt-ops";

/** Requests in flight over all stores of a machine. */
export interface InFlight {
  count: number;
  /** A request was submitted. */
  onSubmit(): void;
  /** A request was settled; its submitter's continuation runs after this. */
  onSettle(): void;
}

/** A store that reports to `inFlight`, and keeps its requests in order when `ordered`. */
export class TrackedStore implements BlockStore {
  readonly size: number;
  readonly sectorSize: number;
  readonly readOnly: boolean;
  readonly discard?: (offset: number, length: number, signal?: AbortSignal) => Promise<void>;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly store: BlockStore,
    private readonly inFlight: InFlight,
    private readonly ordered: boolean,
  ) {
    this.size = store.size;
    this.sectorSize = store.sectorSize;
    this.readOnly = store.readOnly;
    if (store.discard !== undefined) this.discard = (offset, length, signal) => this.#track(() => store.discard!(offset, length, signal));
  }

  read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.#track(() => this.store.read(offset, into, signal));
  }

  write(offset: number, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.#track(() => this.store.write(offset, bytes, signal));
  }

  flush(signal?: AbortSignal): Promise<void> {
    return this.#track(() => this.store.flush(signal));
  }

  close(): Promise<void> {
    return this.store.close();
  }

  async #track(request: () => Promise<void>): Promise<void> {
    this.inFlight.count++;
    this.inFlight.onSubmit();
    try {
      const before = this.#last;
      const mine = this.ordered ? before.then(request, request) : request();
      this.#last = mine.catch(() => {});
      await mine;
    } finally {
      this.inFlight.count--;
      this.inFlight.onSettle();
    }
  }
}
