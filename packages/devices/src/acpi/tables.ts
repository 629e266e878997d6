/**
 * The fixed tables: RSDP, RSDT, XSDT, FADT, FACS, MADT, HPET. ACPI Specification 6.4 §5.2; IA-PC HPET Specification 1.0a §3.2.4.
 * Left out: SRAT, SLIT, MCFG, WAET, power management tables, GPE blocks.
 */
import { checksum, u16, u32 } from "../firmware-bytes.js";
import type { AcpiBoard } from "./board.js";

const HEADER_LENGTH = 36;
const OEM_ID = "PARAVN",
  OEM_TABLE_ID = "PARAVANE",
  CREATOR_ID = "PRVN";
const SPACE_MEMORY = 0,
  SPACE_IO = 1;

/** A table: header, then `body`, with length and checksum filled in. */
export function table(signature: string, revision: number, body: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(HEADER_LENGTH + body.length);
  const view = new DataView(bytes.buffer);
  putText(bytes, 0, signature);
  view.setUint32(4, bytes.length, true);
  bytes[8] = revision;
  putText(bytes, 10, OEM_ID);
  putText(bytes, 16, OEM_TABLE_ID);
  view.setUint32(24, 1, true);
  putText(bytes, 28, CREATOR_ID);
  view.setUint32(32, 1, true);
  bytes.set(body, HEADER_LENGTH);
  bytes[9] = checksum(bytes);
  return bytes;
}

/** Root pointer, revision 2. §5.2.5.3. */
export function rsdp(rsdtAddress: number, xsdtAddress: number): Uint8Array {
  const bytes = new Uint8Array(36);
  const view = new DataView(bytes.buffer);
  putText(bytes, 0, "RSD PTR ");
  putText(bytes, 9, OEM_ID);
  bytes[15] = 2;
  view.setUint32(16, rsdtAddress, true);
  view.setUint32(20, bytes.length, true);
  view.setUint32(24, xsdtAddress, true);
  bytes[8] = checksum(bytes.subarray(0, 20));
  bytes[32] = checksum(bytes);
  return bytes;
}

/** List of tables by 4-byte (RSDT) or 8-byte (XSDT) addresses. §5.2.7, §5.2.8. */
export function rootTable(signature: "RSDT" | "XSDT", addresses: readonly number[]): Uint8Array {
  const width = signature === "RSDT" ? 4 : 8;
  const body = new Uint8Array(width * addresses.length);
  const view = new DataView(body.buffer);
  for (const [i, address] of addresses.entries()) view.setUint32(width * i, address, true);
  return table(signature, 1, body);
}

/** Fixed description, version 6.3, 276 bytes. §5.2.9. */
export function fadt(board: AcpiBoard, facsAddress: number, dsdtAddress: number): Uint8Array {
  const DESKTOP = 1;
  const WBINVD = 1 << 0,
    PROC_C1 = 1 << 2,
    NO_POWER_BUTTON = 1 << 4,
    NO_SLEEP_BUTTON = 1 << 5,
    TIMER_32_BITS = 1 << 8,
    RESET_REGISTER = 1 << 10;
  const LEGACY_DEVICES = 1 << 0,
    KEYBOARD_CONTROLLER = 1 << 1;
  const NO_C2 = 101,
    NO_C3 = 1001;
  const bytes = new Uint8Array(276);
  const view = new DataView(bytes.buffer);
  const block = (at: number, extended: number, port: number, lengthAt: number, length: number, access: number) => {
    view.setUint32(at, port, true);
    bytes[lengthAt] = length;
    putAddress(view, extended, SPACE_IO, 8 * length, access, port);
  };
  view.setUint32(36, facsAddress, true);
  view.setUint32(40, dsdtAddress, true);
  bytes[45] = DESKTOP;
  view.setUint16(46, board.sci, true);
  block(56, 148, board.pm1EventPort, 88, 4, 2);
  block(64, 172, board.pm1ControlPort, 89, 2, 2);
  block(76, 208, board.pmTimerPort, 91, 4, 3);
  view.setUint16(96, NO_C2, true);
  view.setUint16(98, NO_C3, true);
  bytes[108] = board.century;
  view.setUint16(109, LEGACY_DEVICES | KEYBOARD_CONTROLLER, true);
  const button = board.powerButton ? 0 : NO_POWER_BUTTON;
  view.setUint32(112, WBINVD | PROC_C1 | button | NO_SLEEP_BUTTON | TIMER_32_BITS | RESET_REGISTER, true);
  putAddress(view, 116, SPACE_IO, 8, 1, board.reset.port);
  bytes[128] = board.reset.value;
  bytes[131] = 3;
  view.setUint32(140, dsdtAddress, true);
  return table("FACP", 6, bytes.subarray(HEADER_LENGTH));
}

/** Firmware control structure, version 2: 64 bytes, no checksum, 64-byte aligned. §5.2.10. */
export function facs(): Uint8Array {
  const bytes = new Uint8Array(64);
  putText(bytes, 0, "FACS");
  new DataView(bytes.buffer).setUint32(4, bytes.length, true);
  bytes[32] = 2;
  return bytes;
}

/** Interrupt controllers. §5.2.12. APIC ids of 255 and more are told as x2APIC structures. */
export function madt(board: AcpiBoard): Uint8Array {
  const PCAT_COMPATIBLE = 1,
    ENABLED = 1;
  const ACTIVE_HIGH_LEVEL = 0b1101,
    CONFORMS = 0;
  const NMI_LINT = 1,
    ALL_PROCESSORS = 0xff,
    ALL_X2APICS = 0xffff_ffff;
  const body: number[] = [...u32(board.localApicBase), ...u32(PCAT_COMPATIBLE)];
  const entry = (type: number, ...fields: number[]) => body.push(type, fields.length + 2, ...fields);
  const wide = (id: number, uid: number) => id >= 0xff || uid >= 0xff;
  board.apicIds.forEach((id, uid) => {
    if (wide(id, uid)) entry(9, 0, 0, ...u32(id), ...u32(ENABLED), ...u32(uid));
    else entry(0, uid, id, ...u32(ENABLED));
  });
  entry(1, board.ioApic.id, 0, ...u32(board.ioApic.base), ...u32(board.ioApic.gsiBase));
  entry(2, 0, 0, ...u32(2), ...u16(CONFORMS));
  entry(2, 0, board.sci, ...u32(board.sci), ...u16(ACTIVE_HIGH_LEVEL));
  entry(4, ALL_PROCESSORS, ...u16(CONFORMS), NMI_LINT);
  if (board.apicIds.some(wide)) entry(10, ...u16(CONFORMS), ...u32(ALL_X2APICS), NMI_LINT, 0, 0, 0);
  return table("APIC", 5, body);
}

/** High precision event timer. */
export function hpetTable(base: number, id: number): Uint8Array {
  const body = new Uint8Array(20);
  const view = new DataView(body.buffer);
  view.setUint32(0, id, true);
  putAddress(view, 4, SPACE_MEMORY, 64, 0, base);
  return table("HPET", 1, body);
}

/** Generic address structure. §5.2.3.2. `access` is 0 undefined, 1 byte, 2 word, 3 doubleword. */
function putAddress(view: DataView, at: number, space: number, bits: number, access: number, address: number): void {
  view.setUint8(at, space);
  view.setUint8(at + 1, bits);
  view.setUint8(at + 3, access);
  view.setUint32(at + 4, address, true);
}
function putText(bytes: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
}
