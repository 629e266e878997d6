/**
 * Virtio block device over a BlockStore. Virtio 1.2 §5.2. Requests run side by side, up to a bound, each with one bounce buffer: larger
 * ones move in pieces. What the host cannot do becomes VIRTIO_BLK_S_IOERR; nothing waits for guest memory, nothing grows with a request.
 * Left out: write zeroes, secure erase, several queues, topology, write-back toggle, lifetime, zoned devices.
 */
import { HvError } from "@paravane/paravirt-ops";
import type { BlockStore } from "@paravane/paravirt-ops";
import { requireSchema } from "../schema.js";
import type { VirtqChain } from "./chain.js";
import type { VirtioDevice, VirtioLink } from "./device.js";

const F_SEG_MAX = 2,
  F_GEOMETRY = 4,
  F_RO = 5,
  F_BLK_SIZE = 6,
  F_FLUSH = 9,
  F_DISCARD = 13;
const T_IN = 0,
  T_OUT = 1,
  T_FLUSH = 4,
  T_GET_ID = 8,
  T_DISCARD = 11;
const S_OK = 0,
  S_IOERR = 1,
  S_UNSUPP = 2;
const SECTOR = 512;
const HEADER = 16;
const ID_LENGTH = 20;
const DISCARD_RANGE = 16;
const MAX_DISCARD_RANGES = 32;
const MAX_DISCARD_SECTORS = 0x40_0000;

const QUEUE_SIZE = 256;
/** Header and status take two segments of a chain. */
const SEG_MAX = QUEUE_SIZE - 2;
const IN_FLIGHT = 16;
const PIECE = 256 * 1024;

/** How a drive appears to the guest. */
export interface VirtioBlockOptions {
  readonly store: BlockStore;
  /** The guest may not write, whatever the store could do. */
  readonly readOnly?: boolean;
  /** Up to 20 characters, which the guest sees as the drive's serial number. */
  readonly serial?: string;
  /** Hears of host failures that the guest sees only as an I/O error. */
  readonly onHostError?: (error: unknown) => void;
}

/** Saved block device. Requests in flight are in the queue's state: they are done again, which has the same effect. */
export interface VirtioBlockState {
  schema: "virtio-block@1";
}

/** One of the requests that may be in flight. */
interface Slot {
  busy: boolean;
  buffer: Uint8Array;
  /** One a request: a store that forgets to take its listener off again must not gather them. */
  cancel: AbortController;
}

/** A disk. */
export class VirtioBlock implements VirtioDevice<VirtioBlockState> {
  readonly name = "virtio-block";
  readonly type = 2;
  readonly pciClass = 0x01_00_00;
  readonly features: number;
  readonly queueSizes = [QUEUE_SIZE];
  readonly config: Uint8Array;
  readonly #store: BlockStore;
  readonly #readOnly: boolean;
  readonly #id = new Uint8Array(ID_LENGTH);
  readonly #onHostError: (error: unknown) => void;
  readonly #slots: readonly Slot[] = Array.from({ length: IN_FLIGHT }, () => ({
    busy: false,
    buffer: new Uint8Array(0),
    cancel: new AbortController(),
  }));
  readonly #header = new Uint8Array(HEADER);
  readonly #headerView = new DataView(this.#header.buffer);
  readonly #status = new Uint8Array(1);
  /** Chains that a snapshot brought back and no slot has taken up yet. */
  #resumed: VirtqChain[] = [];
  #link: VirtioLink | undefined;

  /** @throws HvError "block/sector-size" when the store's sectors are not a power of two of at least 512 bytes */
  constructor(options: VirtioBlockOptions) {
    const { store } = options;
    if (store.sectorSize < SECTOR || Math.log2(store.sectorSize) % 1 !== 0) {
      throw new HvError("block/sector-size", `a drive with sectors of ${store.sectorSize} bytes cannot be a virtio disk`);
    }
    this.#store = store;
    this.#readOnly = store.readOnly || options.readOnly === true;
    this.#onHostError = options.onHostError ?? (() => undefined);
    const serial = options.serial ?? "";
    for (let i = 0; i < Math.min(serial.length, ID_LENGTH); i++) this.#id[i] = serial.charCodeAt(i) & 0x7f;
    const discards = store.discard !== undefined && !this.#readOnly;
    this.features =
      (1 << F_SEG_MAX) |
      (1 << F_GEOMETRY) |
      (1 << F_BLK_SIZE) |
      (1 << F_FLUSH) |
      (this.#readOnly ? 1 << F_RO : 0) |
      (discards ? 1 << F_DISCARD : 0);
    this.config = configuration(store, discards);
  }

  /** Requests the host is working on. */
  get inFlight(): number {
    return this.#slots.reduce((count, slot) => count + (slot.busy ? 1 : 0), 0);
  }

  start(link: VirtioLink): void {
    this.#link = link;
  }
  notify(): void {
    this.#drain();
  }
  /** Requests in flight are cancelled; their slots come free when the host lets go of them. */
  stop(): void {
    this.#link = undefined;
    this.#resumed = [];
    for (const slot of this.#slots) if (slot.busy) slot.cancel.abort();
  }
  save(): VirtioBlockState {
    return { schema: "virtio-block@1" };
  }
  load(state: VirtioBlockState, link: VirtioLink | undefined, held: readonly (readonly VirtqChain[])[]): void {
    requireSchema(state, "virtio-block@1");
    this.stop();
    this.#link = link;
    this.#resumed = [...(held[0] ?? [])];
    this.#drain();
  }

  #drain(): void {
    const link = this.#link;
    if (link === undefined) return;
    for (const slot of this.#slots) {
      if (slot.busy) continue;
      const chain = this.#resumed.shift() ?? link.take(0);
      if (chain === undefined) return;
      slot.busy = true;
      slot.cancel = new AbortController();
      void this.#serve(link, slot, chain);
    }
  }

  /** Runs one request to its end and never rejects. */
  async #serve(link: VirtioLink, slot: Slot, chain: VirtqChain): Promise<void> {
    let status = S_IOERR;
    try {
      status = await this.#execute(link, slot, chain, slot.cancel.signal);
    } catch (error) {
      if (link.holds(0, chain)) this.#onHostError(error);
    }
    slot.busy = false;
    if (link.holds(0, chain)) {
      this.#status[0] = status;
      // A buffer without room for the status cannot be answered, only returned.
      const written = chain.writable === 0 ? 0 : chain.writable - 1 + chain.write(link.memory, chain.writable - 1, this.#status);
      link.complete(0, chain, status === S_OK ? written : Math.min(written, 1));
      link.signal(0);
    }
    this.#drain();
  }

  /** The status byte. Everything up to the first `await` happens before this returns, so the shared header is safe. */
  async #execute(link: VirtioLink, slot: Slot, chain: VirtqChain, signal: AbortSignal): Promise<number> {
    if (chain.read(link.memory, 0, this.#header) !== HEADER || chain.writable === 0) return S_IOERR;
    const type = this.#headerView.getUint32(0, true);
    const offset = (this.#headerView.getUint32(8, true) + this.#headerView.getUint32(12, true) * 2 ** 32) * SECTOR;
    switch (type) {
      case T_IN: {
        const length = chain.writable - 1;
        if (!this.#inside(offset, length)) return S_IOERR;
        for (let done = 0; done < length; done += PIECE) {
          const piece = bounce(slot, Math.min(PIECE, length - done));
          await this.#store.read(offset + done, piece, signal);
          if (!link.holds(0, chain)) return S_IOERR;
          chain.write(link.memory, done, piece);
        }
        return S_OK;
      }
      case T_OUT: {
        const length = chain.readable - HEADER;
        if (this.#readOnly || !this.#inside(offset, length)) return S_IOERR;
        for (let done = 0; done < length; done += PIECE) {
          const piece = bounce(slot, Math.min(PIECE, length - done));
          if (!link.holds(0, chain)) return S_IOERR;
          chain.read(link.memory, HEADER + done, piece);
          await this.#store.write(offset + done, piece, signal);
        }
        return S_OK;
      }
      case T_FLUSH:
        await this.#store.flush(signal);
        return S_OK;
      case T_GET_ID:
        chain.write(link.memory, 0, this.#id.subarray(0, chain.writable - 1));
        return S_OK;
      case T_DISCARD:
        return this.#discard(link, slot, chain, signal);
      default:
        return S_UNSUPP;
    }
  }

  async #discard(link: VirtioLink, slot: Slot, chain: VirtqChain, signal: AbortSignal): Promise<number> {
    const store = this.#store;
    const length = chain.readable - HEADER;
    if (store.discard === undefined || !link.agreed(F_DISCARD)) return S_UNSUPP;
    if (this.#readOnly || length === 0 || length % DISCARD_RANGE !== 0 || length > DISCARD_RANGE * MAX_DISCARD_RANGES) return S_IOERR;
    const ranges = bounce(slot, length);
    chain.read(link.memory, HEADER, ranges);
    const view = new DataView(ranges.buffer, ranges.byteOffset, length);
    for (let at = 0; at < length; at += DISCARD_RANGE) {
      const offset = (view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32) * SECTOR;
      const bytes = view.getUint32(at + 8, true) * SECTOR;
      if (view.getUint32(at + 12, true) !== 0) return S_UNSUPP;
      if (bytes > MAX_DISCARD_SECTORS * SECTOR || !this.#inside(offset, bytes)) return S_IOERR;
      if (bytes !== 0) await store.discard(offset, bytes, signal);
    }
    return S_OK;
  }

  /** Whole sectors of the store, all of them there. */
  #inside(offset: number, length: number): boolean {
    return (
      length >= 0 && length % this.#store.sectorSize === 0 && offset % this.#store.sectorSize === 0 && offset + length <= this.#store.size
    );
  }
}

/** The first `length` bytes of a slot's buffer, which grows up to one piece. */
function bounce(slot: Slot, length: number): Uint8Array {
  if (slot.buffer.length < length) slot.buffer = new Uint8Array(length);
  return slot.buffer.length === length ? slot.buffer : slot.buffer.subarray(0, length);
}

/** `struct virtio_blk_config`, §5.2.4. */
function configuration(store: BlockStore, discards: boolean): Uint8Array {
  const config = new Uint8Array(60);
  const view = new DataView(config.buffer);
  const sectors = Math.floor(store.size / SECTOR);
  const heads = 16,
    perTrack = 63;
  view.setUint32(0, sectors % 2 ** 32, true);
  view.setUint32(4, Math.floor(sectors / 2 ** 32), true);
  view.setUint32(12, SEG_MAX, true);
  view.setUint16(16, Math.min(65535, Math.floor(sectors / (heads * perTrack))), true);
  view.setUint8(18, heads);
  view.setUint8(19, perTrack);
  view.setUint32(20, store.sectorSize, true);
  view.setUint16(34, 1, true);
  if (discards) {
    view.setUint32(36, MAX_DISCARD_SECTORS, true);
    view.setUint32(40, MAX_DISCARD_RANGES, true);
    view.setUint32(44, store.sectorSize / SECTOR, true);
  }
  return config;
}
