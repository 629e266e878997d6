import { describe, expect, test } from "vitest";
import { IdleTicks } from "./idle-ticks.js";

const PERIOD = 4_000_000;

/** When `ticks` lets a guest wake that goes to sleep a little before `deadline`. */
const wakeAt = (ticks: IdleTicks, deadline: number): number => ticks.wakeAt(deadline, deadline - PERIOD + 100_000);

/** Lets `ticks` see `count` deadlines, `step` apart; returns the last one. */
function tick(ticks: IdleTicks, from: number, count: number, step = PERIOD): number {
  let deadline = from;
  for (let i = 0; i < count; i++) {
    deadline += step;
    wakeAt(ticks, deadline);
  }
  return deadline;
}

describe("an idle kernel's tick", () => {
  test("is served in time until it has been steady for 125 periods", () => {
    const ticks = new IdleTicks();
    const last = tick(ticks, 0, 100);
    expect(wakeAt(ticks, last)).toBe(last);
  });

  test("is then served in twelves at 250 Hz, and stays so while twelve periods pass at a time, or more on a busy host", () => {
    const ticks = new IdleTicks();
    const last = tick(ticks, 0, 135);
    expect(wakeAt(ticks, last)).toBe(last + 11 * PERIOD);
    const later = tick(ticks, last, 10, 12 * PERIOD);
    expect(wakeAt(ticks, later)).toBe(later + 11 * PERIOD);
    const late = tick(ticks, later, 1, 40 * PERIOD);
    expect(wakeAt(ticks, late)).toBe(late + 11 * PERIOD);
  });

  test("a timer that is armed for several periods ahead is no tick, and in time", () => {
    const ticks = new IdleTicks();
    const last = tick(ticks, 0, 135);
    const ahead = last + 20 * PERIOD;
    expect(ticks.wakeAt(ahead, last + 100_000)).toBe(ahead);
  });

  test("a deadline off the grid is in time, and so is what follows it", () => {
    const ticks = new IdleTicks();
    const last = tick(ticks, 0, 260);
    const odd = last + 1_300_000;
    expect(wakeAt(ticks, odd)).toBe(odd);
    expect(wakeAt(ticks, odd + PERIOD)).toBe(odd + PERIOD);
  });

  test("a program that sleeps a millisecond at a time, as long as it likes to take, is never late", () => {
    const ticks = new IdleTicks();
    let deadline = 0;
    for (let i = 0; i < 2000; i++) {
      deadline += 1_000_000 + (i % 7) * 11_000;
      expect(wakeAt(ticks, deadline)).toBe(deadline);
    }
  });

  test("a slow tick is left alone", () => {
    const ticks = new IdleTicks();
    const last = tick(ticks, 0, 400, 10_000_000);
    expect(wakeAt(ticks, last)).toBe(last);
  });
});
