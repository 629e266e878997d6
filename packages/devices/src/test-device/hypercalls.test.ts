import { expect, test } from "vitest";
import { apicRig } from "../../test/apic-rig.js";
import { TestHypercalls } from "./hypercalls.js";

const SEND_IPI = 10n;

function rig() {
  const made = apicRig(4);
  const calls = new TestHypercalls(made.bus);
  const call = (registers: readonly [bigint, bigint, bigint, bigint, bigint], level = 0, bits: 32 | 64 = 64) =>
    calls.hypercall(0, { level, bits, registers });
  return { ...made, call };
}

test("SEND_IPI reaches the APICs of the bitmap and says how many there were", () => {
  const { call, drain, cpus } = rig();
  expect(call([SEND_IPI, 0b1011n, 0n, 1n, 0x55n])).toBe(2n);
  expect([0, 1, 2, 3].map((n) => drain(n))).toEqual([[], [0x55], [0x55], []]);
  expect(call([SEND_IPI, 0n, 1n, 0n, 0x4400n])).toBe(0n);
  expect(call([SEND_IPI, 1n << 3n, 0n, 0n, 0x4400n], 0, 32)).toBe(1n);
  expect(cpus[3]!.log).toEqual(["nmi"]);
});

test("SEND_IPI to APICs that do not exist reaches none", () => {
  expect(rig().call([SEND_IPI, 0xffffffffn, 0n, 0xffffffffn, 0n])).toBe(0n);
});

test("what it does not know, a destination in the ICR, and user mode are errors", () => {
  const { call } = rig();
  expect(call([SEND_IPI, 1n, 0n, 0n, 0x40055n])).toBe(-22n);
  expect(call([SEND_IPI, 1n, 0n, 0n, 0x500n])).toBe(-22n);
  expect(call([-1n & 0xffffffffn, 0n, 0n, 0n, 0n])).toBe(-1000n);
  expect(call([SEND_IPI, 1n, 0n, 0n, 0x55n], 3)).toBe(-1n);
});
