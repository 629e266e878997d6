/**
 * Suspend to RAM as the firmware of a PC does it (ACPI Specification 6.4 §16.1.3, §16.3.2): the processors stop, an enabled event of the
 * PM1 block ends the sleep, the devices start from reset, and the boot processor goes on at the waking vector in the FACS.
 * Left out: the 64-bit waking vector.
 */
import type { Alarm, Clock, GuestMemory, PowerEvent } from "@paravane/paravirt-ops";
import type { AcpiPm } from "../pm-timer/index.js";

/** FACS: firmware_waking_vector. */
const WAKING_VECTOR = 12;
/** What waking up takes; it keeps the processors' restart out of whatever signalled the event. */
const FIRMWARE_NS = 1_000_000;

/** What a sleep needs of the board around it. */
export interface SuspendWiring {
  readonly pm: AcpiPm;
  power(event: PowerEvent): void;
  /** Guest memory and the FACS in it; undefined while no tables were installed. */
  facs(): { readonly memory: GuestMemory; readonly address: number } | undefined;
  /** Brings every device but the PM block into its power-on state. */
  resetDevices(): void;
}

/** The sleep state of a board. */
export class SuspendToRam {
  readonly #wiring: SuspendWiring;
  readonly #alarm: Alarm;
  readonly #clock: Clock;
  #asleep = false;

  constructor(clock: Clock, wiring: SuspendWiring) {
    this.#clock = clock;
    this.#wiring = wiring;
    this.#alarm = clock.createAlarm("acpi-wake", () => this.#wake());
  }

  /** The guest has asked for S3. */
  enter(): void {
    this.#asleep = true;
    this.#wiring.power({ kind: "suspend" });
    this.event();
  }

  /** Something happened in the PM1 block. */
  event(): void {
    if (this.#asleep && this.#wiring.pm.wakes) this.#alarm.arm(this.#clock.nowNs() + FIRMWARE_NS);
  }

  reset(): void {
    this.#asleep = false;
    this.#alarm.disarm();
  }

  #wake(): void {
    const { pm, power, facs, resetDevices } = this.#wiring;
    this.#asleep = false;
    const found = facs();
    const entry = found?.memory.readU32(found.address + WAKING_VECTOR) ?? 0;
    if (entry === 0 || entry >= 0x100000) {
      power({ kind: "reset" }); // firmware that finds no vector boots afresh
      return;
    }
    resetDevices();
    pm.wake();
    power({ kind: "resume", entry });
  }
}
