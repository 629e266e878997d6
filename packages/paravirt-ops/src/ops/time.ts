/**
 * Operations on time. Timers are a clocksource and a per-vCPU clock event device; neither knows an interrupt number.
 * Origins: pv_time_ops (2.6.32), pv_sched_clock and pv_steal_clock (6.1), x86_platform.
 */
import type { ClockEvent } from "../handles/time.js";
import type { Ns } from "../units.js";
import { exit, operation as op, type SlotsOf } from "./operation.js";

/** Operations on time. Nanoseconds are guest time since the machine was made. */
export const timeOperations = {
  readTsc: op<[], bigint>(
    "cpu.read_tsc, read_tscp (2.6.32)",
    "The result is this vCPU's time-stamp counter, never less than an earlier one.",
  ),
  schedClock: op<[], Ns>(
    "time.sched_clock, pv_sched_clock",
    "The result is time that this vCPU could have run, never less than an earlier one.",
  ),
  stealClock: op<[], Ns>("pv_steal_clock (6.1)", "The result is time that this vCPU wanted to run and did not."),
  tscKhz: op<[], number>("time.get_tsc_khz, x86_platform.calibrate_tsc", "The result is the counter's frequency in kHz."),
  getWallclock: op<[], Ns>("x86_platform.get_wallclock", "The result is civil time in ns since 1970-01-01 UTC."),
  setWallclock: op<[ns: Ns]>(
    "x86_platform.set_wallclock",
    "Reading civil time gives `ns` and what has passed since, where the guest may set it.",
  ),
  setNextEvent: op<[deadlineNs: Ns]>(
    "clock_event_device.set_next_event",
    "This vCPU's timer fires once at `deadlineNs`; a deadline in the past fires at once.",
  ),
  setPeriodic: op<[periodNs: Ns]>(
    "clock_event_device.set_state_periodic",
    "This vCPU's timer fires every `periodNs`, the first time one period from now.",
  ),
  shutdownEvent: op("clock_event_device.set_state_shutdown", "This vCPU's timer does not fire."),
} as const;

/** A backend's answers to the time group. */
export type TimeOps = SlotsOf<typeof timeOperations>;

/** The slots that program a vCPU's timer, for a backend whose guests have timers of its own. `eventOf` names no device before there is a guest. */
export function clockEventSlots(
  eventOf: (vcpu: number) => Pick<ClockEvent, "setNextEvent" | "setPeriodic" | "shutdown"> | undefined,
): Pick<TimeOps, "setNextEvent" | "setPeriodic" | "shutdownEvent"> {
  return {
    setNextEvent: exit(({ id }, deadlineNs) => eventOf(id)?.setNextEvent(deadlineNs)),
    setPeriodic: exit(({ id }, periodNs) => eventOf(id)?.setPeriodic(periodNs)),
    shutdownEvent: exit(({ id }) => eventOf(id)?.shutdown()),
  };
}
