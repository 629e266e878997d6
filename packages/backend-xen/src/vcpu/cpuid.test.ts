// CPUID as guests of both widths get it.
import type { CpuidResult } from "@paravane/paravirt-ops";
import { describe, expect, test } from "vitest";
import { pvCpuid } from "./cpuid.js";

const ALL = 0xffff_ffff;
const AMD = 0x68747541;

/** A machine that has everything, of a vendor. */
const leaves =
  (bits: 64 | 32, vendor: number) =>
  (leaf: number, subleaf = 0) => {
    const machine = (number: number): CpuidResult => {
      if (number === 0) return { eax: 13, ebx: vendor, ecx: 0, edx: 0 };
      return number === 0x8000_0008 ? { eax: 0x3028, ebx: 1, ecx: 2, edx: 3 } : { eax: 7, ebx: ALL, ecx: ALL, edx: ALL };
    };
    return pvCpuid(leaf, subleaf, { bits, cr4: 0n, tscKhz: 1_000_000, machine });
  };
const has = (word: number, bit: number): boolean => ((word >>> bit) & 1) === 1;

describe.each([64, 32] as const)("CPUID of a %i-bit guest", (bits) => {
  const cpuid = leaves(bits, AMD);
  const long = bits === 64;

  test("has what depends on long mode where there is one", () => {
    expect(has(cpuid(1).ecx, 13)).toBe(long);
    const { ecx, edx } = cpuid(0x8000_0001);
    expect([has(ecx, 0), has(edx, 29)]).toEqual([long, long]);
    expect(cpuid(0x8000_0008)).toEqual({ eax: long ? 0x3028 : 0x2028, ebx: 1, ecx: 2, edx: 3 });
  });

  test("has SYSCALL where the processor executes it", () => {
    expect(has(cpuid(0x8000_0001).edx, 11)).toBe(true);
    expect(has(leaves(bits, 0x756e6547)(0x8000_0001).edx, 11)).toBe(long);
  });

  test("has nothing that needs ring 0, and tells that there is a hypervisor", () => {
    const { ecx, edx } = cpuid(1);
    expect([3, 5, 17, 21, 24, 27].filter((bit) => has(ecx, bit))).toEqual([]);
    expect([1, 3, 9, 11, 12, 13, 17].filter((bit) => has(edx, bit))).toEqual([]);
    expect(has(ecx, 31)).toBe(true);
    expect(has(cpuid(0x8000_0001).edx, 26)).toBe(false);
    expect(cpuid(0x4000_0000).ebx).toBe(0x566e6558);
  });
});
