import { describe, expect, it } from "vitest";
import { createRam } from "../../test/ram.js";
import type { TestMemory } from "../../test/ram.js";
import { buffer, device, eisaId, integer, name, packageOf, path, text } from "./aml.js";
import { installAcpiTables, pcAcpiBoard } from "./index.js";
import { io, irq, memoryWindow, template } from "./resources.js";

const ascii = (bytes: Uint8Array) => String.fromCharCode(...bytes);
const sum = (bytes: Uint8Array) => bytes.reduce((total, byte) => (total + byte) & 0xff, 0);

/** Finds the root pointer as a guest without firmware help does. */
function scan(memory: TestMemory): number | undefined {
  for (let at = 0xe_0000; at < 0x10_0000; at += 16) {
    if (ascii(memory.view(at, 8)) === "RSD PTR " && sum(memory.view(at, 20)) === 0) return at;
  }
  return undefined;
}
/** Follows the XSDT and the FADT; each table by its signature. */
function tables(memory: TestMemory, rsdp: number) {
  const found = new Map<string, { address: number; bytes: Uint8Array; view: DataView }>();
  const add = (address: number) => {
    const bytes = memory.view(address, memory.readU32(address + 4));
    found.set(ascii(bytes.subarray(0, 4)), { address, bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) });
  };
  const xsdt = memory.readU32(rsdp + 24);
  add(xsdt);
  add(memory.readU32(rsdp + 16));
  for (let at = xsdt + 36; at < xsdt + memory.readU32(xsdt + 4); at += 8) add(memory.readU32(at));
  const fadt = found.get("FACP")!;
  add(fadt.view.getUint32(36, true));
  add(fadt.view.getUint32(140, true));
  return found;
}
function install(vcpus = 2, board = pcAcpiBoard(vcpus)) {
  const memory = createRam(2 << 20);
  const result = installAcpiTables(memory, board);
  return { memory, ...result, all: tables(memory, result.rsdp) };
}
/** MADT structures as [type, ...rest]. */
function entries(madt: Uint8Array): number[][] {
  const list: number[][] = [];
  for (let at = 44; at < madt.length; at += madt[at + 1]!) list.push([madt[at]!, ...madt.subarray(at + 2, at + madt[at + 1]!)]);
  return list;
}

describe("ACPI tables", () => {
  it("are found by a scan, and the loader is told the same address", () => {
    const { memory, rsdp, reserved } = install();
    expect(scan(memory)).toBe(rsdp);
    expect(reserved).toEqual([{ base: 0xe_0000, length: 0x2_0000, kind: "reserved" }]);
    expect([sum(memory.view(rsdp, 36)), memory.readU8(rsdp + 15)]).toEqual([0, 2]);
  });
  it("all add up to zero, lie in the reserved area, and the two roots list the same", () => {
    const { all } = install();
    expect([...all.keys()].sort()).toEqual(["APIC", "DSDT", "FACP", "FACS", "HPET", "RSDT", "XSDT"]);
    for (const [signature, { address, bytes }] of all) {
      expect(address).toBeGreaterThanOrEqual(0xe_0000);
      expect(address + bytes.length).toBeLessThanOrEqual(0x10_0000);
      if (signature !== "FACS") expect(sum(bytes), signature).toBe(0);
    }
    const [rsdt, xsdt] = [all.get("RSDT")!, all.get("XSDT")!];
    for (let i = 0; i < 3; i++) expect(rsdt.view.getUint32(36 + 4 * i, true)).toBe(xsdt.view.getUint32(36 + 8 * i, true));
    expect(all.get("FACS")!.address % 64).toBe(0);
  });
  it("describe the fixed hardware: ports, widths, reset register, SCI", () => {
    const { view, bytes } = install().all.get("FACP")!;
    expect([bytes.length, bytes[8], view.getUint16(46, true), view.getUint32(48, true)]).toEqual([276, 6, 9, 0]);
    expect([56, 64, 76].map((at) => view.getUint32(at, true))).toEqual([0x400, 0x404, 0x408]);
    expect([88, 89, 91].map((at) => bytes[at])).toEqual([4, 2, 4]);
    expect([148, 172, 208].map((at) => [...bytes.subarray(at, at + 4), view.getUint32(at + 4, true)])).toEqual([
      [1, 32, 0, 2, 0x400],
      [1, 16, 0, 2, 0x404],
      [1, 32, 0, 3, 0x408],
    ]);
    expect([...bytes.subarray(116, 129)]).toEqual([1, 8, 0, 1, 0xf9, 0x0c, 0, 0, 0, 0, 0, 0, 6]);
    expect(view.getUint32(112, true)).toBe(0b101_0011_0101);
    expect(view.getUint32(40, true)).toBe(view.getUint32(140, true));
    const withButton = install(1, { ...pcAcpiBoard(1), powerButton: true }).all.get("FACP")!;
    expect(withButton.view.getUint32(112, true) & 0x10).toBe(0);
  });
  it("list processors, the I/O APIC, the overrides of IRQ 0 and the SCI, and NMI at LINT1", () => {
    const { bytes, view } = install(2).all.get("APIC")!;
    expect([view.getUint32(36, true), view.getUint32(40, true)]).toEqual([0xfee0_0000, 1]);
    expect(entries(bytes)).toEqual([
      [0, 0, 0, 1, 0, 0, 0],
      [0, 1, 1, 1, 0, 0, 0],
      [1, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0],
      [2, 0, 0, 2, 0, 0, 0, 0, 0],
      [2, 0, 9, 9, 0, 0, 0, 0xd, 0],
      [4, 0xff, 0, 0, 1],
    ]);
  });
  it("tell APIC ids of 255 and more as x2APIC structures", () => {
    const list = entries(install(1, { ...pcAcpiBoard(1), apicIds: [0, 0x123] }).all.get("APIC")!.bytes);
    expect(list[1]).toEqual([9, 0, 0, 0x23, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
    expect(list[list.length - 1]).toEqual([10, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0]);
  });
  it("leave out what the board leaves out", () => {
    const { hpet: _, ...plain } = pcAcpiBoard(1);
    const { all } = install(1, { ...plain, fwCfg: false });
    expect(all.has("HPET")).toBe(false);
    expect(ascii(all.get("DSDT")!.bytes)).not.toMatch(/HPET|FWCF/);
    expect(ascii(install().all.get("DSDT")!.bytes)).toMatch(/HPET.*FWCF/s);
  });
  it("that do not fit are a clear error", () => {
    expect(() => installAcpiTables(createRam(2 << 20), pcAcpiBoard(1), { base: 0xf_f000, length: 0x1000 })).toThrow(/need more than 4096/);
  });
});

describe("AML", () => {
  it("encodes integers, strings and hardware ids", () => {
    expect([0, 1, 2, 0xff, 0x100, 0xffff, 0x1_0000, 0xffff_ffff].map((value) => [...integer(value)])).toEqual([
      [0],
      [1],
      [0x0a, 2],
      [0x0a, 0xff],
      [0x0b, 0, 1],
      [0x0b, 0xff, 0xff],
      [0x0c, 0, 0, 1, 0],
      [0x0c, 0xff, 0xff, 0xff, 0xff],
    ]);
    expect([...text("AB")]).toEqual([0x0d, 0x41, 0x42, 0]);
    expect([...eisaId("PNP0A03")]).toEqual([0x0c, 0x41, 0xd0, 0x0a, 0x03]);
  });
  it("encodes paths by their number of segments", () => {
    expect(ascii(Uint8Array.from(path("A")))).toBe("A___");
    expect(ascii(Uint8Array.from(path("\\_SB")))).toBe("\\_SB_");
    expect(ascii(Uint8Array.from(path("\\_SB.PCI0")))).toBe("\\._SB_PCI0");
    expect(ascii(Uint8Array.from(path("\\_SB.PCI0.ISA")))).toBe("\\/\x03_SB_PCI0ISA_");
    expect([...path("\\")]).toEqual([0x5c, 0]);
    for (const bad of ["pci", "TOOLONG", "0ABC", "A..B"]) expect(() => path(bad)).toThrow(/not an ACPI name/);
  });
  it("counts lengths with their own bytes, at each boundary", () => {
    const length = (body: number) => [...packageOf(new Array(body).fill(0))].slice(1, 4);
    expect(length(61)).toEqual([0x3f, 1, 0]);
    expect(length(62)).toEqual([0x41, 0x04, 1]);
    expect(length(0x1000 - 4)).toEqual([0x4f, 0xff, 1]);
    expect(length(0x1000 - 3)).toEqual([0x81, 0x00, 0x01]);
  });
  it("nests", () => {
    expect([...device("DEV", name("_UID", integer(1)))]).toEqual([
      0x5b,
      0x82,
      0x0b,
      ...new TextEncoder().encode("DEV_"),
      8,
      ...new TextEncoder().encode("_UID"),
      1,
    ]);
    expect([...buffer([1, 2])]).toEqual([0x11, 5, 0x0a, 2, 1, 2]);
  });
  it("encodes resource descriptors", () => {
    expect([...io(0x3f8, 8), ...irq(4)]).toEqual([0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8, 0x22, 0x10, 0]);
    expect([...memoryWindow(0xe000_0000, 0xfebf_ffff)]).toEqual([
      0x87, 0x17, 0, 0, 0x0c, 1, 0, 0, 0, 0, 0, 0, 0, 0xe0, 0xff, 0xff, 0xbf, 0xfe, 0, 0, 0, 0, 0, 0, 0xc0, 0x1e,
    ]);
    expect([...template(irq(1))]).toEqual([0x11, 8, 0x0a, 5, 0x22, 2, 0, 0x79, 0]);
  });
});
