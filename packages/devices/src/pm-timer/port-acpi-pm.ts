/** The ACPI blocks on the port bus, with their alarm, the SCI and the ways to sleep. */
import type { AccessSize, Clock, IrqLine, PioBus, Port } from "@paravane/paravirt-ops";
import { truncate } from "../bus/width.js";
import { nsOfTick, ticksAt } from "../ticks.js";
import { type AcpiPm, PM_TIMER_HZ } from "./acpi-pm.js";

/** Where the blocks are and what they lead to. */
export interface AcpiPmWiring {
  /** PM1 event: status and enable, 4 bytes. */
  readonly eventPort: Port;
  /** PM1 control, 2 bytes. */
  readonly controlPort: Port;
  /** Timer, 4 bytes. */
  readonly timerPort: Port;
  /** The SLP_TYP that switches off, as \_S5 says it. */
  readonly sleepTypeS5: number;
  /** The SLP_TYP that suspends to RAM, as \_S3 says it. */
  readonly sleepTypeS3: number;
  readonly sci: IrqLine;
  powerOff(): void;
  suspend(): void;
  /** Called at each event; while the machine sleeps it looks whether it wakes. */
  event(): void;
}

/** What attached blocks offer to a host. */
export interface PortAcpiPm {
  pressPowerButton(): void;
  /** The real-time clock's alarm has come. */
  rtcAlarm(): void;
  /** Drives the SCI and the alarm again, after the chip was reset or loaded. */
  settle(): void;
}

/** The bytes of an access within a register of `width` bytes at `at`, as a value of that register; undefined when it is not touched. */
function slice(offset: number, size: AccessSize, value: number, at: number): number | undefined {
  let bits = 0;
  let touched = false;
  for (let byte = 0; byte < size; byte++) {
    const index = offset + byte - at;
    if (index !== 0 && index !== 1) continue;
    bits |= ((value >>> (8 * byte)) & 0xff) << (8 * index);
    touched = true;
  }
  return touched ? bits : undefined;
}

/** Keeps the byte of `old` that an access of part of a 16-bit register does not write. */
function merged(old: number, offset: number, size: AccessSize, bits: number, at: number): number {
  let mask = 0;
  for (let byte = 0; byte < size; byte++)
    if (offset + byte - at === 0 || offset + byte - at === 1) mask |= 0xff << (8 * (offset + byte - at));
  return (old & ~mask) | bits;
}

/** Joins the blocks to their ports. */
export function attachAcpiPm(bus: PioBus, clock: Clock, pm: AcpiPm, wiring: AcpiPmWiring): PortAcpiPm {
  const now = () => ticksAt(clock.nowNs(), PM_TIMER_HZ);
  const settle = () => {
    const next = pm.nextInterrupt(now());
    wiring.sci.set(pm.interrupt);
    if (next < 0) alarm.disarm();
    else alarm.arm(nsOfTick(next, PM_TIMER_HZ));
  };
  const alarm = clock.createAlarm("acpi-pm-timer", settle);

  bus.attach(wiring.eventPort, 4, {
    name: "acpi-pm1-event",
    pioRead(offset, size) {
      const both = (pm.status(now()) | (pm.enable << 16)) >>> 0;
      return truncate(both >>> (8 * offset), size);
    },
    pioWrite(offset, size, value) {
      const cleared = slice(offset, size, value, 0);
      const enabled = slice(offset, size, value, 2);
      if (cleared !== undefined) pm.clearStatus(cleared, now());
      if (enabled !== undefined) pm.enable = merged(pm.enable, offset, size, enabled, 2);
      settle();
    },
  });
  bus.attach(wiring.controlPort, 2, {
    name: "acpi-pm1-control",
    pioRead: (offset, size) => truncate(pm.control >>> (8 * offset), size),
    pioWrite(offset, size, value) {
      const bits = slice(offset, size, value, 0) ?? 0;
      const sleepType = pm.writeControl(merged(pm.control, offset, size, bits, 0));
      if (sleepType === wiring.sleepTypeS5) wiring.powerOff();
      else if (sleepType === wiring.sleepTypeS3) wiring.suspend();
    },
  });
  bus.attach(wiring.timerPort, 4, {
    name: "acpi-pm-timer",
    pioRead: (offset, size) => truncate(pm.timer(now()) >>> (8 * offset), size),
    pioWrite() {
      // the timer is read only
    },
  });
  return {
    pressPowerButton() {
      pm.pressPowerButton();
      settle();
      wiring.event();
    },
    rtcAlarm() {
      pm.rtcAlarm();
      settle();
      wiring.event();
    },
    settle,
  };
}
