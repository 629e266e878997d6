import { clockEventSuite } from "@paravane/paravirt-ops/conformance";
import { describe, expect, test } from "vitest";
import { IcountClock } from "./icount-clock.js";
import { createTimekeeping } from "./timekeeping.js";

/** A clock whose instructions the test counts. */
function world() {
  const state = { retired: 0 };
  const clock = new IcountClock(() => state.retired);
  const stolen = new Map<number, number>();
  const time = createTimekeeping(clock, (vcpu) => stolen.get(vcpu) ?? 0);
  const steal = (vcpu: number, ns: number) => void stolen.set(vcpu, (stolen.get(vcpu) ?? 0) + ns);
  const advance = (ns: number) => {
    state.retired += ns / 2;
    clock.poll();
  };
  return { clock, time, advance, steal };
}

describe("clock event devices", () => {
  const traits = { vcpus: 8, periodic: true, absolute: true, resolutionNs: 0 };
  const cases = clockEventSuite(traits, () => {
    const { clock, time, advance, steal } = world();
    const waits = new Set<number>();
    const events = Array.from({ length: traits.vcpus }, (_, vcpu) => time.createClockEvent(vcpu, "timer", () => waits.add(vcpu)));
    return {
      nowNs: () => clock.nowNs(),
      advance,
      timer: (vcpu) => events[vcpu]!,
      take: (vcpu) => waits.delete(vcpu),
      steal,
      stolenNs: time.clocksource.stolenNs,
    };
  });
  for (const { name, run } of cases) test(name, run);

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
  });
});

test("the clocksource counts the TSC's ticks and tells stolen time by vCPU", () => {
  const { time, advance, steal } = world();
  steal(3, 30);
  advance(4000);
  expect([time.clocksource.read(0), time.clocksource.hz, time.clocksource.stolenNs(3)]).toEqual([4000, 1e9, 30]);
});
