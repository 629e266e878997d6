/** What the parts of the lent handle share: the machine's memory, the engine, and how a fault gets in and out of a vCPU. */
import type { GuestFault } from "@paravane/paravirt-ops";
import type { EngineExports } from "../engine.js";
import * as L from "../layout.js";
import type { MemoryPlan } from "../memory-plan.js";
import type { CoreVcpu } from "../vcpu/vcpu.js";

/** The machine as the handle sees it. */
export interface LentState {
  readonly view: DataView;
  readonly bytes: Uint8Array;
  readonly engine: EngineExports;
  readonly plan: MemoryPlan;
  readonly ramBytes: number;
  readonly vcpus: readonly CoreVcpu[];
}

/** Address of a vCPU's block. */
export const blockOf = (vcpu: number): number => L.VCPU_BASE + vcpu * L.VCPU_STRIDE;
/** Number of the vCPU whose block is at `cpu`. */
export const idOf = (cpu: number): number => ((cpu >>> 0) - L.VCPU_BASE) / L.VCPU_STRIDE;

const PAGE_FAULT = 14,
  PRESENT_WRITE = 3;

/** Makes `fault` pending on the vCPU. */
export function raiseFault(view: DataView, cpu: number, fault: GuestFault): void {
  view.setInt32(cpu + L.FAULT, fault.fault, true);
  view.setUint32(cpu + L.FAULT_HAS_ERROR, fault.errorCode === undefined ? 0 : 1, true);
  view.setUint32(cpu + L.FAULT_ERROR, fault.errorCode ?? 0, true);
  if (fault.address !== undefined) view.setBigUint64(cpu + L.FAULT_ADDRESS, BigInt.asUintN(64, fault.address), true);
}

/** The pending fault, which is pending no longer; undefined when there was none. */
export function takeFault(view: DataView, cpu: number): GuestFault | undefined {
  const fault = view.getInt32(cpu + L.FAULT, true);
  if (fault < 0) return undefined;
  view.setInt32(cpu + L.FAULT, -1, true);
  const address = view.getBigUint64(cpu + L.FAULT_ADDRESS, true);
  // An instruction executed for a backend has nobody to ask about a protected frame.
  if (fault === L.FAULT_PROTECTED) return { fault: PAGE_FAULT, errorCode: PRESENT_WRITE, address };
  return {
    fault,
    ...(view.getUint32(cpu + L.FAULT_HAS_ERROR, true) ? { errorCode: view.getUint32(cpu + L.FAULT_ERROR, true) } : {}),
    ...(fault === PAGE_FAULT ? { address } : {}),
  };
}

/** The level that a backend sees: the virtual one where there is one. */
export function levelOf(view: DataView, cpu: number): 0 | 1 | 2 | 3 {
  const virtual = view.getUint32(cpu + L.VIRTUAL_LEVEL, true);
  return (virtual > 0 ? virtual - 1 : view.getUint32(cpu + L.CPL, true)) as 0 | 1 | 2 | 3;
}
