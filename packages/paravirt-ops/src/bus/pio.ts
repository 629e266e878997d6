/** Port I/O: what a device implements and what a bus offers. SDM Vol. 1 §19. */
import type { AccessSize, Port } from "../units.js";

/** A device's ports. `offset` is relative to the first port it attached. Values are unsigned and `size` bytes wide. */
export interface PioDevice {
  /** For traces and errors. */
  readonly name: string;
  /** May have side effects. */
  pioRead(offset: number, size: AccessSize): number;
  /** Takes a write; a guest may write anything anywhere. */
  pioWrite(offset: number, size: AccessSize, value: number): void;
}

/** Ports nobody attached float: reads give all ones, writes vanish. An access wider than a device's range is split into bytes. */
export interface PioBus {
  /** Gives `length` ports from `port` on to a device. @throws HvError "bus/overlap" when a port is taken */
  attach(port: Port, length: number, device: PioDevice): void;
  /** Frees the range that holds `port`. */
  detach(port: Port): void;
  /** Unsigned, `size` bytes wide. */
  read(port: Port, size: AccessSize): number;
  /** Passes `value` to whoever is there. */
  write(port: Port, size: AccessSize, value: number): void;
}
