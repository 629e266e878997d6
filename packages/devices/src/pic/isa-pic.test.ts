import { expect, test } from "vitest";
import { ProbeLine } from "../../test/fakes.js";
import { createPioBus } from "../bus/pio-bus.js";
import { IsaPic } from "./isa-pic.js";

function board() {
  const output = new ProbeLine();
  const pic = new IsaPic(output);
  const bus = createPioBus();
  pic.attach(bus);
  const out = (port: number, ...values: number[]) => {
    for (const value of values) bus.write(port, 1, value);
  };
  const initialise = () => {
    out(0x20, 0x11);
    out(0x21, 0x30, 0x04, 0x01);
    out(0xa0, 0x11);
    out(0xa1, 0x38, 0x02, 0x01);
  };
  initialise();
  return { pic, bus, out, int: () => output.level };
}

test("an interrupt of the slave comes through the master's IR2 with the slave's vector", () => {
  const { pic, out, int } = board();
  pic.line(12).set(true);
  expect(int()).toBe(true);
  expect(pic.acknowledge()).toBe(0x3c);
  expect(int()).toBe(false);
  out(0xa0, 0x20);
  out(0x20, 0x20);
  expect(int()).toBe(false);
});

test("two requests of the slave are served one after the other", () => {
  const { pic, out, int } = board();
  pic.setLine(14, true);
  pic.setLine(11, true);
  expect(pic.acknowledge()).toBe(0x3b);
  out(0xa0, 0x20);
  out(0x20, 0x20);
  expect(int()).toBe(true);
  expect(pic.acknowledge()).toBe(0x3e);
});

test("a request that goes away leaves nothing asserted", () => {
  const { pic, int } = board();
  pic.setLine(9, true);
  pic.setLine(9, false);
  expect(int()).toBe(false);
});

test("nobody drives IRQ 2 but the slave", () => {
  const { pic, int } = board();
  pic.setLine(2, true);
  expect(int()).toBe(false);
});

test("the edge/level registers keep only the bits that may be level-triggered", () => {
  const { bus } = board();
  bus.write(0x4d0, 2, 0xffff);
  expect(bus.read(0x4d0, 1)).toBe(0xf8);
  expect(bus.read(0x4d1, 1)).toBe(0xde);
  expect(bus.read(0x4d0, 2)).toBe(0xdef8);
});

test("a restored pair drives INT again and makes no new edge", () => {
  const { pic, out } = board();
  pic.setLine(4, true);
  pic.acknowledge();
  const saved = pic.save();
  const other = board();
  other.pic.load(saved);
  other.out(0x20, 0x20);
  expect(other.int()).toBe(false);
  out(0x20, 0x20);
  pic.setLine(10, true);
  other.pic.load(pic.save());
  expect(other.int()).toBe(true);
  expect(() => other.pic.load({ ...saved, schema: "isa-pic@9" as never })).toThrowError(/isa-pic@9/);
});
