/**
 * The 8254 of a PC: counters at 0x40-0x43, the system control port at 0x61 (gate of counter 2, speaker, refresh toggle, OUT2), and OUT0 as IRQ 0.
 * IRQ 0 shows OUT0's rises: between two rises of a periodic mode the wire stays high, so that one alarm a period is enough.
 * Left out: sound, and the NMI sources of port 0x61 (parity, channel check), whose status bits read 0.
 */
import type { Alarm, Clock, IrqLine, PioBus } from "@paravane/paravirt-ops";
import { bytePorts } from "../bus/byte-ports.js";
import { requireSchema } from "../schema.js";
import { nsOfTick, ticksAt } from "../ticks.js";
import { I8254, type I8254State } from "./i8254.js";

/** The 8254's CLK in a PC: 14.31818 MHz / 12. */
export const PIT_HZ = 1_193_182;
/** Counter 1's customary count: one refresh each 15 µs, of which bit 4 of port 0x61 shows every second one. */
const REFRESH_TICKS = 18;

const PORT_B_GATE2 = 1 << 0;
const PORT_B_WRITABLE = 0x0f;
const PORT_B_REFRESH = 1 << 4;
const PORT_B_OUT2 = 1 << 5;

/** The chip and port 0x61. */
export interface IsaPitState {
  readonly schema: "isa-pit@1";
  readonly chip: I8254State;
  readonly portB: number;
}

/** The timer block of a PC. `irq` is ISA IRQ 0's wire. */
export class IsaPit {
  readonly chip = new I8254();
  readonly #clock: Clock;
  readonly #irq: IrqLine;
  readonly #alarm: Alarm;
  #portB = 0;
  /** False while another timer has taken over IRQ 0 (HPET legacy replacement). */
  #connected = true;

  constructor(clock: Clock, irq: IrqLine) {
    this.#clock = clock;
    this.#irq = irq;
    this.#alarm = clock.createAlarm("pit", (deadlineNs) => this.#rise(deadlineNs));
  }

  /** Joins the timer to a bus. */
  attach(bus: PioBus): void {
    const counters = bytePorts(
      "pit",
      (register) => this.chip.read(register, this.#tick()),
      (register, value) => {
        this.#catchUp();
        this.chip.write(register, value, this.#tick());
        if (register === 0 || (register === 3 && (value & 0xc0) === 0 && (value & 0x30) !== 0)) this.#reprogrammed();
      },
    );
    bus.attach(0x40, 4, counters);
    const portB = bytePorts(
      "port-61",
      () => this.#readPortB(),
      (_offset, value) => {
        this.#portB = value & PORT_B_WRITABLE;
        this.chip.counters[2].setGate((value & PORT_B_GATE2) !== 0, this.#tick());
      },
    );
    bus.attach(0x61, 1, portB);
  }

  /** Whether OUT0 reaches IRQ 0. */
  setConnected(connected: boolean): void {
    if (connected === this.#connected) return;
    this.#connected = connected;
    if (connected) this.#reprogrammed();
    else {
      this.#alarm.disarm();
      this.#irq.set(false);
    }
  }

  reset(): void {
    this.chip.reset();
    this.#portB = 0;
    this.#connected = true;
    this.#reprogrammed();
  }

  save(): IsaPitState {
    return { schema: "isa-pit@1", chip: this.chip.save(), portB: this.#portB };
  }

  /** Restores the chip; the wire takes its level without a new edge for a rise that is past. */
  load(state: IsaPitState): void {
    requireSchema(state, "isa-pit@1");
    this.chip.load(state.chip);
    this.#portB = state.portB;
    this.#reprogrammed();
  }

  #tick(): number {
    return ticksAt(this.#clock.nowNs(), PIT_HZ);
  }

  #readPortB(): number {
    const tick = this.#tick();
    const refresh = Math.floor(tick / REFRESH_TICKS) % 2 === 0 ? 0 : PORT_B_REFRESH;
    return this.#portB | refresh | (this.chip.counters[2].out(tick) ? PORT_B_OUT2 : 0);
  }

  #reprogrammed(): void {
    if (!this.#connected) return;
    const tick = this.#tick();
    this.#irq.set(this.chip.counters[0].out(tick));
    this.#armAfter(tick);
  }

  /** A rise that is due, but whose alarm the machine has not polled yet, happened before what the guest does now. */
  #catchUp(): void {
    const { deadlineNs } = this.#alarm;
    if (deadlineNs !== undefined && deadlineNs <= this.#clock.nowNs()) this.#rise(deadlineNs);
  }

  #rise(deadlineNs: number): void {
    this.#irq.set(false);
    this.#irq.set(true);
    // When the host slept, the rises that were missed are one rise; the next is in the future.
    this.#armAfter(ticksAt(Math.max(deadlineNs, this.#clock.nowNs()), PIT_HZ));
  }

  #armAfter(tick: number): void {
    const next = this.chip.counters[0].nextRise(tick);
    if (next < 0) this.#alarm.disarm();
    else this.#alarm.arm(nsOfTick(next, PIT_HZ));
  }
}
