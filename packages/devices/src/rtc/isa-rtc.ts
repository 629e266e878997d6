/**
 * The clock of a PC: index at port 0x70, data at 0x71, interrupt on IRQ 8. It starts at the host's civil time and then runs on guest time, so that
 * it agrees with the other clocks and a run can be repeated. Left out: bit 7 of port 0x70 as an NMI mask (the board has no NMI sources there).
 */
import type { Alarm, Clock, IrqLine, PioBus, WallClock } from "@paravane/paravirt-ops";
import { bytePorts } from "../bus/byte-ports.js";
import { requireSchema } from "../schema.js";
import { nsOfTick, ticksAt } from "../ticks.js";
import { Mc146818, type Mc146818State, RTC_HZ } from "./mc146818.js";

/** The part and the index register. */
export interface IsaRtcState {
  readonly schema: "isa-rtc@1";
  readonly chip: Mc146818State;
  readonly index: number;
}

/** The clock block of a PC. `irq` is ISA IRQ 8's wire; `alarmed` hears of each alarm, which wakes a machine that sleeps. */
export class IsaRtc {
  readonly chip = new Mc146818();
  readonly #clock: Clock;
  readonly #irq: IrqLine;
  readonly #alarm: Alarm;
  #index = 0;
  #connected = true;
  readonly #alarmed: () => void;
  #wasAlarmed = false;

  constructor(clock: Clock, irq: IrqLine, wallClock: WallClock, alarmed: () => void = () => {}) {
    this.#alarmed = alarmed;
    this.#clock = clock;
    this.#irq = irq;
    this.#alarm = clock.createAlarm("rtc", () => this.#settle());
    const ms = wallClock.nowMs();
    const seconds = Math.floor(ms / 1000);
    this.chip.setDate(seconds, Math.floor(((ms - seconds * 1000) * RTC_HZ) / 1000), this.#tick());
  }

  /** Joins the clock to a bus. */
  attach(bus: PioBus): void {
    const ports = bytePorts(
      "rtc",
      (offset) => {
        if (offset === 0) return 0xff; // the index cannot be read back
        const value = this.chip.read(this.#index, this.#tick());
        if (this.#index === 0x0c) this.#settle();
        return value;
      },
      (offset, value) => {
        if (offset === 0) this.#index = value & 0x7f;
        else {
          this.chip.write(this.#index, value, this.#tick());
          this.#settle();
        }
      },
    );
    bus.attach(0x70, 2, ports);
  }

  /** Whether the part's interrupt reaches IRQ 8; not while an HPET has taken it over. */
  setConnected(connected: boolean): void {
    this.#connected = connected;
    this.#settle();
  }

  reset(): void {
    this.chip.reset();
    this.#index = 0;
    this.#connected = true;
    this.#settle();
  }

  save(): IsaRtcState {
    this.#settle();
    return { schema: "isa-rtc@1", chip: this.chip.save(), index: this.#index };
  }

  load(state: IsaRtcState): void {
    requireSchema(state, "isa-rtc@1");
    this.chip.load(state.chip);
    this.#index = state.index;
    this.#settle();
  }

  #tick(): number {
    return ticksAt(this.#clock.nowNs(), RTC_HZ);
  }

  #settle(): void {
    const next = this.chip.nextInterrupt(this.#tick());
    this.#irq.set(this.#connected && this.chip.interrupt);
    const { alarmed } = this.chip;
    if (alarmed && !this.#wasAlarmed) this.#alarmed();
    this.#wasAlarmed = alarmed;
    if (next < 0) this.#alarm.disarm();
    else this.#alarm.arm(nsOfTick(next, RTC_HZ));
  }
}
