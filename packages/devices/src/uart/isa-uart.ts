/**
 * A 16550 as a PC's COM port, with a host's byte stream at its line. The interrupt goes through OUT2, as on every PC serial card.
 * Backpressure: when the host's `write` says false the byte counts as taken, and what the guest sends next stays in the FIFO (THRE off)
 * until `onDrain`. Towards the guest the FIFO takes what has room and asks for the rest with `ready`.
 */
import type { ByteStream, IrqLine, PioBus } from "@paravane/paravirt-ops";
import { bytePorts } from "../bus/byte-ports.js";
import type { Uart16550 } from "./uart16550.js";

/** What an attached port needs to be told from outside. */
export interface IsaUart {
  /** Drives the interrupt wire again, after the chip was reset or loaded. */
  settle(): void;
}

/** Joins a UART to eight ports, an interrupt wire and a host stream. */
export function attachIsaUart(bus: PioBus, irq: IrqLine, port: number, uart: Uart16550, stream: ByteStream): IsaUart {
  let hostBusy = false;
  /** Receive room at the last offer: more of it means that the host may go on. */
  let starved = false;

  const flush = () => {
    if (!hostBusy && uart.transmitPending > 0) hostBusy = !stream.write(uart.transmit());
  };
  const settle = () => {
    flush();
    irq.set(uart.interrupt && uart.out2);
    if (starved && uart.receiveRoom > 0) {
      starved = false;
      stream.ready();
    }
  };

  stream.onDrain(() => {
    hostBusy = false;
    settle();
  });
  stream.onData((bytes) => {
    let taken = 0;
    while (taken < bytes.length && uart.receive(bytes[taken]!)) taken++;
    if (taken < bytes.length) starved = true;
    irq.set(uart.interrupt && uart.out2);
    return taken;
  });

  const registers = bytePorts(
    `uart@${port.toString(16)}`,
    (register) => {
      const value = uart.read(register);
      settle();
      return value;
    },
    (register, value) => {
      uart.write(register, value);
      settle();
    },
  );
  bus.attach(port, 8, registers);
  return { settle };
}
