/**
 * ACPI fixed hardware: PM1 event and control blocks and the power management timer. ACPI Specification 6.4 §4.8.3.
 * Time is an argument, in ticks of the 3.579545 MHz clock. The machine is in ACPI mode from the start (SCI_EN is set and stays set).
 * Left out: bus master status and global lock (their bits hold what is written), general-purpose events, sleep states other than S3 and S5.
 */
import { requireSchema } from "../schema.js";

/** The timer's frequency. */
export const PM_TIMER_HZ = 3_579_545;

const TMR = 1 << 0;
const GBL = 1 << 5;
const PWRBTN = 1 << 8;
const SLPBTN = 1 << 9;
const RTC = 1 << 10;
const WAK = 1 << 15;
/** Events that end a sleep. */
const WAKING = PWRBTN | SLPBTN | RTC;
const ENABLES = TMR | GBL | PWRBTN | SLPBTN | RTC;
const SCI_EN = 1 << 0;
const SLP_EN = 1 << 13;
const SLP_TYP_SHIFT = 10;
const SLP_TYP = 7 << SLP_TYP_SHIFT;
/** Bits of PM1 control that hold what is written: BM_RLD and SLP_TYP. GBL_RLS and SLP_EN read 0. */
const CONTROL_WRITABLE = (1 << 1) | SLP_TYP;

/** Everything the block remembers. */
export interface AcpiPmState {
  readonly schema: "acpi-pm@1";
  status: number;
  enable: number;
  control: number;
  lastTick: number;
}

/** PM1 blocks and timer. `timerBits` is 24 or 32. */
export class AcpiPm {
  readonly #timerBits: 24 | 32;
  #status = 0;
  #enable = 0;
  #control = SCI_EN;
  #lastTick = 0;

  constructor(timerBits: 24 | 32 = 32) {
    this.#timerBits = timerBits;
  }

  /** Power-on state; the timer goes on. */
  reset(): void {
    this.#status = 0;
    this.#enable = 0;
    this.#control = SCI_EN;
  }

  /** Level of the system control interrupt. */
  get interrupt(): boolean {
    return (this.#status & this.#enable) !== 0;
  }

  /** The timer's count. */
  timer(tick: number): number {
    return this.#timerBits === 32 ? tick % 2 ** 32 : tick % 2 ** 24;
  }

  /** PM1 status. TMR_STS is set by each change of the timer's highest bit. */
  status(tick: number): number {
    this.#follow(tick);
    return this.#status;
  }

  /** Clears the status bits that are written as ones. */
  clearStatus(bits: number, tick: number): void {
    this.#follow(tick);
    this.#status &= ~bits;
  }

  get enable(): number {
    return this.#enable;
  }
  set enable(bits: number) {
    this.#enable = bits & ENABLES;
  }

  get control(): number {
    return this.#control;
  }

  /** Writes PM1 control. Gives the sleep type when SLP_EN asks for it to be entered, otherwise -1. */
  writeControl(value: number): number {
    this.#control = (value & CONTROL_WRITABLE) | SCI_EN;
    return value & SLP_EN ? (value & SLP_TYP) >> SLP_TYP_SHIFT : -1;
  }

  /** The power button was pressed. */
  pressPowerButton(): void {
    this.#status |= PWRBTN;
  }

  /** The real-time clock's alarm has come. */
  rtcAlarm(): void {
    this.#status |= RTC;
  }

  /** True when something has happened that the guest wants to be woken by. */
  get wakes(): boolean {
    return (this.#status & this.#enable & WAKING) !== 0;
  }

  /** The sleep is over: the chip stayed powered, and WAK_STS says why the processor starts again. */
  wake(): void {
    this.#status |= WAK;
    this.#control = SCI_EN;
  }

  /** The tick at which the timer's interrupt comes next, or -1 while it is disabled or already signalled. */
  nextInterrupt(tick: number): number {
    this.#follow(tick);
    if ((this.#enable & TMR) === 0 || this.#status & TMR) return -1;
    return (Math.floor(tick / this.#half) + 1) * this.#half;
  }

  save(): AcpiPmState {
    return { schema: "acpi-pm@1", status: this.#status, enable: this.#enable, control: this.#control, lastTick: this.#lastTick };
  }

  load(state: AcpiPmState): void {
    requireSchema(state, "acpi-pm@1");
    this.#status = state.status;
    this.#enable = state.enable;
    this.#control = state.control;
    this.#lastTick = state.lastTick;
  }

  /** Ticks between two changes of the timer's highest bit. */
  get #half(): number {
    return 2 ** (this.#timerBits - 1);
  }

  #follow(tick: number): void {
    if (tick <= this.#lastTick) return;
    if (Math.floor(tick / this.#half) > Math.floor(this.#lastTick / this.#half)) this.#status |= TMR;
    this.#lastTick = tick;
  }
}
