/** The I/O APIC's registers in memory: select at 0x00, window at 0x10, EOI at 0x40. 82093AA datasheet §3.0. Only doublewords are answered. */
import type { Gpa, MmioBus } from "@paravane/paravirt-ops";
import { truncate } from "../bus/width.js";
import type { IoApic } from "./ioapic.js";

/** Where a PC has its first I/O APIC. */
export const IOAPIC_BASE = 0xfec00000;

/** Joins an I/O APIC to a memory bus. */
export function attachIoApic(bus: MmioBus, base: Gpa, ioapic: IoApic): void {
  bus.attach(base, 0x1000, {
    name: "ioapic",
    mmioRead(offset, size) {
      if (offset === 0x10) return truncate(ioapic.readWindow(), size);
      return offset === 0x00 ? ioapic.select : 0;
    },
    mmioWrite(offset, size, value) {
      if (offset === 0x00) ioapic.select = value;
      else if (size !== 4) return;
      else if (offset === 0x10) ioapic.writeWindow(value);
      else if (offset === 0x40) ioapic.endOfInterrupt(value & 0xff);
    },
  });
}
