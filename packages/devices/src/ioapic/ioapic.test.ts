import { describe, expect, test } from "vitest";
import { stateTrio } from "../../test/state-trio.js";
import { createMmioBus } from "../bus/mmio-bus.js";
import { IoApic } from "./ioapic.js";
import { attachIoApic, IOAPIC_BASE } from "./mmio-ioapic.js";

const MASKED = 1 << 16;
const LEVEL = 1 << 15;
const LOW_ACTIVE = 1 << 13;

function rig() {
  const sent: string[] = [];
  const sink = { accepts: true };
  const ioapic = new IoApic({
    deliver: (destination, logical, mode, vector, level) => {
      sent.push(`${logical ? "L" : "P"}${destination} mode ${mode} ${vector.toString(16)}${level ? " level" : ""}`);
      return sink.accepts;
    },
  });
  const write = (register: number, value: number) => {
    ioapic.select = register;
    ioapic.writeWindow(value);
  };
  const read = (register: number) => {
    ioapic.select = register;
    return ioapic.readWindow();
  };
  const entry = (pin: number, low: number, destination = 0) => {
    write(0x11 + 2 * pin, destination << 24);
    write(0x10 + 2 * pin, low);
  };
  const take = () => sent.splice(0);
  return { ioapic, sink, write, read, entry, take };
}

describe("edge inputs", () => {
  test("send one message for each rise", () => {
    const { ioapic, entry, take } = rig();
    entry(4, 0x34, 2);
    ioapic.setPin(4, true);
    ioapic.setPin(4, true);
    ioapic.setPin(4, false);
    ioapic.setPin(4, true);
    expect(take()).toEqual(["P2 mode 0 34", "P2 mode 0 34"]);
  });

  test("ignore what happens while they are masked", () => {
    const { ioapic, entry, take } = rig();
    entry(4, MASKED | 0x34);
    ioapic.setPin(4, true);
    entry(4, 0x34);
    expect(take()).toEqual([]);
  });

  test("with low-active polarity mean a fall", () => {
    const { ioapic, entry, take } = rig();
    ioapic.setPin(4, true);
    entry(4, LOW_ACTIVE | 0x34);
    ioapic.setPin(4, false);
    ioapic.setPin(4, true);
    expect(take()).toEqual(["P0 mode 0 34"]);
  });

  test("carry delivery mode and logical destination", () => {
    const { ioapic, entry, take } = rig();
    entry(2, 0x0900 | 0x30, 0x0f);
    ioapic.setPin(2, true);
    entry(0, 0x0700);
    ioapic.setPin(0, true);
    expect(take()).toEqual(["L15 mode 1 30", "P0 mode 7 0"]);
  });
});

describe("level inputs", () => {
  test("send once, and again after EOI while the input is high", () => {
    const { ioapic, entry, take, read } = rig();
    entry(16, LEVEL | 0x50);
    ioapic.setPin(16, true);
    ioapic.setPin(16, false);
    ioapic.setPin(16, true);
    expect(take()).toEqual(["P0 mode 0 50 level"]);
    expect(read(0x30) & (1 << 14)).not.toBe(0);
    ioapic.endOfInterrupt(0x51);
    expect(take()).toEqual([]);
    ioapic.endOfInterrupt(0x50);
    expect(take()).toEqual(["P0 mode 0 50 level"]);
    ioapic.setPin(16, false);
    ioapic.endOfInterrupt(0x50);
    expect(take()).toEqual([]);
    expect(read(0x30) & (1 << 14)).toBe(0);
  });

  test("send when unmasked while high", () => {
    const { ioapic, entry, take } = rig();
    entry(16, MASKED | LEVEL | 0x50);
    ioapic.setPin(16, true);
    expect(take()).toEqual([]);
    entry(16, LEVEL | 0x50);
    expect(take()).toEqual(["P0 mode 0 50 level"]);
  });

  test("with low-active polarity mean low: how PCI interrupts are wired", () => {
    const { ioapic, entry, take } = rig();
    ioapic.setPin(17, true);
    entry(17, LEVEL | LOW_ACTIVE | 0x51);
    expect(take()).toEqual([]);
    ioapic.setPin(17, false);
    expect(take()).toEqual(["P0 mode 0 51 level"]);
  });

  test("that nobody accepts are offered again", () => {
    const { ioapic, entry, take, sink, read } = rig();
    sink.accepts = false;
    entry(16, LEVEL | 0x50);
    ioapic.setPin(16, true);
    expect(read(0x30) & (1 << 14)).toBe(0);
    sink.accepts = true;
    entry(16, LEVEL | 0x50, 1);
    expect(take().length).toBe(2);
    expect(read(0x30) & (1 << 14)).not.toBe(0);
  });

  test("lose their remote IRR when the entry becomes an edge", () => {
    const { ioapic, entry, read } = rig();
    entry(16, LEVEL | 0x50);
    ioapic.setPin(16, true);
    entry(16, MASKED | 0x50);
    expect(read(0x30)).toBe(MASKED | 0x50);
  });

  test("two inputs that share a vector both ask again after its EOI", () => {
    const { ioapic, entry, take } = rig();
    entry(16, LEVEL | 0x50);
    entry(17, LEVEL | 0x50);
    ioapic.setPin(16, true);
    ioapic.setPin(17, true);
    take();
    ioapic.endOfInterrupt(0x50);
    expect(take().length).toBe(2);
  });
});

describe("registers", () => {
  test("tell version and number of entries, keep the ID, and mask all after reset", () => {
    const { read, write, ioapic } = rig();
    expect(read(1)).toBe(0x00170020);
    write(0, 0xff000000);
    expect(read(0)).toBe(0x0f000000);
    write(0x10, 0);
    ioapic.reset();
    expect([read(0), read(0x10), read(0x3e), read(0x3f), read(0x40)]).toEqual([0, MASKED, MASKED, 0, 0]);
  });

  test("do not let software write delivery status and remote IRR", () => {
    const { read, write } = rig();
    write(0x10, 0xffffffff);
    write(0x11, 0xffffffff);
    expect([read(0x10), read(0x11)]).toEqual([0x1afff, 0xff000000]);
  });

  test("are reached through select, window and EOI in memory", () => {
    const { ioapic, take } = rig();
    const bus = createMmioBus();
    attachIoApic(bus, IOAPIC_BASE, ioapic);
    bus.write(IOAPIC_BASE, 4, 0x20);
    bus.write(IOAPIC_BASE + 0x10, 4, LEVEL | 0x60);
    expect([bus.read(IOAPIC_BASE, 4), bus.read(IOAPIC_BASE + 0x10, 4)]).toEqual([0x20, LEVEL | 0x60]);
    ioapic.setPin(8, true);
    bus.write(IOAPIC_BASE + 0x40, 4, 0x60);
    expect(take().length).toBe(2);
    bus.write(IOAPIC_BASE, 1, 0x01);
    expect(bus.read(IOAPIC_BASE + 0x10, 4)).toBe(0x00170020);
  });
});

stateTrio(
  () => rig().ioapic,
  (ioapic) => {
    ioapic.setPin(3, true);
    ioapic.select = 0x16;
    ioapic.writeWindow(LEVEL | 0x77);
  },
  {
    "a pin": (ioapic) => ioapic.setPin(5, true),
    "the select": (ioapic) => {
      ioapic.select = 0;
    },
    "an entry": (ioapic) => ioapic.writeWindow(0x33),
    "an EOI while low": (ioapic) => {
      ioapic.setPin(3, false);
      ioapic.endOfInterrupt(0x77);
    },
  },
);
