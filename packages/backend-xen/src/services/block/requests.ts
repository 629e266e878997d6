/**
 * A ring at work on a store: requests run side by side up to a bound, each with a buffer of its own, and are answered in the order in which
 * the host finishes them. What does not make sense, and what the host cannot do, is a status. A barrier waits for all before it and lets
 * none past. The next request is taken only when there is room for it, so a frontend makes nothing grow.
 */
import type { BlockStore } from "@paravane/paravirt-ops";
import { type BlockAbi, blockOperations, blockStatus } from "../../abi/blkif.js";
import type { GrantedMemory, GrantedPage } from "./granted-memory.js";
import { type BlockRequest, readRequest } from "./request.js";
import type { BlockRing } from "./ring.js";

const SECTOR = 512;
const IN_FLIGHT = 16;

/** Thrown for a request that cannot be served, and answered with an error. */
class BadRequest extends Error {}

/** What the requests are about. */
export interface BlockWork {
  readonly ring: BlockRing;
  readonly abi: BlockAbi;
  readonly memory: GrantedMemory;
  readonly store: BlockStore;
  readonly readOnly: boolean;
  /** The frontend wants to know of responses. */
  notify(): void;
}

/** Requests of one connection. */
export class BlockRequests {
  #inFlight = 0;
  /** A barrier that waits, and whether one runs. */
  #barrier: BlockRequest | undefined;
  #alone = false;
  #stopped: (() => void) | undefined;
  readonly #cancel = new AbortController();

  constructor(private readonly work: BlockWork) {}

  /** Takes what there is room for. */
  drain(): void {
    if (this.#stopped !== undefined) return;
    const { ring, abi, memory } = this.work;
    do {
      while (this.#inFlight < IN_FLIGHT && !this.#alone && this.#barrier === undefined) {
        const slot = ring.take();
        if (slot === undefined) break;
        const request = readRequest(slot, abi, (reference) => memory.use(reference, false));
        if (request.operation === blockOperations.WRITE_BARRIER) this.#barrier = request;
        else void this.#serve(request);
      }
      if (this.#barrier === undefined || this.#inFlight > 0) continue;
      const barrier = this.#barrier;
      this.#barrier = undefined;
      this.#alone = true;
      void this.#serve(barrier);
      // With no room there is nobody to wake us but a request that ends.
    } while (this.#inFlight < IN_FLIGHT && !this.#alone && this.#barrier === undefined && !ring.ask());
  }

  /** Nothing is taken any more; `then` is called when the host has let go of all that runs. */
  stop(then: () => void): void {
    this.#stopped = then;
    if (this.#inFlight === 0) then();
  }

  /** What runs is called off, and not answered: the domain is over. */
  abort(): void {
    this.stop(() => {});
    this.#cancel.abort();
    this.work.memory.abandon();
  }

  /** Runs one request to its end and never rejects. */
  async #serve(request: BlockRequest): Promise<void> {
    this.#inFlight++;
    let status: number = blockStatus.ERROR;
    try {
      status = await this.#execute(request, this.#cancel.signal);
    } catch {
      // A bad request, or a host that could not: the frontend learns of either by the status alone.
    }
    this.#inFlight--;
    this.#alone = false;
    if (this.#cancel.signal.aborted) return;
    if (this.work.ring.respond(request.id, request.operation, status)) this.work.notify();
    if (this.#stopped === undefined) this.drain();
    else if (this.#inFlight === 0) this.#stopped();
  }

  /** The status. Grants are held until the host is done with them. */
  async #execute(request: BlockRequest, signal: AbortSignal): Promise<number> {
    const { store, readOnly } = this.work;
    const { operation, segments } = request;
    switch (operation) {
      case blockOperations.READ: {
        const transfer = this.#hold(request, true);
        try {
          const bytes = new Uint8Array(transfer.length);
          await store.read(request.sector * SECTOR, bytes, signal);
          transfer.scatter(bytes);
        } finally {
          transfer.release();
        }
        return blockStatus.OKAY;
      }
      case blockOperations.WRITE:
      case blockOperations.WRITE_BARRIER: {
        if (readOnly) return blockStatus.ERROR;
        // An empty barrier is a flush.
        if (operation === blockOperations.WRITE || segments === undefined || segments.length > 0) await this.#write(request, signal);
        if (operation === blockOperations.WRITE_BARRIER) await store.flush(signal);
        return blockStatus.OKAY;
      }
      case blockOperations.FLUSH_DISKCACHE:
        if (segments === undefined) return blockStatus.ERROR;
        if (segments.length > 0) {
          if (readOnly) return blockStatus.ERROR;
          await this.#write(request, signal);
        }
        await store.flush(signal);
        return blockStatus.OKAY;
      case blockOperations.DISCARD:
        if (store.discard === undefined || readOnly) return blockStatus.EOPNOTSUPP;
        this.#checkRange(request.sector, request.discard);
        if (request.discard > 0) await store.discard(request.sector * SECTOR, request.discard * SECTOR, signal);
        return blockStatus.OKAY;
      default:
        return blockStatus.EOPNOTSUPP;
    }
  }

  async #write(request: BlockRequest, signal: AbortSignal): Promise<void> {
    const transfer = this.#hold(request, false);
    try {
      await this.work.store.write(request.sector * SECTOR, transfer.gather(), signal);
    } finally {
      transfer.release();
    }
  }

  /** Whole sectors of the store, all of them there. */
  #checkRange(sector: number, count: number): void {
    const { size, sectorSize } = this.work.store;
    const inside = (sector + count) * SECTOR <= size;
    if (!inside || (sector * SECTOR) % sectorSize !== 0 || (count * SECTOR) % sectorSize !== 0) throw new BadRequest();
  }

  /** The pages of a transfer, held. `write`: the frontend's memory is written. */
  #hold({ sector, segments }: BlockRequest, write: boolean): Transfer {
    if (segments === undefined || segments.length === 0) throw new BadRequest();
    const count = segments.reduce((sum, segment) => sum + segment.count, 0);
    this.#checkRange(sector, count);
    const parts: TransferPart[] = [];
    for (const segment of segments) {
      const page = this.work.memory.use(segment.reference, write);
      if (page === undefined) {
        for (const part of parts) part.page.release();
        throw new BadRequest();
      }
      parts.push({ page, offset: segment.first * SECTOR, length: segment.count * SECTOR });
    }
    return new Transfer(parts, count * SECTOR);
  }
}

interface TransferPart {
  readonly page: GrantedPage;
  readonly offset: number;
  readonly length: number;
}

/** Pieces of pages that together are one run of the disk. */
class Transfer {
  constructor(
    private readonly parts: readonly TransferPart[],
    readonly length: number,
  ) {}

  gather(): Uint8Array {
    const bytes = new Uint8Array(this.length);
    let at = 0;
    for (const { page, offset, length } of this.parts) {
      bytes.set(page.read().subarray(offset, offset + length), at);
      at += length;
    }
    return bytes;
  }

  scatter(bytes: Uint8Array): void {
    let at = 0;
    for (const { page, offset, length } of this.parts) {
      page.write(offset, bytes.subarray(at, at + length));
      at += length;
    }
  }

  release(): void {
    for (const { page } of this.parts) page.release();
  }
}
