/** Memory-mapped I/O: what a device implements and what a bus offers. */
import type { AccessSize, Gpa } from "../units.js";

/** A device's window. `offset` is relative to the window's base. An 8-byte access arrives as two of 4, low half first. */
export interface MmioDevice {
  /** For traces and errors. */
  readonly name: string;
  /** Unsigned, `size` bytes wide; may have side effects. */
  mmioRead(offset: number, size: AccessSize): number;
  /** Takes a store; a guest may store anything anywhere. */
  mmioWrite(offset: number, size: AccessSize, value: number): void;
}

/** Addresses nobody attached read as all ones; writes vanish. */
export interface MmioBus {
  /** `length` in bytes. @throws HvError "bus/overlap" when part of the window is taken */
  attach(base: Gpa, length: number, device: MmioDevice): void;
  /** Frees the window that starts at `base`. */
  detach(base: Gpa): void;
  /** Unsigned, `size` bytes wide. */
  read(address: Gpa, size: AccessSize): number;
  /** Passes `value` to whoever is there. */
  write(address: Gpa, size: AccessSize, value: number): void;
}
