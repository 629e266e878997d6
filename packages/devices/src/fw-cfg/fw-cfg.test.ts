import { describe, expect, it } from "vitest";
import { createRam } from "../../test/ram.js";
import { stateTrio } from "../../test/state-trio.js";
import { createPioBus } from "../bus/index.js";
import { FW_CFG_FILE_DIR, FW_CFG_NB_CPUS, FW_CFG_RAM_SIZE, FwCfg, attachFwCfg } from "./index.js";

function build() {
  const pio = createPioBus();
  const fwCfg = new FwCfg();
  const memory = createRam(1 << 20);
  attachFwCfg(pio, fwCfg);
  fwCfg.connect(memory);
  const bytes = (selector: number, count: number) => {
    pio.write(0x510, 2, selector);
    return Array.from({ length: count }, () => pio.read(0x511, 1));
  };
  const text = (from: number[]) => String.fromCharCode(...from);
  /** Runs a DMA access whose descriptor lies at 0x1000; returns the control word afterwards. */
  const dma = (control: number, length: number, address: number) => {
    const view = new DataView(memory.bytes.buffer, 0x1000, 16);
    view.setUint32(0, control);
    view.setUint32(4, length);
    view.setUint32(8, 0);
    view.setUint32(12, address);
    pio.write(0x514, 4, 0);
    pio.write(0x518, 4, 0x0010_0000);
    return view.getUint32(0);
  };
  return { pio, fwCfg, memory, bytes, text, dma };
}
const READ = 2,
  SKIP = 4,
  SELECT = 8,
  WRITE = 16;

describe("fw_cfg", () => {
  it("shows its signature and that it can do DMA", () => {
    const { bytes, text, pio } = build();
    expect(text(bytes(0, 4))).toBe("QEMU");
    expect(bytes(1, 4)).toEqual([3, 0, 0, 0]);
    expect([pio.read(0x514, 4), pio.read(0x518, 4)]).toEqual([0x554d_4551, 0x4746_4320]);
  });
  it("gives memory size and CPU count as little-endian numbers, then zeros", () => {
    const { fwCfg, bytes } = build();
    fwCfg.setNumber(FW_CFG_RAM_SIZE, 5 * 2 ** 32 + 0x1234, 8);
    fwCfg.setNumber(FW_CFG_NB_CPUS, 4, 2);
    expect(bytes(FW_CFG_RAM_SIZE, 8)).toEqual([0x34, 0x12, 0, 0, 5, 0, 0, 0]);
    expect(bytes(FW_CFG_NB_CPUS, 4)).toEqual([4, 0, 0, 0]);
    expect(bytes(0x11, 4)).toEqual([0, 0, 0, 0]);
  });
  it("lists files by name with their size and selector", () => {
    const { fwCfg, bytes, text } = build();
    fwCfg.addFile("opt/b", new Uint8Array([1, 2, 3]));
    fwCfg.addFile("etc/a", new Uint8Array(300));
    fwCfg.addFile("opt/b", new Uint8Array([7, 8]));
    const directory = bytes(FW_CFG_FILE_DIR, 4 + 128);
    expect(directory.slice(0, 4)).toEqual([0, 0, 0, 2]);
    expect([directory.slice(4, 12), text(directory.slice(12, 18))]).toEqual([[0, 0, 1, 44, 0, 0x21, 0, 0], "etc/a\0"]);
    expect([directory.slice(68, 76), text(directory.slice(76, 82))]).toEqual([[0, 0, 0, 2, 0, 0x20, 0, 0], "opt/b\0"]);
    expect(bytes(0x20, 3)).toEqual([7, 8, 0]);
    expect(() => fwCfg.addFile("x".repeat(56), new Uint8Array())).toThrow(/printable ASCII/);
  });
  it("copies an item by DMA and fills up with zeros", () => {
    const { fwCfg, memory, dma } = build();
    fwCfg.addFile("f", new Uint8Array([1, 2, 3, 4, 5]));
    memory.fill(0x2000, 16, 0xff);
    expect(dma(((0x20 << 16) | SELECT | READ) >>> 0, 3, 0x2000)).toBe(0);
    expect(dma(READ, 4, 0x2003)).toBe(0);
    expect([...memory.view(0x2000, 8)]).toEqual([1, 2, 3, 4, 5, 0, 0, 0xff]);
    dma(((0x20 << 16) | SELECT | SKIP) >>> 0, 2, 0);
    dma(READ, 1, 0x2000);
    expect(memory.readU8(0x2000)).toBe(3);
  });
  it("reports DMA it cannot do, and ignores a descriptor outside memory", () => {
    const { dma, memory, pio } = build();
    expect(dma(READ, 4, 0xffff_0000)).toBe(1);
    expect(dma(READ, 0xffff_ffff, 0x2000)).toBe(1);
    expect(dma(((0 << 16) | SELECT | WRITE) >>> 0, 4, 0x2000)).toBe(1);
    expect(dma(0, 4, 0x2000)).toBe(0);
    const before = memory.bytes.slice();
    pio.write(0x514, 4, 0xffff_ffff);
    pio.write(0x518, 4, 0xffff_ffff);
    expect(memory.bytes).toEqual(before);
  });
  it("ignores odd accesses", () => {
    const { pio, bytes } = build();
    bytes(0, 1);
    pio.write(0x510, 1, 5);
    pio.write(0x511, 1, 5);
    expect([pio.read(0x510, 1), pio.read(0x511, 1)]).toEqual([0, 0x45]);
  });
  stateTrio(
    () => new FwCfg(),
    (fwCfg) => {
      fwCfg.select(1);
      fwCfg.readData();
      fwCfg.writeDma(3, 0x44);
    },
    {
      "a selection": (fwCfg) => fwCfg.select(0),
      "a byte read": (fwCfg) => fwCfg.readData(),
      "half a DMA address": (fwCfg) => fwCfg.writeDma(2, 1),
    },
  );
});
