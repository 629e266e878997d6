/** Port I/O: what a device implements and what a bus offers. SDM Vol. 1 §19. */
import type { AccessSize, Port } from "../units.js";

/** A device's ports. `offset` is relative to the first port it attached. Values are unsigned and `size` bytes wide. */
export interface PioDevice {
  readonly name: string;
  pioRead(offset: number, size: AccessSize): number;
  pioWrite(offset: number, size: AccessSize, value: number): void;
}

/** Ports nobody attached float: reads give all ones, writes vanish. An access wider than a device's range is split into bytes. */
export interface PioBus {
  /** @throws HvError "bus/overlap" when a port is taken */
  attach(port: Port, length: number, device: PioDevice): void;
  detach(port: Port): void;
  read(port: Port, size: AccessSize): number;
  write(port: Port, size: AccessSize, value: number): void;
}
