import { describe, expect, test } from "vitest";
import { TestGuest } from "../../test/guest.js";

const MS = 1_000_000;
const PERIODIC = 0x100;
const LVTT = 0x10000;

async function withLines(vcpus = 1) {
  const guest = await TestGuest.start({}, vcpus);
  const log = (guest.bench.environment.board as unknown as { log: string[] }).log;
  const rises = (): number => {
    const count = log.filter((line) => line.endsWith("true")).length;
    log.length = 0;
    return count;
  };
  const set = (flags: number, expiry: bigint, period = 0n): void => {
    guest.call("SetAlarm", flags, expiry & 0xffffffffn, expiry >> 32n, period & 0xffffffffn, period >> 32n);
  };
  return { guest, log, rises, set, advance: (ns: number) => guest.bench.advance(ns) };
}

describe("an alarm", () => {
  test("fires once at its expiry, as an edge of IRQ 0", async () => {
    const { log, set, advance } = await withLines();
    set(0, BigInt(2 * MS));
    advance(2 * MS - 1);
    expect(log).toEqual([]);
    advance(1);
    expect(log).toEqual(["timer true", "timer false"]);
    advance(10 * MS);
    expect(log.length).toBe(2);
  });

  test("fires at once when its expiry is past", async () => {
    const { rises, set, advance } = await withLines();
    advance(5 * MS);
    set(0, 1n);
    advance(0);
    expect(rises()).toBe(1);
  });

  test("fires with its period, from its expiry on, and once for periods that nobody was there for", async () => {
    const { rises, set, advance } = await withLines();
    set(PERIODIC, BigInt(3 * MS), BigInt(MS));
    for (let ms = 0; ms < 5; ms++) advance(MS);
    expect(rises()).toBe(3);
    set(PERIODIC, 0n, BigInt(MS));
    advance(0);
    expect(rises()).toBe(1);
  });

  test("is silent when it is cancelled, and starts anew when it is set from where it fires", async () => {
    const { guest, rises, set, advance } = await withLines();
    set(PERIODIC, BigInt(MS), BigInt(MS));
    guest.call("CancelAlarm", 0);
    advance(9 * MS);
    expect(rises()).toBe(0);
    set(0, BigInt(10 * MS));
    set(0, BigInt(12 * MS));
    advance(2 * MS);
    expect(rises()).toBe(0);
    advance(MS);
    expect(rises()).toBe(1);
  });

  test("of each vCPU goes to that vCPU's local entry, all in the same instant", async () => {
    const { guest, log, advance } = await withLines(3);
    for (const vcpu of [0, 1, 2]) guest.enter("SetAlarm", [LVTT, MS, 0, 0, 0], vcpu);
    advance(MS);
    expect(log.filter((line) => line.endsWith("true")).sort()).toEqual(["timer of 0 true", "timer of 1 true", "timer of 2 true"]);
  });

  test.each([0n, 1n, 2n ** 32n, 2n ** 63n, 2n ** 64n - 1n])("takes any expiry and period: %s", async (value) => {
    const { rises, set, advance } = await withLines();
    for (const flags of [0, PERIODIC, 1, 2, PERIODIC | 2, 0xff]) {
      set(flags, value, value);
      advance(MS / 10);
    }
    expect(rises()).toBeLessThan(200);
  });
});

test("counters add up, whatever the scheduler books", async () => {
  const guest = await TestGuest.start();
  const { clocksource } = guest.bench.environment.time as { clocksource: { stolenNs(vcpu: number): number } };
  let booked = 0;
  clocksource.stolenNs = () => booked;
  let last = [0n, 0n, 0n];
  for (const stolen of [0, 400, 10 ** 9, 10 ** 9, 5]) {
    booked = stolen;
    guest.bench.advance(1000);
    const now = [0, 1, 2].map((which) => guest.call("GetCycleCounter", which) as bigint);
    expect(now[1]! + now[2]!).toBe(now[0]);
    expect(now.every((value, index) => value >= last[index]!)).toBe(true);
    last = now;
  }
});
