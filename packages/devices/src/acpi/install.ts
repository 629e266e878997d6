/**
 * Lays the tables out and writes them where a PC's firmware would: into the shadow of the BIOS ROM, 0xe0000–0xfffff, which is RAM on this
 * board. The root pointer comes first, so a guest that scans for it (ACPI Specification 6.4 §5.2.5.1) finds it at once; boot protocols pass its address.
 */
import { HvError } from "@paravane/paravirt-ops";
import type { GuestMemory } from "@paravane/paravirt-ops";
import type { AcpiBoard } from "./board.js";
import { dsdtAml } from "./dsdt.js";
import { facs, fadt, hpetTable, madt, rootTable, rsdp, table } from "./tables.js";

/** Where tables go unless the caller has a better place. */
export const ACPI_AREA = { base: 0xe_0000, length: 0x2_0000 } as const;
const ALIGNMENT = 64;

/** A table at its guest-physical address. */
export interface PlacedTable {
  readonly signature: string;
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** All tables of a board, the root pointer first. */
export function layOutTables(board: AcpiBoard, base: number): PlacedTable[] {
  const placed: PlacedTable[] = [];
  let next = base;
  const place = (signature: string, bytes: Uint8Array): number => {
    const address = next;
    placed.push({ signature, address, bytes });
    next = Math.ceil((address + bytes.length) / ALIGNMENT) * ALIGNMENT;
    return address;
  };
  next = base + ALIGNMENT;
  const facsAddress = place("FACS", facs());
  const dsdtAddress = place("DSDT", table("DSDT", 2, dsdtAml(board)));
  const listed = [place("FACP", fadt(board, facsAddress, dsdtAddress)), place("APIC", madt(board))];
  if (board.hpet !== undefined) listed.push(place("HPET", hpetTable(board.hpet.base, board.hpet.id)));
  const rsdtAddress = place("RSDT", rootTable("RSDT", listed));
  const xsdtAddress = place("XSDT", rootTable("XSDT", listed));
  return [{ signature: "RSD PTR ", address: base, bytes: rsdp(rsdtAddress, xsdtAddress) }, ...placed];
}

/**
 * Writes the tables into guest memory.
 *
 * @param area - guest-physical, RAM, 64-byte aligned
 * @returns addresses of the root pointer and of the FACS, and the memory that a guest must leave alone
 * @throws HvError "acpi/too-large" when they do not fit
 */
export function installAcpiTables(
  memory: GuestMemory,
  board: AcpiBoard,
  area: { readonly base: number; readonly length: number } = ACPI_AREA,
): { rsdp: number; facs: number; reserved: { base: number; length: number; kind: "acpi" | "nvs" | "reserved" }[] } {
  const placed = layOutTables(board, area.base);
  const last = placed[placed.length - 1]!;
  if (last.address + last.bytes.length > area.base + area.length) {
    throw new HvError("acpi/too-large", `the ACPI tables need more than ${area.length} bytes`);
  }
  memory.fill(area.base, area.length, 0);
  for (const { address, bytes } of placed) memory.write(address, bytes);
  const facsAddress = placed.find(({ signature }) => signature === "FACS")!.address;
  return { rsdp: area.base, facs: facsAddress, reserved: [{ base: area.base, length: area.length, kind: "reserved" }] };
}
