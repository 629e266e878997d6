/**
 * The backend's end of a ring of requests: one page or several, slots of either ABI, four free-running indices. What the frontend writes is
 * copied out once and believed as far as the ring is long. public/io/ring.h.
 */
import { type BlockAbi, sharedRing } from "../../abi/blkif.js";
import type { GrantedPage } from "./granted-memory.js";

const PAGE = 4096;

/** Requests in, responses out. */
export class BlockRing {
  /** Slots. */
  readonly size: number;
  /** Requests that were taken. */
  #taken: number;
  /** Responses that the frontend can see. */
  #answered: number;
  /** The frontend said that there are more requests than slots. Nothing is taken any more. */
  broken = false;

  /** Goes on where the page says that the last backend stopped. */
  constructor(
    private readonly pages: readonly GrantedPage[],
    private readonly abi: BlockAbi,
  ) {
    this.size = 2 ** Math.floor(Math.log2((pages.length * PAGE - sharedRing.bytes) / abi.slotBytes));
    this.#answered = this.#index(sharedRing.rsp_prod);
    this.#taken = this.#answered;
    this.broken = (this.#index(sharedRing.req_prod) - this.#answered) >>> 0 > this.size;
  }

  /** The next request, copied; undefined when there is none, or when all that there are wait for responses. */
  take(): Uint8Array | undefined {
    const produced = this.#index(sharedRing.req_prod);
    if ((produced - this.#answered) >>> 0 > this.size) this.broken = true;
    if (this.broken || produced === this.#taken || (this.#taken - this.#answered) >>> 0 >= this.size) return undefined;
    const slot = new Uint8Array(this.abi.slotBytes);
    this.#copy(this.#slotAt(this.#taken), slot.byteLength, (from, at) => slot.set(from, at));
    this.#taken = (this.#taken + 1) >>> 0;
    return slot;
  }

  /** Asks to be told of the next request; false when one came meanwhile. */
  ask(): boolean {
    this.#setIndex(sharedRing.req_event, (this.#taken + 1) >>> 0);
    return this.broken || this.#index(sharedRing.req_prod) === this.#taken;
  }

  /** Answers a request; true when the frontend wants to be told. */
  respond(id: bigint, operation: number, status: number): boolean {
    const response = new Uint8Array(12);
    const view = new DataView(response.buffer);
    view.setBigUint64(0, id, true);
    view.setUint8(8, operation);
    view.setInt16(10, status, true);
    const at = this.#slotAt(this.#answered);
    this.#copyIn(at, response);
    const before = this.#answered;
    this.#answered = (before + 1) >>> 0;
    this.#setIndex(sharedRing.rsp_prod, this.#answered);
    return (this.#answered - this.#index(sharedRing.rsp_event)) >>> 0 < (this.#answered - before) >>> 0;
  }

  /** The ring's pages are not used any more. */
  release(): void {
    this.broken = true;
    for (const page of this.pages) page.release();
  }

  #slotAt(index: number): number {
    return sharedRing.bytes + (index & (this.size - 1)) * this.abi.slotBytes;
  }

  /** A slot may lie across two pages. */
  #copy(at: number, length: number, put: (from: Uint8Array, at: number) => void): void {
    for (let done = 0; done < length; ) {
      const offset = (at + done) % PAGE;
      const count = Math.min(PAGE - offset, length - done);
      put(this.pages[Math.floor((at + done) / PAGE)]!.read().subarray(offset, offset + count), done);
      done += count;
    }
  }

  #copyIn(at: number, bytes: Uint8Array): void {
    this.#copy(at, bytes.byteLength, (into, from) => into.set(bytes.subarray(from, from + into.byteLength)));
  }

  #index(at: number): number {
    const bytes = this.pages[0]!.read();
    return new DataView(bytes.buffer, bytes.byteOffset, PAGE).getUint32(at, true);
  }

  #setIndex(at: number, value: number): void {
    const bytes = this.pages[0]!.read();
    new DataView(bytes.buffer, bytes.byteOffset, PAGE).setUint32(at, value, true);
  }
}
