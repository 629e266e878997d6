/**
 * One counter of an 8254. Intel 8254 datasheet (order 231164), "Mode Definitions".
 * Nothing ticks: the counting element and OUT are functions of the tick at which the count was loaded. All `tick` arguments are in CLK periods
 * and never go back. A count is loaded on the CLK after the write, as the datasheet's timing diagrams show.
 * Left out: the half-period offset of mode 3's odd counts (the long half is the high one) and reads while CLK moves.
 */

/** Everything a counter remembers. Ticks are -1 where there is none. */
export interface CounterState {
  mode: number;
  /** 1: low byte, 2: high byte, 3: low then high. */
  access: number;
  bcd: boolean;
  gate: boolean;
  /** The count register as last written completely, decoded: 1..65,536. */
  next: number;
  /** The count that is being counted. */
  count: number;
  /** CLK at which `count` was (or will be) loaded; -1 before that. */
  start: number;
  /** CLK at which counting stopped because of GATE or a half-written count; -1 while it goes on. */
  stopped: number;
  /** Modes 2 and 3: the end of a cycle at which `next` replaces `count`; -1 for none. */
  reloadAt: number;
  /** Low byte of a two-byte write whose high byte is awaited, or -1. */
  lowByte: number;
  readHigh: boolean;
  latchedCount: number;
  latchedStatus: number;
}

const fresh = (): CounterState => ({
  mode: 0,
  access: 3,
  bcd: false,
  gate: true,
  next: 65_536,
  count: 65_536,
  start: -1,
  stopped: -1,
  reloadAt: -1,
  lowByte: -1,
  readHigh: false,
  latchedCount: -1,
  latchedStatus: -1,
});

const toBcd = (n: number): number =>
  (n % 10) | ((Math.floor(n / 10) % 10) << 4) | ((Math.floor(n / 100) % 10) << 8) | ((Math.floor(n / 1000) % 10) << 12);
const fromBcd = (n: number): number => (n & 15) + ((n >> 4) & 15) * 10 + ((n >> 8) & 15) * 100 + ((n >> 12) & 15) * 1000;

/** A counter with its own GATE input and OUT pin. */
export class Counter {
  #s = fresh();

  /** Power-on: the datasheet leaves it undefined; here it counts nothing. GATE keeps the level that the board gives it. */
  reset(gate: boolean): void {
    this.#s = { ...fresh(), gate };
  }

  get gate(): boolean {
    return this.#s.gate;
  }

  /** Control word for this counter, without the counter-select bits: RW1 RW0 M2 M1 M0 BCD. */
  control(word: number): void {
    const { gate } = this.#s;
    const mode = (word >> 1) & 7;
    this.#s = { ...fresh(), gate, access: (word >> 4) & 3, mode: mode > 5 ? mode - 4 : mode, bcd: (word & 1) !== 0 };
  }

  /** A byte of a new count. */
  write(value: number, tick: number): void {
    const s = this.#s;
    if (s.access === 1) this.#setCount(value, tick);
    else if (s.access === 2) this.#setCount(value << 8, tick);
    else if (s.lowByte < 0) {
      this.#settle(tick);
      s.lowByte = value;
      if (s.mode === 0 && s.stopped < 0) s.stopped = Math.max(tick, s.start);
    } else {
      const word = s.lowByte | (value << 8);
      s.lowByte = -1;
      this.#setCount(word, tick);
    }
  }

  /** A read of this counter's port: a latched status, a latched count, or the counting element. */
  read(tick: number): number {
    const s = this.#s;
    if (s.latchedStatus >= 0) {
      const status = s.latchedStatus;
      s.latchedStatus = -1;
      return status;
    }
    const value = s.latchedCount >= 0 ? s.latchedCount : this.#countingElement(tick);
    if (s.access === 1) {
      s.latchedCount = -1;
      return value & 0xff;
    }
    if (s.access === 2 || s.readHigh) {
      s.readHigh = false;
      s.latchedCount = -1;
      return value >> 8;
    }
    s.readHigh = true;
    return value & 0xff;
  }

  /** Counter latch command; a second one before the read is ignored. */
  latchCount(tick: number): void {
    if (this.#s.latchedCount < 0) this.#s.latchedCount = this.#countingElement(tick);
  }

  /** Read-back of OUT, null count and the programmed mode. */
  latchStatus(tick: number): void {
    const s = this.#s;
    if (s.latchedStatus >= 0) return;
    const out = this.out(tick) ? 0x80 : 0;
    const loaded = s.start >= 0 && tick >= s.start && s.reloadAt < 0 && s.next === s.count;
    s.latchedStatus = out | (loaded ? 0 : 0x40) | (s.access << 4) | (s.mode << 1) | (s.bcd ? 1 : 0);
  }

  /** Drives GATE. */
  setGate(level: boolean, tick: number): void {
    const s = this.#s;
    if (level === s.gate) return;
    this.#settle(tick);
    s.gate = level;
    if (!level) {
      const stops = s.mode === 0 || s.mode === 2 || s.mode === 3 || s.mode === 4;
      if (stops && s.start >= 0 && s.stopped < 0) s.stopped = tick;
      return;
    }
    switch (s.mode) {
      case 0:
      case 4:
        if (s.stopped < 0 || s.lowByte >= 0) break;
        s.start += tick - s.stopped;
        s.stopped = -1;
        break;
      default: // a trigger: modes 1, 2, 3 and 5 load the count register
        if (s.start >= 0 || s.reloadAt >= 0) this.#load(tick + 1);
    }
  }

  /** Level of the OUT pin. */
  out(tick: number): boolean {
    this.#settle(tick);
    const s = this.#s;
    const elapsed = this.#elapsed(tick);
    const running = s.start >= 0 && !this.#awaitsTrigger();
    switch (s.mode) {
      case 0:
        return running && s.lowByte < 0 && elapsed >= s.count;
      case 1:
        return !running || tick < s.start || elapsed >= s.count;
      case 2:
        return !running || !s.gate || elapsed % s.count !== s.count - 1;
      case 3:
        return !running || !s.gate || elapsed % s.count < (s.count + 1) >> 1;
      default:
        return !running || elapsed !== s.count;
    }
  }

  /** The first tick after `tick` at which OUT rises, or -1 when it will not of itself. */
  nextRise(tick: number): number {
    this.#settle(tick);
    const s = this.#s;
    if (s.start < 0 || s.stopped >= 0 || this.#awaitsTrigger()) return -1;
    const end = s.start + s.count;
    switch (s.mode) {
      case 0:
      case 1:
        return tick < end ? end : -1;
      case 2:
      case 3: {
        if (s.reloadAt >= 0 && s.reloadAt > tick) {
          const atFullCycle = (s.reloadAt - s.start) % s.count === 0;
          return atFullCycle ? s.reloadAt : s.reloadAt + (s.next >> 1);
        }
        return tick < s.start ? end : s.start + (Math.floor((tick - s.start) / s.count) + 1) * s.count;
      }
      default:
        return tick <= end ? end + 1 : -1;
    }
  }

  save(): CounterState {
    return { ...this.#s };
  }

  load(state: CounterState): void {
    this.#s = { ...state };
  }

  /** Modes 1 and 5 hold a written count until GATE rises: `stopped` marks that they wait. */
  #awaitsTrigger(): boolean {
    const s = this.#s;
    return (s.mode === 1 || s.mode === 5) && s.stopped >= 0;
  }

  #setCount(word: number, tick: number): void {
    const s = this.#s;
    this.#settle(tick);
    const decoded = s.bcd ? fromBcd(word) : word;
    s.next = decoded === 0 ? (s.bcd ? 10_000 : 65_536) : decoded;
    switch (s.mode) {
      case 0:
      case 4:
        this.#load(tick + 1);
        if (!s.gate) s.stopped = s.start;
        break;
      case 1:
      case 5:
        if (s.start >= 0) break; // the present cycle is not disturbed
        s.start = tick;
        s.stopped = tick;
        break;
      default:
        if (s.start < 0) {
          this.#load(tick + 1);
          if (!s.gate) s.stopped = s.start;
        } else if (s.stopped < 0) s.reloadAt = this.#endOfCycle(tick);
    }
  }

  /** The end of the cycle (mode 3: half-cycle) that is under way. */
  #endOfCycle(tick: number): number {
    const s = this.#s;
    if (tick < s.start) return s.start;
    const cycle = s.start + Math.floor((tick - s.start) / s.count) * s.count;
    const half = cycle + ((s.count + 1) >> 1);
    return s.mode === 3 && tick < half ? half : cycle + s.count;
  }

  #load(start: number): void {
    const s = this.#s;
    s.count = s.next;
    s.start = start;
    s.stopped = -1;
    s.reloadAt = -1;
  }

  /** Lets a reload that has come due happen. */
  #settle(tick: number): void {
    const s = this.#s;
    if (s.reloadAt < 0 || tick < s.reloadAt) return;
    const startsLow = (s.reloadAt - s.start) % s.count !== 0;
    this.#load(startsLow ? s.reloadAt - ((s.next + 1) >> 1) : s.reloadAt);
  }

  #elapsed(tick: number): number {
    const s = this.#s;
    return Math.max(0, (s.stopped >= 0 ? s.stopped : tick) - s.start);
  }

  #countingElement(tick: number): number {
    this.#settle(tick);
    const s = this.#s;
    const modulus = s.bcd ? 10_000 : 65_536;
    let value = s.count;
    if (s.start >= 0 && !this.#awaitsTrigger()) {
      const elapsed = this.#elapsed(tick);
      if (s.mode === 2) value = s.count - (elapsed % s.count);
      else if (s.mode === 3) {
        const half = (s.count + 1) >> 1;
        const phase = elapsed % s.count;
        value = (s.count & ~1) - 2 * (phase < half ? phase : phase - half);
      } else value = (((s.count - elapsed) % modulus) + modulus) % modulus;
    }
    value %= modulus;
    return s.bcd ? toBcd(value) : value;
  }
}
