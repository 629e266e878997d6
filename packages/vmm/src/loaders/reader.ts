/** Little-endian fields of a file that may be cut short: every read is checked, and says what was being read. */
import { HvError } from "@paravane/paravirt-ops";

/** Reads an image's bytes. Offsets are from the start of the bytes. */
export class Reader {
  readonly #view: DataView;

  /** @param what - names the bytes in errors: "ELF file" */
  constructor(
    readonly bytes: Uint8Array,
    private readonly what: string,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.bytes.byteLength;
  }

  /** True when all of [offset, offset + length) is there. */
  has(offset: number, length: number): boolean {
    return offset >= 0 && length >= 0 && offset + length <= this.length;
  }

  u8(offset: number): number {
    return this.#at(offset, 1).getUint8(offset);
  }

  u16(offset: number): number {
    return this.#at(offset, 2).getUint16(offset, true);
  }

  u32(offset: number): number {
    return this.#at(offset, 4).getUint32(offset, true);
  }

  u64(offset: number): bigint {
    return this.#at(offset, 8).getBigUint64(offset, true);
  }

  /** A 64-bit field as a number; what does not fit is a corrupt image. */
  n64(offset: number): number {
    const value = this.u64(offset);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new HvError("image/corrupt", `the ${this.what} has an impossible number at offset 0x${offset.toString(16)}`);
    }
    return Number(value);
  }

  slice(offset: number, length: number): Uint8Array {
    this.#at(offset, length);
    return this.bytes.subarray(offset, offset + length);
  }

  /** Text up to a zero byte or `limit` bytes, as Latin-1. */
  text(offset: number, limit: number): string {
    let text = "";
    for (let at = offset; at < offset + limit && at < this.length; at++) {
      const byte = this.bytes[at]!;
      if (byte === 0) break;
      text += String.fromCharCode(byte);
    }
    return text;
  }

  #at(offset: number, length: number): DataView {
    if (!this.has(offset, length)) {
      throw new HvError(
        "image/truncated",
        `the ${this.what} is truncated: it needs byte 0x${(offset + length - 1).toString(16)}, but has ${this.length} bytes`,
      );
    }
    return this.#view;
  }
}
