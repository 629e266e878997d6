import { describe, expect, it } from "vitest";
import { ProbeLine } from "../../test/fakes.js";
import { createMmioBus, createPioBus } from "../bus/index.js";
import {
  BarWindows,
  COMMAND_BUS_MASTER,
  COMMAND_IO,
  COMMAND_MEMORY,
  HostBridge,
  IsaBridge,
  Msix,
  PciBus,
  PciConfigMechanism,
  PciConfigSpace,
  PciHost,
  PirqRouter,
  attachPciConfigMechanism,
  pirqOf,
} from "./index.js";
import type { PciBar, PciFunction } from "./index.js";

const wire = () => new ProbeLine();

/** A function with one memory and one I/O window; each answers with its own number. */
function endpoint(buses: { pio: ReturnType<typeof createPioBus>; mmio: ReturnType<typeof createMmioBus> }, tag: number) {
  const space = new PciConfigSpace({ vendor: 0x1234, device: tag, classCode: 0xff0000, interruptPin: 1 });
  const memory: PciBar = { index: 0, kind: "memory", size: 0x4000 };
  const io: PciBar = { index: 1, kind: "io", size: 32 };
  const wide: PciBar = { index: 2, kind: "memory64", size: 0x10_0000, prefetchable: true };
  for (const bar of [memory, io, wide]) space.addBar(bar);
  const device = { name: `tag${tag}`, mmioRead: () => tag, mmioWrite() {}, pioRead: () => tag, pioWrite() {} };
  const windows = new BarWindows(
    space,
    buses,
    [memory, io, wide].map((bar) => ({ bar, device })),
  );
  const fn: PciFunction = {
    name: `tag${tag}`,
    space,
    configRead: (offset, size) => space.read(offset, size),
    configWrite: (offset, size, value) => space.write(offset, size, value),
    remap: () => windows.update(),
    reset: () => space.reset(),
    save: () => space.save(),
    load: (state) => space.load(state as ReturnType<PciConfigSpace["save"]>),
  };
  return { fn, space, memory, io, wide };
}

function machine() {
  const buses = { pio: createPioBus(), mmio: createMmioBus() };
  const bus = new PciBus();
  let resets = 0;
  const mechanism = new PciConfigMechanism(bus, () => resets++);
  attachPciConfigMechanism(buses.pio, mechanism);
  const select = (slot: number, offset: number) => buses.pio.write(0xcf8, 4, (0x8000_0000 | (slot << 11) | (offset & 0xfc)) >>> 0);
  return {
    ...buses,
    buses,
    bus,
    mechanism,
    resets: () => resets,
    read(slot: number, offset: number, size: 1 | 2 | 4) {
      select(slot, offset);
      return buses.pio.read(0xcfc + (offset & 3), size);
    },
    write(slot: number, offset: number, size: 1 | 2 | 4, value: number) {
      select(slot, offset);
      buses.pio.write(0xcfc + (offset & 3), size, value);
    },
  };
}

describe("configuration mechanism #1", () => {
  it("finds the host bridge with byte, word and doubleword accesses", () => {
    const m = machine();
    m.bus.add(new HostBridge());
    expect(m.read(0, 0, 4)).toBe(0x1237_8086);
    expect(m.read(0, 2, 2)).toBe(0x1237);
    expect(m.read(0, 1, 1)).toBe(0x80);
    expect(m.read(0, 0x0a, 2)).toBe(0x0600);
  });
  it("floats where no device is: other slots, functions, buses, and with the latch disabled", () => {
    const m = machine();
    m.bus.add(new HostBridge());
    expect(m.read(5, 0, 4)).toBe(0xffff_ffff);
    for (const address of [0x8000_0100, 0x8001_0000, 0x0000_0000]) {
      m.pio.write(0xcf8, 4, address);
      expect(m.pio.read(0xcfc, 4)).toBe(0xffff_ffff);
      expect(m.pio.read(0xcfc, 2)).toBe(0xffff);
    }
  });
  it("answers the probe for mechanism #1 and ignores narrow writes to the latch", () => {
    const m = machine();
    m.pio.write(0xcfb, 1, 0x01);
    m.pio.write(0xcf8, 4, 0x8000_0000);
    expect(m.pio.read(0xcf8, 4)).toBe(0x8000_0000);
    m.pio.write(0xcf8, 2, 0x1234);
    expect(m.pio.read(0xcf8, 4)).toBe(0x8000_0000);
    expect(m.pio.read(0xcf8, 1)).toBe(0xff);
  });
  it("resets on the rise of bit 2 at 0xcf9, once", () => {
    const m = machine();
    m.pio.write(0xcf9, 1, 2);
    expect(m.resets()).toBe(0);
    m.pio.write(0xcf9, 1, 6);
    m.pio.write(0xcf9, 1, 6);
    expect(m.resets()).toBe(1);
    expect(m.pio.read(0xcf9, 1)).toBe(6);
  });
  it("keeps its state trio", () => {
    const m = machine();
    m.pio.write(0xcf8, 4, 0x8000_1840);
    m.pio.write(0xcf9, 1, 2);
    const saved = m.mechanism.save();
    const other = machine();
    expect(other.mechanism.save()).not.toEqual(saved);
    other.mechanism.load(saved);
    expect(other.mechanism.save()).toEqual(saved);
    other.pio.write(0xcf8, 4, 0);
    expect(other.mechanism.save()).not.toEqual(saved);
    other.mechanism.load(saved);
    other.pio.write(0xcf9, 1, 0);
    expect(other.mechanism.save()).not.toEqual(saved);
    expect(() => other.mechanism.load({ ...saved, schema: "pci-config-mechanism@9" as never })).toThrow(/pci-config-mechanism@9/);
  });
});

describe("configuration space", () => {
  it("tells a window's size when ones are written", () => {
    const m = machine();
    const { fn } = endpoint(m.buses, 7);
    const slot = m.bus.add(fn);
    for (const offset of [0x10, 0x14, 0x18, 0x1c, 0x20]) m.write(slot, offset, 4, 0xffff_ffff);
    expect(m.read(slot, 0x10, 4)).toBe(0xffff_c000);
    expect(m.read(slot, 0x14, 4)).toBe(0xffff_ffe1);
    expect(m.read(slot, 0x18, 4)).toBe(0xfff0_000c);
    expect(m.read(slot, 0x1c, 4)).toBe(0xffff_ffff);
    expect(m.read(slot, 0x20, 4)).toBe(0);
  });
  it("keeps identity, class, capability pointer and pin read-only", () => {
    const m = machine();
    const { fn } = endpoint(m.buses, 7);
    const slot = m.bus.add(fn);
    const before = [0x00, 0x08, 0x2c, 0x34].map((offset) => m.read(slot, offset, 4));
    for (const offset of [0x00, 0x08, 0x2c, 0x34]) m.write(slot, offset, 4, 0xffff_ffff);
    expect([0x00, 0x08, 0x2c, 0x34].map((offset) => m.read(slot, offset, 4))).toEqual(before);
    m.write(slot, 0x3c, 2, 0xffff);
    expect(m.read(slot, 0x3c, 2)).toBe(0x01ff);
  });
  it("chains capabilities and sets the status bit", () => {
    const space = new PciConfigSpace({ vendor: 1, device: 2, classCode: 0 });
    expect(space.read(0x06, 2) & 0x10).toBe(0);
    const first = space.addCapability(9, new Uint8Array(14));
    const second = space.addCapability(0x11, new Uint8Array(10), new Uint8Array([0, 0xc0]));
    expect(space.read(0x06, 2) & 0x10).toBe(0x10);
    expect([space.read(0x34, 1), space.read(first + 1, 1), space.read(second + 1, 1)]).toEqual([first, second, 0]);
    space.write(second + 2, 2, 0xffff);
    expect(space.read(second + 2, 2)).toBe(0xc000);
    space.reset();
    expect([space.read(0x34, 1), space.read(first, 1), space.read(second + 2, 2)]).toEqual([first, 9, 0]);
  });
  it("refuses windows that do not fit", () => {
    const space = new PciConfigSpace({ vendor: 1, device: 2, classCode: 0 });
    space.addBar({ index: 4, kind: "memory64", size: 4096 });
    expect(() => space.addBar({ index: 5, kind: "io", size: 4 })).toThrow(/BAR 5/);
    expect(() => space.addBar({ index: 0, kind: "io", size: 24 })).toThrow(/24 bytes/);
    expect(() => space.addBar({ index: 0, kind: "memory", size: 8 })).toThrow(/8 bytes/);
  });
  it("keeps its state trio", () => {
    const space = new PciConfigSpace({ vendor: 1, device: 2, classCode: 3 });
    space.write(0x3c, 1, 11);
    const saved = space.save();
    space.write(0x04, 2, COMMAND_BUS_MASTER);
    expect(space.save()).not.toEqual(saved);
    space.load(saved);
    expect(space.save()).toEqual(saved);
    expect(() => space.load({ ...saved, schema: "pci-config@9" as never })).toThrow(/pci-config@9/);
    expect(() => new PciConfigSpace({ vendor: 1, device: 9, classCode: 3 }).load(saved)).toThrow(/another device/);
  });
});

describe("windows", () => {
  it("are placed by firmware without overlap, aligned to their size, and answer there", () => {
    const m = machine();
    const ends = [1, 2, 3].map((tag) => endpoint(m.buses, tag));
    m.bus.add(new HostBridge());
    for (const { fn } of ends) m.bus.add(fn);
    m.bus.assign(() => 10);
    ends.forEach(({ space, memory, io, wide }, i) => {
      for (const bar of [memory, wide]) {
        expect(space.barBase(bar) % bar.size).toBe(0);
        expect(space.barBase(bar)).toBeGreaterThanOrEqual(0xe000_0000);
        expect(m.mmio.read(space.barBase(bar) + bar.size - 4, 4)).toBe(i + 1);
      }
      expect(m.pio.read(space.barBase(io), 1)).toBe(i + 1);
      expect(space.read(0x3c, 1)).toBe(10);
    });
  });
  it("follow the base address and the command register", () => {
    const m = machine();
    const { fn, space, memory, io } = endpoint(m.buses, 5);
    const slot = m.bus.add(fn);
    m.bus.assign(() => 10);
    const old = space.barBase(memory);
    m.write(slot, 0x10, 4, 0xf000_0000);
    expect(m.mmio.read(old, 1)).toBe(0xff);
    expect(m.mmio.read(0xf000_0000, 1)).toBe(5);
    m.write(slot, 4, 2, COMMAND_IO);
    expect(m.mmio.read(0xf000_0000, 1)).toBe(0xff);
    expect(m.pio.read(space.barBase(io), 1)).toBe(5);
    m.write(slot, 4, 2, COMMAND_MEMORY);
    expect(m.mmio.read(0xf000_0000, 1)).toBe(5);
    expect(m.pio.read(space.barBase(io), 1)).toBe(0xff);
  });
  it("moved onto another device stay hidden until that place is free, and nothing throws", () => {
    const m = machine();
    const [a, b] = [endpoint(m.buses, 1), endpoint(m.buses, 2)];
    const slotA = m.bus.add(a.fn);
    const slotB = m.bus.add(b.fn);
    m.bus.assign(() => 10);
    const base = a.space.barBase(a.memory);
    m.write(slotB, 0x10, 4, base);
    expect(m.mmio.read(base, 1)).toBe(1);
    m.write(slotA, 0x10, 4, 0xf100_0000);
    expect(m.mmio.read(base, 1)).toBe(2);
    expect(m.mmio.read(0xf100_0000, 1)).toBe(1);
  });
  it("reach above 4 GiB, and an address beyond what we can count is not decoded", () => {
    const m = machine();
    const { fn, wide } = endpoint(m.buses, 5);
    const slot = m.bus.add(fn);
    m.bus.assign(() => 10);
    m.write(slot, 0x18, 4, 0);
    m.write(slot, 0x1c, 4, 2);
    expect(fn.space.barBase(wide)).toBe(2 * 2 ** 32);
    expect(m.mmio.read(2 * 2 ** 32 + 16, 1)).toBe(5);
    m.write(slot, 0x1c, 4, 0xffff_ffff);
    expect(fn.space.decodedBase(wide)).toBeUndefined();
  });
  it("that traded places come back right from a snapshot", () => {
    const build = () => {
      const m = machine();
      const ends = [endpoint(m.buses, 1), endpoint(m.buses, 2)] as const;
      for (const { fn } of ends) m.bus.add(fn);
      m.bus.assign(() => 10);
      return { m, ends };
    };
    const { m, ends } = build();
    const bases = ends.map(({ space, memory }) => space.barBase(memory));
    m.write(0, 0x10, 4, 0xf000_0000);
    m.write(1, 0x10, 4, bases[0]!);
    m.write(0, 0x10, 4, bases[1]!);
    const saved = m.bus.save();
    const other = build();
    other.m.bus.load(saved);
    expect(other.m.bus.save()).toEqual(saved);
    expect(bases.map((base) => other.m.mmio.read(base, 1))).toEqual([2, 1]);
    expect(() => new PciBus().load(saved)).toThrow(/other PCI devices/);
    expect(() => other.m.bus.load({ ...saved, schema: "pci-bus@9" as never })).toThrow(/pci-bus@9/);
  });
  it("that do not fit are a clear error, and so is a 33rd device", () => {
    const m = machine();
    m.bus.add(endpoint(m.buses, 1).fn);
    const tight = { memoryBase: 0xe000_0000, memoryLimit: 0xe000_1000, ioBase: 0xc000, ioLimit: 0xd000 };
    expect(() => m.bus.assign(() => 10, tight)).toThrow(/do not fit/);
    for (let i = 0; i < 31; i++) m.bus.add(endpoint(m.buses, i).fn);
    expect(() => m.bus.add(endpoint(m.buses, 1).fn)).toThrow(/no PCI slot is left/);
  });
});

describe("the PCI side of a board", () => {
  const board = () => {
    const buses = { pio: createPioBus(), mmio: createMmioBus() };
    const lines = Array.from({ length: 24 }, wire);
    const host = new PciHost({ ...buses, msi: { send() {} }, line: (gsi) => lines[gsi]!, reset() {} });
    const wires: { set(level: boolean): void }[] = [];
    const ends = [1, 2].map((tag) =>
      host.plug(({ intx }) => {
        wires.push(intx);
        return endpoint(buses, tag).fn;
      }),
    );
    host.reset();
    return { ...buses, lines, host, wires, ends };
  };
  it("has bridges in slots 0 and 1, devices from slot 2 on, and their interrupts on GSIs 18 and 19 and IRQs 10 and 11", () => {
    const { host, lines, wires } = board();
    expect([0, 1, 2, 3, 4].map((slot) => host.bus.read(0, slot, 0, 0, 4))).toEqual([
      0x1237_8086, 0x7000_8086, 0x0001_1234, 0x0002_1234, 0xffff_ffff,
    ]);
    expect([2, 3].map((slot) => host.bus.read(0, slot, 0, 0x3c, 1))).toEqual([10, 11]);
    wires[0]!.set(true);
    wires[1]!.set(true);
    expect(lines.flatMap((line, gsi) => (line.level ? [gsi] : []))).toEqual([10, 11, 18, 19]);
  });
  it("comes back from reset with its windows where firmware puts them", () => {
    const { host, ends, mmio } = board();
    const bases = ends.map((fn) => fn.space.barBase(fn.space.bars[0]!));
    host.bus.write(0, 2, 0, 0x10, 4, 0xf000_0000);
    host.bus.write(0, 3, 0, 4, 2, 0);
    host.reset();
    expect(ends.map((fn) => fn.space.barBase(fn.space.bars[0]!))).toEqual(bases);
    expect(bases.map((base) => mmio.read(base, 1))).toEqual([1, 2]);
    expect(mmio.read(0xf000_0000, 1)).toBe(0xff);
  });
  it("keeps its state trio", () => {
    const a = board();
    a.pio.write(0xcf8, 4, 0x8000_1010);
    a.pio.write(0xcfc, 4, 0xf000_0000);
    const saved = a.host.save();
    const b = board();
    expect(b.host.save()).not.toEqual(saved);
    b.host.load(saved);
    expect(b.host.save()).toEqual(saved);
    expect([b.mmio.read(0xf000_0000, 1), b.pio.read(0xcfc, 4)]).toEqual([1, 0xf000_0000]);
    expect(() => b.host.load({ ...saved, schema: "pci-host@9" as never })).toThrow(/pci-host@9/);
  });
});

describe("INTx routing", () => {
  const build = () => {
    const gsi = [wire(), wire(), wire(), wire()];
    const isa = Array.from({ length: 16 }, wire);
    const router = new PirqRouter(gsi, (irq) => isa[irq]!);
    return { gsi, isa, router, bridge: new IsaBridge(router) };
  };
  it("rotates pins over slots", () => {
    expect([pirqOf(0, 1), pirqOf(1, 1), pirqOf(3, 1), pirqOf(3, 2), pirqOf(4, 1)]).toEqual([0, 1, 3, 0, 0]);
  });
  it("shares one wire among devices: it falls when the last lets go", () => {
    const { gsi, isa, router } = build();
    const [a, b] = [router.line(4, 1), router.line(8, 1)];
    a.set(true);
    b.set(true);
    a.set(true);
    expect([gsi[0]!.level, isa[10]!.level]).toEqual([true, true]);
    a.set(false);
    expect(gsi[0]!.level).toBe(true);
    b.set(false);
    expect([gsi[0]!.level, gsi[0]!.rises, isa[10]!.level]).toEqual([false, 1, false]);
  });
  it("moves an asserted interrupt when software changes the route", () => {
    const { isa, router, bridge } = build();
    router.line(2, 1).set(true);
    expect(isa[10]!.level).toBe(true);
    bridge.configWrite(0x62, 1, 5);
    expect([isa[10]!.level, isa[5]!.level]).toEqual([false, true]);
    bridge.configWrite(0x62, 1, 0x80);
    expect(isa[5]!.level).toBe(false);
    bridge.configWrite(0x62, 1, 0);
    expect(router.routeOf(2)).toBeUndefined();
  });
  it("saves routes with the ISA bridge", () => {
    const { router, bridge } = build();
    bridge.configWrite(0x60, 4, 0x8005_0607);
    const saved = bridge.save();
    const other = build();
    expect(other.bridge.save()).not.toEqual(saved);
    other.bridge.load(saved);
    expect(other.bridge.save()).toEqual(saved);
    expect([0, 1, 2, 3].map((pirq) => other.router.routeOf(pirq))).toEqual([0, 1, 2, 3].map((pirq) => router.routeOf(pirq)));
    expect(() => other.bridge.load({ ...saved, schema: "isa-bridge@9" as never })).toThrow(/isa-bridge@9/);
  });
});

describe("MSI-X", () => {
  const build = (vectors = 3) => {
    const sent: [number, number][] = [];
    const state = { busMaster: true };
    const msix = new Msix(vectors, { send: (address, data) => void sent.push([address, data]) }, () => state.busMaster);
    for (let v = 0; v < vectors; v++) {
      msix.writeTable(16 * v, 4, 0xfee0_0000 + 0x1000 * v);
      msix.writeTable(16 * v + 8, 4, 0x40 + v);
    }
    return { msix, sent, state };
  };
  it("is masked and disabled after reset, and sends nothing", () => {
    const { msix, sent } = build();
    msix.notify(0);
    msix.setControl(0x8000);
    msix.notify(0);
    expect(sent).toEqual([]);
    expect(msix.readPending(0, 4)).toBe(1);
  });
  it("sends a message held back as soon as its vector and the function are unmasked", () => {
    const { msix, sent } = build();
    msix.setControl(0xc000);
    msix.writeTable(16 + 12, 4, 0);
    msix.notify(1);
    expect(sent).toEqual([]);
    msix.setControl(0x8000);
    expect(sent).toEqual([[0xfee0_1000, 0x41]]);
    expect(msix.readPending(0, 4)).toBe(0);
    msix.notify(1);
    expect(sent.length).toBe(2);
  });
  it("needs bus mastering, and ignores vectors and accesses outside", () => {
    const { msix, sent, state } = build();
    msix.setControl(0x8000);
    msix.writeTable(12, 4, 0);
    state.busMaster = false;
    msix.notify(0);
    state.busMaster = true;
    msix.notify(3);
    msix.notify(0xffff);
    expect(sent).toEqual([]);
    msix.writeTable(48, 4, 1);
    msix.writeTable(2, 2, 0xffff);
    expect([msix.readTable(48, 4), msix.readTable(0, 2), msix.readTable(0, 4)]).toEqual([0, 0, 0xfee0_0000]);
    msix.writeTable(4, 4, 0xffff_ffff);
    msix.notify(0);
    expect(sent).toEqual([]);
  });
  it("keeps its state trio, and loading sends nothing", () => {
    const { msix } = build(40);
    msix.setControl(0x8000);
    msix.notify(39);
    const saved = msix.save();
    const other = build(40);
    other.msix.load(saved);
    expect(other.msix.save()).toEqual(saved);
    expect(other.sent).toEqual([]);
    for (const mutate of [() => other.msix.writeTable(0, 4, 0), () => other.msix.notify(3), () => other.msix.setControl(0xc000)]) {
      other.msix.load(saved);
      mutate();
      expect(other.msix.save()).not.toEqual(saved);
    }
    other.msix.load(saved);
    other.msix.writeTable(16 * 39 + 12, 4, 0);
    expect(other.sent).toEqual([[0xfee2_7000, 0x67]]);
    expect(() => other.msix.load({ ...saved, schema: "msix@9" as never })).toThrow(/msix@9/);
  });
});
