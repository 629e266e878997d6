/**
 * The machine's end of COM1 as Web Streams. Both directions have backpressure: a guest whose output nobody reads waits once 1 MiB is
 * queued, and a writer waits until the guest has taken its bytes.
 */
import type { ByteStream } from "@paravane/paravirt-ops";

const QUEUED_BYTES = 1 << 20;

/** A console line: the `ByteStream` side belongs to the board, the streams to whoever uses the machine. */
export class SerialPort implements ByteStream {
  /** What the guest prints. */
  readonly readable: ReadableStream<Uint8Array>;
  /** What the guest reads. */
  readonly writable: WritableStream<Uint8Array>;
  #output: ReadableStreamDefaultController<Uint8Array> | undefined;
  #closed = false;
  readonly #drained: (() => void)[] = [];
  #take: ((bytes: Uint8Array) => number) | undefined;
  #input: Uint8Array = new Uint8Array(0);
  #inputTaken: (() => void) | undefined;

  constructor() {
    this.readable = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#output = controller;
        },
        pull: () => {
          for (const listener of this.#drained) listener();
        },
        cancel: () => {
          this.#output = undefined;
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: QUEUED_BYTES }),
    );
    this.writable = new WritableStream<Uint8Array>({
      write: (bytes) => this.#offer(bytes),
      abort: () => this.#settleInput(),
    });
  }

  write(bytes: Uint8Array): boolean {
    const output = this.#output;
    if (output === undefined) return true;
    if ((output.desiredSize ?? 1) <= 0) return false;
    output.enqueue(bytes.slice());
    return true;
  }

  onDrain(listener: () => void): void {
    this.#drained.push(listener);
  }

  onData(listener: (bytes: Uint8Array) => number): void {
    this.#take = listener;
    this.#feed();
  }

  ready(): void {
    this.#feed();
  }

  /** Ends the output and drops what the guest has not read. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#output?.close();
    this.#output = undefined;
    this.#settleInput();
  }

  #offer(bytes: Uint8Array): Promise<void> {
    if (this.#closed || bytes.byteLength === 0) return Promise.resolve();
    this.#input = bytes;
    return new Promise((resolve) => {
      this.#inputTaken = resolve;
      this.#feed();
    });
  }

  #feed(): void {
    if (this.#input.byteLength === 0 || this.#take === undefined) return;
    this.#input = this.#input.subarray(this.#take(this.#input));
    if (this.#input.byteLength === 0) this.#settleInput();
  }

  #settleInput(): void {
    this.#input = new Uint8Array(0);
    const taken = this.#inputTaken;
    this.#inputTaken = undefined;
    taken?.();
  }
}
