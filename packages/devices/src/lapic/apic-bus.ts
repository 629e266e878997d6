/**
 * The wires between local APICs, the I/O APIC and devices that send messages. SDM Vol. 3A §11.6 (IPIs), §11.6.2 (destinations), §11.11 (MSI).
 * Left out: focus processors; arbitration of equal priorities picks the lowest ID.
 */
import type { Clock, MsiSink } from "@paravane/paravirt-ops";
import { LocalApic, type ApicMessages } from "./local-apic.js";
import * as R from "./registers.js";

const SHORTHAND_SELF = 1;
const SHORTHAND_ALL = 2;
const SHORTHAND_OTHERS = 3;
const NARROW_BROADCAST = 0xff;
const WIDE_BROADCAST = 0xffffffff;

const MSI_WINDOW = 0xfee;
const MSI_REDIRECTION_HINT = 1 << 3;
const MSI_LOGICAL = 1 << 2;
const MSI_LEVEL = 1 << 15;

/** What the bus leads to outside the APICs. */
export interface ApicBusOptions {
  readonly vcpus: number;
  readonly clock: Clock;
  readonly tscHz: number;
  /** INTA to the 8259 pair. */
  acknowledgeExtInt(): number;
  /** EOI messages for level-triggered interrupts: the I/O APIC listens. */
  broadcastEoi(vector: number): void;
}

/** All local APICs of a machine and the messages between them. */
export class ApicBus implements ApicMessages, MsiSink {
  readonly apics: readonly LocalApic[];
  readonly #options: ApicBusOptions;

  constructor(options: ApicBusOptions) {
    this.#options = options;
    this.apics = Array.from({ length: options.vcpus }, (_, id) => new LocalApic(id, this, options.clock, options.tscHz));
  }

  /** RESET of every APIC. */
  reset(): void {
    for (const apic of this.apics) apic.reset();
  }

  acknowledgeExtInt(): number {
    return this.#options.acknowledgeExtInt();
  }

  broadcastEoi(vector: number): void {
    this.#options.broadcastEoi(vector);
  }

  /** Drives the LINT0 pins, which are one wire. */
  setLint0(level: boolean): void {
    for (const apic of this.apics) apic.setLint0(level);
  }

  /** Drives the LINT1 pins, which are one wire. */
  setLint1(level: boolean): void {
    for (const apic of this.apics) apic.setLint1(level);
  }

  /**
   * Delivers a message from a device: `destination` has eight bits, 0xff is everyone.
   * False when no APIC took it, which matters to senders that ask again.
   */
  deliver(destination: number, logical: boolean, mode: number, vector: number, level: boolean): boolean {
    return this.#route(destination, logical, destination === NARROW_BROADCAST, mode, vector, level);
  }

  /** A message-signalled interrupt: a device's store of `data` to `address`. Addresses outside 0xfeexxxxx are no messages. */
  send(address: number, data: number): void {
    if (Math.floor(address / 0x100000) !== MSI_WINDOW) return;
    const destination = (address >>> 12) & 0xff;
    const logical = (address & MSI_LOGICAL) !== 0;
    let mode = (data >>> 8) & 7;
    // The redirection hint asks for one processor of the set, even when the data says "fixed".
    if (mode === R.MODE_FIXED && logical && (address & MSI_REDIRECTION_HINT) !== 0) mode = R.MODE_LOWEST_PRIORITY;
    this.deliver(destination, logical, mode, data & 0xff, (data & MSI_LEVEL) !== 0);
  }

  sendIpi(source: LocalApic, low: number, destination: number): void {
    const mode = (low >>> 8) & 7;
    const vector = low & 0xff;
    // Level de-assertion was for the APICs of the 1990s; nobody reacts to it. Modes 3 and 7 are reserved.
    if (mode === 3 || mode === R.MODE_EXTINT) return;
    if (mode === R.MODE_INIT && (low & R.ICR_LEVEL) !== 0 && (low & R.ICR_ASSERT) === 0) return;
    if ((mode === R.MODE_FIXED || mode === R.MODE_LOWEST_PRIORITY) && vector < 16) {
      source.reportError(R.ESR_SEND_ILLEGAL_VECTOR);
      return;
    }
    const shorthand = (low >>> 18) & 3;
    if (shorthand === 0) {
      const broadcast = destination === (source.x2apic ? WIDE_BROADCAST : NARROW_BROADCAST);
      this.#route(destination, (low & R.ICR_LOGICAL) !== 0, broadcast, mode, vector, false);
      return;
    }
    const restarts = mode === R.MODE_INIT || mode === R.MODE_STARTUP;
    for (const apic of this.apics) {
      const wanted = shorthand === SHORTHAND_SELF ? apic === source : shorthand === SHORTHAND_ALL || apic !== source;
      // A processor cannot INIT or start itself by shorthand (SDM Table 11-3).
      if (wanted && apic.enabled && !(restarts && apic === source && shorthand !== SHORTHAND_OTHERS)) apic.deliver(mode, vector, false);
    }
  }

  #route(destination: number, logical: boolean, broadcast: boolean, mode: number, vector: number, level: boolean): boolean {
    if (mode === R.MODE_LOWEST_PRIORITY) {
      let target: LocalApic | undefined;
      for (const apic of this.apics) {
        if (!apic.accepting || !apic.matches(destination, logical, broadcast)) continue;
        if (!target || apic.processorPriority < target.processorPriority) target = apic;
      }
      target?.deliver(mode, vector, level);
      return target !== undefined;
    }
    let taken = false;
    for (const apic of this.apics) {
      if (!apic.matches(destination, logical, broadcast)) continue;
      apic.deliver(mode, vector, level);
      taken = true;
    }
    return taken;
  }
}
