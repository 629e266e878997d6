/** The contract's facade for backends over a machine's clock: a clocksource, and a clock event device per vCPU. No interrupt numbers. */
import type { Alarm, ClockEvent, Ns, Timekeeping } from "@paravane/paravirt-ops";
import { type MachineClock, TSC_HZ } from "./machine-clock.js";

const MIN_PERIOD_NS = 1_000;

/** Time that each vCPU was ready to run and did not, because another one had its turn. */
export type StolenSource = (vcpu: number) => Ns;

class AlarmClockEvent implements ClockEvent {
  readonly #alarm: Alarm;
  #periodNs = 0;

  constructor(
    private readonly clock: MachineClock,
    readonly vcpu: number,
    readonly name: string,
    expire: (deadlineNs: Ns) => void,
  ) {
    this.#alarm = clock.createAlarm(`${name}/${vcpu}`, (deadlineNs) => {
      if (this.#periodNs > 0) this.#alarm.arm(deadlineNs + this.#periodNs);
      expire(deadlineNs);
    });
  }

  setNextEvent(deadlineNs: Ns): void {
    this.#periodNs = 0;
    this.#alarm.arm(deadlineNs);
  }

  setPeriodic(periodNs: Ns): void {
    this.#periodNs = Math.max(MIN_PERIOD_NS, periodNs);
    this.#alarm.arm(this.clock.nowNs() + this.#periodNs);
  }

  shutdown(): void {
    this.#periodNs = 0;
    this.#alarm.disarm();
  }
}

/** Makes the facade of one machine. */
export function createTimekeeping(clock: MachineClock, stolen: StolenSource): Timekeeping {
  return {
    clocksource: { name: "tsc", hz: TSC_HZ, read: () => clock.nowNs(), stolenNs: stolen },
    createClockEvent: (vcpu, name, expire) => new AlarmClockEvent(clock, vcpu, name, expire),
  };
}
