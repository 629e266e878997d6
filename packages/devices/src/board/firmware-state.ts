/**
 * What a PC's firmware has done to the interrupt controllers by the time it starts a kernel, on a board that starts kernels without firmware:
 * 8259 pair initialised and masked, level-triggered wires marked, and virtual wire mode on the boot processor.
 * Intel MultiProcessor Specification 1.4 §3.6.2.2.
 */
import type { ApicBus } from "../lapic/index.js";
import type { IsaPic } from "../pic/index.js";
import { LEVEL_IRQS } from "./interrupt-wires.js";

const REG_SVR = 0x0f;
const REG_LINT0 = 0x35;
const REG_LINT1 = 0x36;

/** Brings the controllers from power-on into the state that kernels expect. */
export function applyFirmwareState(pic: IsaPic, apics: ApicBus): void {
  const words = [
    [pic.master, 0x08, 0x04, 0xfb],
    [pic.slave, 0x70, 0x02, 0xff],
  ] as const;
  for (const [chip, vectors, cascade, mask] of words) {
    chip.write(0, 0x11);
    chip.write(1, vectors);
    chip.write(1, cascade);
    chip.write(1, 0x01);
    chip.write(1, mask);
  }
  let level = 0;
  for (const irq of LEVEL_IRQS) level |= 1 << irq;
  pic.master.levelTriggered = level & 0xff;
  pic.slave.levelTriggered = level >> 8;
  const boot = apics.apics[0];
  boot?.write(REG_SVR, 0x1ff);
  boot?.write(REG_LINT0, 0x700);
  boot?.write(REG_LINT1, 0x400);
}
