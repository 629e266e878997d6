/**
 * Keeps a function's windows on the buses where its base address registers say. PCI Local Bus Specification 3.0 §6.2.5.
 * A guest may move a window onto another device: then it is not decoded until the place is free, and nothing is thrown.
 */
import { isHvError } from "@paravane/paravirt-ops";
import type { MmioBus, MmioDevice, PioBus, PioDevice } from "@paravane/paravirt-ops";
import type { PciBar, PciConfigSpace } from "./config-space.js";

/** Both buses of a machine. */
export interface PciBuses {
  readonly pio: PioBus;
  readonly mmio: MmioBus;
}

/** What answers behind a window. */
export type BarTarget = { readonly bar: PciBar; readonly device: MmioDevice | PioDevice };

/** The windows of one function. */
export class BarWindows {
  readonly #space: PciConfigSpace;
  readonly #buses: PciBuses;
  readonly #targets: readonly BarTarget[];
  readonly #attached: (number | undefined)[];

  constructor(space: PciConfigSpace, buses: PciBuses, targets: readonly BarTarget[]) {
    this.#space = space;
    this.#buses = buses;
    this.#targets = targets;
    this.#attached = targets.map(() => undefined);
  }

  /** Brings the buses in line with the configuration space. Cheap when nothing moved. */
  update(): void {
    for (let i = 0; i < this.#targets.length; i++) {
      const { bar, device } = this.#targets[i]!;
      const wanted = this.#space.decodedBase(bar);
      const attached = this.#attached[i];
      if (wanted === attached) continue;
      if (attached !== undefined) (bar.kind === "io" ? this.#buses.pio : this.#buses.mmio).detach(attached);
      this.#attached[i] = wanted !== undefined && this.#attach(bar, device, wanted) ? wanted : undefined;
    }
  }

  #attach(bar: PciBar, device: MmioDevice | PioDevice, base: number): boolean {
    try {
      if (bar.kind === "io") this.#buses.pio.attach(base, bar.size, device as PioDevice);
      else this.#buses.mmio.attach(base, bar.size, device as MmioDevice);
      return true;
    } catch (error) {
      if (isHvError(error) && error.code === "bus/overlap") return false;
      throw error;
    }
  }
}
