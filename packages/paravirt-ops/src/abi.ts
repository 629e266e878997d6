/**
 * Versions and guest-visible numbers. The contract's API evolves by semver; what a guest sees is promised for ever, so it is written down
 * as data and compared in CI. Numbers are never reused.
 */

/** Version of the contract that this package describes; a definition says for which one it was written. */
export const CONTRACT_VERSION = "1";

/** A number that a guest sees: a hypercall, an offset in a shared structure, a port, an MSR, a CPUID leaf, a snapshot schema. */
export interface AbiEntry {
  /** What sort of number it is. */
  readonly kind: "hypercall" | "rom-call" | "field" | "port" | "mmio" | "msr" | "cpuid" | "schema";
  /** Name as the governing document spells it. */
  readonly name: string;
  /** The number, or a schema's name. */
  readonly value: number | string;
  /** Bytes, where the thing has a size. */
  readonly size?: number;
}

/** All that one backend or board promises to guests. */
export interface AbiManifest {
  /** The part's name. */
  readonly part: string;
  /** Version of the guest ABI. */
  readonly abi: string;
  /** The numbers, in an order that does not matter. */
  readonly entries: readonly AbiEntry[];
}

/** Guest RAM: below the device hole, with the display's gap and the ROM area under 1 MiB. */
export const MEMORY_LAYOUT = { lowEnd: 0xa0000, romStart: 0xc0000, highStart: 0x100000, maximumBytes: 3072 * 0x100000 } as const;

/** What the monitor promises to every guest, whatever the backend. */
export const machineAbi: AbiManifest = {
  part: "machine",
  abi: "1",
  entries: [
    { kind: "field", name: "tsc.hz", value: 1_000_000_000 },
    { kind: "mmio", name: "ram.low", value: 0, size: MEMORY_LAYOUT.lowEnd },
    { kind: "mmio", name: "ram.rom", value: MEMORY_LAYOUT.romStart, size: MEMORY_LAYOUT.highStart - MEMORY_LAYOUT.romStart },
    { kind: "mmio", name: "ram.high", value: MEMORY_LAYOUT.highStart, size: MEMORY_LAYOUT.maximumBytes - MEMORY_LAYOUT.highStart },
  ],
};
