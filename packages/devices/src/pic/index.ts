/** Intel 8259A, alone and as a PC's cascaded pair. */
export { I8259, type I8259State } from "./i8259.js";
export { IsaPic, type IsaPicState } from "./isa-pic.js";
