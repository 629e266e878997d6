import { describe, expect, test } from "vitest";
import { IcountClock } from "./icount-clock.js";
import { createTimekeeping } from "./timekeeping.js";

/** A clock whose instructions the test counts. */
function world() {
  const state = { retired: 0 };
  const clock = new IcountClock(() => state.retired);
  const time = createTimekeeping(clock, (vcpu) => vcpu * 10);
  const advance = (ns: number) => {
    state.retired += ns / 2;
    clock.poll();
  };
  return { clock, time, advance };
}

describe("clock event devices", () => {
  test("N vCPUs whose timers expire in the same instant get N calls, and each may re-arm itself", () => {
    const { time, advance } = world();
    const fired: string[] = [];
    const events = Array.from({ length: 8 }, (_, vcpu) =>
      time.createClockEvent(vcpu, "timer", (at) => {
        fired.push(`${vcpu}@${at}`);
        if (at < 2000) events[vcpu]!.setNextEvent(2000);
      }),
    );
    for (const event of events) event.setNextEvent(1000);
    advance(1000);
    expect(fired).toEqual(events.map(({ vcpu }) => `${vcpu}@1000`));
    advance(1000);
    expect(fired.slice(8)).toEqual(events.map(({ vcpu }) => `${vcpu}@2000`));
  });

  test("a deadline in the past fires at once; a shut down device does not fire", () => {
    const { clock, time, advance } = world();
    const fired: number[] = [];
    const event = time.createClockEvent(0, "timer", (at) => fired.push(at));
    advance(5000);
    event.setNextEvent(100);
    clock.poll();
    expect(fired).toEqual([100]);
    event.setNextEvent(6000);
    event.shutdown();
    advance(5000);
    expect(fired).toEqual([100]);
  });

  test("a periodic device keeps its phase, however late it is served, and has a shortest period", () => {
    const { time, advance } = world();
    const fired: number[] = [];
    const event = time.createClockEvent(0, "timer", (at) => fired.push(at));
    event.setPeriodic(10_000);
    advance(10_500);
    advance(20_000);
    expect(fired).toEqual([10_000, 20_000, 30_000]);
    event.setPeriodic(1);
    advance(3_000);
    expect(fired.length).toBe(6);
    event.setNextEvent(1e9);
    advance(100_000);
    expect(fired.length).toBe(6);
  });
});

test("the clocksource counts the TSC's ticks and tells stolen time by vCPU", () => {
  const { time, advance } = world();
  advance(4000);
  expect([time.clocksource.read(0), time.clocksource.hz, time.clocksource.stolenNs(3)]).toEqual([4000, 1e9, 30]);
});
