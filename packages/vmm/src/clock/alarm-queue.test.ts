import { describe, expect, test } from "vitest";
import { AlarmQueue } from "./alarm-queue.js";

describe("alarm queue", () => {
  test("alarms fire in order of their deadlines, whatever the order of arming", () => {
    const queue = new AlarmQueue(() => {});
    const fired: string[] = [];
    const deadlines = Array.from({ length: 200 }, (_, index) => (index * 7919) % 1009);
    const alarms = deadlines.map((deadline) => queue.create("a", (at) => fired.push(`${at}:${deadline}`)));
    for (const [index, deadline] of deadlines.entries()) alarms[index]!.arm(deadline);
    for (let index = 0; index < 200; index += 3) alarms[index]!.disarm();
    for (let index = 0; index < 200; index += 5) alarms[index]!.arm(deadlines[index]!);
    queue.fireDue(2000);
    const kept = deadlines.filter((_, index) => index % 3 !== 0 || index % 5 === 0).sort((a, b) => a - b);
    expect(fired).toEqual(kept.map((deadline) => `${deadline}:${deadline}`));
    expect(queue.nextNs).toBe(Number.POSITIVE_INFINITY);
  });

  test("an alarm that is armed again replaces its deadline and fires once", () => {
    const queue = new AlarmQueue(() => {});
    const fired: number[] = [];
    const alarm = queue.create("a", (at) => fired.push(at));
    alarm.arm(10);
    alarm.arm(30);
    expect(alarm.deadlineNs).toBe(30);
    queue.fireDue(20);
    expect(fired).toEqual([]);
    queue.fireDue(40);
    expect(fired).toEqual([30]);
    expect(alarm.deadlineNs).toBeUndefined();
  });

  test("a periodic alarm gets the time for which it was armed, so it does not drift", () => {
    const queue = new AlarmQueue(() => {});
    const fired: number[] = [];
    const alarm = queue.create("tick", (at) => {
      fired.push(at);
      alarm.arm(at + 100);
    });
    alarm.arm(100);
    for (const now of [130, 250, 290, 310]) queue.fireDue(now);
    expect(fired).toEqual([100, 200, 300]);
  });

  test("after a long sleep a periodic alarm catches up once, in phase", () => {
    const queue = new AlarmQueue(() => {});
    const fired: number[] = [];
    const alarm = queue.create("tick", (at) => {
      fired.push(at);
      alarm.arm(at + 100);
    });
    alarm.arm(100);
    queue.fireDue(3_600_000_050);
    expect(fired.length).toBeLessThanOrEqual(3);
    expect(fired.at(-1)).toBe(3_600_000_000);
    expect(alarm.deadlineNs).toBe(3_600_000_100);
  });

  test("alarms that keep arming themselves or one another to the past do not hold the host", () => {
    const queue = new AlarmQueue(() => {});
    let calls = 0;
    const a = queue.create("a", () => {
      calls++;
      a.arm(0);
    });
    const b = queue.create("b", () => {
      calls++;
      c.arm(1);
    });
    const c = queue.create("c", () => {
      calls++;
      b.arm(1);
    });
    a.arm(0);
    b.arm(1);
    queue.fireDue(1000);
    expect(calls).toBeLessThanOrEqual(10_000);
    const before = calls;
    queue.fireDue(2000);
    expect(calls).toBeGreaterThan(before);
  });

  test("only a deadline nearer than all others is reported", () => {
    const heard: number[] = [];
    const queue = new AlarmQueue((deadline) => heard.push(deadline));
    queue.create("a", () => {}).arm(100);
    queue.create("b", () => {}).arm(200);
    queue.create("c", () => {}).arm(50);
    expect(heard).toEqual([100, 50]);
  });

  test("the ticks of several idle vCPUs wait together; another timer's deadline among them is kept", () => {
    const PERIOD = 4_000_000;
    const queue = new AlarmQueue(() => {});
    const ticks = Array.from({ length: 4 }, (_, vcpu) => queue.create(`lapic-timer-${vcpu}`, () => {}));
    const sleeper = queue.create("lapic-timer-4", () => {});
    const device = queue.create("pit", (at) => device.arm(at + 303 * PERIOD));
    device.arm(100);
    queue.fireDue(100);
    let until = 0;
    for (let tick = 1; tick <= 300; tick++) {
      for (const alarm of ticks) alarm.arm(tick * PERIOD);
      until = queue.idleUntilNs((tick - 1) * PERIOD);
      expect(until).toBeGreaterThanOrEqual(Math.min(tick * PERIOD, device.deadlineNs!));
      queue.fireDue(tick * PERIOD);
    }
    expect(until).toBe(303 * PERIOD + 100);
    for (const alarm of ticks) alarm.arm(301 * PERIOD);
    sleeper.arm(301.5 * PERIOD);
    expect(queue.idleUntilNs(300 * PERIOD)).toBe(301.5 * PERIOD);
  });
});
