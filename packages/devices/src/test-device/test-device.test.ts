import { expect, test } from "vitest";
import { ProbeLine } from "../../test/fakes.js";
import { stateTrio } from "../../test/state-trio.js";
import { createMmioBus } from "../bus/mmio-bus.js";
import { createPioBus } from "../bus/pio-bus.js";
import { TestDevice } from "./test-device.js";

function board() {
  const lines = Array.from({ length: 24 }, () => new ProbeLine());
  const device = new TestDevice((n) => lines[n]!);
  const pio = createPioBus();
  const mmio = createMmioBus();
  device.attach(pio, mmio);
  return { lines, device, pio, mmio };
}

test("the latch holds the last write, in any width and at any offset", () => {
  const { pio } = board();
  pio.write(0xe0, 4, 0x12345678);
  expect([pio.read(0xe0, 1), pio.read(0xe1, 1), pio.read(0xe0, 2), pio.read(0xe0, 4)]).toEqual([0x78, 0x56, 0x5678, 0x12345678]);
  pio.write(0xe1, 2, 0xaaaa);
  expect(pio.read(0xe0, 4)).toBe(0x12aaaa78);
});

test("scratch bytes are kept apart", () => {
  const { pio } = board();
  for (let n = 0; n < 4; n++) pio.write(0xe8 + n, 1, 0x10 + n);
  expect(pio.read(0xe8, 4)).toBe(0x13121110);
});

test("a page flush is accepted", () => {
  const { pio } = board();
  pio.write(0xe4, 4, 0x1000);
  expect(pio.read(0xe0, 4)).toBe(0);
});

test("0x2000 + n drives line n", () => {
  const { pio, lines } = board();
  pio.write(0x200e, 4, 1);
  pio.write(0x2017, 1, 1);
  expect([lines[14]!.level, lines[23]!.level, lines[15]!.level]).toEqual([true, true, false]);
  pio.write(0x200e, 4, 0);
  expect(lines[14]!.level).toBe(false);
  expect(pio.read(0x2018, 1)).toBe(0xff);
});

test("there are 64 KiB of memory, in any width", () => {
  const { mmio } = board();
  mmio.write(0xff000001, 4, 0xaabbccdd);
  expect([mmio.read(0xff000000, 4), mmio.read(0xff000004, 1), mmio.read(0xff00ffff, 1)]).toEqual([0xbbccdd00, 0xaa, 0]);
  expect(mmio.read(0xff010000, 1)).toBe(0xff);
});

const attached = () => {
  const { device, pio, mmio } = board();
  return Object.assign(device, { pio, mmio });
};
stateTrio(attached, (device) => device.pio.write(0xe0, 4, 5), {
  "the latch": (device) => device.pio.write(0xe0, 1, 9),
  scratch: (device) => device.pio.write(0xe8, 1, 9),
  "a line": (device) => device.pio.write(0x2003, 1, 1),
  memory: (device) => device.mmio.write(0xff001234, 1, 9),
});
