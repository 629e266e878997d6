/** The contract's facade for backends over a machine's clock: a clocksource, and a clock event device per vCPU. No interrupt numbers. */
import { clockEventOver, type Ns, type Timekeeping } from "@paravane/paravirt-ops";
import { type MachineClock, TSC_HZ } from "./machine-clock.js";

/** Time that each vCPU was ready to run and did not, because another one had its turn. */
export type StolenSource = (vcpu: number) => Ns;

/** Makes the facade of one machine. */
export function createTimekeeping(clock: MachineClock, stolen: StolenSource): Timekeeping {
  return {
    clocksource: { name: "tsc", hz: TSC_HZ, read: () => clock.nowNs(), stolenNs: stolen },
    createClockEvent: (vcpu, name, expire) => clockEventOver(clock, vcpu, name, expire),
  };
}
