import { describe, expect, test } from "vitest";
import { ManualClock, ProbeLine } from "../../test/fakes.js";
import { stateTrio } from "../../test/state-trio.js";
import { createMmioBus } from "../bus/mmio-bus.js";
import { Hpet } from "./hpet.js";
import { attachHpet, HPET_BASE } from "./mmio-hpet.js";

const LEVEL = 1 << 1;
const INTERRUPT = 1 << 2;
const PERIODIC = 1 << 3;
const SET_VALUE = 1 << 6;
const MODE_32 = 1 << 8;
const ROUTE_20 = 20 << 9;

function board() {
  const clock = new ManualClock();
  const bus = createMmioBus();
  const hpet = new Hpet();
  const lines = new Map<number, ProbeLine>();
  const line = (gsi: number) => {
    if (!lines.has(gsi)) lines.set(gsi, new ProbeLine());
    return lines.get(gsi)!;
  };
  const timer = new ProbeLine();
  const rtc = new ProbeLine();
  const legacy: boolean[] = [];
  const port = attachHpet(bus, HPET_BASE, clock, hpet, {
    line,
    legacyTimer: timer,
    legacyRtc: rtc,
    setLegacy: (on) => void legacy.push(on),
  });
  const read = (offset: number) => bus.read(HPET_BASE + offset, 4);
  const write = (offset: number, value: number) => bus.write(HPET_BASE + offset, 4, value);
  return { clock, bus, hpet, port, line, timer, rtc, legacy, read, write };
}

describe("main counter", () => {
  test("stands until it is enabled, then counts 10 ns", () => {
    const { clock, read, write } = board();
    clock.advance(1000);
    expect(read(0xf0)).toBe(0);
    write(0x10, 1);
    clock.advance(1009);
    expect(read(0xf0)).toBe(100);
    write(0x10, 0);
    clock.advance(1000);
    expect(read(0xf0)).toBe(100);
    expect(read(0x04)).toBe(10_000_000);
  });

  test("can be set, carries into its high half, and wraps at 64 bits", () => {
    const { clock, read, write } = board();
    write(0xf0, 0xfffffff0);
    write(0xf4, 0xffffffff);
    write(0x10, 1);
    clock.advance(150);
    expect([read(0xf0), read(0xf4)]).toEqual([0xffffffff, 0xffffffff]);
    clock.advance(10);
    expect([read(0xf0), read(0xf4)]).toEqual([0, 0]);
  });

  test("an 8-byte read is consistent although its halves are read apart", () => {
    const { clock, read, write } = board();
    write(0xf0, 0xffffffff);
    write(0x10, 1);
    expect(read(0xf0)).toBe(0xffffffff);
    clock.advance(10);
    expect(read(0xf4)).toBe(0);
    expect(read(0xf4)).toBe(1);
  });
});

describe("comparators", () => {
  test("a one-shot interrupts once, when it equals the counter", () => {
    const { clock, line, write } = board();
    write(0x140, INTERRUPT | ROUTE_20);
    write(0x148, 1000);
    write(0x14c, 0);
    write(0x10, 1);
    clock.advance(9_999);
    expect(line(20).rises).toBe(0);
    clock.advance(1);
    expect(line(20).rises).toBe(1);
    clock.advance(100e9);
    expect(line(20).rises).toBe(1);
  });

  test("in 32-bit mode a value that is past comes round with the low half", () => {
    const { clock, line, write } = board();
    write(0x10, 1);
    clock.advance(1000);
    write(0x140, INTERRUPT | MODE_32 | ROUTE_20);
    write(0x148, 50);
    clock.advance((2 ** 32 - 51) * 10);
    expect(line(20).rises).toBe(0);
    clock.advance(10);
    expect(line(20).rises).toBe(1);
  });

  test("a periodic one is set as Linux sets it, and does not drift", () => {
    const { clock, line, read, write } = board();
    write(0x10, 1);
    clock.advance(12_340);
    write(0x140, INTERRUPT | PERIODIC | SET_VALUE | MODE_32 | ROUTE_20);
    write(0x148, 1234 + 400_000);
    write(0x148, 400_000);
    expect(read(0x140) & SET_VALUE).toBe(0);
    clock.advance(60e9);
    expect(line(20).rises).toBe(15_000);
  });

  test("a 64-bit period and start can be written as 8 bytes", () => {
    const { clock, hpet, line, write } = board();
    write(0x140, INTERRUPT | PERIODIC | SET_VALUE | ROUTE_20);
    write(0x148, 0);
    write(0x14c, 1);
    expect(hpet.save().timers[2]!.value).toEqual({ low: 0, high: 1 });
    expect(hpet.save().timers[2]!.highFollows).toBe(false);
    write(0x148, 10);
    write(0x14c, 0);
    expect(hpet.save().timers[2]!.period).toEqual({ low: 10, high: 0 });
    write(0x10, 1);
    clock.advance(2 ** 32 * 10 + 250);
    expect(line(20).rises).toBe(3);
  });

  test("catches up once after the host slept", () => {
    const { clock, line, write } = board();
    write(0x10, 1);
    write(0x140, INTERRUPT | PERIODIC | SET_VALUE | ROUTE_20);
    write(0x148, 100_000);
    write(0x14c, 0);
    write(0x148, 100_000);
    clock.sleep(10_500_000);
    expect(line(20).rises).toBe(1);
    clock.advance(499_999);
    expect(line(20).rises).toBe(1);
    clock.advance(1);
    expect(line(20).rises).toBe(2);
  });

  test("a match that is due but not polled yet is not lost when the guest writes a register", () => {
    const { clock, line, write } = board();
    write(0x140, INTERRUPT | MODE_32 | ROUTE_20);
    write(0x148, 1000);
    write(0x10, 1);
    clock.pass(20_000);
    write(0x128, 5);
    expect(line(20).rises).toBe(1);
    clock.advance(1e6);
    expect(line(20).rises).toBe(1);
  });

  test("level-triggered stays asserted until the status bit is cleared", () => {
    const { clock, line, read, write } = board();
    write(0x140, INTERRUPT | LEVEL | ROUTE_20);
    write(0x148, 10);
    write(0x14c, 0);
    write(0x10, 1);
    clock.advance(1000);
    expect([line(20).level, read(0x20)]).toEqual([true, 4]);
    write(0x20, 4);
    expect([line(20).level, read(0x20)]).toEqual([false, 0]);
  });

  test("switched off they are silent and cost no alarm", () => {
    const { clock, line, write } = board();
    write(0x140, ROUTE_20);
    write(0x148, 10);
    write(0x14c, 0);
    write(0x10, 1);
    expect(clock.pending).toBe(0);
    clock.advance(1000);
    expect(line(20).rises).toBe(0);
  });

  test("cannot be routed where no wire is", () => {
    const { read, write } = board();
    expect(read(0x104)).toBe(0x00f00000);
    write(0x100, 3 << 9);
    expect((read(0x100) >> 9) & 31).toBe(0);
    write(0x100, 22 << 9);
    expect((read(0x100) >> 9) & 31).toBe(22);
  });
});

test("legacy replacement gives comparators 0 and 1 the wires of the 8254 and the RTC", () => {
  const { clock, timer, rtc, legacy, write } = board();
  for (const n of [0, 1]) {
    write(0x100 + 0x20 * n, INTERRUPT);
    write(0x108 + 0x20 * n, 100 * (n + 1));
    write(0x10c + 0x20 * n, 0);
  }
  write(0x10, 3);
  expect(legacy).toEqual([true]);
  clock.advance(5000);
  expect([timer.rises, rtc.rises]).toEqual([1, 1]);
  write(0x10, 1);
  expect([legacy, timer.level, rtc.level]).toEqual([[true, false], false, false]);
});

test("what it says of itself is what the ACPI table says", () => {
  const { read } = board();
  expect(read(0)).toBe(0x8086a201);
  expect(read(0x100) & 0x30).toBe(0x30);
});

test("a restored HPET matches at the same instant", () => {
  const { clock, hpet, write } = board();
  write(0x10, 1);
  clock.advance(1000);
  write(0x140, INTERRUPT | ROUTE_20);
  write(0x148, 5000);
  write(0x14c, 0);
  const other = board();
  other.clock.advance(1000);
  other.hpet.load(hpet.save());
  other.port.settle();
  other.clock.advance(48_999);
  expect(other.line(20).rises).toBe(0);
  other.clock.advance(1);
  expect(other.line(20).rises).toBe(1);
});

stateTrio(
  () => new Hpet(),
  (hpet) => {
    hpet.write(0x10, 1, 100);
    hpet.write(0x100, INTERRUPT | PERIODIC | SET_VALUE | LEVEL, 100);
    hpet.write(0x108, 500, 100);
    hpet.match(0, 600, 600);
    hpet.read(0xf0, 700);
  },
  {
    "the counter set": (hpet) => hpet.write(0xf0, 7, 800),
    stopping: (hpet) => hpet.write(0x10, 0, 800),
    "legacy replacement": (hpet) => hpet.write(0x10, 3, 800),
    "the status cleared": (hpet) => hpet.write(0x20, 1, 800),
    "a comparator": (hpet) => hpet.write(0x148, 9, 800),
    "a period": (hpet) => hpet.write(0x108, 9, 800),
    "a configuration": (hpet) => hpet.write(0x120, INTERRUPT, 800),
    "a match": (hpet) => hpet.match(0, 1100, 1100),
    "a latched half read": (hpet) => void hpet.read(0xf4, 800),
  },
);
