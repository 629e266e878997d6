import { describe, expect, test } from "vitest";
import { HostClock } from "../clock/host-clock.js";
import { IcountClock } from "../clock/icount-clock.js";
import { MAX_NAP_NS } from "../clock/machine-clock.js";
import { GAP_NS, PauseLoops, RESPITE_MS, WINDOW_NS } from "./pause-loops.js";

/** A guest that spins on a host whose clock is moved by hand; a sleep takes `late` ms longer than it should. */
function world(late = 0.05) {
  const host = { ms: 1000, retired: 0, late, naps: 0 };
  const clock = new HostClock(
    () => host.retired,
    () => {},
    () => host.ms,
  );
  const nap = (ms: number): void => {
    host.naps++;
    host.ms += ms + host.late;
  };
  const loops = PauseLoops.create(clock, nap, () => host.ms)!;
  clock.start();
  /** The guest runs for `ns` and then yields. */
  const yields = (ns: number, vcpu = 0): number => {
    host.retired += ns / 4;
    host.ms += ns / 1e6;
    return loops.yielded(vcpu);
  };
  return { host, clock, loops, yields };
}

describe("a vCPU that spins on PAUSE", () => {
  test("spins for the window, and then the thread sleeps whenever it yields", () => {
    const { host, yields } = world();
    const slept = Array.from({ length: 20 }, () => yields(WINDOW_NS / 4) > 0);
    expect(slept.indexOf(true)).toBe(4);
    expect(slept.slice(4)).not.toContain(false);
    expect(host.naps).toBe(16);
  });

  test("spins through its waits when these are short", () => {
    const { host, yields } = world();
    for (let wait = 0; wait < 100; wait++) {
      yields(WINDOW_NS / 4);
      yields(WINDOW_NS / 4);
      yields(GAP_NS * 2);
    }
    expect(host.naps).toBe(0);
  });

  test("is another one when another one yields", () => {
    const { host, yields } = world();
    for (let turn = 0; turn < 100; turn++) yields(WINDOW_NS / 4, turn & 1);
    expect(host.naps).toBe(0);
  });

  test("sees time go on while the thread sleeps, so that its delay ends when it should, late by one sleep at most", () => {
    const { host, clock, yields } = world();
    const [from, hostFrom] = [clock.nowNs(), host.ms];
    const delay = 1_000_000;
    while (clock.nowNs() - from < delay) yields(5_000);
    expect(clock.nowNs() - from - delay).toBeLessThan(MAX_NAP_NS + 5_000);
    expect((clock.nowNs() - from) / (host.ms - hostFrom) / 1e6).toBeCloseTo(1, 2);
    expect(host.naps).toBeGreaterThan(5);
  });

  test("does not see how late a busy host wakes it, nor what it was behind before", () => {
    const { host, clock, yields } = world(3);
    host.ms += 20;
    clock.nowNs();
    const lag = clock.lagNs;
    const before = clock.nowNs();
    while (host.naps === 0) yields(WINDOW_NS / 4);
    expect(clock.nowNs() - before).toBeLessThan(MAX_NAP_NS + 3 * WINDOW_NS);
    expect(clock.lagNs).toBeGreaterThan(lag + 2_500_000);
  });

  test("keeps the thread from sleeping past the next alarm", () => {
    const { host, clock, yields } = world();
    const late: number[] = [];
    const alarm = clock.createAlarm("tick", (deadline) => {
      late.push(clock.nowNs() - deadline);
      alarm.arm(deadline + 400_000);
    });
    alarm.arm(400_000);
    for (let turn = 0; turn < 2000; turn++) {
      yields(5_000);
      clock.poll();
    }
    expect(late.length).toBeGreaterThan(50);
    expect(Math.max(...late)).toBeLessThan(6_000);
    expect(host.naps).toBeGreaterThan(late.length);
  });

  test("leaves alone a host that takes much longer than it was asked for", () => {
    const { host, yields } = world(15);
    for (let turn = 0; turn < 1_000_000; turn++) yields(5_000);
    expect(host.naps).toBe(32 + 2); // in five seconds
    host.naps = host.late = 0;
    host.ms += RESPITE_MS;
    for (let turn = 0; turn < 1_000; turn++) yields(5_000);
    expect(host.naps).toBeGreaterThan(500);
  });

  test("does not count the sleep as time that instructions take", () => {
    const { clock, yields } = world();
    const budgets = [0, 1].map(() => {
      for (let turn = 0; turn < 400; turn++) {
        yields(5_000);
        clock.poll();
      }
      return clock.budget(1_000_000);
    });
    expect(budgets[0]).toBeGreaterThan(240_000);
    expect(budgets[1]).toBeGreaterThan(240_000);
  });
});

test("the thread never sleeps for a guest whose time does not follow the host's, or on a host that cannot", () => {
  const nap = (): void => {};
  expect(PauseLoops.create(new IcountClock(() => 0), nap)).toBeUndefined();
  expect(PauseLoops.create(new HostClock(() => 0), undefined)).toBeUndefined();
});
