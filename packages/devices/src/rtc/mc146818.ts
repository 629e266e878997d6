/**
 * Motorola MC146818A real-time clock with 128 bytes of CMOS memory. Datasheet, "Registers"; the century byte is the PC's, at 0x32.
 * Time is an argument, in ticks of the 32,768 Hz crystal; flags are worked out when somebody looks or when an interrupt is due.
 * Left out: daylight saving, the square-wave pin, crystals of other frequencies (such a divider setting stops the clock), and the 2 ms that an
 * update takes: UIP announces it 244 µs ahead, the new time is there at once.
 */
import { requireSchema } from "../schema.js";
import { type ClockBytes, decodeByte, decodeClock, decodeHour, encodeClock } from "./calendar.js";

/** The crystal's frequency. */
export const RTC_HZ = 32_768;
const UIP_TICKS = 8;

const REG_A = 0x0a;
const REG_B = 0x0b;
const REG_C = 0x0c;
const REG_D = 0x0d;
const CENTURY = 0x32;
/** Where the eight bytes of `ClockBytes` live. */
const CLOCK_REGISTERS = [0, 2, 4, 6, 7, 8, 9, CENTURY] as const;
const ALARM_SECONDS = 1;
const ALARM_MINUTES = 3;
const ALARM_HOURS = 5;

const REG_A_UIP = 0x80;
const REG_A_DIVIDER = 0x70;
const DIVIDER_RUN = 0x20;
const REG_B_SET = 0x80;
const REG_B_PIE = 0x40;
const REG_B_AIE = 0x20;
const REG_B_UIE = 0x10;
const REG_B_SQWE = 0x08;
const REG_C_IRQF = 0x80;
const REG_D_VRT = 0x80;
const DONT_CARE = 0xc0;
/** PF, AF and UF stand in register C where PIE, AIE and UIE stand in register B. */
const FLAGS = REG_B_PIE | REG_B_AIE | REG_B_UIE;

/** Everything the part remembers. `secondsAt` is the date at `originTick`; while the clock is held, `memory` has the time. */
export interface Mc146818State {
  readonly schema: "mc146818@1";
  memory: number[];
  regA: number;
  regB: number;
  flags: number;
  secondsAt: number;
  originTick: number;
  weekdayShift: number;
  lastTick: number;
}

/** An MC146818A. */
export class Mc146818 {
  readonly #memory = new Uint8Array(128);
  #regA = 0x26;
  #regB = 0x02;
  #flags = 0;
  #secondsAt = 0;
  #originTick = 0;
  #weekdayShift = 0;
  #lastTick = 0;

  /** The RESET pin: interrupts are disabled and their flags gone; time and memory live on the battery. */
  reset(): void {
    this.#regB &= ~(REG_B_PIE | REG_B_AIE | REG_B_UIE | REG_B_SQWE);
    this.#flags = 0;
  }

  /** Sets the date, as a battery-backed part has it when the machine is switched on: `fraction` of a second is in ticks. */
  setDate(seconds: number, fraction: number, tick: number): void {
    this.#secondsAt = seconds;
    this.#originTick = tick - fraction;
    this.#weekdayShift = 0;
    this.#lastTick = tick;
  }

  /** Level of the IRQ pin (active, not electrical: the part pulls it low). */
  get interrupt(): boolean {
    return (this.#flags & this.#regB & FLAGS) !== 0;
  }

  /** True while an enabled alarm has come and was not read. */
  get alarmed(): boolean {
    return (this.#flags & this.#regB & REG_B_AIE) !== 0;
  }

  read(register: number, tick: number): number {
    this.#follow(tick);
    switch (register) {
      case REG_A:
        return this.#regA | (this.#updateInProgress(tick) ? REG_A_UIP : 0);
      case REG_B:
        return this.#regB;
      case REG_C: {
        const value = this.#flags | (this.interrupt ? REG_C_IRQF : 0);
        this.#flags = 0;
        return value;
      }
      case REG_D:
        return REG_D_VRT;
    }
    const clock = CLOCK_REGISTERS.indexOf(register as 0);
    return clock >= 0 && !this.#held ? this.#clockBytes(tick)[clock]! : this.#memory[register & 0x7f]!;
  }

  write(register: number, value: number, tick: number): void {
    this.#follow(tick);
    switch (register) {
      case REG_A:
        this.#rehold(value & ~REG_A_UIP, this.#regB, tick);
        return;
      case REG_B:
        this.#rehold(this.#regA, value & REG_B_SET ? value & ~REG_B_UIE : value, tick);
        return;
      case REG_C:
      case REG_D:
        return; // read only
    }
    const clock = CLOCK_REGISTERS.indexOf(register as 0);
    if (clock < 0 || this.#held) {
      this.#memory[register & 0x7f] = value;
      return;
    }
    const bytes = this.#clockBytes(tick);
    bytes[clock] = value;
    this.#restart(bytes, tick - this.#fraction(tick));
  }

  /** A byte of CMOS memory as the factory (firmware) sets it; not for time registers. */
  preset(register: number, value: number): void {
    this.#memory[register & 0x7f] = value;
  }

  /** The tick at which an enabled interrupt will come next, or -1; none while one is already signalled. */
  nextInterrupt(tick: number): number {
    this.#follow(tick);
    if (this.interrupt) return -1;
    let next = Number.POSITIVE_INFINITY;
    const period = this.#period();
    if (this.#regB & REG_B_PIE && period > 0 && this.#dividing) {
      next = this.#originTick + (Math.floor((tick - this.#originTick) / period) + 1) * period;
    }
    if (!this.#held) {
      const second = Math.floor((tick - this.#originTick) / RTC_HZ);
      if (this.#regB & REG_B_UIE) next = Math.min(next, this.#originTick + (second + 1) * RTC_HZ);
      const alarm = this.#regB & REG_B_AIE ? this.#nextAlarm(this.#secondsAt + second) : -1;
      if (alarm >= 0) next = Math.min(next, this.#originTick + (alarm - this.#secondsAt) * RTC_HZ);
    }
    return next === Number.POSITIVE_INFINITY ? -1 : next;
  }

  save(): Mc146818State {
    return {
      schema: "mc146818@1",
      memory: [...this.#memory],
      regA: this.#regA,
      regB: this.#regB,
      flags: this.#flags,
      secondsAt: this.#secondsAt,
      originTick: this.#originTick,
      weekdayShift: this.#weekdayShift,
      lastTick: this.#lastTick,
    };
  }

  load(state: Mc146818State): void {
    requireSchema(state, "mc146818@1");
    this.#memory.set(state.memory);
    this.#regA = state.regA;
    this.#regB = state.regB;
    this.#flags = state.flags;
    this.#secondsAt = state.secondsAt;
    this.#originTick = state.originTick;
    this.#weekdayShift = state.weekdayShift;
    this.#lastTick = state.lastTick;
  }

  get #dividing(): boolean {
    return (this.#regA & REG_A_DIVIDER) === DIVIDER_RUN;
  }
  /** True while the time registers do not advance and are plain memory. */
  get #held(): boolean {
    return (this.#regB & REG_B_SET) !== 0 || !this.#dividing;
  }

  /** Ticks of the periodic interrupt's period, 0 for none. */
  #period(): number {
    const rate = this.#regA & 15;
    return rate === 0 ? 0 : 1 << (rate < 3 ? rate + 6 : rate - 1);
  }

  /** Ticks since the last second began. */
  #fraction(tick: number): number {
    const since = tick - this.#originTick;
    return since - Math.floor(since / RTC_HZ) * RTC_HZ;
  }

  #updateInProgress(tick: number): boolean {
    return !this.#held && this.#fraction(tick) >= RTC_HZ - UIP_TICKS;
  }

  #clockBytes(tick: number): ClockBytes {
    const seconds = this.#secondsAt + Math.floor((tick - this.#originTick) / RTC_HZ);
    return encodeClock(seconds, this.#weekdayShift, this.#regB);
  }

  /** Goes on from the date in `bytes`, whose second began at `originTick`. */
  #restart(bytes: ClockBytes, originTick: number): void {
    const { seconds, weekdayShift } = decodeClock(bytes, this.#regB);
    this.#secondsAt = seconds;
    this.#weekdayShift = weekdayShift;
    this.#originTick = originTick;
  }

  /** Changes registers A and B; when that stops or starts the clock, the time goes to memory or comes from it. */
  #rehold(regA: number, regB: number, tick: number): void {
    const wasHeld = this.#held;
    const wasDividing = this.#dividing;
    const shown = wasHeld ? undefined : this.#clockBytes(tick);
    this.#regA = regA;
    this.#regB = regB;
    if (!wasDividing && this.#dividing) this.#originTick = tick - RTC_HZ / 2; // the first update comes half a second after the divider's start
    if (shown && this.#held) {
      CLOCK_REGISTERS.forEach((register, index) => {
        this.#memory[register] = shown[index]!;
      });
    } else if (wasHeld && !this.#held) {
      const bytes = CLOCK_REGISTERS.map((register) => this.#memory[register]!) as ClockBytes;
      this.#restart(bytes, tick - this.#fraction(tick));
    }
  }

  /** Sets the flags of what has happened since the last look. */
  #follow(tick: number): void {
    const last = this.#lastTick;
    if (tick <= last) return;
    this.#lastTick = tick;
    const period = this.#period();
    const passed = (unit: number) => Math.floor((tick - this.#originTick) / unit) > Math.floor((last - this.#originTick) / unit);
    if (period > 0 && this.#dividing && passed(period)) this.#flags |= REG_B_PIE;
    if (this.#held || !passed(RTC_HZ)) return;
    this.#flags |= REG_B_UIE;
    const before = this.#secondsAt + Math.floor((last - this.#originTick) / RTC_HZ);
    const now = this.#secondsAt + Math.floor((tick - this.#originTick) / RTC_HZ);
    const alarm = this.#nextAlarm(before);
    if (alarm >= 0 && alarm <= now) this.#flags |= REG_B_AIE;
  }

  /** The first second after `after` that the alarm registers match, or -1 when none does. */
  #nextAlarm(after: number): number {
    const wanted = (register: number, limit: number, decode: (byte: number, regB: number) => number): number => {
      const byte = this.#memory[register]!;
      if ((byte & DONT_CARE) === DONT_CARE) return -1;
      const value = decode(byte, this.#regB);
      return value < limit ? value : Number.NaN;
    };
    const second = wanted(ALARM_SECONDS, 60, decodeByte);
    const minute = wanted(ALARM_MINUTES, 60, decodeByte);
    const hour = wanted(ALARM_HOURS, 24, decodeHour);
    if (Number.isNaN(second + minute + hour)) return -1;
    const nextUnit = (at: number, unit: number) => (Math.floor(at / unit) + 1) * unit;
    let at = after + 1;
    for (;;) {
      const ofDay = ((at % 86_400) + 86_400) % 86_400;
      if (hour >= 0 && Math.floor(ofDay / 3600) !== hour) at = nextUnit(at, 3600);
      else if (minute >= 0 && Math.floor(ofDay / 60) % 60 !== minute) at = nextUnit(at, 60);
      else if (second >= 0 && ofDay % 60 !== second) at++;
      else return at;
    }
  }
}
