/** Calls on time (VMI calls 66 to 71): counters, alarms, wall clock. */
import { isGuestFault } from "@paravane/paravirt-ops";
import type { CallHandlers } from "./rom-call.js";

/** Handlers of these calls. */
export const timeCalls: CallHandlers = {
  /** VMI_CALL_GetCycleFrequency (66): Hz in EDX:EAX. */
  GetCycleFrequency: (call) => call.resultPair(BigInt(call.guest.counters.hz)),
  /** VMI_CALL_GetCycleCounter (67): EAX names the counter; its value in EDX:EAX. */
  GetCycleCounter: (call) => call.resultPair(call.guest.counters.read(call.vcpu.id, call.eax)),
  /** VMI_CALL_SetAlarm (68): flags EAX, expiry ECX:EDX, period on the stack, all in cycles. */
  SetAlarm: (call) => {
    const period = call.stackWords(0, 2);
    if (isGuestFault(period)) return period;
    call.cpu.alarm.set(call.eax, (BigInt(call.ecx) << 32n) | BigInt(call.edx), (BigInt(period[1]!) << 32n) | BigInt(period[0]!));
  },
  /** VMI_CALL_CancelAlarm (69). */
  CancelAlarm: (call) => call.cpu.alarm.cancel(),
  /** VMI_CALL_GetWallclockTime (70): ns since 1970-01-01 UTC in EDX:EAX. */
  GetWallclockTime: (call) => {
    const ns = call.guest.under.time.getWallclock.run(call.vcpu);
    return isGuestFault(ns) ? ns : call.resultPair(BigInt(Math.floor(ns)));
  },
  /** VMI_CALL_WallclockUpdated (71): nobody sets the wall clock. */
  WallclockUpdated: (call) => call.result(0),
};
