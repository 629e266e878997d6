/**
 * The BIOS data area at 0x400, as far as software reads it after firmware is gone: where the serial port is, what is there, how much base memory.
 * IBM PC/AT Technical Reference, "ROM BIOS data areas". Some boot loaders and hypervisors place themselves by the base memory size.
 * Left out: an extended BIOS data area (its segment is 0), keyboard buffer, tick count, disk parameters.
 */
import type { GuestMemory } from "@paravane/paravirt-ops";

const COM1_BASE = 0x400;
const EBDA_SEGMENT = 0x40e;
const EQUIPMENT = 0x410;
const BASE_MEMORY_KIB = 0x413;
const VIDEO_MODE = 0x449;
const VIDEO_COLUMNS = 0x44a;
const CRTC_PORT = 0x463;
const LAST_ROW = 0x484;

/** Coprocessor present, VGA, one serial port. */
const EQUIPMENT_WORD = 0x0202;
const TEXT_80_COLUMNS = 3;

/** Writes the area; `com1` is the serial port's first port. */
export function writeBiosDataArea(memory: GuestMemory, com1: number): void {
  memory.fill(COM1_BASE, 0x100, 0);
  memory.writeU16(COM1_BASE, com1);
  memory.writeU16(EBDA_SEGMENT, 0);
  memory.writeU16(EQUIPMENT, EQUIPMENT_WORD);
  memory.writeU16(BASE_MEMORY_KIB, 640);
  memory.writeU8(VIDEO_MODE, TEXT_80_COLUMNS);
  memory.writeU16(VIDEO_COLUMNS, 80);
  memory.writeU16(CRTC_PORT, 0x3d4);
  memory.writeU8(LAST_ROW, 24);
}
