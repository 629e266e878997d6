// The guest's serial port on this process: a ByteStream over a writable stream, with a queue of what is typed towards the guest.
// Bytes are gathered for one turn of the event loop, since a UART hands them over one at a time.
import { closeSync, openSync, writeSync } from "node:fs";
import type { Writable } from "node:stream";
import type { ByteStream } from "@paravane/paravirt-ops";
import { fileError } from "../errors.js";

const GATHER_BYTES = 1 << 14;
const NEWLINE = 0x0a;

/** Where gathered console bytes go; false asks to wait until `onDrain` says so. */
export interface ConsoleSink {
  write(bytes: Uint8Array): boolean;
  onDrain(listener: () => void): void;
  close(): void;
}

/** A sink over a Node stream, with its backpressure. */
export function streamSink(stream: Writable): ConsoleSink {
  const listeners: (() => void)[] = [];
  const drained = (): void => {
    for (const listener of listeners) listener();
  };
  stream.on("drain", drained);
  return {
    write: (bytes) => stream.write(bytes),
    onDrain: (listener) => void listeners.push(listener),
    close: () => void stream.off("drain", drained),
  };
}

/** A sink into a file, written at once. */
export function fileSink(path: string): ConsoleSink {
  let fd: number;
  try {
    fd = openSync(path, "w");
  } catch (error) {
    throw fileError(path, error);
  }
  return { write: (bytes) => writeSync(fd, bytes) >= 0, onDrain: () => {}, close: () => closeSync(fd) };
}

/** A sink that forgets. */
export const nullSink: ConsoleSink = { write: () => true, onDrain: () => {}, close: () => {} };

/** The host's end of COM1. */
export class HostSerial implements ByteStream {
  readonly #gathered = new Uint8Array(GATHER_BYTES);
  readonly #drainListeners: (() => void)[] = [];
  #length = 0;
  #scheduled = false;
  #lastByte = NEWLINE;
  #waiting = false;
  #typed: Uint8Array = new Uint8Array(0);
  #listener: ((bytes: Uint8Array) => number) | undefined;
  #roomListener: (() => void) | undefined;

  /**
   * @param watch - sees every byte of the console, in order
   * @param atOnce - and each line as the guest ends it, not when this process next comes round to it: what is done then happens at the same
   * instruction in every run
   */
  constructor(
    private readonly sink: ConsoleSink,
    private readonly watch: (bytes: Uint8Array) => void = () => {},
    private readonly atOnce = false,
  ) {
    sink.onDrain(() => {
      this.#waiting = false;
      for (const listener of this.#drainListeners) listener();
    });
  }

  write(bytes: Uint8Array): boolean {
    for (let done = 0; done < bytes.length; ) {
      const part = bytes.subarray(done, done + GATHER_BYTES - this.#length);
      this.#gathered.set(part, this.#length);
      this.#length += part.length;
      done += part.length;
      if (this.#length === GATHER_BYTES) this.flush();
    }
    if (this.atOnce && bytes.includes(NEWLINE)) this.flush();
    if (!this.#scheduled && this.#length > 0) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.flush();
      });
    }
    return !this.#waiting;
  }

  /** Hands gathered bytes on now. */
  flush(): void {
    if (this.#length === 0) return;
    const bytes = this.#gathered.slice(0, this.#length);
    this.#length = 0;
    this.#lastByte = bytes[bytes.length - 1]!;
    if (!this.sink.write(bytes)) this.#waiting = true;
    this.watch(bytes);
  }

  onDrain(listener: () => void): void {
    this.#drainListeners.push(listener);
  }

  onData(listener: (bytes: Uint8Array) => number): void {
    this.#listener = listener;
    this.#offer();
  }

  ready(): void {
    this.#offer();
  }

  /** Types towards the guest; what it cannot take now waits. */
  type(bytes: Uint8Array): void {
    const both = new Uint8Array(this.#typed.length + bytes.length);
    both.set(this.#typed);
    both.set(bytes, this.#typed.length);
    this.#typed = both;
    this.#offer();
  }

  /** Bytes typed that the guest has not taken; whoever reads the keyboard stops while this is large. */
  get pending(): number {
    return this.#typed.length;
  }

  /** True when the guest's last byte ended a line. */
  get atLineStart(): boolean {
    return this.#lastByte === NEWLINE;
  }

  /** Calls the listener once, when everything typed was taken. */
  onRoom(listener: () => void): void {
    this.#roomListener = listener;
  }

  close(): void {
    this.flush();
    this.sink.close();
  }

  #offer(): void {
    if (this.#typed.length === 0 || !this.#listener) return;
    const taken = this.#listener(this.#typed);
    this.#typed = this.#typed.subarray(taken);
    if (this.#typed.length > 0) return;
    const listener = this.#roomListener;
    this.#roomListener = undefined;
    listener?.();
  }
}
