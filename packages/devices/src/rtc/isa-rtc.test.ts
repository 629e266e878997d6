import { expect, test } from "vitest";
import { ManualClock, ProbeLine } from "../../test/fakes.js";
import { createPioBus } from "../bus/pio-bus.js";
import { cmosContents } from "./cmos.js";
import { IsaRtc } from "./isa-rtc.js";

function board(text = "2026-11-21T10:00:00.500Z") {
  const clock = new ManualClock();
  clock.advance(123_456_789);
  const irq = new ProbeLine();
  const rtc = new IsaRtc(clock, irq, { nowMs: () => Date.parse(text) });
  const bus = createPioBus();
  rtc.attach(bus);
  const read = (register: number) => {
    bus.write(0x70, 1, register);
    return bus.read(0x71, 1);
  };
  const write = (register: number, value: number) => {
    bus.write(0x70, 1, register);
    bus.write(0x71, 1, value);
  };
  return { clock, irq, rtc, bus, read, write };
}

test("starts at the host's time, fraction included, and runs on guest time", () => {
  const { clock, read } = board();
  expect([read(4), read(2), read(0)]).toEqual([0x10, 0x00, 0x00]);
  clock.advance(499e6);
  expect(read(0)).toBe(0x00);
  clock.advance(2e6);
  expect(read(0)).toBe(0x01);
  clock.advance(3600e9);
  expect(read(4)).toBe(0x11);
});

test("bit 7 of the index is not part of it", () => {
  const { read } = board();
  expect(read(0x8d)).toBe(0x80);
});

test("IRQ 8 rises at 1024 Hz when each interrupt is acknowledged, and once when none is", () => {
  const { clock, irq, read, write } = board();
  write(0x0b, 0x42);
  read(0x0c);
  for (let i = 0; i < 4096; i++) {
    clock.advance(1e9 / 4096);
    if (irq.level) read(0x0c);
  }
  expect(irq.rises).toBeGreaterThanOrEqual(1023);
  expect(irq.rises).toBeLessThanOrEqual(1025);
  const before = irq.rises;
  clock.sleep(10e9);
  expect(irq.rises).toBe(before + 1);
});

test("an alarm an hour away needs one alarm of the clock, not 3,600", () => {
  const { clock, irq, write } = board();
  write(5, 0x11);
  write(3, 0x00);
  write(1, 0x00);
  write(0x0b, 0x22);
  clock.advance(3599.4e9);
  expect(irq.rises).toBe(0);
  clock.advance(0.2e9);
  expect(irq.rises).toBe(1);
  expect(clock.pending).toBe(0);
});

test("a restored clock shows the same time and drives its wire", () => {
  const { clock, rtc, write } = board();
  write(0x0b, 0x42);
  clock.advance(1e9);
  const saved = rtc.save();
  const other = board("1990-01-01T00:00:00Z");
  other.clock.advance(1e9);
  other.rtc.load(saved);
  expect(other.irq.level).toBe(true);
  expect(other.read(9)).toBe(0x26);
  expect(() => rtc.load({ ...saved, schema: "isa-rtc@0" as never })).toThrowError(/isa-rtc@0/);
});

test("while another timer has the wire the part is silent", () => {
  const { clock, irq, rtc, write } = board();
  rtc.setConnected(false);
  write(0x0b, 0x42);
  clock.advance(1e9);
  expect(irq.rises).toBe(0);
});

test("CMOS tells the size of memory in each of its old ways", () => {
  const bytes = cmosContents(256 * 2 ** 20, 4);
  const word = (register: number) => bytes.get(register)! | (bytes.get(register + 1)! << 8);
  expect(word(0x15)).toBe(640);
  expect(word(0x17)).toBe(0xffff);
  expect(word(0x34) * 65_536).toBe(240 * 2 ** 20);
  expect(bytes.get(0x5f)).toBe(3);
  const small = cmosContents(8 * 2 ** 20, 1);
  expect(small.get(0x30)! | (small.get(0x31)! << 8)).toBe(7 * 1024);
  expect(small.get(0x34)).toBe(0);
});
