/** xenstore's page: requests and replies in two queues of 1 KiB with free-running indices. public/io/xs_wire.h. */
import type { HypervisorFrames, Mfn } from "@paravane/paravirt-ops";
import { STORE_HEADER_BYTES, STORE_PAYLOAD_MAX } from "../../abi/io.js";
import { StoreConnection, type StoreMessage } from "./connection.js";
import type { XenStore } from "./store.js";

const RING = 1024;
const REQUESTS = 0;
const REPLIES = 0x400;
const REQ_CONS = 0x800;
const REQ_PROD = 0x804;
const RSP_CONS = 0x808;
const RSP_PROD = 0x80c;

/** The store's side of the ring. */
export class StoreRing {
  readonly #connection: StoreConnection;
  #request = new Uint8Array(0);
  /** Bytes that the guest has no room for yet. Requests wait as long as there are any, so a guest cannot make this grow. */
  #waiting: Uint8Array[] = [];
  /** Watch events that wait already: saying the same twice says nothing more. */
  readonly #events = new Set<string>();
  #broken = false;
  /** A request is being answered: events that it causes come after the reply. */
  #answering = false;

  constructor(
    private readonly frames: HypervisorFrames,
    private readonly frame: Mfn,
    store: XenStore,
    user: number,
    /** The guest has something to look at. */
    private readonly notify: () => void,
  ) {
    this.#connection = new StoreConnection(store, user, (event) => this.#event(event));
  }

  /** The guest has asked something, or made room. */
  notified(): void {
    let moved = this.#flush();
    while (!this.#broken && this.#waiting.length === 0 && this.#read()) {
      moved = true;
      this.#flush();
    }
    if (moved) this.notify();
  }

  #event(event: StoreMessage): void {
    const key = String.fromCharCode(...event.payload);
    if (this.#events.has(key)) return;
    this.#events.add(key);
    this.#queue(event);
    if (!this.#answering && this.#flush()) this.notify();
  }

  #queue({ type, request, transaction, payload }: StoreMessage): void {
    const bytes = new Uint8Array(STORE_HEADER_BYTES + payload.byteLength);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, type, true);
    view.setUint32(4, request, true);
    view.setUint32(8, transaction, true);
    view.setUint32(12, payload.byteLength, true);
    bytes.set(payload, STORE_HEADER_BYTES);
    this.#waiting.push(bytes);
  }

  /** Reads what is there and answers at most one request; true when the guest has room again or a reply. */
  #read(): boolean {
    const { bytes, view } = this.#page();
    const consumer = view.getUint32(REQ_CONS, true);
    const available = (view.getUint32(REQ_PROD, true) - consumer) >>> 0;
    if (available > RING) this.#broken = true;
    if (available === 0 || this.#broken) return false;
    const length = this.#messageLength();
    const wanted = length === undefined ? STORE_HEADER_BYTES - this.#request.byteLength : length - this.#request.byteLength;
    const count = Math.min(available, wanted);
    const more = new Uint8Array(this.#request.byteLength + count);
    more.set(this.#request);
    for (let index = 0; index < count; index++)
      more[this.#request.byteLength + index] = bytes[REQUESTS + ((consumer + index) & (RING - 1))]!;
    this.#request = more;
    view.setUint32(REQ_CONS, (consumer + count) >>> 0, true);
    this.#answerWhole();
    return true;
  }

  #answerWhole(): void {
    const length = this.#messageLength();
    if (length === undefined || this.#request.byteLength < length) return;
    const view = new DataView(this.#request.buffer);
    const message: StoreMessage = {
      type: view.getUint32(0, true),
      request: view.getUint32(4, true),
      transaction: view.getUint32(8, true),
      payload: this.#request.subarray(STORE_HEADER_BYTES),
    };
    this.#request = new Uint8Array(0);
    this.#answering = true;
    const reply = this.#connection.answer(message);
    this.#answering = false;
    const events = this.#waiting;
    this.#waiting = [];
    this.#queue(reply);
    this.#waiting.push(...events);
  }

  /** Bytes of the message that is being read, once its header is there. One that is too long ends the talk. */
  #messageLength(): number | undefined {
    if (this.#request.byteLength < STORE_HEADER_BYTES) return undefined;
    const payload = new DataView(this.#request.buffer).getUint32(12, true);
    if (payload > STORE_PAYLOAD_MAX) this.#broken = true;
    return STORE_HEADER_BYTES + Math.min(payload, STORE_PAYLOAD_MAX);
  }

  /** Writes what has room; true when something was. */
  #flush(): boolean {
    let moved = false;
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined) {
        this.#events.clear();
        return moved;
      }
      const { bytes, view } = this.#page();
      const producer = view.getUint32(RSP_PROD, true);
      const used = (producer - view.getUint32(RSP_CONS, true)) >>> 0;
      const count = used > RING ? 0 : Math.min(RING - used, first.byteLength);
      if (count === 0) return moved;
      for (let index = 0; index < count; index++) bytes[REPLIES + ((producer + index) & (RING - 1))] = first[index]!;
      view.setUint32(RSP_PROD, (producer + count) >>> 0, true);
      moved = true;
      if (count === first.byteLength) this.#waiting.shift();
      else this.#waiting[0] = first.subarray(count);
    }
  }

  #page(): { bytes: Uint8Array; view: DataView } {
    const bytes = this.frames.bytes(this.frame);
    return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
  }
}
