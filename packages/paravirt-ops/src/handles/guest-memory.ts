/** Guest RAM as devices, loaders and backends see it: by guest-physical address. */
import type { Gpa } from "../units.js";

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
  fill(address: Gpa, length: number, value: number): void;
  readU8(address: Gpa): number;
  readU16(address: Gpa): number;
  readU32(address: Gpa): number;
  readU64(address: Gpa): bigint;
  writeU8(address: Gpa, value: number): void;
  writeU16(address: Gpa, value: number): void;
  writeU32(address: Gpa, value: number): void;
  writeU64(address: Gpa, value: bigint): void;
}
