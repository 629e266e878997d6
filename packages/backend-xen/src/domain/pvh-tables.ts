/**
 * ACPI tables of a PVH guest: processors with their local APICs and nothing else, "hardware-reduced", as Xen's toolstack writes them.
 * ACPI Specification 6.4 §5.2. The board's other devices are not told of: a PVH guest has none.
 */
const HEADER_BYTES = 36;
const OEM = "PVANE ";
const OEM_TABLE = "XENPVH  ";
const CREATOR = "PVAN";
const LOCAL_APIC_BASE = 0xfee0_0000;
const ENABLED = 1;
const LOCAL_APIC = 0;
const LOCAL_APIC_BYTES = 8;
const LOCAL_X2APIC = 9;
const LOCAL_X2APIC_BYTES = 16;
const FIRST_X2APIC = 255;
const WBINVD = 1;
const HW_REDUCED_ACPI = 1 << 20;
/** Of the boot flags: no VGA, no CMOS clock. */
const NO_VGA_NO_CLOCK = (1 << 2) | (1 << 5);
const FADT_BYTES = 276;

function ascii(bytes: Uint8Array, at: number, text: string): void {
  for (let index = 0; index < text.length; index++) bytes[at + index] = text.charCodeAt(index);
}

/** Makes the bytes from `from` to `to` add up to zero by the one at `at`. */
function seal(bytes: Uint8Array, at: number, from = 0, to = bytes.length): void {
  bytes[at] = 0;
  bytes[at] = -bytes.subarray(from, to).reduce((sum, byte) => sum + byte, 0) & 0xff;
}

function table(signature: string, revision: number, length: number): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  ascii(bytes, 0, signature);
  view.setUint32(4, length, true);
  bytes[8] = revision;
  ascii(bytes, 10, OEM);
  ascii(bytes, 16, OEM_TABLE);
  view.setUint32(24, 1, true);
  ascii(bytes, 28, CREATOR);
  view.setUint32(32, 1, true);
  return { bytes, view };
}

/** Local APICs. §5.2.12. */
function madt(vcpus: number): Uint8Array {
  const wide = Math.max(0, vcpus - FIRST_X2APIC);
  const { bytes, view } = table("APIC", 5, 44 + (vcpus - wide) * LOCAL_APIC_BYTES + wide * LOCAL_X2APIC_BYTES);
  view.setUint32(36, LOCAL_APIC_BASE, true);
  let at = 44;
  for (let id = 0; id < vcpus; id++) {
    if (id < FIRST_X2APIC) {
      bytes.set([LOCAL_APIC, LOCAL_APIC_BYTES, id, id, ENABLED], at);
      at += LOCAL_APIC_BYTES;
    } else {
      bytes.set([LOCAL_X2APIC, LOCAL_X2APIC_BYTES], at);
      view.setUint32(at + 4, id, true);
      view.setUint32(at + 8, ENABLED, true);
      view.setUint32(at + 12, id, true);
      at += LOCAL_X2APIC_BYTES;
    }
  }
  return bytes;
}

/** Fixed description of a machine without fixed hardware. §5.2.9. */
function fadt(dsdt: number): Uint8Array {
  const { bytes, view } = table("FACP", 6, FADT_BYTES);
  view.setUint32(40, dsdt, true);
  view.setUint16(109, NO_VGA_NO_CLOCK, true);
  view.setUint32(112, WBINVD | HW_REDUCED_ACPI, true);
  bytes[131] = 3;
  view.setBigUint64(140, BigInt(dsdt), true);
  return bytes;
}

/** List of tables by 8-byte addresses. §5.2.8. */
function xsdt(addresses: readonly number[]): Uint8Array {
  const { bytes, view } = table("XSDT", 1, HEADER_BYTES + 8 * addresses.length);
  for (const [index, address] of addresses.entries()) view.setBigUint64(HEADER_BYTES + 8 * index, BigInt(address), true);
  return bytes;
}

/** Root pointer. §5.2.5.3. */
function rsdp(xsdtAddress: number): Uint8Array {
  const bytes = new Uint8Array(36);
  const view = new DataView(bytes.buffer);
  ascii(bytes, 0, "RSD PTR ");
  ascii(bytes, 9, OEM);
  bytes[15] = 2;
  view.setUint32(20, bytes.length, true);
  view.setBigUint64(24, BigInt(xsdtAddress), true);
  seal(bytes, 8, 0, 20);
  seal(bytes, 32);
  return bytes;
}

/** All tables for `vcpus` processors, to be placed at `base`, where the root pointer comes first. */
export function pvhTables(vcpus: number, base: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  let end = base + 64;
  const place = (bytes: Uint8Array): number => {
    seal(bytes, 9);
    const at = end;
    pieces.push(bytes);
    end = Math.ceil((end + bytes.length) / 16) * 16;
    return at;
  };
  const dsdt = place(table("DSDT", 2, HEADER_BYTES).bytes);
  const list = [place(madt(vcpus)), place(fadt(dsdt))];
  const root = rsdp(place(xsdt(list)));
  const whole = new Uint8Array(end - base);
  whole.set(root);
  let at = 64;
  for (const piece of pieces) {
    whole.set(piece, at);
    at = Math.ceil((at + piece.length) / 16) * 16;
  }
  return whole;
}
