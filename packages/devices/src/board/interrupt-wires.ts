/**
 * The interrupt wires of a PC: each global system interrupt is an input of the I/O APIC, and the ISA ones reach the 8259 pair as well.
 * What differs from one to one is here: IRQ 0 is GSI 2 (the ACPI override), GSI 9 to 11 are level-triggered, GSI 16 and up are PCI's, active low.
 * Interrupts of one vCPU (timers, IPIs, local pins) never come this way: they are the local APIC's.
 */
import { HvError, type IrqLine } from "@paravane/paravirt-ops";
import { IOAPIC_PINS, type IoApic } from "../ioapic/index.js";
import type { IsaPic } from "../pic/index.js";

/** ISA interrupts with level-triggered flow: the SCI, and the two that PIRQs are routed to. */
export const LEVEL_IRQS = [9, 10, 11] as const;
const FIRST_PCI_GSI = 16;
const TIMER_IRQ = 0;
const TIMER_GSI = 2;

/** A wire that several devices may pull: it is asserted while one of them asserts it. */
class SharedWire {
  #count = 0;
  /** An edge was made on it that nobody holds up: the 8259 forgets a request whose wire falls before it is taken. */
  #stretched = false;
  readonly #drive: (level: boolean) => void;

  constructor(drive: (level: boolean) => void) {
    this.#drive = drive;
    drive(false);
  }

  /** A connection whose rises are edges even while another device asserts the wire. Its falls are seen at the next rise of the wire. */
  connectEdge(): IrqLine {
    let mine = false;
    return {
      set: (level) => {
        if (level && !mine) {
          this.#drive(false);
          this.#drive(true);
          this.#stretched = this.#count === 0;
        }
        mine = level;
      },
    };
  }

  /** A further device's connection. */
  connect(): IrqLine {
    let mine = false;
    return {
      set: (level) => {
        if (level === mine) return;
        mine = level;
        this.#count += level ? 1 : -1;
        if (this.#count !== (level ? 1 : 0)) return;
        if (this.#stretched && level) this.#drive(false);
        this.#stretched = false;
        this.#drive(level);
      },
    };
  }
}

/** All wires of a board. */
export class InterruptWires {
  readonly #wires: readonly SharedWire[];

  constructor(pic: IsaPic, ioapic: IoApic) {
    this.#wires = Array.from({ length: IOAPIC_PINS }, (_, gsi) => {
      const irq = gsi === TIMER_GSI ? TIMER_IRQ : gsi === TIMER_IRQ || gsi >= FIRST_PCI_GSI ? -1 : gsi;
      const activeLow = gsi >= FIRST_PCI_GSI;
      return new SharedWire((level) => {
        if (irq >= 0) pic.setLine(irq, level);
        ioapic.setPin(gsi, level !== activeLow);
      });
    });
  }

  /** A new connection to the wire of a GSI, for one device. @throws HvError "board/no-such-line" */
  connect(gsi: number): IrqLine {
    const wire = this.#wires[gsi];
    if (!wire) throw new HvError("board/no-such-line", `there is no GSI ${gsi}: this board has 0 to ${IOAPIC_PINS - 1}`);
    return wire.connect();
  }

  /** A new connection to the wire of an ISA interrupt, 0-15. */
  connectIsa(irq: number): IrqLine {
    return this.connect(irq === TIMER_IRQ ? TIMER_GSI : irq);
  }

  /** IRQ 0 for a timer in the interval timer's place: each rise is an edge. */
  connectTimer(): IrqLine {
    return this.#wires[TIMER_GSI]!.connectEdge();
  }

  /** Connections for one party that asks for a wire by number and more than once: the same number is the same connection. */
  party(): (gsi: number) => IrqLine {
    const connections = new Map<number, IrqLine>();
    return (gsi) => {
      let line = connections.get(gsi);
      if (!line) {
        line = this.connect(gsi);
        connections.set(gsi, line);
      }
      return line;
    };
  }
}
