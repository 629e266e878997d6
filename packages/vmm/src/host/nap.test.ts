import { afterEach, expect, test, vi } from "vitest";
import { createNap } from "./nap.js";

afterEach(() => vi.unstubAllGlobals());

test("the thread sleeps for parts of a millisecond, and uses no processor meanwhile", () => {
  const nap = createNap()!;
  const cpu = process.cpuUsage();
  const started = performance.now();
  for (let time = 0; time < 200; time++) nap(0.25);
  const wall = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  expect(wall).toBeGreaterThan(50);
  expect((user + system) / 1000).toBeLessThan(wall / 2);
});

test("a page that has no shared memory, and a thread that must not wait, do not sleep", () => {
  vi.stubGlobal("SharedArrayBuffer", undefined);
  expect(createNap()).toBeUndefined();
  vi.unstubAllGlobals();
  vi.stubGlobal("Atomics", {
    wait: () => {
      throw new TypeError("Atomics.wait cannot be called in this context");
    },
  });
  expect(createNap()).toBeUndefined();
});
