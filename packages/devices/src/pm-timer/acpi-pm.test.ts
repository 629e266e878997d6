import { describe, expect, test } from "vitest";
import { ManualClock, ProbeLine } from "../../test/fakes.js";
import { stateTrio } from "../../test/state-trio.js";
import { createPioBus } from "../bus/pio-bus.js";
import { nsOfTick } from "../ticks.js";
import { AcpiPm, PM_TIMER_HZ } from "./acpi-pm.js";
import { attachAcpiPm } from "./port-acpi-pm.js";

function board(bits: 24 | 32 = 32) {
  const clock = new ManualClock();
  const sci = new ProbeLine();
  const bus = createPioBus();
  const pm = new AcpiPm(bits);
  const off = { count: 0, suspended: 0, events: 0 };
  const port = attachAcpiPm(bus, clock, pm, {
    eventPort: 0x400,
    controlPort: 0x404,
    timerPort: 0x408,
    sleepTypeS3: 1,
    sleepTypeS5: 5,
    sci,
    powerOff: () => {
      off.count++;
    },
    suspend: () => {
      off.suspended++;
    },
    event: () => {
      off.events++;
    },
  });
  return { clock, sci, bus, pm, off, port };
}

describe("timer", () => {
  test("counts 3.579545 MHz exactly", () => {
    const { clock, bus } = board();
    clock.advance(100e9);
    expect(bus.read(0x408, 4)).toBe(357_954_500);
    clock.advance(3600e9);
    expect(bus.read(0x408, 4)).toBe((3700 * PM_TIMER_HZ) % 2 ** 32);
    expect(bus.read(0x40a, 2)).toBe(Math.floor(((3700 * PM_TIMER_HZ) % 2 ** 32) / 65_536));
  });

  test("wraps at its width", () => {
    const narrow = board(24);
    narrow.clock.advance(nsOfTick(2 ** 24 + 5, PM_TIMER_HZ));
    expect(narrow.bus.read(0x408, 4)).toBe(5);
  });

  test("cannot be written", () => {
    const { bus } = board();
    bus.write(0x408, 4, 77);
    expect(bus.read(0x408, 4)).toBe(0);
  });

  test("interrupts when its highest bit changes, until the status is cleared", () => {
    const { clock, bus, sci } = board(24);
    bus.write(0x402, 2, 1);
    clock.advance(nsOfTick(2 ** 23, PM_TIMER_HZ) - 1);
    expect(sci.level).toBe(false);
    clock.advance(1);
    expect([sci.level, bus.read(0x400, 2)]).toEqual([true, 1]);
    bus.write(0x400, 2, 1);
    expect(sci.level).toBe(false);
    clock.advance(nsOfTick(2 ** 23, PM_TIMER_HZ) + 1);
    expect(sci.rises).toBe(2);
  });

  test("sets its status without the enable too, for those who poll", () => {
    const { clock, bus, sci } = board(24);
    clock.advance(3e9);
    expect([bus.read(0x400, 2), sci.level, clock.pending]).toEqual([1, false, 0]);
  });
});

describe("power", () => {
  test("SLP_EN with the type of S5 switches off, with that of S3 it suspends; other types and the type alone do nothing", () => {
    const { bus, off } = board();
    bus.write(0x404, 2, 5 << 10);
    bus.write(0x404, 2, (2 << 10) | (1 << 13));
    expect([off.count, off.suspended]).toEqual([0, 0]);
    bus.write(0x404, 2, (1 << 10) | (1 << 13));
    expect([off.count, off.suspended]).toEqual([0, 1]);
    bus.write(0x404, 2, (5 << 10) | (1 << 13));
    expect(off.count).toBe(1);
    expect(bus.read(0x404, 2)).toBe((5 << 10) | 1);
  });

  test("the high byte of control can be written alone", () => {
    const { bus, off } = board();
    bus.write(0x405, 1, ((5 << 10) | (1 << 13)) >> 8);
    expect(off.count).toBe(1);
  });

  test("SCI_EN is always on: there is no legacy mode to leave", () => {
    const { bus } = board();
    bus.write(0x404, 2, 0);
    expect(bus.read(0x404, 2)).toBe(1);
  });

  test("the power button is a status bit and an interrupt", () => {
    const { bus, sci, port } = board();
    bus.write(0x402, 2, 0x100);
    port.pressPowerButton();
    expect([sci.level, bus.read(0x400, 4)]).toEqual([true, 0x01000100]);
    bus.write(0x400, 1, 0xff);
    expect(sci.level).toBe(true);
    bus.write(0x401, 1, 0x01);
    expect(sci.level).toBe(false);
  });

  test("enable bits can be written by byte, and only those that exist are kept", () => {
    const { bus } = board();
    bus.write(0x400, 4, 0xffff0000);
    expect(bus.read(0x402, 2)).toBe(0x0721);
    bus.write(0x402, 1, 0);
    expect(bus.read(0x402, 2)).toBe(0x0700);
  });
});

stateTrio(
  () => new AcpiPm(),
  (pm) => {
    pm.enable = 0x100;
    pm.pressPowerButton();
    pm.status(1000);
  },
  {
    "an enable": (pm) => {
      pm.enable = 1;
    },
    "a status cleared": (pm) => pm.clearStatus(0x100, 1000),
    control: (pm) => void pm.writeControl(0x1400),
    "the timer's status": (pm) => void pm.status(2 ** 31),
  },
);
