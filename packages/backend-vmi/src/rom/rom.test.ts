import { describe, expect, test } from "vitest";
import { callNames } from "../abi/calls.js";
import { pciFields, pnpFields, romHeader } from "../abi/vmi.js";
import { buildRom, ROM_BYTES } from "./rom.js";

const text = (image: Uint8Array, at: number): string => {
  const end = image.indexOf(0, at);
  return String.fromCharCode(...image.subarray(at, end));
};

describe.each([
  { level: 0 as const, flagPage: undefined },
  { level: 1 as const, flagPage: undefined },
  { level: 1 as const, flagPage: 0xfc000000 },
])("the ROM for %j", (shape) => {
  const rom = buildRom(shape, shape.flagPage ?? 0);
  const view = new DataView(rom.image.buffer);

  test("is what firmware and Linux look for", () => {
    expect(rom.image.reduce((sum, byte) => (sum + byte) & 0xff, 0)).toBe(0);
    expect([view.getUint16(0, true), view.getUint8(2) * 512, view.getUint8(3)]).toEqual([0xaa55, ROM_BYTES, 0xcb]);
    expect([text(rom.image, 8).slice(0, 4), view.getUint8(romHeader.apiMajor)]).toEqual(["cVmi", 3]);
    expect(view.getUint32(romHeader.virtualTop, true)).toBe(shape.flagPage ?? 0);
    expect(text(rom.image, view.getUint16(romHeader.license, true))).toBe("GPL");
  });

  test("has PCI and Plug and Play data that know their lengths and sums", () => {
    const pci = view.getUint16(romHeader.pci, true);
    const pnp = view.getUint16(romHeader.pnp, true);
    expect([text(rom.image, pci).slice(0, 4), view.getUint16(pci + pciFields.vendor, true)]).toEqual(["PCIR", 0x15ad]);
    expect(rom.image.subarray(pnp, pnp + pnpFields.size).reduce((sum, byte) => (sum + byte) & 0xff, 0)).toBe(0);
    expect(text(rom.image, view.getUint16(pnp + pnpFields.manufacturer, true))).toBe("Paravane");
  });

  test("has code for every call, whose VMCALLs are all known", () => {
    expect([...rom.targets.keys()]).toEqual(callNames);
    const found = [...rom.image.keys()].filter(
      (at) => view.byteLength > at + 3 && view.getUint16(at, true) === 0x010f && rom.image[at + 2] === 0xc1,
    );
    expect(found).toEqual([...rom.exits.keys()].sort((a, b) => a - b));
  });

  test("uses no DS, ES, FS or GS on the ways to user code", () => {
    const { jump } = rom.targets.get("IRET")!;
    const overrides = [0x2e, 0x3e, 0x26, 0x64, 0x65];
    const code = [...rom.image.subarray(jump, jump + 32)];
    if (shape.flagPage !== undefined) expect(code.filter((byte, at) => byte === 0x36 && code[at + 1] === 0x66).length).toBe(1);
    expect(code.slice(0, 1).some((byte) => overrides.includes(byte))).toBe(false);
  });
});
