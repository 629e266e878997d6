/** The VGA on its buses: display memory at 0xa0000–0xbffff, registers at 0x3b0–0x3df. Wide accesses are made of bytes. */
import type { AccessSize, MmioBus, PioBus } from "@paravane/paravirt-ops";
import { VGA_MEMORY_SIZE } from "./vga.js";
import type { Vga } from "./vga.js";

const MEMORY_BASE = 0xa0000;
/** Register ranges with nothing else in them: the monochrome CRTC, its status, and the colour block. LPT1 lies between at 0x3bc. */
const RANGES = [
  [0x3b4, 2],
  [0x3ba, 1],
  [0x3c0, 0x20],
] as const;

/** Puts a VGA where every PC has it. */
export function attachVga(pio: PioBus, mmio: MmioBus, vga: Vga): void {
  for (const [base, length] of RANGES) {
    pio.attach(base, length, {
      name: "vga",
      pioRead: (offset, size) => gather(size, (i) => vga.readPort(base + offset + i)),
      pioWrite(offset, size, value) {
        for (let i = 0; i < size; i++) vga.writePort(base + offset + i, (value >>> (8 * i)) & 0xff);
      },
    });
  }
  mmio.attach(MEMORY_BASE, VGA_MEMORY_SIZE, {
    name: "vga memory",
    mmioRead: (offset, size) => gather(size, (i) => vga.readMemory(offset + i)),
    mmioWrite(offset, size, value) {
      for (let i = 0; i < size; i++) vga.writeMemory(offset + i, (value >>> (8 * i)) & 0xff);
    },
  });
}

function gather(size: AccessSize, byte: (index: number) => number): number {
  let value = 0;
  for (let i = 0; i < size; i++) value |= byte(i) << (8 * i);
  return value >>> 0;
}
