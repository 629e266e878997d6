import { describe, expect, test } from "vitest";
import { HostClock } from "./host-clock.js";
import { ICOUNT_NS_PER_INSTRUCTION, IcountClock } from "./icount-clock.js";

/** A host whose clock and guest are moved by hand. */
function hostWorld(resolutionMs = 0) {
  const world = { ms: 1000, retired: 0 };
  const now = () => (resolutionMs === 0 ? world.ms : Math.floor(world.ms / resolutionMs) * resolutionMs);
  const clock = new HostClock(
    () => world.retired,
    () => {},
    now,
  );
  clock.start();
  /** The guest runs for a while, reading its clock after every `every` instructions of `ns` each. */
  const run = (instructions: number, ns: number, every: number, read: (ns: number) => void = () => {}) => {
    for (let done = 0; done < instructions; done += every) {
      world.retired += every;
      world.ms += (every * ns) / 1e6;
      read(clock.nowNs());
    }
  };
  return { world, clock, run };
}

describe("host clock", () => {
  test("guest time follows the host's while the guest runs", () => {
    const { clock, run } = hostWorld();
    run(1_000_000, 5, 100);
    expect(clock.nowNs()).toBeGreaterThan(4_990_000);
    expect(clock.nowNs()).toBeLessThanOrEqual(5_000_000);
  });

  test("a preempted host is not seen: between two readings time advances by what the instructions explain", () => {
    const { world, clock, run } = hostWorld();
    let last = 0;
    let largest = 0;
    const read = (ns: number) => {
      largest = Math.max(largest, ns - last);
      last = ns;
    };
    run(100_000, 5, 20, read);
    world.ms += 4;
    run(100_000, 5, 20, read);
    expect(largest).toBeLessThan(5_000);
    expect(clock.lagNs).toBeGreaterThan(3_500_000);
  });

  test("lag is paid back by running at most 1/8 faster", () => {
    const { world, clock, run } = hostWorld();
    run(1000, 5, 20);
    world.ms += 4;
    clock.nowNs();
    const guest = clock.nowNs();
    const host = world.ms;
    run(200_000, 5, 20);
    const ratio = (clock.nowNs() - guest) / ((world.ms - host) * 1e6);
    expect(ratio).toBeGreaterThan(1.1);
    expect(ratio).toBeLessThanOrEqual(1.1251);
    run(20_000_000, 5, 1000);
    expect(clock.lagNs).toBeLessThan(10_000);
  });

  test("lag is paid back at once while the guest is idle", () => {
    const { world, clock } = hostWorld();
    world.ms += 40;
    clock.nowNs();
    expect(clock.lagNs).toBeGreaterThan(39_000_000);
    clock.idleMs();
    expect(clock.lagNs).toBe(0);
    expect(clock.nowNs()).toBe(40_000_000);
  });

  test("while the guest sleeps a device's callback sees the host's time pass", () => {
    const { world, clock } = hostWorld();
    clock.idleMs();
    world.ms += 300;
    expect(clock.nowNs()).toBe(300_000_000);
    world.ms += 5;
    clock.poll();
    expect(clock.nowNs()).toBe(305_000_000);
    world.ms += 5;
    expect(clock.nowNs()).toBeLessThan(305_010_000);
  });

  test("more than ten seconds of lag are jumped over, but only between slices", () => {
    const { world, clock } = hostWorld();
    world.ms += 14_000;
    expect(clock.nowNs()).toBeLessThan(1_000_000);
    clock.poll();
    expect(clock.nowNs()).toBe(14_000_000_000);
  });

  test("time never goes back, not even with the host's clock", () => {
    const { world, clock, run } = hostWorld();
    run(1000, 5, 20);
    const before = clock.nowNs();
    world.ms -= 1;
    expect(clock.nowNs()).toBeGreaterThanOrEqual(before);
  });

  test("what vCPUs guess between readings is never ahead of the next reading, nor far ahead of the host", () => {
    const { world, clock } = hostWorld();
    let last = 0;
    const seen = (ns: number) => {
      expect(ns).toBeGreaterThanOrEqual(last);
      last = ns;
    };
    for (let round = 0; round < 2000; round++) {
      const base = clock.nowNs();
      const pace = clock.tscGuess.pace();
      seen(base);
      // Far faster than instructions were of late, then far slower.
      const ns = round < 1000 ? 0.1 : 40;
      const run = round % 7 === 0 ? 5000 : 400;
      for (let done = 0; done < run; done += 100) {
        if (done < clock.tscGuess.instructions) seen(base + Math.floor((done * pace) / 256));
        world.retired += 100;
        world.ms += (100 * ns) / 1e6;
      }
      expect(clock.lagNs).toBeGreaterThan(-clock.tscGuess.instructions * 10);
    }
    expect(clock.nowNs()).toBeGreaterThan(1000);
  });

  test("time stands still while the machine is paused", () => {
    const { world, clock, run } = hostWorld();
    run(1000, 5, 20);
    clock.stop();
    const before = clock.nowNs();
    world.ms += 10_000;
    expect(clock.nowNs()).toBe(before);
    clock.start();
    expect(clock.nowNs()).toBeLessThan(before + 10_000);
  });

  test("over a minute guest and host agree within 1 %, with preemptions all the way", () => {
    const { world, clock, run } = hostWorld();
    while (world.ms < 61_000) {
      run(1_000_000, 5, 10_000);
      world.ms += 0.4;
      clock.poll();
    }
    expect(Math.abs(clock.nowNs() / ((world.ms - 1000) * 1e6) - 1)).toBeLessThan(0.01);
  });

  test("a coarse host clock does not make guest time stand still between its ticks", () => {
    const { clock, run } = hostWorld(0.1);
    for (let round = 0; round < 200; round++) {
      run(20_000, 5, 20);
      clock.poll();
    }
    const seen = new Set<number>();
    run(20_000, 5, 20, (ns) => seen.add(ns));
    expect(seen.size).toBeGreaterThan(500);
    expect(clock.nowNs()).toBeGreaterThan(0.9 * 201 * 100_000);
  });

  test("a budget ends near the next alarm, and never later than a slice", () => {
    const { clock, run } = hostWorld();
    for (let round = 0; round < 50; round++) {
      run(10_000, 5, 10_000);
      clock.poll();
    }
    const alarm = clock.createAlarm("a", () => {});
    alarm.arm(clock.nowNs() + 200_000);
    expect(clock.budget(1_000_000) * 5).toBeLessThan(260_000);
    alarm.disarm();
    expect(clock.budget(1_000_000) * 5).toBeLessThan(1_300_000);
  });
});

describe("icount clock", () => {
  test("time is a function of retired instructions", () => {
    let retired = 0;
    const clock = new IcountClock(() => retired);
    retired = 1234;
    expect(clock.nowNs()).toBe(1234 * ICOUNT_NS_PER_INSTRUCTION);
  });

  test("a budget ends exactly at the next alarm", () => {
    let retired = 0;
    const clock = new IcountClock(() => retired);
    const fired: number[] = [];
    clock.createAlarm("a", () => fired.push(retired)).arm(1001);
    retired += clock.budget(1_000_000) - 1;
    clock.poll();
    expect(fired).toEqual([]);
    retired += 1;
    clock.poll();
    expect(fired).toEqual([501]);
  });

  test("an idle machine skips to the next alarm at once", () => {
    const clock = new IcountClock(() => 10);
    clock.createAlarm("a", () => {}).arm(5_000_000);
    expect(clock.idleMs()).toBe(0);
    expect(clock.nowNs()).toBe(5_000_000);
  });

  test("without an alarm an idle machine waits for the host, and time stands still", () => {
    const clock = new IcountClock(() => 10);
    expect(clock.idleMs()).toBe(Number.POSITIVE_INFINITY);
    expect(clock.nowNs()).toBe(20);
  });

  test("an alarm set before the slice's end interrupts it; a later one does not", () => {
    let interrupted = 0;
    const clock = new IcountClock(
      () => 0,
      () => interrupted++,
    );
    clock.createAlarm("a", () => {}).arm(10_000);
    clock.budget(1_000_000);
    interrupted = 0;
    clock.createAlarm("later", () => {}).arm(20_000);
    expect(interrupted).toBe(0);
    clock.createAlarm("sooner", () => {}).arm(100);
    expect(interrupted).toBe(1);
  });
});
