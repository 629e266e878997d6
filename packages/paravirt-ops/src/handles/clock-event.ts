/** The clock event device of a machine's clock: all that tells one guest's timer from another is who programs it, and what expiry means. */
import type { Ns } from "../units.js";
import type { Clock } from "./clock.js";
import type { ClockEvent } from "./time.js";

/** Periods are not shorter than this: a guest must not keep its host busy with nothing else. */
const LEAST_PERIOD_NS = 1_000;

/** Makes a device of `clock`; `expire` gets the time for which it was programmed, and a periodic one keeps its phase however late it is served. */
export function clockEventOver(clock: Clock, vcpu: number, name: string, expire: (deadlineNs: Ns) => void): ClockEvent {
  let periodNs = 0;
  const alarm = clock.createAlarm(`${name}/${vcpu}`, (deadlineNs) => {
    if (periodNs > 0) alarm.arm(deadlineNs + periodNs);
    expire(deadlineNs);
  });
  return {
    name,
    vcpu,
    setNextEvent: (deadlineNs) => {
      periodNs = 0;
      alarm.arm(deadlineNs);
    },
    setPeriodic: (ns) => {
      periodNs = Math.max(LEAST_PERIOD_NS, ns);
      alarm.arm(clock.nowNs() + periodNs);
    },
    shutdown: () => {
      periodNs = 0;
      alarm.disarm();
    },
  };
}
