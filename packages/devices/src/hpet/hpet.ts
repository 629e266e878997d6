/**
 * High precision event timer: a 64-bit counter of 10 ns and three comparators. IA-PC HPET Specification 1.0a §2.3.
 * Time is an argument, in ticks of the counter's 100 MHz. A comparator matches when it equals the counter, as the specification has it: one that is
 * set to the past waits for the counter to come round.
 * Left out: FSB (message) delivery, which the capability bits deny.
 */
import { requireSchema } from "../schema.js";
import { advance, distance, distance32, type Halves } from "./counter64.js";

/** Frequency of the main counter. */
export const HPET_HZ = 100_000_000;
/** Number of comparators. */
export const HPET_TIMERS = 3;
/** Low half of the capability register: vendor, legacy replacement, 64 bits, three comparators, revision 1. */
export const HPET_ID = 0x8086a201;

const PERIOD_FS = 10_000_000;
const REG_CONFIG = 0x10;
const REG_STATUS = 0x20;
const REG_COUNTER = 0xf0;
const REG_TIMERS = 0x100;
const TIMER_BYTES = 0x20;

const CONFIG_ENABLE = 1 << 0;
const CONFIG_LEGACY = 1 << 1;
const TIMER_LEVEL = 1 << 1;
const TIMER_INTERRUPT = 1 << 2;
const TIMER_PERIODIC = 1 << 3;
const TIMER_CAPABILITIES = (1 << 4) | (1 << 5); // periodic, 64 bits
const TIMER_SET_VALUE = 1 << 6;
const TIMER_32 = 1 << 8;
const TIMER_ROUTE_SHIFT = 9;
const TIMER_ROUTE = 31 << TIMER_ROUTE_SHIFT;
const TIMER_WRITABLE = TIMER_LEVEL | TIMER_INTERRUPT | TIMER_PERIODIC | TIMER_SET_VALUE | TIMER_32;
/** I/O APIC inputs that comparators can be routed to: 20-23. */
const ROUTES = 0x00f00000;

/** A comparator's registers. `highFollows`: the write of the high half that belongs to a VAL_SET write of the low half may come. */
interface Comparator {
  config: number;
  value: Halves;
  period: Halves;
  highFollows: boolean;
}

/** Everything an HPET remembers. `counter` is the value at `originTick`. */
export interface HpetState {
  readonly schema: "hpet@1";
  config: number;
  status: number;
  counter: Halves;
  originTick: number;
  latchedHigh: number;
  timers: Comparator[];
}

const noComparator = (): Comparator => ({
  config: 0,
  value: { low: 0xffffffff, high: 0xffffffff },
  period: { low: 0, high: 0 },
  highFollows: false,
});

/** An HPET. */
export class Hpet {
  #config = 0;
  #status = 0;
  readonly #counter: Halves = { low: 0, high: 0 };
  #originTick = 0;
  /** High half of the counter when its low half was last read, -1 once that was read: an 8-byte read is two of 4. */
  #latchedHigh = -1;
  #timers: Comparator[] = [];
  readonly #now: Halves = { low: 0, high: 0 };

  constructor() {
    this.reset();
  }

  /** Power-on: counter stopped at zero, comparators at all ones, interrupts off. */
  reset(): void {
    this.#config = 0;
    this.#status = 0;
    this.#counter.low = 0;
    this.#counter.high = 0;
    this.#originTick = 0;
    this.#latchedHigh = -1;
    this.#timers = Array.from({ length: HPET_TIMERS }, noComparator);
  }

  /** True while comparators 0 and 1 stand in for the 8254 and the RTC. */
  get legacy(): boolean {
    return (this.#config & CONFIG_LEGACY) !== 0;
  }

  /** I/O APIC input of a comparator outside legacy replacement, or -1 for none. */
  route(n: number): number {
    const route = (this.#timers[n]!.config & TIMER_ROUTE) >> TIMER_ROUTE_SHIFT;
    return (ROUTES >>> route) & 1 ? route : -1;
  }

  /** True when a comparator may interrupt. */
  interrupts(n: number): boolean {
    return (this.#timers[n]!.config & TIMER_INTERRUPT) !== 0 && (this.#config & CONFIG_ENABLE) !== 0;
  }

  /** Level-triggered: the wire stays asserted until the status bit is cleared. */
  isLevel(n: number): boolean {
    return (this.#timers[n]!.config & TIMER_LEVEL) !== 0;
  }

  /** Status bit of a level-triggered comparator. */
  asserted(n: number): boolean {
    return (this.#status & (1 << n)) !== 0;
  }

  /** The tick of a comparator's next match at or after `tick`, or -1 while no interrupt would come of one. */
  nextMatch(n: number, tick: number): number {
    if (!this.interrupts(n)) return -1;
    const timer = this.#timers[n]!;
    this.#count(tick);
    return tick + (timer.config & TIMER_32 ? distance32(this.#now, timer.value) : distance(this.#now, timer.value));
  }

  /** A match that was due at `matchTick` is noticed at `tick`: a periodic comparator moves on, past everything that was missed. */
  match(n: number, matchTick: number, tick: number): void {
    const timer = this.#timers[n]!;
    if (this.isLevel(n)) this.#status |= 1 << n;
    if ((timer.config & TIMER_PERIODIC) === 0) return;
    const period = timer.config & TIMER_32 ? timer.period.low : timer.period.high * 2 ** 32 + timer.period.low;
    if (period === 0) return;
    const steps = Math.floor((tick - matchTick) / period) + 1;
    advance(timer.value, Math.min(steps * period, Number.MAX_SAFE_INTEGER));
  }

  /** Reads the aligned doubleword at `offset`. */
  read(offset: number, tick: number): number {
    switch (offset) {
      case REG_COUNTER:
        this.#count(tick);
        this.#latchedHigh = this.#now.high;
        return this.#now.low;
      case REG_COUNTER + 4: {
        const latched = this.#latchedHigh;
        this.#latchedHigh = -1;
        if (latched >= 0) return latched;
        this.#count(tick);
        return this.#now.high;
      }
      case 0x00:
        return HPET_ID;
      case 0x04:
        return PERIOD_FS;
      case REG_CONFIG:
        return this.#config;
      case REG_STATUS:
        return this.#status;
    }
    const timer = this.#timers[(offset - REG_TIMERS) >> 5];
    if (!timer) return 0;
    switch (offset & (TIMER_BYTES - 1)) {
      case 0x00:
        return timer.config | TIMER_CAPABILITIES;
      case 0x04:
        return ROUTES;
      case 0x08:
        return timer.value.low;
      case 0x0c:
        return timer.config & TIMER_32 ? 0 : timer.value.high;
      default:
        return 0;
    }
  }

  /** Writes the aligned doubleword at `offset`. */
  write(offset: number, value: number, tick: number): void {
    const word = value >>> 0;
    switch (offset) {
      case REG_CONFIG:
        this.#rebase(tick);
        this.#config = word & (CONFIG_ENABLE | CONFIG_LEGACY);
        return;
      case REG_STATUS:
        this.#status &= ~word;
        return;
      case REG_COUNTER:
        this.#rebase(tick);
        this.#counter.low = word;
        return;
      case REG_COUNTER + 4:
        this.#rebase(tick);
        this.#counter.high = word;
        return;
    }
    const index = (offset - REG_TIMERS) >> 5;
    const timer = this.#timers[index];
    if (!timer) return;
    const register = offset & (TIMER_BYTES - 1);
    if (register === 0x00) this.#configure(index, timer, word);
    else if (register === 0x08) this.#compareLow(timer, word);
    else if (register === 0x0c) this.#compareHigh(timer, word);
  }

  save(): HpetState {
    return {
      schema: "hpet@1",
      config: this.#config,
      status: this.#status,
      counter: { ...this.#counter },
      originTick: this.#originTick,
      latchedHigh: this.#latchedHigh,
      timers: structuredClone(this.#timers),
    };
  }

  load(state: HpetState): void {
    requireSchema(state, "hpet@1");
    this.#config = state.config;
    this.#status = state.status;
    this.#counter.low = state.counter.low;
    this.#counter.high = state.counter.high;
    this.#originTick = state.originTick;
    this.#latchedHigh = state.latchedHigh;
    this.#timers = structuredClone(state.timers);
  }

  /** Puts the counter's present value into `#now`. */
  #count(tick: number): void {
    this.#now.low = this.#counter.low;
    this.#now.high = this.#counter.high;
    if (this.#config & CONFIG_ENABLE) advance(this.#now, tick - this.#originTick);
  }

  #rebase(tick: number): void {
    this.#count(tick);
    this.#counter.low = this.#now.low;
    this.#counter.high = this.#now.high;
    this.#originTick = tick;
    this.#latchedHigh = -1;
  }

  #configure(index: number, timer: Comparator, word: number): void {
    const route = (word & TIMER_ROUTE) >> TIMER_ROUTE_SHIFT;
    const routeBits = (ROUTES >>> route) & 1 ? word & TIMER_ROUTE : timer.config & TIMER_ROUTE; // an input it cannot reach does not read back
    timer.config = (word & TIMER_WRITABLE) | routeBits;
    timer.highFollows = false;
    if ((word & TIMER_LEVEL) === 0) this.#status &= ~(1 << index);
  }

  /** In periodic mode a write is the period; with VAL_SET it is the comparator too, and VAL_SET clears itself. */
  #compareLow(timer: Comparator, word: number): void {
    const periodic = (timer.config & TIMER_PERIODIC) !== 0;
    const sets = !periodic || (timer.config & TIMER_SET_VALUE) !== 0;
    if (sets) timer.value.low = word;
    if (periodic) timer.period.low = word;
    timer.highFollows = sets && periodic;
    timer.config &= ~TIMER_SET_VALUE;
  }

  #compareHigh(timer: Comparator, word: number): void {
    const periodic = (timer.config & TIMER_PERIODIC) !== 0;
    if (!periodic || timer.highFollows || timer.config & TIMER_SET_VALUE) timer.value.high = word;
    if (periodic) timer.period.high = word;
    timer.highFollows = false;
    timer.config &= ~TIMER_SET_VALUE;
  }
}
