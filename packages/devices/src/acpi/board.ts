/** What the tables say of a board: where its fixed hardware is. One record, so that the tables and the devices cannot disagree in two places. */
import { defaultPciWindows } from "../pci/pci-bus.js";

/** Facts that the tables describe. */
export interface AcpiBoard {
  /** Local APIC id of each vCPU; the ACPI processor UID is its index. */
  readonly apicIds: readonly number[];
  readonly localApicBase: number;
  readonly ioApic: { readonly id: number; readonly base: number; readonly gsiBase: number };
  /** ISA interrupt and GSI of the system control interrupt: level, active high. */
  readonly sci: number;
  /** Fixed hardware: PM1 event (4 bytes), PM1 control (2 bytes), PM timer (4 bytes, 32 bits wide). */
  readonly pm1EventPort: number;
  readonly pm1ControlPort: number;
  readonly pmTimerPort: number;
  /** True when PM1 event has a power button. */
  readonly powerButton: boolean;
  /** SLP_TYP that suspends to RAM. */
  readonly sleepTypeS3: number;
  /** SLP_TYP that turns the machine off. */
  readonly sleepTypeS5: number;
  readonly reset: { readonly port: number; readonly value: number };
  /** `id` is the low half of the HPET's capability register. */
  readonly hpet?: { readonly base: number; readonly id: number };
  /** CMOS register of the century. */
  readonly century: number;
  readonly pciMemory: { readonly base: number; readonly limit: number };
  readonly fwCfg: boolean;
}

/** The board that this package's devices make up. */
export function pcAcpiBoard(vcpus: number): AcpiBoard {
  return {
    apicIds: Array.from({ length: vcpus }, (_, index) => index),
    localApicBase: 0xfee0_0000,
    ioApic: { id: 0, base: 0xfec0_0000, gsiBase: 0 },
    sci: 9,
    pm1EventPort: 0x400,
    pm1ControlPort: 0x404,
    pmTimerPort: 0x408,
    powerButton: false,
    sleepTypeS3: 1,
    sleepTypeS5: 5,
    reset: { port: 0xcf9, value: 0x06 },
    hpet: { base: 0xfed0_0000, id: 0x8086_a201 },
    century: 0x32,
    pciMemory: { base: defaultPciWindows.memoryBase, limit: defaultPciWindows.memoryLimit },
    fwCfg: true,
  };
}
