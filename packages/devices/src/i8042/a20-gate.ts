/** The A20 gate as a chipset has it: open when the keyboard controller or port 0x92 opens it. Intel 82371SB (PIIX3), "A20M#" and "Port 92". */
import type { PioBus } from "@paravane/paravirt-ops";
import { bytePorts } from "../bus/byte-ports.js";
import { requireSchema } from "../schema.js";

const FAST_RESET = 1 << 0;
const FAST_A20 = 1 << 1;

/** Both sources of the gate, and port 0x92's reset bit. */
export interface A20GateState {
  readonly schema: "a20-gate@1";
  keyboard: boolean;
  port92: number;
}

/** Joins the two sources of A20. `set` drives the gate, `reset` resets the machine. */
export class A20Gate {
  readonly #set: (enabled: boolean) => void;
  readonly #reset: () => void;
  #keyboard = true;
  #port92 = 0;

  constructor(set: (enabled: boolean) => void, reset: () => void) {
    this.#set = set;
    this.#reset = reset;
  }

  /** Level from the keyboard controller's output port. */
  setKeyboard(level: boolean): void {
    this.#keyboard = level;
    this.#drive();
  }

  /** Power-on: port 0x92 is clear; the keyboard controller's level is its own. */
  reset(): void {
    this.#port92 = 0;
    this.#drive();
  }

  /** Puts port 0x92 on a bus. */
  attach(bus: PioBus): void {
    const port = bytePorts(
      "port-92",
      () => this.#port92,
      (_offset, value) => {
        const resets = (value & ~this.#port92 & FAST_RESET) !== 0;
        this.#port92 = value & (FAST_RESET | FAST_A20);
        this.#drive();
        if (resets) this.#reset();
      },
    );
    bus.attach(0x92, 1, port);
  }

  save(): A20GateState {
    return { schema: "a20-gate@1", keyboard: this.#keyboard, port92: this.#port92 };
  }

  load(state: A20GateState): void {
    requireSchema(state, "a20-gate@1");
    this.#keyboard = state.keyboard;
    this.#port92 = state.port92;
    this.#drive();
  }

  #drive(): void {
    this.#set(this.#keyboard || (this.#port92 & FAST_A20) !== 0);
  }
}
