/**
 * One buffer of a virtqueue: a list of guest segments, those the device reads first, then those it writes. Virtio 1.2 §2.7.
 * Segments are checked when the queue takes the chain, so the accessors here cannot fail. Objects are pooled by their queue.
 */
import type { GuestMemory } from "@paravane/paravirt-ops";

/** A chain the device holds between taking it and completing it. Byte offsets count over all segments of one direction. */
export class VirtqChain {
  /** Index of the first descriptor: the buffer's identity to the driver. */
  head = 0;
  /** Bytes the device may read. */
  readable = 0;
  /** Bytes the device may write. */
  writable = 0;
  /** The queue's life in which the chain was taken; see `VirtQueue.holds`. */
  epoch = 0;
  /** Position in the available ring, to put chains back in order. */
  order = 0;
  readonly #address: Float64Array;
  readonly #length: Float64Array;
  #readSegments = 0;
  #segments = 0;

  constructor(maxSegments: number) {
    this.#address = new Float64Array(maxSegments);
    this.#length = new Float64Array(maxSegments);
  }

  clear(): void {
    this.readable = 0;
    this.writable = 0;
    this.#readSegments = 0;
    this.#segments = 0;
  }

  /** Adds a segment; false when there are too many, or a readable one follows a writable one. */
  add(address: number, length: number, deviceWrites: boolean): boolean {
    if (this.#segments === this.#address.length || (!deviceWrites && this.#segments !== this.#readSegments)) return false;
    this.#address[this.#segments] = address;
    this.#length[this.#segments++] = length;
    if (deviceWrites) {
      this.writable += length;
    } else {
      this.#readSegments = this.#segments;
      this.readable += length;
    }
    return true;
  }

  /** Copies readable bytes from `offset` on; returns how many there were. */
  read(memory: GuestMemory, offset: number, into: Uint8Array): number {
    let done = 0;
    let skip = offset;
    for (let i = 0; i < this.#readSegments && done < into.length; i++) {
      const length = this.#length[i]!;
      if (skip >= length) {
        skip -= length;
        continue;
      }
      const part = Math.min(length - skip, into.length - done);
      into.set(memory.view(this.#address[i]! + skip, part), done);
      done += part;
      skip = 0;
    }
    return done;
  }

  /** Stores bytes at `offset` of the writable part; returns how many found room. */
  write(memory: GuestMemory, offset: number, bytes: Uint8Array): number {
    let done = 0;
    let skip = offset;
    for (let i = this.#readSegments; i < this.#segments && done < bytes.length; i++) {
      const length = this.#length[i]!;
      if (skip >= length) {
        skip -= length;
        continue;
      }
      const part = Math.min(length - skip, bytes.length - done);
      memory.write(this.#address[i]! + skip, done === 0 && part === bytes.length ? bytes : bytes.subarray(done, done + part));
      done += part;
      skip = 0;
    }
    return done;
  }
}
