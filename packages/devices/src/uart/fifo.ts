/** A queue of bytes of fixed size, as a UART has one in each direction. */
export class ByteFifo {
  readonly #bytes: Uint8Array;
  #first = 0;
  #length = 0;

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** Appends a byte; the caller has looked that there is room. */
  push(byte: number): void {
    this.#bytes[(this.#first + this.#length++) % this.#bytes.length] = byte;
  }

  /** Takes the oldest byte; the caller has looked that there is one. */
  shift(): number {
    const byte = this.#bytes[this.#first]!;
    this.#first = (this.#first + 1) % this.#bytes.length;
    this.#length--;
    return byte;
  }

  clear(): void {
    this.#length = 0;
  }

  toArray(): number[] {
    return Array.from({ length: this.#length }, (_, index) => this.#bytes[(this.#first + index) % this.#bytes.length]!);
  }

  fill(bytes: readonly number[]): void {
    this.#first = 0;
    this.#length = Math.min(bytes.length, this.#bytes.length);
    this.#bytes.set(bytes.slice(0, this.#length));
  }
}
