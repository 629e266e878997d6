import { describe, expect, test } from "vitest";
import { IdleTicks } from "./idle-ticks.js";

const PERIOD = 4_000_000;

/** Lets `ticks` see `count` deadlines, `step` apart; returns the last one. */
function tick(ticks: IdleTicks, from: number, count: number, step = PERIOD): number {
  let deadline = from;
  for (let i = 0; i < count; i++) {
    deadline += step;
    ticks.wakeAt(deadline);
  }
  return deadline;
}

describe("an idle kernel's tick", () => {
  test("is served in time until it has been steady for 250 periods", () => {
    const ticks = new IdleTicks();
    const last = tick(ticks, 0, 200);
    expect(ticks.wakeAt(last)).toBe(last);
  });

  test("is then served in sixes at 250 Hz, and stays so while six periods pass at a time", () => {
    const ticks = new IdleTicks();
    const last = tick(ticks, 0, 260);
    expect(ticks.wakeAt(last)).toBe(last + 5 * PERIOD);
    const later = tick(ticks, last, 10, 6 * PERIOD);
    expect(ticks.wakeAt(later)).toBe(later + 5 * PERIOD);
  });

  test("a deadline off the grid is in time, and so is what follows it", () => {
    const ticks = new IdleTicks();
    const last = tick(ticks, 0, 260);
    const odd = last + 1_300_000;
    expect(ticks.wakeAt(odd)).toBe(odd);
    expect(ticks.wakeAt(odd + PERIOD)).toBe(odd + PERIOD);
  });

  test("a program that sleeps a millisecond at a time, as long as it likes to take, is never late", () => {
    const ticks = new IdleTicks();
    let deadline = 0;
    for (let i = 0; i < 2000; i++) {
      deadline += 1_000_000 + (i % 7) * 11_000;
      expect(ticks.wakeAt(deadline)).toBe(deadline);
    }
  });

  test("a slow tick is left alone", () => {
    const ticks = new IdleTicks();
    const last = tick(ticks, 0, 400, 10_000_000);
    expect(ticks.wakeAt(last)).toBe(last);
  });
});
