/**
 * From INTx pins to wires. The pins of all slots are wired together into PIRQA–D (slot 1's INTA is PIRQB, and so on); each PIRQ is an
 * input of the I/O APIC and, through the ISA bridge's route registers, of the 8259 pair. Intel 82371SB (PIIX3) datasheet §2.2.10.
 * An interrupt that software takes from the I/O APIC is masked in the 8259 pair and the other way round, as on the real board.
 */
import type { IrqLine } from "@paravane/paravirt-ops";

/** Route register: this PIRQ drives no ISA interrupt. */
export const PIRQ_DISABLED = 0x80;
/** First of the four I/O APIC inputs that PIRQA–D reach. */
export const PIRQ_GSI_BASE = 16;
/** ISA interrupts that firmware routes PIRQA–D to. */
export const PIRQ_FIRMWARE_ROUTES: readonly number[] = [10, 11, 10, 11];
/** ISA interrupts a PIRQ may drive: not the timer, keyboard, cascade, RTC or coprocessor. */
const ROUTABLE = 0b1101_1110_1111_1000;

/** PIRQ (0–3) that a slot's INTx pin (1–4) is wired to. */
export function pirqOf(slot: number, pin: number): number {
  return (slot + pin - 1) & 3;
}

/** The four shared, level-triggered wires. Their level is derived from the functions that assert them. */
export class PirqRouter {
  readonly #gsi: readonly IrqLine[];
  readonly #isa: (irq: number) => IrqLine;
  /** For each PIRQ the slots × pins that assert it, counted. */
  readonly #asserted = [0, 0, 0, 0];
  readonly #routes: (number | undefined)[] = [undefined, undefined, undefined, undefined];

  /** `gsi` are the four I/O APIC inputs, `isa(irq)` the wire of an ISA interrupt. */
  constructor(gsi: readonly IrqLine[], isa: (irq: number) => IrqLine) {
    this.#gsi = gsi;
    this.#isa = isa;
  }

  /** Wire of one slot's INTx pin. */
  line(slot: number, pin: number): IrqLine {
    const pirq = pirqOf(slot, pin);
    let current = false;
    return {
      set: (level) => {
        if (level === current) return;
        current = level;
        this.#asserted[pirq] = this.#asserted[pirq]! + (level ? 1 : -1);
        if (this.#asserted[pirq] === (level ? 1 : 0)) this.#drive(pirq);
      },
    };
  }

  /** Says which ISA interrupt a PIRQ drives; one that cannot be shared is none. */
  route(pirq: number, irq: number | undefined): void {
    const next = irq !== undefined && ((ROUTABLE >>> irq) & 1) !== 0 ? irq : undefined;
    const previous = this.#routes[pirq];
    if (next === previous) return;
    this.#routes[pirq] = next;
    if (previous !== undefined) this.#driveIsa(previous);
    if (next !== undefined) this.#driveIsa(next);
  }
  /** ISA interrupt that a PIRQ drives. */
  routeOf(pirq: number): number | undefined {
    return this.#routes[pirq];
  }

  #drive(pirq: number): void {
    this.#gsi[pirq]!.set(this.#asserted[pirq]! > 0);
    const irq = this.#routes[pirq];
    if (irq !== undefined) this.#driveIsa(irq);
  }
  #driveIsa(irq: number): void {
    let level = false;
    for (let pirq = 0; pirq < 4; pirq++) level ||= this.#routes[pirq] === irq && this.#asserted[pirq]! > 0;
    this.#isa(irq).set(level);
  }
}
