/**
 * The MultiProcessor configuration table, for kernels that do not read ACPI's: processors, buses, the I/O APIC and what is wired to its inputs.
 * Intel MultiProcessor Specification 1.4 §4. Left out: extended entries, the IMCR (the board starts in virtual wire mode).
 */
import type { GuestMemory } from "@paravane/paravirt-ops";
import type { AcpiBoard } from "../acpi/board.js";
import { checksum, u16, u32 } from "../firmware-bytes.js";
import { PIRQ_GSI_BASE, pirqOf } from "../pci/pirq.js";

/** In the BIOS's shadow, where the floating pointer is looked for (§4.1): above all other tables. */
export const MP_AREA = { base: 0xf_c000, length: 0x4000 } as const;

const POINTER_BYTES = 16;
const HEADER_BYTES = 44;
const REVISION = 4;
const PCI_BUS = 0;
const ISA_BUS = 1;
const PCI_SLOTS = 32;
const PCI_PINS = 4;
const ISA_IRQS = 16;
const TIMER_IRQ = 0;
const TIMER_PIN = 2;
/** Version of local and I/O APICs as their registers tell it. */
const LOCAL_APIC_VERSION = 0x14;
const IO_APIC_VERSION = 0x20;
/** Family 6; FPU and APIC. Kernels ask CPUID for what they need. */
const SIGNATURE = 0x600;
const FEATURES = 0x201;
const ENABLED = 1;
const BOOT_PROCESSOR = 2;
/** Ids that a processor entry can hold; 0xff is every processor. */
const IDS = 0xff;
const CONFORMS = 0;
const ACTIVE_HIGH_LEVEL = 0b1101;
const interrupt = { vectored: 0, nmi: 1, external: 3 } as const;
const entryType = { processor: 0, bus: 1, ioApic: 2, ioInterrupt: 3, localInterrupt: 4 } as const;

const text = (value: string, length: number): number[] => [...value.padEnd(length)].map((char) => char.charCodeAt(0));

/** The table's entries, in the order of their types (§4.3). */
function entries({ apicIds, ioApic, sci }: AcpiBoard): number[][] {
  const processors = apicIds.filter((id) => id < IDS);
  // An I/O APIC shares the numbers of local ones; MADT has no such rule, and the register is the kernel's to set.
  const ioApicId = Array.from({ length: IDS }, (_, id) => id).find((id) => !processors.includes(id)) ?? ioApic.id;
  const wire = (type: number, kind: number, flags: number, bus: number, irq: number, apic: number, pin: number): number[] => [
    ...[type, kind, ...u16(flags)],
    ...[bus, irq, apic, pin],
  ];
  const isa = Array.from({ length: ISA_IRQS }, (_, irq) => irq)
    .filter((irq) => irq !== TIMER_PIN)
    .map((irq) => {
      const flags = irq === sci ? ACTIVE_HIGH_LEVEL : CONFORMS;
      return wire(entryType.ioInterrupt, interrupt.vectored, flags, ISA_BUS, irq, ioApicId, irq === TIMER_IRQ ? TIMER_PIN : irq);
    });
  const pci = Array.from({ length: PCI_SLOTS * PCI_PINS }, (_, source) => {
    const pin = PIRQ_GSI_BASE + pirqOf(source >> 2, (source & 3) + 1);
    return wire(entryType.ioInterrupt, interrupt.vectored, CONFORMS, PCI_BUS, source, ioApicId, pin);
  });
  return [
    ...processors.map((id, index) => [
      ...[entryType.processor, id, LOCAL_APIC_VERSION, ENABLED | (index === 0 ? BOOT_PROCESSOR : 0)],
      ...[...u32(SIGNATURE), ...u32(FEATURES), ...u32(0), ...u32(0)],
    ]),
    [entryType.bus, PCI_BUS, ...text("PCI", 6)],
    [entryType.bus, ISA_BUS, ...text("ISA", 6)],
    [entryType.ioApic, ioApicId, IO_APIC_VERSION, ENABLED, ...u32(ioApic.base)],
    ...pci,
    ...isa,
    wire(entryType.localInterrupt, interrupt.external, CONFORMS, ISA_BUS, 0, IDS, 0),
    wire(entryType.localInterrupt, interrupt.nmi, CONFORMS, ISA_BUS, 0, IDS, 1),
  ];
}

/** Floating pointer and table for `base`, guest-physical, 16-byte aligned. */
export function mpTable(board: AcpiBoard, base: number): Uint8Array {
  const list = entries(board);
  const body = list.flat();
  const header = [
    ...[...text("PCMP", 4), ...u16(HEADER_BYTES + body.length), REVISION, 0],
    ...[...text("PARAVANE", 8), ...text("PC", 12), ...u32(0), ...u16(0), ...u16(list.length)],
    ...[...u32(board.localApicBase), ...u16(0), 0, 0],
  ];
  header[7] = checksum([...header, ...body]);
  const pointer = [...text("_MP_", 4), ...u32(base + POINTER_BYTES), POINTER_BYTES / 16, REVISION, 0, 0, 0, 0, 0, 0];
  pointer[10] = checksum(pointer);
  return Uint8Array.from([...pointer, ...header, ...body]);
}

/** Writes them to where kernels look. */
export function installMpTable(memory: GuestMemory, board: AcpiBoard): void {
  memory.write(MP_AREA.base, mpTable(board, MP_AREA.base));
}
