import { describe, expect, test } from "vitest";
import { apicRig, TSC_HZ } from "../../test/apic-rig.js";
import * as R from "./registers.js";

const PERIODIC = 1 << 17;
const DEADLINE = 1 << 18;
const DIVIDE_BY_16 = 3;
const TSC_DEADLINE = 0x6e0;

function rig(entry: number) {
  const made = apicRig();
  made.apic.write(R.REG_DIVIDE, DIVIDE_BY_16);
  made.apic.write(R.REG_LVT_TIMER, entry);
  return made;
}

describe("one-shot", () => {
  test("counts down on the divided 1 GHz clock and interrupts once", () => {
    const { apic, clock, drain } = rig(0x40);
    apic.write(R.REG_INITIAL_COUNT, 1000);
    clock.advance(1600);
    expect(apic.read(R.REG_CURRENT_COUNT)).toBe(900);
    clock.advance(14_399);
    expect(drain()).toEqual([]);
    expect(apic.read(R.REG_CURRENT_COUNT)).toBe(1);
    clock.advance(1);
    expect(drain()).toEqual([0x40]);
    clock.advance(1e9);
    expect([apic.read(R.REG_CURRENT_COUNT), drain(), clock.pending]).toEqual([0, [], 0]);
  });

  test("each divider has its rate", () => {
    const { apic, clock } = rig(0x40);
    const rates = [0, 1, 2, 3, 8, 9, 10, 11].map((config) => {
      apic.write(R.REG_DIVIDE, config);
      apic.write(R.REG_INITIAL_COUNT, 0xffffffff);
      clock.advance(128_000);
      return 128_000 / (0xffffffff - apic.read(R.REG_CURRENT_COUNT));
    });
    expect(rates).toEqual([2, 4, 8, 16, 32, 64, 128, 1]);
  });

  test("writing 0 stops it; a new divider goes on from the present count", () => {
    const { apic, clock, drain } = rig(0x40);
    apic.write(R.REG_INITIAL_COUNT, 1000);
    clock.advance(8000);
    apic.write(R.REG_DIVIDE, 11);
    expect(apic.read(R.REG_CURRENT_COUNT)).toBe(500);
    clock.advance(500);
    expect(drain()).toEqual([0x40]);
    apic.write(R.REG_INITIAL_COUNT, 1000);
    apic.write(R.REG_INITIAL_COUNT, 0);
    clock.advance(1e6);
    expect(drain()).toEqual([]);
  });

  test("runs out while masked without an alarm, and stays at zero", () => {
    const { apic, clock, drain } = rig(R.LVT_MASKED | 0x40);
    apic.write(R.REG_INITIAL_COUNT, 100);
    expect(clock.pending).toBe(0);
    clock.advance(2000);
    expect(apic.read(R.REG_CURRENT_COUNT)).toBe(0);
    apic.write(R.REG_LVT_TIMER, PERIODIC | 0x40);
    clock.advance(10_000);
    expect([apic.read(R.REG_CURRENT_COUNT), drain()]).toEqual([0, []]);
  });
});

describe("periodic", () => {
  test("interrupts each period without drift", () => {
    const { apic, clock, drain } = rig(PERIODIC | 0x41);
    apic.write(R.REG_DIVIDE, 11);
    apic.write(R.REG_INITIAL_COUNT, 999_983);
    let seen = 0;
    for (let ms = 0; ms < 10_000; ms++) {
      clock.advance(1e6);
      seen += drain().length;
    }
    expect(seen).toBe(Math.floor(1e10 / 999_983));
    expect(apic.read(R.REG_CURRENT_COUNT)).toBe(999_983 - (1e10 % 999_983));
  });

  test("catches up once after the host slept, and stays in phase", () => {
    const { apic, clock, drain } = rig(PERIODIC | 0x41);
    apic.write(R.REG_DIVIDE, 11);
    apic.write(R.REG_INITIAL_COUNT, 1_000_000);
    clock.sleep(5_400_000);
    expect(drain()).toEqual([0x41]);
    clock.advance(599_999);
    expect(drain()).toEqual([]);
    clock.advance(1);
    expect(drain()).toEqual([0x41]);
  });

  test("changed to one-shot and back under way the count goes on", () => {
    const { apic, clock, drain } = rig(PERIODIC | 0x41);
    apic.write(R.REG_INITIAL_COUNT, 1000);
    clock.advance(8000);
    apic.write(R.REG_LVT_TIMER, 0x41);
    expect(apic.read(R.REG_CURRENT_COUNT)).toBe(500);
    apic.write(R.REG_LVT_TIMER, PERIODIC | 0x41);
    expect(apic.read(R.REG_CURRENT_COUNT)).toBe(500);
    clock.advance(8000);
    expect(drain()).toEqual([0x41]);
    expect(apic.read(R.REG_CURRENT_COUNT)).toBe(1000);
  });

  test("the smallest period does not stop the host", () => {
    const { apic, clock, drain } = rig(PERIODIC | 0x41);
    apic.write(R.REG_DIVIDE, 11);
    apic.write(R.REG_INITIAL_COUNT, 1);
    clock.sleep(1e9);
    expect(drain()).toEqual([0x41]);
  });
});

describe("TSC-deadline", () => {
  const tsc = (ns: number) => BigInt(Math.floor((ns * TSC_HZ) / 1e9));

  test("interrupts when the TSC reaches the value, never before, and disarms itself", () => {
    const { clock, msrs, drain } = rig(DEADLINE | 0x42);
    clock.advance(1_000_000);
    for (const deadline of [2_500_000n + 12_345n, 2_600_001n, 2_700_003n]) {
      expect(msrs.msrWrite(0, TSC_DEADLINE, deadline)).toBe(true);
      expect(msrs.msrRead(0, TSC_DEADLINE)).toBe(deadline);
      clock.advance(Number(deadline) / 2.5 - clock.nowNs() - 20 - ((Number(deadline) / 2.5) % 1));
      while (tsc(clock.nowNs()) < deadline) {
        expect(drain()).toEqual([]);
        clock.advance(1);
      }
      clock.advance(1);
      expect(drain()).toEqual([0x42]);
      expect(msrs.msrRead(0, TSC_DEADLINE)).toBe(0n);
    }
  });

  test("one that is past interrupts at once; zero disarms", () => {
    const { clock, msrs, drain } = rig(DEADLINE | 0x42);
    clock.advance(1_000_000);
    msrs.msrWrite(0, TSC_DEADLINE, 1n);
    expect(drain()).toEqual([0x42]);
    msrs.msrWrite(0, TSC_DEADLINE, 10_000_000n);
    msrs.msrWrite(0, TSC_DEADLINE, 0n);
    clock.advance(1e9);
    expect(drain()).toEqual([]);
  });

  test("the largest deadline is never", () => {
    const { clock, msrs, drain } = rig(DEADLINE | 0x42);
    msrs.msrWrite(0, TSC_DEADLINE, 0xffffffffffffffffn);
    clock.advance(1e12);
    expect([drain(), msrs.msrRead(0, TSC_DEADLINE)]).toEqual([[], 0xffffffffffffffffn]);
  });

  test("in other modes the MSR does nothing, in this one the count register does nothing", () => {
    const { apic, clock, msrs, drain } = rig(0x42);
    msrs.msrWrite(0, TSC_DEADLINE, 5n);
    expect(msrs.msrRead(0, TSC_DEADLINE)).toBe(0n);
    apic.write(R.REG_LVT_TIMER, DEADLINE | 0x42);
    apic.write(R.REG_INITIAL_COUNT, 10);
    clock.advance(1e6);
    expect([drain(), apic.read(R.REG_INITIAL_COUNT)]).toEqual([[], 0]);
  });

  test("leaving the mode disarms", () => {
    const { apic, clock, msrs, drain } = rig(DEADLINE | 0x42);
    msrs.msrWrite(0, TSC_DEADLINE, 1_000_000n);
    apic.write(R.REG_LVT_TIMER, 0x42);
    apic.write(R.REG_LVT_TIMER, DEADLINE | 0x42);
    clock.advance(1e9);
    expect(drain()).toEqual([]);
  });
});

describe("an alarm that is late", () => {
  test("does not let a one-shot that has run out begin again as a periodic one", () => {
    const { apic, clock, drain } = rig(0x41);
    apic.write(R.REG_INITIAL_COUNT, 1000);
    clock.pass(16_500);
    expect(apic.read(R.REG_CURRENT_COUNT)).toBe(0);
    apic.write(R.REG_LVT_TIMER, PERIODIC | 0x42);
    expect([apic.read(R.REG_CURRENT_COUNT), drain()]).toEqual([0, [0x41]]);
    clock.advance(1e9);
    expect(drain()).toEqual([]);
  });

  test("is taken with the old vector when the entry is written, and not at all when it was masked", () => {
    const { apic, clock, drain } = rig(0x41);
    apic.write(R.REG_INITIAL_COUNT, 1000);
    clock.pass(16_500);
    apic.write(R.REG_LVT_TIMER, R.LVT_MASKED);
    expect(drain()).toEqual([0x41]);
  });

  test("does not lose a deadline when the next one is written", () => {
    const { clock, msrs, drain } = rig(DEADLINE | 0x42);
    msrs.msrWrite(0, TSC_DEADLINE, 2_500n);
    clock.pass(2_000);
    expect(msrs.msrRead(0, TSC_DEADLINE)).toBe(0n);
    expect(drain()).toEqual([0x42]);
    msrs.msrWrite(0, TSC_DEADLINE, 10_000n);
    clock.pass(4_000);
    msrs.msrWrite(0, TSC_DEADLINE, 1_000_000n);
    expect(drain()).toEqual([0x42]);
  });

  test("leaves a periodic count in phase, masked or not", () => {
    for (const masked of [0, R.LVT_MASKED]) {
      const { apic, clock } = rig(PERIODIC | masked | 0x41);
      apic.write(R.REG_INITIAL_COUNT, 1000);
      clock.pass(3 * 16_000 + 4_000);
      expect(apic.read(R.REG_CURRENT_COUNT)).toBe(750);
      apic.write(R.REG_LVT_TIMER, masked | 0x41);
      expect(apic.read(R.REG_CURRENT_COUNT)).toBe(750);
    }
  });
});

test("timers of all vCPUs that expire in the same instant interrupt every vCPU", () => {
  const { bus, clock, cpus, drain } = apicRig(8);
  for (const apic of bus.apics) {
    apic.write(R.REG_LVT_TIMER, 0x40);
    apic.write(R.REG_DIVIDE, 11);
    apic.write(R.REG_INITIAL_COUNT, 1000);
  }
  clock.advance(1000);
  expect(cpus.map((_, n) => drain(n))).toEqual(Array(8).fill([0x40]));
});

test("a restored timer expires at the same instant", () => {
  for (const entry of [0x40, PERIODIC | 0x40, DEADLINE | 0x40]) {
    const { apic, msrs, clock } = rig(entry);
    apic.write(R.REG_INITIAL_COUNT, 10_000);
    msrs.msrWrite(0, TSC_DEADLINE, 400_000n);
    clock.advance(50_000);
    const other = apicRig();
    other.clock.advance(50_000);
    other.apic.load(apic.save());
    other.clock.advance(109_999);
    expect(other.drain()).toEqual([]);
    other.clock.advance(2);
    expect(other.drain()).toEqual([0x40]);
  }
});
