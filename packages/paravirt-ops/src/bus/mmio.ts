/** Memory-mapped I/O: what a device implements and what a bus offers. */
import type { AccessSize, Gpa } from "../units.js";

/** A device's window. `offset` is relative to the window's base. An 8-byte access arrives as two of 4, low half first. */
export interface MmioDevice {
  readonly name: string;
  mmioRead(offset: number, size: AccessSize): number;
  mmioWrite(offset: number, size: AccessSize, value: number): void;
}

/** Addresses nobody attached read as all ones; writes vanish. */
export interface MmioBus {
  /** `length` in bytes. @throws HvError "bus/overlap" when part of the window is taken */
  attach(base: Gpa, length: number, device: MmioDevice): void;
  detach(base: Gpa): void;
  read(address: Gpa, size: AccessSize): number;
  write(address: Gpa, size: AccessSize, value: number): void;
}
