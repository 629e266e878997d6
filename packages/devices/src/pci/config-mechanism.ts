/**
 * PCI configuration mechanism #1: the address latch at 0xcf8 and the data window at 0xcfc, with the chipset's reset control register
 * at 0xcf9 in between. PCI Local Bus Specification 3.0 §3.2.2.3.2; Intel 82371SB (PIIX3) datasheet §2.3.4 "RC—Reset Control".
 */
import type { AccessSize, PioBus } from "@paravane/paravirt-ops";
import { requireSchema } from "../schema.js";
import type { PciBus } from "./pci-bus.js";

const ADDRESS_ENABLE = 0x8000_0000;
const ADDRESS_BITS = 0x80ff_fffc;
const RC_HARD = 1 << 1;
const RC_RESET_CPU = 1 << 2;

/** Saved registers of the configuration mechanism. */
export interface PciConfigMechanismState {
  schema: "pci-config-mechanism@1";
  address: number;
  resetControl: number;
}

/** The registers at 0xcf8–0xcff. Offsets are relative to 0xcf8. */
export class PciConfigMechanism {
  readonly #bus: PciBus;
  readonly #reset: () => void;
  #address = 0;
  #resetControl = 0;

  /** `reset` is called when the guest asks for a reset at 0xcf9. */
  constructor(bus: PciBus, reset: () => void) {
    this.#bus = bus;
    this.#reset = reset;
  }

  /** The latch answers whole doublewords only; narrower accesses to it are other devices' ports and float, but for 0xcf9. */
  read(offset: number, size: AccessSize): number {
    if (offset >= 4) {
      const a = this.#address;
      if (a < ADDRESS_ENABLE) return size === 4 ? 0xffff_ffff : (1 << (8 * size)) - 1;
      return this.#bus.read((a >>> 16) & 0xff, (a >>> 11) & 0x1f, (a >>> 8) & 7, (a & 0xfc) + offset - 4, size);
    }
    if (offset === 0 && size === 4) return this.#address;
    if (offset === 1 && size === 1) return this.#resetControl;
    return size === 4 ? 0xffff_ffff : (1 << (8 * size)) - 1;
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (offset >= 4) {
      const a = this.#address;
      if (a >= ADDRESS_ENABLE) this.#bus.write((a >>> 16) & 0xff, (a >>> 11) & 0x1f, (a >>> 8) & 7, (a & 0xfc) + offset - 4, size, value);
    } else if (offset === 0 && size === 4) {
      this.#address = (value & ADDRESS_BITS) >>> 0;
    } else if (offset === 1 && size === 1) {
      const rises = (value & ~this.#resetControl & RC_RESET_CPU) !== 0;
      this.#resetControl = value & (RC_HARD | RC_RESET_CPU);
      if (rises) this.#reset();
    }
  }

  /** Power-on state. */
  reset(): void {
    this.#address = 0;
    this.#resetControl = 0;
  }
  save(): PciConfigMechanismState {
    return { schema: "pci-config-mechanism@1", address: this.#address, resetControl: this.#resetControl };
  }
  load(state: PciConfigMechanismState): void {
    requireSchema(state, "pci-config-mechanism@1");
    this.#address = (state.address & ADDRESS_BITS) >>> 0;
    this.#resetControl = state.resetControl & (RC_HARD | RC_RESET_CPU);
  }
}

/** Puts the mechanism at ports 0xcf8–0xcff. */
export function attachPciConfigMechanism(bus: PioBus, mechanism: PciConfigMechanism): void {
  bus.attach(0xcf8, 8, {
    name: "pci-config",
    pioRead: (offset, size) => mechanism.read(offset, size),
    pioWrite: (offset, size, value) => mechanism.write(offset, size, value),
  });
}
