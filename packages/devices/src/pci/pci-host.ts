/**
 * The PCI side of a PC, assembled: bus 0 with host bridge (slot 0) and ISA bridge (slot 1), the configuration ports, the four PIRQ wires.
 * A board makes one, plugs devices in, then calls `reset`, which also does firmware's resource assignment.
 */
import type { IrqLine, MsiSink } from "@paravane/paravirt-ops";
import { requireSchema } from "../schema.js";
import type { PciBuses } from "./bar-windows.js";
import { PciConfigMechanism, attachPciConfigMechanism } from "./config-mechanism.js";
import type { PciConfigMechanismState } from "./config-mechanism.js";
import { HostBridge, IsaBridge } from "./host-bridge.js";
import { PciBus } from "./pci-bus.js";
import type { PciBusState, PciFunction } from "./pci-bus.js";
import { PIRQ_FIRMWARE_ROUTES, PIRQ_GSI_BASE, PirqRouter, pirqOf } from "./pirq.js";

/** What a board lends to PCI. `line` gives the wire of a GSI (0–15 are the ISA interrupts); `reset` is asked for by port 0xcf9. */
export interface PciHostWiring extends PciBuses {
  readonly msi: MsiSink;
  line(gsi: number): IrqLine;
  reset(): void;
}

/** What a device in a slot is wired to. `intx` is its INTA. */
export interface PciSlotWiring extends PciBuses {
  readonly intx: IrqLine;
  readonly msi: MsiSink;
}

/** Saved PCI side: all functions and the configuration ports. */
export interface PciHostState {
  schema: "pci-host@1";
  mechanism: PciConfigMechanismState;
  bus: PciBusState;
}

/** Bus 0 and everything between it and the board. */
export class PciHost {
  readonly bus = new PciBus();
  readonly #wiring: PciHostWiring;
  readonly #router: PirqRouter;
  readonly #mechanism: PciConfigMechanism;

  constructor(wiring: PciHostWiring) {
    this.#wiring = wiring;
    this.#router = new PirqRouter(
      [0, 1, 2, 3].map((pirq) => wiring.line(PIRQ_GSI_BASE + pirq)),
      (irq) => wiring.line(irq),
    );
    this.bus.add(new HostBridge());
    this.bus.add(new IsaBridge(this.#router));
    this.#mechanism = new PciConfigMechanism(this.bus, () => wiring.reset());
    attachPciConfigMechanism(wiring.pio, this.#mechanism);
  }

  /** Makes a device for the next free slot, wired to it, and plugs it in. @throws HvError "pci/slot" when all are taken */
  plug<F extends PciFunction>(create: (wiring: PciSlotWiring) => F): F {
    const slot = this.bus.nextSlot();
    const { pio, mmio, msi } = this.#wiring;
    const fn = create({ pio, mmio, msi, intx: this.#router.line(slot, 1) });
    this.bus.add(fn, slot);
    return fn;
  }

  /** Power-on state, with windows placed and interrupt lines named as firmware would. @throws HvError "pci/no-space" */
  reset(): void {
    this.#mechanism.reset();
    this.bus.assign((slot, pin) => PIRQ_FIRMWARE_ROUTES[pirqOf(slot, pin)]!);
  }
  save(): PciHostState {
    return { schema: "pci-host@1", mechanism: this.#mechanism.save(), bus: this.bus.save() };
  }
  load(state: PciHostState): void {
    requireSchema(state, "pci-host@1");
    this.#mechanism.load(state.mechanism);
    this.bus.load(state.bus);
  }
}
