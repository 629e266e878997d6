/** The PC board: all devices, wired. */
export { PcBoard, type PcBoardState, pcBoard } from "./pc-board.js";
