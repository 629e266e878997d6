/**
 * The register page of xAPIC mode, 0xfee00000 unless the guest moves it. SDM Vol. 3A §11.4.1: all vCPUs use one address, each reaches its own APIC.
 * A vCPU whose APIC is disabled, in x2APIC mode or elsewhere sees nothing there.
 * Left out: a page that the guest moves over RAM (RAM wins) and accesses other than aligned doublewords (bytes can be read, not written).
 */
import type { AccessSize, MmioBus, MmioDevice } from "@paravane/paravirt-ops";
import { floating, truncate } from "../bus/width.js";
import type { LocalApic } from "./local-apic.js";

const PAGE_BYTES = 4096;

/** Puts the APICs' register pages on a bus and moves them when their base changes. */
export class XapicWindow {
  readonly #bus: MmioBus;
  readonly #apics: readonly LocalApic[];
  readonly #currentVcpu: () => number;
  #attached: number[] = [];

  constructor(bus: MmioBus, apics: readonly LocalApic[], currentVcpu: () => number) {
    this.#bus = bus;
    this.#apics = apics;
    this.#currentVcpu = currentVcpu;
    this.follow();
  }

  /** Attaches the pages that are in use now and detaches the others. A page that another device occupies stays that device's. */
  follow(): void {
    const wanted = new Set(this.#apics.map((apic) => apic.basePage));
    const kept = this.#attached.filter((page) => wanted.has(page));
    for (const page of this.#attached) if (!wanted.has(page)) this.#bus.detach(page * PAGE_BYTES);
    for (const page of wanted) {
      if (kept.includes(page)) continue;
      try {
        this.#bus.attach(page * PAGE_BYTES, PAGE_BYTES, this.#page(page));
        kept.push(page);
      } catch {
        // the guest has chosen an address where another device is; that device goes on answering there
      }
    }
    this.#attached = kept;
  }

  #page(page: number): MmioDevice {
    const apics = this.#apics;
    const current = this.#currentVcpu;
    const here = (): LocalApic | undefined => {
      const apic = apics[current()];
      return apic?.enabled && !apic.x2apic && apic.basePage === page ? apic : undefined;
    };
    return {
      name: "lapic",
      mmioRead(offset: number, size: AccessSize): number {
        const apic = here();
        if (!apic) return floating(size);
        const byte = offset & 15;
        return byte + size > 4 ? 0 : truncate(apic.read(offset >> 4) >>> (8 * byte), size);
      },
      mmioWrite(offset: number, size: AccessSize, value: number): void {
        if (size === 4 && (offset & 15) === 0) here()?.write(offset >> 4, value);
      },
    };
  }
}
