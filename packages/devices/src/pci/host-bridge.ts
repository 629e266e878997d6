/**
 * The two bridges every PCI PC starts with: host bridge at slot 0, ISA bridge with the PIRQ routing registers at slot 1.
 * Intel 82441FX (8086:1237) datasheet §3, Intel 82371SB PIIX3 (8086:7000) datasheet §2.2.
 * Left out: the host bridge's DRAM, shadow and SMRAM registers (they read zero), PIIX3's DMA, IDE and USB functions.
 */
import type { AccessSize } from "@paravane/paravirt-ops";
import { requireSchema } from "../schema.js";
import { COMMAND_BUS_MASTER, COMMAND_IO, COMMAND_MEMORY, PciConfigSpace } from "./config-space.js";
import type { PciConfigState } from "./config-space.js";
import type { PciFunction } from "./pci-bus.js";
import { PIRQ_DISABLED, PIRQ_FIRMWARE_ROUTES } from "./pirq.js";
import type { PirqRouter } from "./pirq.js";

const REG_PIRQ_ROUTE = 0x60;

/** The host bridge: identity alone. */
export class HostBridge implements PciFunction {
  readonly name = "host-bridge";
  readonly space = new PciConfigSpace({ vendor: 0x8086, device: 0x1237, classCode: 0x06_00_00, revision: 2 });

  constructor() {
    this.reset();
  }
  configRead(offset: number, size: AccessSize): number {
    return this.space.read(offset, size);
  }
  configWrite(offset: number, size: AccessSize, value: number): void {
    this.space.write(offset, size, value);
  }
  remap(): void {}
  reset(): void {
    this.space.reset();
    this.space.define(0x04, 2, COMMAND_MEMORY | COMMAND_BUS_MASTER);
  }
  save(): PciConfigState {
    return this.space.save();
  }
  load(state: PciConfigState): void {
    this.space.load(state);
  }
}

/** Saved ISA bridge. */
export interface IsaBridgeState {
  schema: "isa-bridge@1";
  config: PciConfigState;
}

/** The ISA bridge. Its registers 0x60–0x63 say which ISA interrupt each PIRQ also drives. */
export class IsaBridge implements PciFunction {
  readonly name = "isa-bridge";
  readonly space = new PciConfigSpace({ vendor: 0x8086, device: 0x7000, classCode: 0x06_01_00 });
  readonly #router: PirqRouter;

  constructor(router: PirqRouter) {
    this.#router = router;
    this.space.allowWrites(REG_PIRQ_ROUTE, 4, 0x8f8f_8f8f);
    this.reset();
  }

  configRead(offset: number, size: AccessSize): number {
    return this.space.read(offset, size);
  }
  configWrite(offset: number, size: AccessSize, value: number): void {
    this.space.write(offset, size, value);
    if (offset < REG_PIRQ_ROUTE + 4 && offset + size > REG_PIRQ_ROUTE) this.#route();
  }
  remap(): void {}

  /** Routes as firmware leaves them. */
  reset(): void {
    this.space.reset();
    this.space.define(0x04, 2, COMMAND_IO | COMMAND_MEMORY | COMMAND_BUS_MASTER);
    for (const [pirq, irq] of PIRQ_FIRMWARE_ROUTES.entries()) this.space.define(REG_PIRQ_ROUTE + pirq, 1, irq);
    this.#route();
  }
  save(): IsaBridgeState {
    return { schema: "isa-bridge@1", config: this.space.save() };
  }
  load(state: IsaBridgeState): void {
    requireSchema(state, "isa-bridge@1");
    this.space.load(state.config);
    this.#route();
  }

  #route(): void {
    for (let pirq = 0; pirq < 4; pirq++) {
      const register = this.space.read(REG_PIRQ_ROUTE + pirq, 1);
      this.#router.route(pirq, (register & PIRQ_DISABLED) !== 0 ? undefined : register & 0xf);
    }
  }
}
