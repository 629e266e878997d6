/**
 * The option ROM: header, PCI and Plug and Play data, license, and the code of every call, in one page. Offsets say what a VMCALL is, wherever
 * the guest maps the ROM.
 */
import { type CallName, callNames } from "../abi/calls.js";
import { apiVersion, pciFields, pciIdentity, pnpFields, ROM_SIGNATURE, romHeader, VROM_SIGNATURE } from "../abi/vmi.js";
import { Code } from "./code.js";
import { callSlot, jumpSlot, type SlotMarks, type SlotShape } from "./slots.js";

/** One page: what is protected from stores. */
export const ROM_BYTES = 4096;
/** Where option ROMs behind the display's are; kernels look from 0xc0000 to 0xe0000, every 2 KiB. */
export const ROM_BASE = 0xc8000;

/** Does a guest-physical address lie in it? */
export const inRom = (physical: number): boolean => physical >= ROM_BASE && physical < ROM_BASE + ROM_BYTES;

const MANUFACTURER = "Paravane";
const PRODUCT = "VMI";
const LICENSE = "GPL";
const BLOCK = 512;
const SLOT_ALIGN = 16;
const JMP_NEAR = 0xe9;
const RETF = 0xcb;
/** Class of the PCI structure's device: other. */
const PCI_REVISION = 0;

/** What entered the hypervisor. */
export type RomEntry = CallName | "Init" | "GetRelocationInfo";

/** The image, and what its offsets mean. */
export interface Rom {
  readonly image: Uint8Array;
  /** Code of a call, by what GetRelocationInfo says of it. */
  readonly targets: ReadonlyMap<CallName, { readonly call: number; readonly jump: number }>;
  /** VMCALLs by offset. */
  readonly exits: ReadonlyMap<number, { readonly entry: RomEntry; readonly discard: boolean }>;
  /** Instructions after which only a return is missing, by offset. */
  readonly returning: ReadonlyMap<number, "restore" | "drop" | "iret">;
}

/** Writes the ROM for kernels at one level; `virtualTop` is the lowest linear address of the hypervisor's hole, 0 for none. */
export function buildRom(shape: SlotShape, virtualTop: number): Rom {
  const code = new Code();
  const targets = new Map<CallName, { call: number; jump: number }>();
  const exits = new Map<number, { entry: RomEntry; discard: boolean }>();
  const returning = new Map<number, "restore" | "drop" | "iret">();
  const marksOf = (entry: RomEntry): SlotMarks => ({
    vmcall: (discard) => void exits.set(code.offset, { entry, discard }),
    returning: (step) => void returning.set(code.offset, step),
  });
  const align = (): number => {
    while (code.offset % SLOT_ALIGN !== 0) code.emit(0);
    return code.offset;
  };
  while (code.offset < romHeader.end) code.emit(0);
  const entries = (["Init", "GetRelocationInfo"] as const).map((entry) => {
    const at = align();
    marksOf(entry).vmcall(false);
    code.emit(0x0f, 0x01, 0xc1, 0xc3);
    return at;
  });
  for (const name of callNames) {
    const call = align();
    callSlot(name, shape, code, marksOf(name));
    const separate = align();
    targets.set(name, { call, jump: jumpSlot(name, shape, code, marksOf(name)) ? separate : call });
  }
  const strings = new Map<string, number>();
  for (const text of [LICENSE, MANUFACTURER, PRODUCT]) {
    strings.set(text, code.offset);
    code.emit(...[...text].map((char) => char.charCodeAt(0)), 0);
  }
  const pci = align();
  const pnp = pci + Math.ceil(pciFields.size / SLOT_ALIGN) * SLOT_ALIGN;
  const image = new Uint8Array(ROM_BYTES);
  image.set(code.finish());
  const view = new DataView(image.buffer);
  writeHeader(view, { virtualTop, license: strings.get(LICENSE)!, pci, pnp, init: entries[0]!, relocation: entries[1]! });
  writePci(view, pci);
  writePnp(view, pnp, strings.get(MANUFACTURER)!, strings.get(PRODUCT)!);
  image[ROM_BYTES - 1] = -image.reduce((sum, byte) => sum + byte, 0) & 0xff;
  return { image, targets, exits, returning };
}

function writeHeader(
  view: DataView,
  at: { virtualTop: number; license: number; pci: number; pnp: number; init: number; relocation: number },
): void {
  view.setUint16(romHeader.signature, ROM_SIGNATURE, true);
  view.setUint8(romHeader.length, ROM_BYTES / BLOCK);
  view.setUint8(romHeader.biosInit, RETF);
  view.setUint32(romHeader.vromSignature, VROM_SIGNATURE, true);
  view.setUint8(romHeader.apiMinor, apiVersion.minor);
  view.setUint8(romHeader.apiMajor, apiVersion.major);
  view.setUint8(romHeader.slotCount, callNames.length);
  view.setUint32(romHeader.virtualTop, at.virtualTop, true);
  view.setUint16(romHeader.license, at.license, true);
  view.setUint16(romHeader.pci, at.pci, true);
  view.setUint16(romHeader.pnp, at.pnp, true);
  for (const [entry, target] of [
    [romHeader.init, at.init],
    [romHeader.relocation, at.relocation],
  ] as const) {
    view.setUint8(entry, JMP_NEAR);
    view.setInt32(entry + 1, target - (entry + 5), true);
  }
}

/** PCI Firmware Specification 3.0 §5.1.2. */
function writePci(view: DataView, at: number): void {
  for (const [index, char] of [..."PCIR"].entries()) view.setUint8(at + index, char.charCodeAt(0));
  view.setUint16(at + pciFields.vendor, pciIdentity.vendor, true);
  view.setUint16(at + pciFields.device, pciIdentity.device, true);
  view.setUint16(at + pciFields.length, pciFields.size, true);
  view.setUint8(at + 0x0c, PCI_REVISION);
  view.setUint16(at + 0x10, ROM_BYTES / BLOCK, true);
  view.setUint8(at + pciFields.minor, 0);
  view.setUint8(at + pciFields.major, 1);
  view.setUint8(at + 0x15, 0x80); // the last image of the ROM
}

/** Plug and Play BIOS Specification 1.0A §3.2: the header's own bytes sum up to zero. */
function writePnp(view: DataView, at: number, manufacturer: number, product: number): void {
  for (const [index, char] of [..."$PnP"].entries()) view.setUint8(at + index, char.charCodeAt(0));
  view.setUint8(at + pnpFields.revision, 1);
  view.setUint8(at + pnpFields.length, pnpFields.size / 16);
  view.setUint16(at + pnpFields.manufacturer, manufacturer, true);
  view.setUint16(at + pnpFields.product, product, true);
  let sum = 0;
  for (let index = 0; index < pnpFields.size; index++) sum += view.getUint8(at + index);
  view.setUint8(at + 0x09, -sum & 0xff);
}
