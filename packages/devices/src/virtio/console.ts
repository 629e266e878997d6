/**
 * Virtio console, port 0, over a ByteStream. Virtio 1.2 §5.3. Queue 0 carries bytes to the guest, queue 1 from it. A host that is behind
 * stops the guest's output in the middle of a buffer, which is finished when the host has drained.
 * Left out: further ports and the control queues, emergency write.
 */
import type { ByteStream } from "@paravane/paravirt-ops";
import { requireSchema } from "../schema.js";
import type { VirtqChain } from "./chain.js";
import type { VirtioDevice, VirtioLink } from "./device.js";

const F_SIZE = 0;
const RECEIVE = 0,
  TRANSMIT = 1;
const QUEUE_SIZE = 128;
/** Bytes handed to the host at a time. */
const PIECE = 4096;
/** A longer output buffer is cut here: no console driver sends one, and the guest must not keep the host busy with a single bell. */
const MAX_OUTPUT = 1 << 20;

/** Saved console: its size, and how much of the buffer being written out the host has. */
export interface VirtioConsoleState {
  schema: "virtio-console@1";
  columns: number;
  rows: number;
  sent: number;
}

/** A console. */
export class VirtioConsole implements VirtioDevice<VirtioConsoleState> {
  readonly name = "virtio-console";
  readonly type = 3;
  readonly pciClass = 0x07_80_00;
  readonly features = 1 << F_SIZE;
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE];
  /** `struct virtio_console_config`: columns, rows, number of ports, emergency write. */
  readonly config = new Uint8Array(12);
  readonly #view = new DataView(this.config.buffer);
  readonly #stream: ByteStream;
  #link: VirtioLink | undefined;
  #output: VirtqChain | undefined;
  /** Bytes of `#output` that the host has. */
  #sent = 0;
  #hostBehind = false;

  constructor(stream: ByteStream, size: { columns: number; rows: number } = { columns: 80, rows: 25 }) {
    this.#stream = stream;
    this.#setSize(size.columns, size.rows);
    stream.onDrain(() => {
      this.#hostBehind = false;
      this.#transmit();
    });
    stream.onData((bytes) => this.#receive(bytes));
  }

  /** The terminal was resized. */
  resize(columns: number, rows: number): void {
    this.#setSize(columns, rows);
    this.#link?.configChanged();
  }

  start(link: VirtioLink): void {
    this.#link = link;
  }
  notify(queue: number): void {
    if (queue === TRANSMIT) this.#transmit();
    else this.#stream.ready();
  }
  stop(): void {
    this.#link = undefined;
    this.#output = undefined;
    this.#sent = 0;
  }
  save(): VirtioConsoleState {
    return { schema: "virtio-console@1", columns: this.#view.getUint16(0, true), rows: this.#view.getUint16(2, true), sent: this.#sent };
  }
  load(state: VirtioConsoleState, link: VirtioLink | undefined, held: readonly (readonly VirtqChain[])[]): void {
    requireSchema(state, "virtio-console@1");
    this.#setSize(state.columns, state.rows);
    this.#link = link;
    this.#output = held[TRANSMIT]?.[0];
    this.#sent = state.sent;
    this.#transmit();
  }

  #setSize(columns: number, rows: number): void {
    this.#view.setUint16(0, columns, true);
    this.#view.setUint16(2, rows, true);
  }

  #transmit(): void {
    const link = this.#link;
    let completed = false;
    while (link !== undefined && !this.#hostBehind) {
      if (this.#output === undefined) {
        this.#output = link.take(TRANSMIT);
        this.#sent = 0;
      }
      const chain = this.#output;
      if (chain === undefined) break;
      const total = Math.min(chain.readable, MAX_OUTPUT);
      if (this.#sent < total) {
        // The stream keeps what it is given, so each piece is a buffer of its own.
        const piece = new Uint8Array(Math.min(PIECE, total - this.#sent));
        chain.read(link.memory, this.#sent, piece);
        this.#sent += piece.length;
        this.#hostBehind = !this.#stream.write(piece);
      }
      if (this.#sent >= total) {
        this.#output = undefined;
        this.#sent = 0;
        link.complete(TRANSMIT, chain, 0);
        completed = true;
      }
    }
    if (completed) link?.signal(TRANSMIT);
  }

  /** The host has bytes; returns how many found room in the guest's buffers. */
  #receive(bytes: Uint8Array): number {
    const link = this.#link;
    if (link === undefined) return 0;
    let taken = 0;
    let completed = false;
    while (taken < bytes.length) {
      const chain = link.take(RECEIVE);
      if (chain === undefined) break;
      const stored = chain.write(link.memory, 0, taken === 0 ? bytes : bytes.subarray(taken));
      taken += stored;
      link.complete(RECEIVE, chain, stored);
      completed = true;
    }
    if (completed) link.signal(RECEIVE);
    return taken;
  }
}
