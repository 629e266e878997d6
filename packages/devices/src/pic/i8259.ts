/**
 * One 8259A programmable interrupt controller. Intel 8259A datasheet (order 231468).
 * Registers go in and out, eight request wires and one INT wire: no bus, no cascade (isa-pic.ts joins two).
 * Left out: MCS-80/85 call sequences (ICW4 µPM = 0 is treated as 8086 mode) and the buffered mode's SP/EN pin.
 */
import { requireSchema } from "../schema.js";

const ICW1_IC4 = 1 << 0;
const ICW1_SNGL = 1 << 1;
const ICW1_LTIM = 1 << 3;
const ICW1_SELECT = 1 << 4;
const ICW4_AEOI = 1 << 1;
const ICW4_SFNM = 1 << 4;
const OCW3_SELECT = 1 << 3;
const OCW3_RIS = 1 << 0;
const OCW3_RR = 1 << 1;
const OCW3_POLL = 1 << 2;
const OCW3_SMM = 1 << 5;
const OCW3_ESMM = 1 << 6;

/** OCW2 commands: bits 7-5, R SL EOI. */
const OCW2_CLEAR_ROTATE_AEOI = 0;
const OCW2_EOI = 1;
const OCW2_SPECIFIC_EOI = 3;
const OCW2_SET_ROTATE_AEOI = 4;
const OCW2_ROTATE_EOI = 5;
const OCW2_SET_PRIORITY = 6;
const OCW2_ROTATE_SPECIFIC_EOI = 7;

/** Everything an 8259A remembers. `expecting` is the ICW that the next write to A0=1 is (2, 3, 4), or 0 for OCW1. */
export interface I8259State {
  readonly schema: "i8259@1";
  lines: number;
  latch: number;
  imr: number;
  isr: number;
  levelTriggered: number;
  icw1: number;
  vectorBase: number;
  cascade: number;
  icw4: number;
  expecting: number;
  lowestPriority: number;
  rotateOnAutoEoi: boolean;
  specialMask: boolean;
  readIsr: boolean;
  poll: boolean;
}

const powerOn = (): I8259State => ({
  schema: "i8259@1",
  lines: 0,
  latch: 0,
  imr: 0,
  isr: 0,
  levelTriggered: 0,
  icw1: 0,
  vectorBase: 0,
  cascade: 0,
  icw4: 0,
  expecting: 0,
  lowestPriority: 7,
  rotateOnAutoEoi: false,
  specialMask: false,
  readIsr: false,
  poll: false,
});

/** An 8259A: request wires 0-7 in, INT and vectors out. */
export class I8259 {
  #s = powerOn();

  /** Power-on state; the request wires keep their levels, because others drive them. */
  reset(): void {
    const { lines } = this.#s;
    this.#s = powerOn();
    this.#s.lines = lines;
  }

  /** Drives request wire `n`. A rise is latched; the latch is lost when the wire falls before the acknowledge cycle. */
  setLine(n: number, level: boolean): void {
    const s = this.#s;
    const bit = 1 << n;
    if (level) {
      if ((s.lines & bit) === 0) s.latch |= bit;
      s.lines |= bit;
    } else {
      s.latch &= ~bit;
      s.lines &= ~bit;
    }
  }

  /** The edge/level control register (a chipset's addition to the 8259A): one bit a wire, set for level. */
  get levelTriggered(): number {
    return this.#s.levelTriggered;
  }
  set levelTriggered(bits: number) {
    this.#s.levelTriggered = bits & 0xff;
  }

  /** Level of the INT pin. */
  get interrupt(): boolean {
    return this.#pending() >= 0;
  }

  /** The interrupt acknowledge sequence: gives the vector. With nothing pending it is IR7's, and IR7 does not enter service. */
  acknowledge(): number {
    const level = this.#pending();
    if (level < 0) return this.#s.vectorBase | 7;
    this.#enterService(level);
    return this.#s.vectorBase | level;
  }

  /** A read with address wire A0 low (`a0` = 0: IRR, ISR or the poll word) or high (IMR). */
  read(a0: number): number {
    const s = this.#s;
    if (s.poll) {
      s.poll = false;
      const level = this.#pending();
      if (level < 0) return 0;
      this.#enterService(level);
      return 0x80 | level;
    }
    if (a0 !== 0) return s.imr;
    return s.readIsr ? s.isr : this.#irr();
  }

  write(a0: number, value: number): void {
    if (a0 !== 0) this.#writeHigh(value & 0xff);
    else if (value & ICW1_SELECT) this.#writeIcw1(value & 0xff);
    else if (value & OCW3_SELECT) this.#writeOcw3(value);
    else this.#writeOcw2(value & 0xff);
  }

  save(): I8259State {
    return { ...this.#s };
  }

  load(state: I8259State): void {
    requireSchema(state, "i8259@1");
    this.#s = { ...state };
  }

  #irr(): number {
    const s = this.#s;
    const level = s.icw1 & ICW1_LTIM ? 0xff : s.levelTriggered;
    return (s.latch & ~level) | (s.lines & level);
  }

  /** Distance from the top of the present priority order: 0 is the highest. */
  #rank(level: number): number {
    return (level - this.#s.lowestPriority - 1) & 7;
  }

  /** The highest-priority level in `bits`, or -1. */
  #highest(bits: number): number {
    if (bits === 0) return -1;
    const first = this.#s.lowestPriority + 1;
    for (let step = 0; step < 8; step++) {
      const level = (first + step) & 7;
      if (bits & (1 << level)) return level;
    }
    return -1;
  }

  /** The level that asks and is not held back by one in service, or -1. */
  #pending(): number {
    const s = this.#s;
    const request = this.#highest(this.#irr() & ~s.imr);
    if (request < 0) return -1;
    const serving = this.#highest(s.specialMask ? s.isr & ~s.imr : s.isr);
    if (serving < 0 || this.#rank(request) < this.#rank(serving)) return request;
    // Special fully nested mode: a slave in service may ask again for a more urgent one of its own.
    const fromSlave = request === serving && (s.icw4 & ICW4_SFNM) !== 0 && (s.cascade & (1 << request)) !== 0;
    return fromSlave ? request : -1;
  }

  #enterService(level: number): void {
    const s = this.#s;
    s.latch &= ~(1 << level);
    if ((s.icw4 & ICW4_AEOI) === 0) s.isr |= 1 << level;
    else if (s.rotateOnAutoEoi) s.lowestPriority = level;
  }

  #writeIcw1(value: number): void {
    const s = this.#s;
    s.icw1 = value;
    s.latch = 0;
    s.imr = 0;
    s.isr = 0;
    s.lowestPriority = 7;
    s.specialMask = false;
    s.readIsr = false;
    s.poll = false;
    if ((value & ICW1_IC4) === 0) s.icw4 = 0;
    s.rotateOnAutoEoi = false;
    s.expecting = 2;
  }

  #writeHigh(value: number): void {
    const s = this.#s;
    switch (s.expecting) {
      case 2:
        s.vectorBase = value & 0xf8;
        s.expecting = s.icw1 & ICW1_SNGL ? this.#afterIcw3() : 3;
        break;
      case 3:
        s.cascade = value;
        s.expecting = this.#afterIcw3();
        break;
      case 4:
        s.icw4 = value;
        s.expecting = 0;
        break;
      default:
        s.imr = value;
    }
  }

  #afterIcw3(): number {
    return this.#s.icw1 & ICW1_IC4 ? 4 : 0;
  }

  #writeOcw2(value: number): void {
    const s = this.#s;
    const named = value & 7;
    switch (value >> 5) {
      case OCW2_CLEAR_ROTATE_AEOI:
        s.rotateOnAutoEoi = false;
        break;
      case OCW2_SET_ROTATE_AEOI:
        s.rotateOnAutoEoi = true;
        break;
      case OCW2_EOI:
      case OCW2_ROTATE_EOI: {
        // In special mask mode a non-specific EOI does not see levels that are masked.
        const level = this.#highest(s.specialMask ? s.isr & ~s.imr : s.isr);
        if (level < 0) break;
        s.isr &= ~(1 << level);
        if (value >> 5 === OCW2_ROTATE_EOI) s.lowestPriority = level;
        break;
      }
      case OCW2_SPECIFIC_EOI:
        s.isr &= ~(1 << named);
        break;
      case OCW2_ROTATE_SPECIFIC_EOI:
        s.isr &= ~(1 << named);
        s.lowestPriority = named;
        break;
      case OCW2_SET_PRIORITY:
        s.lowestPriority = named;
        break;
      // 010 is "no operation".
    }
  }

  #writeOcw3(value: number): void {
    const s = this.#s;
    if (value & OCW3_ESMM) s.specialMask = (value & OCW3_SMM) !== 0;
    if (value & OCW3_POLL) s.poll = true;
    else if (value & OCW3_RR) s.readIsr = (value & OCW3_RIS) !== 0;
  }
}
