/**
 * What a guest can see of the PC board, taken down from a board at work: windows on both buses, PCI functions with their identities, ACPI
 * tables, keys of fw_cfg, local APIC registers, and the shape of every saved state under its schema.
 */
import { type AbiEntry, abiConstants, type BlockStore, type ByteStream } from "../../packages/paravirt-ops/src/index.js";
import { pcAcpiBoard, layOutTables } from "../../packages/devices/src/acpi/index.js";
import * as fwCfg from "../../packages/devices/src/fw-cfg/fw-cfg.js";
import * as lapic from "../../packages/devices/src/lapic/registers.js";
import * as pirq from "../../packages/devices/src/pci/pirq.js";
import { pcRig } from "../../packages/devices/test/pc-rig.js";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** A board with all that it can carry: a drive, a virtio console, the test device. */
function census() {
  const windows: AbiEntry[] = [];
  const seen = new Map<string, number>();
  const note = (kind: "port" | "mmio", name: string, value: number, size: number): void => {
    const times = seen.get(`${kind} ${name}`) ?? 0;
    seen.set(`${kind} ${name}`, times + 1);
    windows.push({ kind, name: times === 0 ? name : `${name} #${times + 1}`, value, size });
  };
  const done = () => Promise.resolve();
  const store: BlockStore = {
    size: 1 << 20,
    sectorSize: 512,
    readOnly: false,
    read: done,
    write: done,
    flush: done,
    discard: done,
    close: done,
  };
  const console: ByteStream = { write: () => true, onDrain: () => {}, onData: () => {}, ready: () => {} };
  let building = true;
  const rig = pcRig({ vcpus: 2, exitPort: 0xf4, testDevice: true, drives: [{ store, readOnly: false }], console }, ({ pio, mmio }) => ({
    pio: {
      attach(port, length, device) {
        if (building) note("port", device.name, port, length);
        pio.attach(port, length, device);
      },
      detach: (port) => pio.detach(port),
      read: (port, size) => pio.read(port, size),
      write: (port, size, value) => pio.write(port, size, value),
    },
    mmio: {
      attach(base, length, device) {
        if (building) note("mmio", device.name, base, length);
        mmio.attach(base, length, device);
      },
      detach: (base) => mmio.detach(base),
      read: (address, size) => mmio.read(address, size),
      write: (address, size, value) => mmio.write(address, size, value),
    },
  }));
  building = false;
  return { rig, windows };
}

/** Vendor, device, class and revision, subsystem, interrupt pin and line, capabilities, of every slot, as configuration cycles read them. */
function functions({ board }: ReturnType<typeof census>["rig"]): AbiEntry[] {
  const { bus } = board.pci;
  return Array.from({ length: 32 }, (_, slot) => slot).flatMap((slot): AbiEntry[] => {
    const name = bus.at(slot)?.name;
    if (name === undefined) return [];
    const space = new Uint8Array(256);
    for (let offset = 0; offset < 256; offset++) space[offset] = bus.read(0, slot, 0, offset, 1);
    return [{ kind: "pci", name: `slot ${slot} ${name}`, value: hex(space), size: 256 }];
  });
}

/** A saved state's members and their types: what a reader of an old snapshot depends on. */
function shape(value: unknown): string {
  if (value instanceof Uint8Array) return "bytes";
  if (Array.isArray(value)) return `[${[...new Set(value.map(shape))].sort().join("|")}]`;
  if (typeof value !== "object" || value === null) return value === null ? "null" : typeof value;
  if ("schema" in value) return `<${String(value.schema)}>`;
  return `{${Object.entries(value)
    .map(([key, each]) => `${key}:${shape(each)}`)
    .sort()
    .join(",")}}`;
}

function schemas(value: unknown, found = new Map<string, Set<string>>()): Map<string, Set<string>> {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return found;
  const parts = Object.entries(value);
  if ("schema" in value) {
    const shapes = found.get(String(value.schema)) ?? new Set<string>();
    found.set(String(value.schema), shapes);
    const members = String(value.schema).startsWith("pc-board@") ? [] : parts.filter(([key]) => key !== "schema");
    shapes.add(
      `{${members
        .map(([key, each]) => `${key}:${shape(each)}`)
        .sort()
        .join(",")}}`,
    );
  }
  for (const [, part] of parts) schemas(part, found);
  return found;
}

/** The promise of the board. */
export function boardEntries(): AbiEntry[] {
  const { rig, windows } = census();
  return [
    ...windows,
    ...functions(rig),
    ...abiConstants("board", pcAcpiBoard(1) as never, "acpi"),
    ...layOutTables(pcAcpiBoard(2), 0xe_0000).map(
      ({ signature, address, bytes }): AbiEntry => ({
        kind: "acpi",
        name: `table ${signature.trim()}, 2 vCPUs`,
        value: `0x${address.toString(16)} ${hex(bytes)}`,
        size: bytes.length,
      }),
    ),
    ...Object.entries(fwCfg).flatMap(([name, value]) => (typeof value === "number" ? abiConstants(name, value) : [])),
    ...Object.entries(lapic).flatMap(([name, value]) => (typeof value === "function" ? [] : abiConstants(`APIC ${name}`, value))),
    ...Object.entries(pirq).flatMap(([name, value]) => (typeof value === "function" ? [] : abiConstants(name, value, "interrupt"))),
    ...[...schemas(rig.board.save())].map(
      ([schema, shapes]): AbiEntry => ({ kind: "schema", name: schema, value: [...shapes].sort().join(" ") }),
    ),
  ];
}
