import { expect, test } from "vitest";
import { ManualClock } from "../../test/fakes.js";
import { createRam } from "../../test/ram.js";
import { ParavirtualMsrs } from "./paravirtual-msrs.js";

const HZ = 2_500_000_000;

function rig() {
  const clock = new ManualClock();
  const memory = createRam(1 << 20);
  const others = { msrRead: (_vcpu: number, index: number) => (index === 0x1b ? 7n : undefined), msrWrite: () => false };
  const msrs = new ParavirtualMsrs(others, {
    clock,
    wallClock: { nowMs: () => 1_700_000_000_250 },
    tscHz: HZ,
    memory: () => memory,
    guestTsc: () => 1_000n,
  });
  return { clock, memory, msrs };
}

test("the clock's page turns the guest's TSC into nanoseconds since the machine's start", () => {
  const { clock, memory, msrs } = rig();
  clock.advance(5_000);
  expect(msrs.msrWrite(0, 0x4b564d01, 0x2001n)).toBe(true);
  const shift = (memory.readU8(0x2000 + 28) << 24) >> 24;
  const scaled = (ticks: number) => Math.floor((ticks * 2 ** shift * memory.readU32(0x2000 + 24)) / 2 ** 32);
  expect([memory.readU32(0x2000) & 1, memory.readU32(0x2008), memory.readU32(0x2010)]).toEqual([0, 1_000, 5_000]);
  expect(Math.abs(scaled(HZ) - 1e9)).toBeLessThan(2);
  expect(msrs.msrRead(0, 0x4b564d01)).toBe(0x2001n);
});

test("the wall clock is civil time at the machine's start", () => {
  const { clock, memory, msrs } = rig();
  clock.advance(250_000_000);
  msrs.msrWrite(0, 0x4b564d00, 0x3000n);
  expect([memory.readU32(0x3004), memory.readU32(0x3008)]).toEqual([1_700_000_000, 0]);
});

test("asynchronous faults can be enabled, other registers are the board's, addresses outside memory are ignored", () => {
  const { msrs } = rig();
  expect([msrs.msrWrite(0, 0x4b564d02, 0x1003n), msrs.msrWrite(0, 0x4b564d02, 0x1010n), msrs.msrRead(0, 0x4b564d02)]).toEqual([
    true,
    false,
    0x1003n,
  ]);
  expect([msrs.msrRead(0, 0x1b), msrs.msrRead(0, 0x802), msrs.msrWrite(0, 0x4b564d03, 1n)]).toEqual([7n, undefined, false]);
  expect(msrs.msrWrite(0, 0x4b564d01, 0xffff_ffff_f001n)).toBe(true);
  msrs.reset();
  expect(msrs.msrRead(0, 0x4b564d02)).toBe(0n);
});
