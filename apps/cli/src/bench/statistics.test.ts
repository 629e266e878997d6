import { describe, expect, test } from "vitest";
import { improvementPercent, median, metric, ratios, spreadPercent } from "./statistics.js";

describe("medians", () => {
  test("the middle of an odd number of values, the mean of the middle two of an even number", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 10, 2])).toBe(3);
    expect(median([7])).toBe(7);
    expect(median([])).toBeNaN();
  });

  test("numbers are sorted as numbers, and the samples stay as they were", () => {
    const samples = [100, 20, 3];
    expect(median(samples)).toBe(20);
    expect(samples).toEqual([100, 20, 3]);
  });
});

test("a metric carries its range, and the spread is the range against the median", () => {
  const speed = metric("loops", "hot loop", "M instructions/s", "higher", [90, 110, 100]);
  expect(speed).toMatchObject({ median: 100, low: 90, high: 110, samples: [90, 110, 100] });
  expect(spreadPercent(speed)).toBe(20);
});

test("ratios pair the rounds that ran next to each other, and a round without a partner is left out", () => {
  expect(ratios([200, 300, 400], [100, 100])).toEqual([2, 3]);
});

describe("against an earlier run", () => {
  const before = [metric("s", "speed", "M/s", "higher", [100]), metric("s", "cost", "ns", "lower", [100])];

  test("more speed and less cost are both improvements", () => {
    expect(improvementPercent(metric("s", "speed", "M/s", "higher", [150]), before)).toBeCloseTo(50);
    expect(improvementPercent(metric("s", "cost", "ns", "lower", [50]), before)).toBeCloseTo(100);
    expect(improvementPercent(metric("s", "cost", "ns", "lower", [125]), before)).toBeCloseTo(-20);
  });

  test("what was not measured before, or in another unit, has no change", () => {
    expect(improvementPercent(metric("other", "speed", "M/s", "higher", [1]), before)).toBeUndefined();
    expect(improvementPercent(metric("s", "cost", "ms", "lower", [1]), before)).toBeUndefined();
  });
});
