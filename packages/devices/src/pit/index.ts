/** Intel 8254, alone and as a PC's timer with port 0x61. */
export { Counter, type CounterState } from "./counter.js";
export { I8254, type I8254State } from "./i8254.js";
export { IsaPit, type IsaPitState, PIT_HZ } from "./isa-pit.js";
