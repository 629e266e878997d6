/** Interrupts on the bare machine: EFLAGS.IF, HLT, and the local APIC's registers at their address. SDM Vol. 3A §6.8, §11.4. */
import { architectural, type BackendEnvironment, type IrqOps, nop, type Vcpu } from "@paravane/paravirt-ops";
import type { Architecture } from "../architecture.js";

const RFLAGS_IF = 1n << 9n;
const MSR_APIC_BASE = 0x1b;
const APIC_BASE_MASK = 0xffffff000n;
const DEFAULT_APIC_BASE = 0xfee00000n;

/** The irq group of the bare machine. */
export function irqOps(machine: Architecture, environment: BackendEnvironment): IrqOps {
  const setFlag = (vcpu: Vcpu, enabled: boolean): void => {
    const flags = vcpu.registers.get("rflags");
    vcpu.registers.set("rflags", enabled ? flags | RFLAGS_IF : flags & ~RFLAGS_IF);
  };
  const register = (vcpu: Vcpu, offset: number): number =>
    Number((vcpu.registers.msr(MSR_APIC_BASE) ?? DEFAULT_APIC_BASE) & APIC_BASE_MASK) + (offset & 0xff0);
  return {
    saveFl: architectural((vcpu) => Number(vcpu.registers.get("rflags") & RFLAGS_IF)),
    restoreFl: architectural((vcpu, flags) => setFlag(vcpu, (BigInt(flags) & RFLAGS_IF) !== 0n)),
    disable: architectural((vcpu) => setFlag(vcpu, false)),
    enable: architectural((vcpu) => setFlag(vcpu, true)),
    safeHalt: architectural((vcpu) => {
      setFlag(vcpu, true);
      machine.handle.park(vcpu.id);
    }),
    halt: architectural((vcpu) => machine.handle.park(vcpu.id)),
    nmi: architectural((vcpu) => vcpu.raiseNmi()),
    // The processor wrote the frame: it is what it should be.
    adjustExceptionFrame: nop,
    apicRead: architectural((vcpu, offset) => environment.mmio.read(register(vcpu, offset), 4)),
    apicWrite: architectural((vcpu, offset, value) => environment.mmio.write(register(vcpu, offset), 4, value)),
  };
}
