import { expect, test } from "vitest";
import { nsOfTick, ticksAt } from "./ticks.js";

for (const hz of [32_768, 1_193_182, 3_579_545]) {
  test(`a tick of ${hz} Hz begins at the nanosecond that nsOfTick names, and not one earlier`, () => {
    for (const tick of [1, 2, 3, 65_535, hz - 1, hz, hz + 1, 12_345_678_901, hz * 86_400 * 90 + 17]) {
      const ns = nsOfTick(tick, hz);
      expect(ticksAt(ns, hz)).toBe(tick);
      expect(ticksAt(ns - 1, hz)).toBe(tick - 1);
    }
  });

  test(`ninety days of ${hz} Hz are exact`, () => {
    const days = 90 * 86_400;
    expect(ticksAt(days * 1e9, hz)).toBe(days * hz);
  });
}
