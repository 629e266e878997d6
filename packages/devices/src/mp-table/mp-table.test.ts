import { expect, test } from "vitest";
import { createRam } from "../../test/ram.js";
import { installAcpiTables, pcAcpiBoard } from "../acpi/index.js";
import { installMpTable, MP_AREA } from "./mp-table.js";

const ascii = (bytes: Uint8Array) => String.fromCharCode(...bytes);
const sum = (bytes: Uint8Array) => bytes.reduce((total, byte) => (total + byte) & 0xff, 0);

/** Finds the table as a guest does: by its pointer in the BIOS's shadow. Entries by type, without their types. */
function read(vcpus: number) {
  const memory = createRam(2 << 20);
  installAcpiTables(memory, pcAcpiBoard(vcpus));
  installMpTable(memory, pcAcpiBoard(vcpus));
  let pointer = 0xf_0000;
  while (ascii(memory.view(pointer, 4)) !== "_MP_") pointer += 16;
  expect(sum(memory.view(pointer, 16))).toBe(0);
  const at = memory.readU32(pointer + 4);
  const bytes = memory.view(at, memory.readU16(at + 4));
  expect([ascii(bytes.subarray(0, 4)), sum(bytes), memory.readU32(at + 36)]).toEqual(["PCMP", 0, 0xfee0_0000]);
  expect(at + bytes.length).toBeLessThanOrEqual(MP_AREA.base + MP_AREA.length);
  const byType: number[][][] = [[], [], [], [], []];
  let next = 44;
  for (let count = memory.readU16(at + 34); count > 0; count--) {
    const type = bytes[next]!;
    const length = type === 0 ? 20 : 8;
    byType[type]!.push([...bytes.subarray(next + 1, next + length)]);
    next += length;
  }
  expect(next).toBe(bytes.length);
  return { processors: byType[0]!, buses: byType[1]!, ioApics: byType[2]!, wires: byType[3]!, local: byType[4]! };
}

test("every processor is there, the first one starts, and the I/O APIC has a number of its own", () => {
  const { processors, ioApics, buses } = read(4);
  expect(processors.map(([id, version, flags]) => [id, version, flags])).toEqual([
    [0, 0x14, 3],
    [1, 0x14, 1],
    [2, 0x14, 1],
    [3, 0x14, 1],
  ]);
  expect(ioApics).toEqual([[4, 0x20, 1, 0, 0, 0xc0, 0xfe]]);
  expect(buses.map(([id, ...name]) => `${id} ${ascii(Uint8Array.from(name))}`)).toEqual(["0 PCI   ", "1 ISA   "]);
});

test("IRQ 0 is input 2, the SCI is level and active high, PCI's pins are inputs 16 to 19 in turn", () => {
  const { wires, local } = read(1);
  const wire = (bus: number, irq: number) => wires.find((found) => found[3] === bus && found[4] === irq);
  expect([wire(1, 0), wire(1, 4), wire(1, 9), wire(1, 2)]).toEqual([
    [0, 0, 0, 1, 0, 1, 2],
    [0, 0, 0, 1, 4, 1, 4],
    [0, 0b1101, 0, 1, 9, 1, 9],
    undefined,
  ]);
  expect([0, 1, 4, 7].map((source) => wire(0, source)![6])).toEqual([16, 17, 17, 16]);
  expect(local).toEqual([
    [3, 0, 0, 1, 0, 0xff, 0],
    [1, 0, 0, 1, 0, 0xff, 1],
  ]);
});

test("as many processors as the machine can have fit", () => {
  expect(read(255).processors.length).toBe(255);
});
