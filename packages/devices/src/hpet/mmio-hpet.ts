/**
 * An HPET in memory at 0xfed00000, with its alarms and interrupt wires.
 * A wire of an edge-triggered comparator shows rises only: it stays asserted until the next match, as IRQ 0 of the 8254 does here.
 */
import type { Alarm, Clock, Gpa, IrqLine, MmioBus } from "@paravane/paravirt-ops";
import { truncate } from "../bus/width.js";
import { nsOfTick, ticksAt } from "../ticks.js";
import { HPET_HZ, HPET_TIMERS, type Hpet } from "./hpet.js";

/** Where a PC has its HPET. */
export const HPET_BASE = 0xfed00000;
/** Alarms further away than this are never. */
const FAR_TICKS = 2 ** 48;

/** Wires of an HPET. */
export interface HpetWires {
  /** Wire of an I/O APIC input; asked again it is the same wire. */
  line(gsi: number): IrqLine;
  /** IRQ 0 and IRQ 8 while legacy replacement is on. */
  readonly legacyTimer: IrqLine;
  readonly legacyRtc: IrqLine;
  /** Legacy replacement was switched: the 8254 and the RTC are to let go of their wires, or take them back. */
  setLegacy(on: boolean): void;
}

/** What an attached HPET needs to be told from outside. */
export interface MmioHpet {
  /** Drives wires and alarms again, after the chip was reset or loaded. */
  settle(): void;
}

/** Joins an HPET to memory, clock and wires. */
export function attachHpet(bus: MmioBus, base: Gpa, clock: Clock, hpet: Hpet, wires: HpetWires): MmioHpet {
  const alarms: Alarm[] = [];
  /** Wire that each comparator drives at present. */
  const driven: (IrqLine | undefined)[] = new Array(HPET_TIMERS).fill(undefined);
  let legacy = false;
  const now = () => ticksAt(clock.nowNs(), HPET_HZ);

  const wireOf = (n: number): IrqLine | undefined => {
    if (hpet.legacy && n < 2) return n === 0 ? wires.legacyTimer : wires.legacyRtc;
    const gsi = hpet.route(n);
    return gsi < 0 ? undefined : wires.line(gsi);
  };
  const arm = (n: number, tick: number) => {
    const next = hpet.nextMatch(n, tick);
    if (next < 0 || next - tick > FAR_TICKS) alarms[n]!.disarm();
    else alarms[n]!.arm(nsOfTick(next, HPET_HZ));
  };
  const settle = () => {
    if (legacy !== hpet.legacy) {
      legacy = hpet.legacy;
      wires.setLegacy(legacy);
    }
    const tick = now();
    for (let n = 0; n < HPET_TIMERS; n++) {
      const wire = hpet.interrupts(n) ? wireOf(n) : undefined;
      if (wire !== driven[n]) driven[n]?.set(false);
      driven[n] = wire;
      if (hpet.isLevel(n)) wire?.set(hpet.asserted(n));
      arm(n, tick);
    }
  };
  const expire = (n: number, deadlineNs: number) => {
    const tick = now();
    hpet.match(n, ticksAt(deadlineNs, HPET_HZ), tick);
    if (!hpet.isLevel(n)) driven[n]?.set(false);
    driven[n]?.set(true);
    arm(n, tick + 1);
  };
  /** Matches that are due, but whose alarms the machine has not polled yet, happened before what the guest does now. */
  const catchUp = () => {
    const nowNs = clock.nowNs();
    for (let n = 0; n < HPET_TIMERS; n++) {
      const deadlineNs = alarms[n]!.deadlineNs;
      if (deadlineNs !== undefined && deadlineNs <= nowNs) expire(n, deadlineNs);
    }
  };
  for (let n = 0; n < HPET_TIMERS; n++) alarms.push(clock.createAlarm(`hpet-${n}`, (deadlineNs) => expire(n, deadlineNs)));

  bus.attach(base, 0x400, {
    name: "hpet",
    mmioRead(offset, size) {
      const byte = offset & 3;
      return byte + size > 4 ? 0 : truncate(hpet.read(offset - byte, now()) >>> (8 * byte), size);
    },
    mmioWrite(offset, size, value) {
      if (size !== 4 || (offset & 3) !== 0) return;
      catchUp();
      hpet.write(offset, value, now());
      settle();
    },
  });
  return { settle };
}
