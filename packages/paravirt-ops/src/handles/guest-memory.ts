/** Guest RAM as devices, loaders and backends see it: by guest-physical address. */
import type { Gpa } from "../units.js";

/** Guest RAM, by guest-physical address: all zeros when the core is made. Multi-byte accesses are little-endian and need no alignment. */
export interface GuestMemory {
  /**
   * Bytes of RAM, at most 3 GiB so that it lies below the device hole. RAM is [0, 0xa0000) and [0xc0000, size); what lies below 1 MiB of the
   * latter is for ROM images and firmware tables, and no guest is told that it may use it.
   */
  readonly size: number;
  /** True when all of [address, address + length) is RAM. */
  contains(address: Gpa, length: number): boolean;
  /**
   * A live view for reading. Must not be kept across guest execution.
   * @throws HvError "memory/out-of-range" where the range is not RAM
   */
  view(address: Gpa, length: number): Uint8Array;
  /** Stores bytes; translated code in the range is dropped (DMA into code). @throws HvError "memory/out-of-range" */
  write(address: Gpa, bytes: Uint8Array): void;
  /** Stores `length` times the byte `value`. @throws HvError "memory/out-of-range" */
  fill(address: Gpa, length: number, value: number): void;
  /** One byte. @throws HvError "memory/out-of-range", as do all of these */
  readU8(address: Gpa): number;
  /** Two bytes, unsigned. */
  readU16(address: Gpa): number;
  /** Four bytes, unsigned. */
  readU32(address: Gpa): number;
  /** Eight bytes, unsigned. */
  readU64(address: Gpa): bigint;
  /** Stores one byte; what is translated from there is dropped, as in `write`. */
  writeU8(address: Gpa, value: number): void;
  /** Stores two bytes. */
  writeU16(address: Gpa, value: number): void;
  /** Stores four bytes. */
  writeU32(address: Gpa, value: number): void;
  /** Stores eight bytes. */
  writeU64(address: Gpa, value: bigint): void;
}
