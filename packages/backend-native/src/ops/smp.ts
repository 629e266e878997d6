/** Several processors on the bare machine: INIT, STARTUP and fixed IPIs through the local APIC (SDM Vol. 3A §9.4, §11.6), PAUSE. */
import { architectural, type BackendEnvironment, generalProtection, type IrqOps, nop, type SmpOps } from "@paravane/paravirt-ops";
import type { Architecture } from "../architecture.js";

const ICR_LOW = 0x300;
const ICR_HIGH = 0x310;
const ICR_ASSERT = 1 << 14;

/** The smp group of the bare machine. */
export function smpOps(machine: Architecture, environment: BackendEnvironment, irq: IrqOps): SmpOps {
  const exists = (target: number): boolean => target in environment.vcpus;
  return {
    // Startup IPIs start a processor at their vector; a state of its own is for backends that have one.
    startupHook: nop,
    vcpuUp: architectural((_vcpu, target) => (exists(target) ? machine.handle.wake(target) : generalProtection)),
    vcpuDown: architectural((_vcpu, target) => (exists(target) ? environment.vcpus[target]!.init() : generalProtection)),
    sendIpi: architectural((vcpu, targets, vector) => {
      for (const target of targets) {
        if (!exists(target)) continue;
        irq.apicWrite.run(vcpu, ICR_HIGH, (target << 24) >>> 0);
        irq.apicWrite.run(vcpu, ICR_LOW, ICR_ASSERT | (vector & 0xff));
      }
    }),
    // A spinning processor only spins; giving up its turn is what PAUSE may do.
    wait: architectural((vcpu) => machine.handle.yield(vcpu.id)),
    kick: nop,
    vcpuIsPreempted: architectural(() => false),
    yield: architectural((vcpu) => machine.handle.yield(vcpu.id)),
    shutdown: architectural((_vcpu, reason) => environment.shutdown(reason, "asked for by a layer above the bare machine")),
  };
}
