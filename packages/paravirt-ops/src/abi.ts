/**
 * Versions and guest-visible numbers. The contract's API evolves by semver; what a guest sees is promised for ever, so it is written down
 * as data and compared in CI. Numbers are never reused.
 */

/** Version of the contract, major and minor, that this package describes: those of its own release. Parts say for which ones they were written. */
export const CONTRACT_VERSION: string = "1.0";

/** What sort of thing a guest sees by a number. */
export type AbiKind =
  | "hypercall"
  /** A sub-operation of a hypercall. */
  | "command"
  | "rom-call"
  /** A flag, an error, a limit, a value of an enumeration. */
  | "constant"
  /** A whole structure: `value` is 0, `size` its bytes. */
  | "structure"
  /** A member: `value` is its offset. */
  | "field"
  | "port"
  | "mmio"
  | "interrupt"
  | "msr"
  | "cpuid"
  | "pci"
  | "acpi"
  /** What a kernel finds at its entry. */
  | "boot"
  | "schema";

/** Something that a guest sees, or a saved state depends on: a number and its name. */
export interface AbiEntry {
  /** What sort of number it is. */
  readonly kind: AbiKind;
  /** Name as the governing document spells it; unique among entries of a kind. */
  readonly name: string;
  /** The number; a string for a schema's name and for what does not fit into 2^53. */
  readonly value: number | string;
  /** Bytes, where the thing has a size. */
  readonly size?: number;
}

/** All that one backend, core or board promises to guests. `entries` may be a getter: it is read by tools, never by a running machine. */
export interface AbiManifest {
  /** The part's name. */
  readonly part: string;
  /** Version of the guest ABI. */
  readonly abi: string;
  /** The numbers, in an order that does not matter. */
  readonly entries: readonly AbiEntry[];
}

/** A table of constants, nested as its author likes. */
export type AbiTable = number | bigint | string | boolean | readonly AbiTable[] | { readonly [name: string]: AbiTable };

/** Entries for all numbers in a table; deeper names are joined by dots, and bigints become hexadecimal strings. */
export function abiConstants(name: string, table: AbiTable, kind: AbiKind = "constant"): AbiEntry[] {
  if (typeof table === "bigint") return [{ kind, name, value: `0x${table.toString(16)}` }];
  if (typeof table === "boolean") return [{ kind, name, value: Number(table) }];
  if (typeof table !== "object") return [{ kind, name, value: table }];
  return Object.entries(table).flatMap(([key, value]) => abiConstants(`${name}.${key}`, value as AbiTable, kind));
}

/** Guest RAM: below the device hole, with the display's gap and the ROM area under 1 MiB. */
export const MEMORY_LAYOUT = { lowEnd: 0xa0000, romStart: 0xc0000, highStart: 0x100000, maximumBytes: 3072 * 0x100000 } as const;

/** What the monitor promises to every guest, whatever the backend. */
export const machineAbi: AbiManifest = {
  part: "machine",
  abi: "1",
  entries: [
    { kind: "constant", name: "tsc.hz", value: 1_000_000_000 },
    { kind: "mmio", name: "ram.low", value: 0, size: MEMORY_LAYOUT.lowEnd },
    { kind: "mmio", name: "ram.rom", value: MEMORY_LAYOUT.romStart, size: MEMORY_LAYOUT.highStart - MEMORY_LAYOUT.romStart },
    { kind: "mmio", name: "ram.high", value: MEMORY_LAYOUT.highStart, size: MEMORY_LAYOUT.maximumBytes - MEMORY_LAYOUT.highStart },
  ],
};
