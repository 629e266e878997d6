/** 8042 keyboard controller, AT keyboard, and the A20 gate with port 0x92. */
export { A20Gate, type A20GateState } from "./a20-gate.js";
export { AtKeyboard, type AtKeyboardState } from "./at-keyboard.js";
export { I8042, type I8042Pins, type I8042State } from "./i8042.js";
export { attachIsaI8042, type IsaI8042 } from "./isa-i8042.js";
