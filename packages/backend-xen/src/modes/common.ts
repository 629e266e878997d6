/** What PV and PVH guests get alike: time, processors and the end of the machine are Xen's for both. */
import { type Answers, by } from "@paravane/paravirt-ops";

const PVCLOCK = "vcpu_info.time";
const RUNSTATE = "vcpu_runstate_info";

/** The time group. */
export const timeAnswers: Answers["time"] = {
  readTsc: by.native,
  schedClock: by.memory(PVCLOCK),
  stealClock: by.memory(RUNSTATE),
  tscKhz: by.memory(`${PVCLOCK}.tsc_to_system_mul`),
  getWallclock: by.memory("shared_info.wc_sec"),
  setWallclock: by.nothing("the owner's to set"),
  setNextEvent: by.calls("vcpu_op.set_singleshot_timer", "set_timer_op"),
  setPeriodic: by.calls("vcpu_op.set_periodic_timer"),
  shutdownEvent: by.calls("vcpu_op.stop_singleshot_timer", "vcpu_op.stop_periodic_timer"),
};

/** The smp group. */
export const smpAnswers: Answers["smp"] = {
  startupHook: by.calls("vcpu_op.initialise"),
  vcpuUp: by.calls("vcpu_op.up"),
  vcpuDown: by.calls("vcpu_op.down"),
  sendIpi: by.calls("event_channel_op.send"),
  wait: by.calls("sched_op.poll"),
  kick: by.calls("event_channel_op.send"),
  vcpuIsPreempted: by.memory(`${RUNSTATE}.state`),
  yield: by.calls("sched_op.yield"),
  shutdown: by.calls("sched_op.shutdown"),
};
