/** Local APICs in xAPIC and x2APIC mode, and the bus between them. */
export { ApicBus, type ApicBusOptions } from "./apic-bus.js";
export { ApicMsrs } from "./apic-msrs.js";
export { ApicTimer, type ApicTimerState } from "./apic-timer.js";
export { type ApicMessages, type ApicProcessor, LocalApic, type LocalApicState } from "./local-apic.js";
export { VectorSet } from "./vector-set.js";
export { XapicWindow } from "./xapic-window.js";
