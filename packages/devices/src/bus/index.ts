/** The two buses of a PC, ready to be handed to a core and a board. */
export { createMmioBus } from "./mmio-bus.js";
export { createPioBus } from "./pio-bus.js";
