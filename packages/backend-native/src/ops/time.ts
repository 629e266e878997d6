/**
 * Time on the bare machine: the TSC, and the local APIC's deadline (SDM Vol. 3A §11.5.4.1). Its other timers are devices that a guest
 * programs by ports and memory; there is no instruction for them, and the slots say so.
 */
import { architectural, type BackendEnvironment, faulting, generalProtection, type TimeOps, undefinedOpcode } from "@paravane/paravirt-ops";

const MSR_TSC = 0x10;
const MSR_TSC_DEADLINE = 0x6e0;

/** The time group of the bare machine. */
export function timeOps(environment: BackendEnvironment): TimeOps {
  const { clock, time, wallClock } = environment;
  const ticks = (ns: number): bigint => BigInt(Math.max(1, Math.ceil((ns * time.clocksource.hz) / 1e9)));
  return {
    readTsc: architectural((vcpu) => vcpu.registers.msr(MSR_TSC) ?? generalProtection),
    schedClock: architectural((vcpu) => clock.nowNs() - time.clocksource.stolenNs(vcpu.id)),
    stealClock: architectural((vcpu) => time.clocksource.stolenNs(vcpu.id)),
    tscKhz: architectural(() => time.clocksource.hz / 1000),
    getWallclock: architectural(() => wallClock.nowMs() * 1e6),
    // The calendar chip is set through its ports.
    setWallclock: faulting(undefinedOpcode),
    setNextEvent: architectural((vcpu, deadlineNs) =>
      vcpu.registers.setMsr(MSR_TSC_DEADLINE, ticks(deadlineNs)) ? undefined : generalProtection,
    ),
    setPeriodic: faulting(undefinedOpcode),
    shutdownEvent: architectural((vcpu) => (vcpu.registers.setMsr(MSR_TSC_DEADLINE, 0n) ? undefined : generalProtection)),
  };
}
