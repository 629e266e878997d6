/**
 * I/O APIC with 24 inputs. Intel 82093AA datasheet (order 290566), with the version 0x20 EOI register of later chipsets.
 * Inputs are electrical levels: what "asserted" means is the redirection entry's polarity bit.
 * Left out: delivery status (a message takes no time) and retries: a level interrupt that no processor accepts is offered again at the next change.
 */
import { requireSchema } from "../schema.js";

/** Number of inputs. */
export const IOAPIC_PINS = 24;

const REG_ID = 0x00;
const REG_VERSION = 0x01;
const REG_ARBITRATION = 0x02;
const REG_REDIRECTION = 0x10;
const VERSION = 0x20 | ((IOAPIC_PINS - 1) << 16);

const ENTRY_LOGICAL = 1 << 11;
const ENTRY_LOW_ACTIVE = 1 << 13;
const ENTRY_REMOTE_IRR = 1 << 14;
const ENTRY_LEVEL = 1 << 15;
const ENTRY_MASKED = 1 << 16;
const ENTRY_WRITABLE = 0x1afff;

const MODE_LOWEST_PRIORITY = 1;

/** Where the I/O APIC's messages go: destination, logical or physical, delivery mode, vector, level-triggered. False: nobody accepted. */
export interface InterruptMessages {
  deliver(destination: number, logical: boolean, mode: number, vector: number, level: boolean): boolean;
}

/** Everything an I/O APIC remembers; `pins` has a bit for each input that is high. */
export interface IoApicState {
  readonly schema: "ioapic@1";
  id: number;
  select: number;
  pins: number;
  low: number[];
  high: number[];
}

/** An I/O APIC. */
export class IoApic {
  readonly #messages: InterruptMessages;
  readonly #low = new Uint32Array(IOAPIC_PINS);
  /** Bits 32-63 of the entries: the destination in bits 24-31. */
  readonly #high = new Uint32Array(IOAPIC_PINS);
  #id = 0;
  #select = 0;
  #pins = 0;

  constructor(messages: InterruptMessages) {
    this.#messages = messages;
    this.reset();
  }

  /** RESET: all entries masked. Inputs keep their levels, others drive them. */
  reset(): void {
    this.#low.fill(ENTRY_MASKED);
    this.#high.fill(0);
    this.#id = 0;
    this.#select = 0;
  }

  /** Drives an input to an electrical level. */
  setPin(pin: number, high: boolean): void {
    const bit = 1 << pin;
    if (high === ((this.#pins & bit) !== 0)) return;
    this.#pins ^= bit;
    const entry = this.#low[pin]!;
    if (entry & ENTRY_LEVEL) this.#offerLevel(pin);
    else if (this.#asserted(pin) && (entry & ENTRY_MASKED) === 0) this.#send(pin, false);
  }

  /** A processor has completed `vector`: level interrupts with it may ask again. */
  endOfInterrupt(vector: number): void {
    for (let pin = 0; pin < IOAPIC_PINS; pin++) {
      const entry = this.#low[pin]!;
      if ((entry & 0xff) !== vector || (entry & ENTRY_REMOTE_IRR) === 0) continue;
      this.#low[pin] = entry & ~ENTRY_REMOTE_IRR;
      this.#offerLevel(pin);
    }
  }

  /** The register select, which can be read back. */
  get select(): number {
    return this.#select;
  }
  set select(value: number) {
    this.#select = value & 0xff;
  }

  /** The register that `select` names. */
  readWindow(): number {
    switch (this.#select) {
      case REG_ID:
      case REG_ARBITRATION:
        return this.#id << 24;
      case REG_VERSION:
        return VERSION;
    }
    const index = this.#select - REG_REDIRECTION;
    if (index < 0 || index >= 2 * IOAPIC_PINS) return 0;
    return index & 1 ? this.#high[index >> 1]! : this.#low[index >> 1]!;
  }

  writeWindow(value: number): void {
    if (this.#select === REG_ID) {
      this.#id = (value >>> 24) & 15;
      return;
    }
    const index = this.#select - REG_REDIRECTION;
    if (index < 0 || index >= 2 * IOAPIC_PINS) return;
    const pin = index >> 1;
    if (index & 1) {
      this.#high[pin] = value & 0xff000000;
      return;
    }
    // Remote IRR is the chip's; it means nothing to an edge entry and is cleared there.
    const remoteIrr = value & ENTRY_LEVEL ? this.#low[pin]! & ENTRY_REMOTE_IRR : 0;
    this.#low[pin] = (value & ENTRY_WRITABLE) | remoteIrr;
    if (value & ENTRY_LEVEL) this.#offerLevel(pin);
  }

  save(): IoApicState {
    return { schema: "ioapic@1", id: this.#id, select: this.#select, pins: this.#pins, low: [...this.#low], high: [...this.#high] };
  }

  /** Restores the registers. Nothing is sent: what was pending is in the local APICs and in the remote IRR bits. */
  load(state: IoApicState): void {
    requireSchema(state, "ioapic@1");
    this.#id = state.id;
    this.#select = state.select;
    this.#pins = state.pins;
    this.#low.set(state.low);
    this.#high.set(state.high);
  }

  #asserted(pin: number): boolean {
    const high = (this.#pins & (1 << pin)) !== 0;
    return high !== ((this.#low[pin]! & ENTRY_LOW_ACTIVE) !== 0);
  }

  #offerLevel(pin: number): void {
    const entry = this.#low[pin]!;
    if ((entry & (ENTRY_LEVEL | ENTRY_MASKED | ENTRY_REMOTE_IRR)) !== ENTRY_LEVEL || !this.#asserted(pin)) return;
    const fixed = ((entry >> 8) & 7) <= MODE_LOWEST_PRIORITY;
    // Set before the message is sent: its handler's EOI may come back before `deliver` returns.
    if (fixed) this.#low[pin] = entry | ENTRY_REMOTE_IRR;
    if (!this.#send(pin, fixed) && fixed) this.#low[pin]! &= ~ENTRY_REMOTE_IRR;
  }

  #send(pin: number, level: boolean): boolean {
    const entry = this.#low[pin]!;
    return this.#messages.deliver(this.#high[pin]! >>> 24, (entry & ENTRY_LOGICAL) !== 0, (entry >> 8) & 7, entry & 0xff, level);
  }
}
