/** The firmware configuration device on the port bus: selector 0x510, data 0x511, DMA address 0x514–0x51b. QEMU docs/specs/fw_cfg.rst. */
import type { PioBus } from "@paravane/paravirt-ops";
import type { FwCfg } from "./fw-cfg.js";

const BASE = 0x510;
const DATA = 1,
  DMA = 4;

/** Puts the device at its ports. */
export function attachFwCfg(bus: PioBus, fwCfg: FwCfg): void {
  bus.attach(BASE, 2, {
    name: "fw-cfg",
    // Both are as wide as the document says: the data port a byte, the selector a word that cannot be read back.
    pioRead(offset) {
      return offset === DATA ? fwCfg.readData() : 0;
    },
    pioWrite(offset, size, value) {
      if (offset === 0 && size === 2) fwCfg.select(value);
    },
  });
  bus.attach(BASE + DMA, 8, {
    name: "fw-cfg-dma",
    pioRead(offset, size) {
      let value = 0;
      for (let i = 0; i < size; i++) value |= fwCfg.readDma(offset + i) << (8 * i);
      return value >>> 0;
    },
    pioWrite(offset, size, value) {
      for (let i = 0; i < size; i++) fwCfg.writeDma(offset + i, (value >>> (8 * i)) & 0xff);
    },
  });
}
