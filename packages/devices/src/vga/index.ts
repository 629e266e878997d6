/** VGA text console. */
export { VGA_MEMORY_SIZE, Vga } from "./vga.js";
export type { TextCell, VgaState } from "./vga.js";
export { attachVga } from "./isa-vga.js";
