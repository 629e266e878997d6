/** Motorola MC146818A real-time clock and CMOS memory, alone and as a PC has it. */
export { cmosContents } from "./cmos.js";
export { IsaRtc, type IsaRtcState } from "./isa-rtc.js";
export { Mc146818, type Mc146818State, RTC_HZ } from "./mc146818.js";
