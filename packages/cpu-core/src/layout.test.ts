import { describe, expect, test } from "vitest";
import * as L from "./layout.js";

/** [name, start, end) of everything that lies in a vCPU block, with sizes that the comments in layout.ts state. */
const FIELDS: [string, number, number][] = [
  ["GPR", L.GPR, L.GPR + 128],
  ["ZERO", L.ZERO, L.ZERO + 8],
  ["SEG", L.SEG, L.SEG + 256],
  ["PDPTE", L.PDPTE, L.PDPTE + 32],
  ["DR", L.DR, L.DR + 64],
  ["MSR_STAR..PAT", L.MSR_STAR, L.MSR_PAT + 8],
  ["MSR_MTRR_PHYS", L.MSR_MTRR_PHYS, L.MSR_MTRR_PHYS + 128],
  ["MSR_MTRR_FIX", L.MSR_MTRR_FIX, L.MSR_MTRR_FIX + 88],
  ["PHYS_MASK", L.PHYS_MASK, L.PHYS_MASK + 8],
  ["INTR..PAUSES", L.INTR, L.PAUSES + 4],
  ["SCRATCH", L.SCRATCH, L.SCRATCH_SPLIT + 4],
  ["FCW..FPU_UOP", L.FCW, L.FPU_UOP + 4],
  ["FPR", L.FPR, L.FPR + 128],
  ["XMM", L.XMM, L.XMM + 256],
  ["STEP_TF..PAUSED_AT", L.STEP_TF, L.PAUSED_AT + 4],
  ["CPUID", L.CPUID_COUNT, L.CPUID_TABLE + L.CPUID_MAX * 24],
  ["MC_BANKS", L.MC_BANKS, L.MC_BANKS + L.MC_BANK_MAX * 32],
  ["STAGE", L.STAGE, L.STAGE + 576],
  ["MODEL", L.MODEL_FIXED, L.MODEL_STATE_END],
  ["LENT", L.LENT, L.LENT_END],
  ["LARGE_MAP", L.LARGE_MAP, L.LARGE_MAP + 1024],
  ["HUGE_MAP", L.HUGE_MAP, L.HUGE_MAP + 64],
  ["PCID_CONTEXT", L.PCID_CONTEXT, L.PCID_CONTEXT + 8192],
  ["TLBs", L.TLB_OFFSET, L.TLB_OFFSET + 3 * L.TLB_BYTES],
  ["jump cache", L.JUMP_OFFSET, L.JUMP_OFFSET + L.JUMP_BYTES],
  ["JUMP_PAGES", L.JUMP_PAGES, L.JUMP_PAGES + L.JUMP_PAGES_BYTES],
  ["SUPER_LIST", L.SUPER_LIST, L.SUPER_LIST + L.SUPER_LIST_MAX * 4],
];

describe("the vCPU block", () => {
  test("no two fields overlap, and all fit the stride", () => {
    const sorted = [...FIELDS].sort((a, b) => a[1] - b[1]);
    for (let i = 1; i < sorted.length; i++)
      expect(sorted[i]![1], `${sorted[i - 1]![0]} runs into ${sorted[i]![0]}`).toBeGreaterThanOrEqual(sorted[i - 1]![2]);
    expect(sorted.at(-1)![2]).toBeLessThanOrEqual(L.VCPU_STRIDE);
  });
});
