import { describe, expect, test } from "vitest";
import { Counter } from "./counter.js";

/** A counter in `mode` with `count` written at tick 0: loaded at tick 1. */
function programmed(mode: number, count: number, gate = true, bcd = false): Counter {
  const counter = new Counter();
  counter.reset(gate);
  counter.control(0x30 | (mode << 1) | (bcd ? 1 : 0));
  counter.write(count & 0xff, 0);
  counter.write(count >> 8, 0);
  return counter;
}

const outs = (counter: Counter, from: number, to: number) => {
  let text = "";
  for (let tick = from; tick <= to; tick++) text += counter.out(tick) ? "1" : "0";
  return text;
};
function count(counter: Counter, tick: number): number {
  counter.latchCount(tick);
  return counter.read(tick) | (counter.read(tick) << 8);
}

describe("OUT by mode, as the datasheet's diagrams show it", () => {
  test("mode 0 is low until the count has run out, then high for good", () => {
    expect(outs(programmed(0, 4), 0, 8)).toBe("000001111");
  });

  test("mode 0 with GATE low stands still", () => {
    const counter = programmed(0, 4);
    counter.setGate(false, 2);
    expect(outs(counter, 2, 9)).toBe("00000000");
    counter.setGate(true, 9);
    expect(outs(counter, 9, 13)).toBe("00011");
  });

  test("mode 0: a new count starts again, and the first of two bytes stops counting", () => {
    const counter = programmed(0, 4);
    expect(counter.out(6)).toBe(true);
    counter.write(3, 6);
    expect(counter.out(6)).toBe(false);
    expect(counter.out(100)).toBe(false);
    counter.write(0, 100);
    expect(outs(counter, 100, 105)).toBe("000011");
  });

  test("mode 1 is a one-shot started by GATE, and can be started again", () => {
    const counter = programmed(1, 3, false);
    expect(outs(counter, 0, 3)).toBe("1111");
    counter.setGate(true, 4);
    expect(outs(counter, 5, 9)).toBe("00011");
    counter.setGate(false, 9);
    counter.setGate(true, 10);
    counter.setGate(false, 11);
    counter.setGate(true, 12);
    expect(outs(counter, 13, 17)).toBe("00011");
  });

  test("mode 2 is low for one CLK in each count", () => {
    expect(outs(programmed(2, 3), 1, 9)).toBe("110110110");
  });

  test("mode 2: a new count takes effect at the end of the cycle; GATE restarts it", () => {
    const counter = programmed(2, 4);
    counter.write(3, 2);
    counter.write(0, 2);
    expect(outs(counter, 2, 10)).toBe("110110110");
    counter.setGate(false, 11);
    expect(outs(counter, 11, 20)).toBe("1111111111");
    counter.setGate(true, 20);
    expect(outs(counter, 21, 26)).toBe("110110");
  });

  test("mode 3 is high for half the count, the longer half when it is odd", () => {
    expect(outs(programmed(3, 4), 1, 8)).toBe("11001100");
    expect(outs(programmed(3, 5), 1, 10)).toBe("1110011100");
  });

  test("mode 3: a new count takes effect at the end of the half-cycle", () => {
    const counter = programmed(3, 8);
    counter.write(4, 2);
    counter.write(0, 2);
    expect(outs(counter, 1, 12)).toBe("111100110011");
  });

  test("mode 4 strobes once when the count has run out", () => {
    expect(outs(programmed(4, 3), 1, 8)).toBe("11101111");
  });

  test("mode 5 strobes once after each rise of GATE", () => {
    const counter = programmed(5, 3, false);
    expect(outs(counter, 0, 5)).toBe("111111");
    counter.setGate(true, 5);
    expect(outs(counter, 6, 11)).toBe("111011");
  });
});

describe("the next rise", () => {
  for (const mode of [0, 2, 3, 4]) {
    for (const n of [2, 3, 4, 7, 10]) {
      test(`of mode ${mode} with count ${n} is where OUT goes from low to high`, () => {
        const counter = programmed(mode, n);
        for (let tick = 1; tick < 40; tick++) {
          const expected = [...Array(80).keys()].find((t) => t > tick && !programmed(mode, n).out(t - 1) && programmed(mode, n).out(t));
          expect(counter.nextRise(tick)).toBe(expected ?? -1);
        }
      });
    }
  }

  test("sees a count that will be loaded at the end of a half-cycle", () => {
    const counter = programmed(3, 8);
    counter.write(4, 2);
    counter.write(0, 2);
    expect(counter.nextRise(2)).toBe(7);
    const full = programmed(3, 8);
    full.write(4, 6);
    full.write(0, 6);
    expect(full.nextRise(6)).toBe(9);
  });

  test("is none while GATE holds the counter", () => {
    const counter = programmed(2, 5);
    counter.setGate(false, 3);
    expect(counter.nextRise(3)).toBe(-1);
  });
});

describe("reading", () => {
  test("the count goes down by one a CLK and wraps in mode 0", () => {
    const counter = programmed(0, 5);
    expect([1, 2, 6, 7].map((tick) => count(counter, tick))).toEqual([5, 4, 0, 0xffff]);
  });

  test("mode 3 counts down by two, twice a cycle", () => {
    const counter = programmed(3, 8);
    expect([1, 2, 4, 5, 6].map((tick) => count(counter, tick))).toEqual([8, 6, 2, 8, 6]);
  });

  test("a count of 0 means 65,536, in BCD 10,000", () => {
    expect(count(programmed(2, 0), 2)).toBe(0xffff);
    expect(count(programmed(2, 0, true, true), 2)).toBe(0x9999);
    expect(count(programmed(0, 0x1000, true, true), 2)).toBe(0x0999);
  });

  test("a latched count stays until it is read; a second latch is ignored", () => {
    const counter = programmed(2, 1000);
    counter.latchCount(11);
    counter.latchCount(500);
    expect(counter.read(600) | (counter.read(600) << 8)).toBe(990);
    expect(count(counter, 21)).toBe(980);
  });

  test("status tells OUT, null count, access and mode, and is read before the count", () => {
    const counter = programmed(2, 1000);
    counter.latchStatus(0);
    expect(counter.read(0)).toBe(0xf4);
    counter.latchStatus(5);
    counter.latchCount(5);
    expect([counter.read(5), counter.read(5), counter.read(5)]).toEqual([0xb4, 996 & 0xff, 996 >> 8]);
  });

  test("access to one byte only writes and reads that byte", () => {
    const counter = new Counter();
    counter.control(0x14);
    counter.write(0x80, 0);
    expect(counter.read(1)).toBe(0x80);
    counter.control(0x24);
    counter.write(0x12, 0);
    expect(counter.read(1)).toBe(0x12);
  });

  test("control modes 6 and 7 are 2 and 3", () => {
    expect(outs(programmed(6, 3), 1, 6)).toBe(outs(programmed(2, 3), 1, 6));
    expect(outs(programmed(7, 4), 1, 8)).toBe(outs(programmed(3, 4), 1, 8));
  });
});
