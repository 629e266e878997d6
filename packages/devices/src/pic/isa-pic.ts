/**
 * The two 8259As of a PC: master at 0x20, slave at 0xa0 behind the master's IR2, edge/level control registers at 0x4d0 and 0x4d1.
 * ISA IRQ 0-15 go in, one INT wire comes out.
 */
import type { IrqLine, PioBus } from "@paravane/paravirt-ops";
import { bytePorts } from "../bus/byte-ports.js";
import { requireSchema } from "../schema.js";
import { I8259, type I8259State } from "./i8259.js";

/** Wires whose trigger mode software may choose: not the timer, keyboard, cascade, RTC and FPU. */
const ELCR_MASTER = 0xf8;
const ELCR_SLAVE = 0xde;
const CASCADE = 2;

/** Both chips of a pair. */
export interface IsaPicState {
  readonly schema: "isa-pic@1";
  readonly master: I8259State;
  readonly slave: I8259State;
}

/** A cascaded pair. `output` is the INT wire: to a processor, or to the LINT0 pin of a local APIC. */
export class IsaPic {
  readonly master = new I8259();
  readonly slave = new I8259();
  readonly #output: IrqLine;

  constructor(output: IrqLine) {
    this.#output = output;
  }

  /** Level of the INT wire. */
  get interrupt(): boolean {
    return this.master.interrupt;
  }

  /** The wire of ISA interrupt `irq`; IRQ 2 is the cascade and answers to nobody. */
  line(irq: number): IrqLine {
    return { set: (level) => this.setLine(irq, level) };
  }

  setLine(irq: number, level: boolean): void {
    if (irq >= 8) this.slave.setLine(irq - 8, level);
    else if (irq !== CASCADE) this.master.setLine(irq, level);
    this.#settle();
  }

  /** INTA: the vector, from the slave when the master says so. */
  acknowledge(): number {
    const cascaded = this.master.interrupt;
    let vector = this.master.acknowledge();
    if (cascaded && (vector & 7) === CASCADE) {
      vector = this.slave.acknowledge();
      this.master.setLine(CASCADE, false); // the slave's INT falls with INTA, so that a further request of its is a new edge
    }
    this.#settle();
    return vector;
  }

  reset(): void {
    this.master.reset();
    this.slave.reset();
    this.#settle();
  }

  save(): IsaPicState {
    return { schema: "isa-pic@1", master: this.master.save(), slave: this.slave.save() };
  }

  /** Restores both chips; edges that the guest has seen are in the latches and are not made again. */
  load(state: IsaPicState): void {
    requireSchema(state, "isa-pic@1");
    this.master.load(state.master);
    this.slave.load(state.slave);
    this.#output.set(this.master.interrupt);
  }

  /** Joins the pair to a bus. */
  attach(bus: PioBus): void {
    const chip = (name: string, part: I8259) =>
      bytePorts(
        name,
        (offset) => this.#settled(part.read(offset)),
        (offset, value) => {
          part.write(offset, value);
          this.#settle();
        },
      );
    bus.attach(0x20, 2, chip("pic-master", this.master));
    bus.attach(0xa0, 2, chip("pic-slave", this.slave));
    const elcr = bytePorts(
      "elcr",
      (offset) => (offset === 0 ? this.master : this.slave).levelTriggered,
      (offset, value) => {
        if (offset === 0) this.master.levelTriggered = value & ELCR_MASTER;
        else this.slave.levelTriggered = value & ELCR_SLAVE;
        this.#settle();
      },
    );
    bus.attach(0x4d0, 2, elcr);
  }

  /** A read may be an acknowledge (poll): the wires follow it. */
  #settled(value: number): number {
    this.#settle();
    return value;
  }

  #settle(): void {
    this.master.setLine(CASCADE, this.slave.interrupt);
    this.#output.set(this.master.interrupt);
  }
}
