/**
 * @paravane/devices: the parts of a PC and the board that wires them up. Each part has its own subpath (`@paravane/devices/uart` …);
 * from here come the board and the buses that it sits on.
 */
export { PcBoard, type PcBoardState, pcBoard } from "./board/index.js";
export { createMmioBus, createPioBus } from "./bus/index.js";
