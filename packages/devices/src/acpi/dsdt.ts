/**
 * The differentiated system description: a PCI root with its windows and interrupt routing, the ISA devices behind it, processors, S3 and S5.
 * ACPI Specification 6.4 §5.2.11.1, §6.1, §6.2.13 (_PRT), §7.4.2 (_S3, _S5), §5.8.1 (_PIC).
 */
import { PIRQ_FIRMWARE_ROUTES, PIRQ_GSI_BASE, pirqOf } from "../pci/pirq.js";
import { arg0, device, eisaId, integer, method, name, packageOf, path, returns, scope, store, text, when } from "./aml.js";
import type { Aml } from "./aml.js";
import type { AcpiBoard } from "./board.js";
import { busNumbers, io, ioWindow, irq, memory32, memoryWindow, template } from "./resources.js";

/** AML of the whole board, without the table header. */
export function dsdtAml(board: AcpiBoard): Aml {
  return [
    // The operating system says which interrupt controllers it uses: 0 for the 8259 pair, 1 for the I/O APIC.
    ...name("PICM", integer(0)),
    ...method("_PIC", 1, store(arg0, path("PICM"))),
    ...name("_S3", packageOf(integer(board.sleepTypeS3), integer(board.sleepTypeS3), integer(0), integer(0))),
    ...name("_S5", packageOf(integer(board.sleepTypeS5), integer(board.sleepTypeS5), integer(0), integer(0))),
    ...scope("\\_SB", ...board.apicIds.map((_, index) => processor(index)), pciRoot(board), ...hpet(board), ...fwCfg(board)),
  ];
}

function processor(index: number): Aml {
  return device(`C${index.toString(16).toUpperCase().padStart(3, "0")}`, name("_HID", text("ACPI0007")), name("_UID", integer(index)));
}

function pciRoot(board: AcpiBoard): Aml {
  return device(
    "PCI0",
    name("_HID", eisaId("PNP0A03")),
    name("_UID", integer(0)),
    name("_BBN", integer(0)),
    name(
      "_CRS",
      template(
        busNumbers(0, 0xff),
        io(0xcf8, 8),
        ioWindow(0, 0xcf7),
        ioWindow(0xd00, 0xffff),
        memoryWindow(0xa_0000, 0xb_ffff),
        memoryWindow(board.pciMemory.base, board.pciMemory.limit - 1),
      ),
    ),
    name(
      "PRTA",
      routing((pirq) => PIRQ_GSI_BASE + pirq),
    ),
    name(
      "PRTP",
      routing((pirq) => PIRQ_FIRMWARE_ROUTES[pirq]!),
    ),
    method("_PRT", 0, when(path("PICM"), returns(path("PRTA"))), returns(path("PRTP"))),
    device("ISA", name("_ADR", integer(0x0001_0000)), ...isaDevices(board)),
  );
}

/** One entry for each pin of each slot: device and any function, pin, no link device, interrupt. */
function routing(interrupt: (pirq: number) => number): Aml {
  const entries: Aml[] = [];
  for (let slot = 1; slot < 32; slot++) {
    for (let pin = 0; pin < 4; pin++) {
      entries.push(packageOf(integer(slot * 0x1_0000 + 0xffff), integer(pin), integer(0), integer(interrupt(pirqOf(slot, pin + 1)))));
    }
  }
  return packageOf(...entries);
}

function isaDevices(board: AcpiBoard): Aml[] {
  const isa = (what: string, id: string, ...resources: readonly Aml[]) =>
    device(what, name("_HID", eisaId(id)), name("_CRS", template(...resources)));
  return [
    isa("PIC", "PNP0000", io(0x20, 2), io(0xa0, 2), io(0x4d0, 2), irq(2)),
    isa("TIMR", "PNP0100", io(0x40, 4), irq(0)),
    isa("RTC", "PNP0B00", io(0x70, 2), irq(8)),
    isa("KBD", "PNP0303", io(0x60, 1), io(0x64, 1), irq(1)),
    isa("SPKR", "PNP0800", io(0x61, 1)),
    device("COM1", name("_HID", eisaId("PNP0501")), name("_UID", integer(1)), name("_CRS", template(io(0x3f8, 8), irq(4)))),
    // What belongs to the mainboard and to nobody else: fixed ACPI hardware and the interrupt controllers' pages.
    isa(
      "MBRD",
      "PNP0C02",
      io(board.pm1EventPort, 4),
      io(board.pm1ControlPort, 2),
      io(board.pmTimerPort, 4),
      memory32(board.ioApic.base, 0x1000),
      memory32(board.localApicBase, 0x1000),
    ),
  ];
}

function hpet(board: AcpiBoard): Aml[] {
  if (board.hpet === undefined) return [];
  return [
    device("HPET", name("_HID", eisaId("PNP0103")), name("_UID", integer(0)), name("_CRS", template(memory32(board.hpet.base, 0x400)))),
  ];
}

function fwCfg(board: AcpiBoard): Aml[] {
  if (!board.fwCfg) return [];
  return [device("FWCF", name("_HID", text("QEMU0002")), name("_STA", integer(0x0b)), name("_CRS", template(io(0x510, 12))))];
}
