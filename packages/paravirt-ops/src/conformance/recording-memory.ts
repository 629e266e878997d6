/** Guest RAM on a plain buffer, for tests without a core. */
import { HvError } from "../errors.js";
import type { GuestMemory } from "../handles/guest-memory.js";
import type { Gpa } from "../units.js";

const LOW_END = 0xa0000;
const ROM_START = 0xc0000;

/** RAM as the contract describes it: [0, 0xa0000) and [0xc0000, size). */
export class RecordingMemory implements GuestMemory {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(readonly size: number) {
    this.#bytes = new Uint8Array(size);
    this.#view = new DataView(this.#bytes.buffer);
  }

  contains(address: Gpa, length: number): boolean {
    const end = address + length;
    return address >= 0 && length >= 0 && (end <= Math.min(LOW_END, this.size) || (address >= ROM_START && end <= this.size));
  }

  view(address: Gpa, length: number): Uint8Array {
    return this.#bytes.subarray(this.#check(address, length), address + length);
  }

  write(address: Gpa, bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#check(address, bytes.byteLength));
  }

  fill(address: Gpa, length: number, value: number): void {
    this.#bytes.fill(value, this.#check(address, length), address + length);
  }

  readU8(address: Gpa): number {
    return this.#view.getUint8(this.#check(address, 1));
  }

  readU16(address: Gpa): number {
    return this.#view.getUint16(this.#check(address, 2), true);
  }

  readU32(address: Gpa): number {
    return this.#view.getUint32(this.#check(address, 4), true);
  }

  readU64(address: Gpa): bigint {
    return this.#view.getBigUint64(this.#check(address, 8), true);
  }

  writeU8(address: Gpa, value: number): void {
    this.#view.setUint8(this.#check(address, 1), value);
  }

  writeU16(address: Gpa, value: number): void {
    this.#view.setUint16(this.#check(address, 2), value, true);
  }

  writeU32(address: Gpa, value: number): void {
    this.#view.setUint32(this.#check(address, 4), value, true);
  }

  writeU64(address: Gpa, value: bigint): void {
    this.#view.setBigUint64(this.#check(address, 8), value, true);
  }

  #check(address: Gpa, length: number): number {
    if (!this.contains(address, length)) throw new HvError("memory/out-of-range", `0x${address.toString(16)}+${length} is not RAM`);
    return address;
  }
}
