/** State after power-on, RESET and INIT. SDM Vol. 3A Table 9-1. */
import * as L from "../layout.js";
import type { EngineExports } from "../engine.js";
import { resetModelRegisters, resetSignature } from "./cpuid.js";

/** What survives an INIT: caches, MSRs and the floating-point state keep their contents; everything else starts over. */
const KEPT_BY_INIT: readonly [from: number, to: number][] = [
  [L.XCR0, L.PDPTE],
  [L.MSR_STAR, L.PHYS_MASK + 8],
  [L.VENDOR, L.RESTART],
  [L.FCW, L.XMM + 256],
  [L.MODEL_FIXED_END, L.MODEL_STATE_END],
  [L.MC_BANKS, L.MC_BANKS + L.MC_BANK_MAX * 32],
];
/** Fields that power-on leaves alone: they describe the processor, and what a backend has asked for. */
const CONFIGURATION: readonly [from: number, to: number][] = [
  [L.PHYS_MASK, L.PHYS_MASK + 8],
  [L.VENDOR, L.RESTART],
  [L.MODEL_FIXED, L.MODEL_FIXED_END],
  [L.CPUID_COUNT, L.CPUID_TABLE + L.CPUID_MAX * 24],
  [L.LENT, L.LENT_END],
];
const STATE_END = 0x1800;

/** @param waiting - a secondary processor, or any after INIT: it waits for STARTUP */
export function resetState(
  view: DataView,
  cpu: number,
  id: number,
  engine: EngineExports,
  options: { init: boolean; waiting: boolean },
): void {
  const state = new Uint8Array(view.buffer, cpu, STATE_END);
  const retired = view.getBigUint64(cpu + L.RETIRED, true);
  const kept = [...CONFIGURATION, ...(options.init ? KEPT_BY_INIT : [])].map(([from, to]) => ({ from, bytes: state.slice(from, to) }));
  const cr0Cache = options.init ? view.getUint32(cpu + L.CR0, true) & 0x60000000 : 0x60000000;
  state.fill(0);
  for (const { from, bytes } of kept) state.set(bytes, from);
  const u32 = (offset: number, value: number): void => view.setUint32(cpu + offset, value, true);
  const u64 = (offset: number, value: bigint): void => view.setBigUint64(cpu + offset, value, true);
  u64(L.RETIRED, retired);
  u32(L.ID, id);
  u32(L.FAULT, 0xffffffff);
  for (const [segment, selector, base, access] of [
    [L.ES, 0, 0, 0x93],
    [L.CS, 0xf000, 0xffff0000, 0x9b],
    [L.SS, 0, 0, 0x93],
    [L.DS, 0, 0, 0x93],
    [L.FS, 0, 0, 0x93],
    [L.GS, 0, 0, 0x93],
    [L.LDTR, 0, 0, 0x82],
    [L.TR, 0, 0, 0x8b],
  ] as const) {
    const at = L.SEG + segment * L.SEG_SIZE;
    u32(at + L.SEG_SELECTOR, selector);
    u64(at + L.SEG_BASE, BigInt(base));
    u32(at + L.SEG_LIMIT, 0xffff);
    u32(at + L.SEG_ACCESS, access);
  }
  u64(L.RIP, 0xfff0n);
  u64(L.GPR + 16, BigInt(resetSignature(view, cpu)));
  u64(L.CR0, BigInt(cr0Cache | 0x10));
  u32(L.GDTR_LIMIT, 0xffff);
  u32(L.IDTR_LIMIT, 0xffff);
  u64(L.DR + 48, 0xffff0ff0n);
  u64(L.DR + 56, 0x400n);
  u32(L.HALTED, options.waiting ? 2 : 0);
  if (!options.init) {
    u64(L.XCR0, 1n);
    u64(L.MSR_PAT, 0x0007040600070406n);
    u64(L.MSR_APIC_BASE, BigInt(0xfee00800 | (id === 0 ? 0x100 : 0)));
    resetModelRegisters(view, cpu);
    u32(L.FCW, 0x40);
    u32(L.FTW, 0xff);
    u32(L.MXCSR, 0x1f80);
  }
  engine.setFlags(cpu, 2);
  engine.tlbWipe(cpu);
  engine.updateMode(cpu);
}
