/** The keyboard controller at ports 0x60 and 0x64, with IRQ 1. */
import type { IrqLine, PioBus } from "@paravane/paravirt-ops";
import { bytePorts } from "../bus/byte-ports.js";
import type { AtKeyboard } from "./at-keyboard.js";
import type { I8042 } from "./i8042.js";

/** What an attached controller offers to a host. */
export interface IsaI8042 {
  /** A key goes down or up: set 2 make code, 0xe000 added for an extended key. */
  key(code: number, down: boolean): void;
  /** Drives the interrupt wire again, after the parts were reset or loaded. */
  settle(): void;
}

/** Joins controller and keyboard to their ports and interrupt wire. */
export function attachIsaI8042(bus: PioBus, irq: IrqLine, controller: I8042, keyboard: AtKeyboard): IsaI8042 {
  /** The wire falls when a byte was taken and rises again with the next, so that each byte is an edge. */
  const settle = () => {
    irq.set(controller.interrupt);
    controller.pump();
    irq.set(controller.interrupt);
  };
  const data = bytePorts(
    "i8042-data",
    () => {
      const value = controller.readData();
      settle();
      return value;
    },
    (_offset, value) => {
      controller.writeData(value);
      settle();
    },
  );
  const command = bytePorts(
    "i8042-command",
    () => controller.readStatus(),
    (_offset, value) => {
      controller.writeCommand(value);
      settle();
    },
  );
  bus.attach(0x60, 1, data);
  bus.attach(0x64, 1, command);
  return {
    key(code, down) {
      keyboard.key(code, down);
      settle();
    },
    settle,
  };
}
