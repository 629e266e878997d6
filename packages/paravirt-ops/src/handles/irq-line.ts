/** Interrupt wires. A line has a level and knows nothing about numbers; the flow kind says how its receiver treats it. */

/** How an interrupt is handled: `edge` latches a rise, `level` follows the wire, `per-cpu` belongs to one vCPU and needs no routing. */
export type IrqFlow = "edge" | "level" | "per-cpu";

/** One end of an interrupt wire. */
export interface IrqLine {
  /** Drives the wire. Setting the level that it already has does nothing. */
  set(level: boolean): void;
}

/** Where message-signalled interrupts go: a store of `data` to `address` (SDM Vol. 3A §11.11). */
export interface MsiSink {
  /** Delivers what the store means. */
  send(address: number, data: number): void;
}
