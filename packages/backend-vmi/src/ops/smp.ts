/**
 * Processors under VMI: started through the local APIC, in the state that SetInitialAPState has given where there is one.
 */
import type { SmpOps } from "@paravane/paravirt-ops";

/** The smp group, over that of the layer beneath. */
export function smpOps(under: SmpOps): SmpOps {
  return {
    startupHook: under.startupHook,
    vcpuUp: under.vcpuUp,
    vcpuDown: under.vcpuDown,
    sendIpi: under.sendIpi,
    wait: under.wait,
    kick: under.kick,
    vcpuIsPreempted: under.vcpuIsPreempted,
    yield: under.yield,
    shutdown: under.shutdown,
  };
}
