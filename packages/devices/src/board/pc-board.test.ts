import type { IrqLine } from "@paravane/paravirt-ops";
import { describe, expect, test } from "vitest";
import { ManualClock } from "../../test/fakes.js";
import { pcRig } from "../../test/pc-rig.js";
import { HostBridge, pirqOf } from "../pci/index.js";
import { pcBoard } from "./pc-board.js";

const LEVEL = 1 << 15;
const LOW_ACTIVE = 1 << 13;

describe("without firmware a kernel finds", () => {
  test("virtual wire mode: the 8259s interrupt the boot processor through LINT0", () => {
    const { pio, clock, cpus, board } = pcRig();
    pio.write(0x21, 1, 0xfe);
    pio.write(0x43, 1, 0x34);
    pio.write(0x40, 1, 0xa9);
    pio.write(0x40, 1, 0x04);
    clock.advance(2e6);
    expect(cpus[0]!.intr).toBe(true);
    expect(board.localInterrupts.acknowledge(0)).toBe(0x08);
    expect(cpus[0]!.intr).toBe(false);
    pio.write(0x20, 1, 0x20);
    clock.advance(1e6);
    expect(board.localInterrupts.acknowledge(0)).toBe(0x08);
  });

  test("all ISA interrupts masked, PCI's and the SCI level-triggered", () => {
    const { pio } = pcRig();
    expect([pio.read(0x21, 1), pio.read(0xa1, 1)]).toEqual([0xfb, 0xff]);
    expect(pio.read(0x4d0, 2)).toBe(0x0e00);
  });

  test("an enabled local APIC on the boot processor alone", () => {
    const { board, mmio, as } = pcRig({ vcpus: 2 });
    expect([board.msrs.msrRead(0, 0x1b), board.msrs.msrRead(1, 0x1b)]).toEqual([0xfee00900n, 0xfee00800n]);
    expect([mmio.read(0xfee000f0, 4), mmio.read(0xfee00350, 4), mmio.read(0xfee00360, 4)]).toEqual([0x1ff, 0x700, 0x400]);
    as(1);
    expect(mmio.read(0xfee00350, 4)).toBe(0x10000);
  });

  test("A20 open, memory sizes in CMOS, and the time", () => {
    const { a20, pio } = pcRig();
    expect(a20.at(-1)).toBe(true);
    const cmos = (register: number) => {
      pio.write(0x70, 1, register);
      return pio.read(0x71, 1);
    };
    expect((cmos(0x34) | (cmos(0x35) << 8)) * 64).toBe(48 * 1024);
    expect([cmos(4), cmos(2), cmos(0)]).toEqual([0x12, 0x34, 0x56]);
  });
});

describe("interrupt routing", () => {
  test("IRQ 0 is input 2 of the I/O APIC", () => {
    const { pio, clock, ioapicWrite, take } = pcRig();
    ioapicWrite(0x14, 0x30);
    pio.write(0x43, 1, 0x34);
    pio.write(0x40, 1, 0xa9);
    pio.write(0x40, 1, 0x04);
    clock.advance(1.5e6);
    expect(take()).toBe(0x30);
    clock.advance(1e6);
    expect(take()).toBe(0x30);
  });

  test("the serial port is GSI 4", () => {
    const { pio, ioapicWrite, take, type } = pcRig();
    ioapicWrite(0x18, 0x34);
    pio.write(0x3fc, 1, 0x08);
    pio.write(0x3f9, 1, 0x01);
    expect(type("x")).toBe(1);
    expect(take()).toBe(0x34);
    expect(pio.read(0x3f8, 1)).toBe(0x78);
  });

  test("a level interrupt asks again at EOI until its device is content: PCI's are active low", () => {
    const { board, ioapicWrite, take } = pcRig();
    ioapicWrite(0x10 + 2 * 17, LEVEL | LOW_ACTIVE | 0x51);
    board.line(17).set(true);
    expect(take()).toBe(0x51);
    expect(take()).toBe(0x51);
    board.line(17).set(false);
    expect(take()).toBe(0x51);
    expect(take()).toBe(-1);
  });

  test("a wire that two devices pull is asserted while one of them does", () => {
    const { board, pio, ioapicWrite, take } = pcRig({ testDevice: true });
    ioapicWrite(0x10 + 2 * 17, LEVEL | LOW_ACTIVE | 0x51);
    board.line(17).set(true);
    pio.write(0x2011, 1, 1);
    expect(take()).toBe(0x51);
    board.line(17).set(false);
    expect(take()).toBe(0x51);
    pio.write(0x2011, 1, 0);
    expect(take()).toBe(0x51);
    expect(take()).toBe(-1);
  });

  test("INTA of a PCI device reaches its GSI and its ISA interrupt, and lets go of both", () => {
    const { board, pio, ioapicWrite, take } = pcRig();
    const wiring: { intx?: IrqLine } = {};
    board.pci.plug(({ intx }) => {
      wiring.intx = intx;
      return new HostBridge();
    });
    ioapicWrite(0x10 + 2 * (16 + pirqOf(3, 1)), LEVEL | LOW_ACTIVE | 0x53);
    const isaRequests = () => pio.read(0xa0, 1);
    expect(isaRequests()).toBe(0);
    wiring.intx?.set(true);
    expect([take(), isaRequests() & 0x0c]).not.toContain(0);
    wiring.intx?.set(false);
    expect([take(), take(), isaRequests()]).toEqual([0x53, -1, 0]);
  });

  test("the HPET's legacy replacement takes IRQ 0 from the 8254 and gives it back", () => {
    const { mmio, pio, clock, ioapicWrite, take } = pcRig();
    ioapicWrite(0x14, 0x30);
    pio.write(0x43, 1, 0x34);
    pio.write(0x40, 1, 0xa9);
    pio.write(0x40, 1, 0x04);
    mmio.write(0xfed00100, 4, 0x14c);
    mmio.write(0xfed00108, 4, 1_000_000);
    mmio.write(0xfed00108, 4, 1_000_000);
    mmio.write(0xfed00010, 4, 3);
    take();
    clock.advance(9.9e6);
    expect(take()).toBe(-1);
    clock.advance(0.2e6);
    expect(take()).toBe(0x30);
    mmio.write(0xfed00010, 4, 0);
    take();
    clock.advance(1.1e6);
    expect(take()).toBe(0x30);
  });

  test("a timer in the interval timer's place makes edges whatever that one holds IRQ 0 at", () => {
    const { board, pio, ioapicWrite, take } = pcRig();
    ioapicWrite(0x14, 0x30);
    pio.write(0x43, 1, 0x3a);
    take();
    for (let round = 0; round < 2; round++) {
      board.timerLine().set(true);
      board.timerLine().set(false);
      expect([take(), take()]).toEqual([0x30, -1]);
    }
  });

  test("such an edge is there until it is taken, with the interval timer's output low, and the interval timer's own come after it", () => {
    const { board, pio, clock } = pcRig();
    pio.write(0x21, 1, 0xfe);
    pio.write(0x43, 1, 0x30);
    const edge = (): void => {
      board.timerLine().set(true);
      board.timerLine().set(false);
    };
    const take = (): number => {
      const vector = board.localInterrupts.acknowledge(0);
      pio.write(0x20, 1, 0x20);
      return vector;
    };
    edge();
    clock.advance(1000);
    expect([take(), take()]).toEqual([0x08, -1]);
    edge();
    expect([take(), take()]).toEqual([0x08, -1]);
    pio.write(0x40, 1, 2);
    pio.write(0x40, 1, 0);
    clock.advance(1e4);
    expect([take(), take()]).toEqual([0x08, -1]);
  });

  test("a rise at a local timer input has the vector that the entry has then, and none while it is masked", () => {
    const { board, mmio, take } = pcRig();
    const line = board.localTimerLine(0);
    const rise = (): number => {
      line.set(true);
      line.set(false);
      return take();
    };
    expect(rise()).toBe(-1);
    mmio.write(0xfee00320, 4, 0x41);
    expect(rise()).toBe(0x41);
    mmio.write(0xfee000b0, 4, 0);
    mmio.write(0xfee00320, 4, 0x20042);
    expect(rise()).toBe(0x42);
    expect(() => board.localTimerLine(9)).toThrowError(expect.objectContaining({ code: "board/no-such-line" }));
  });

  test("a message-signalled interrupt needs no wire", () => {
    const { board, take, as, mmio } = pcRig({ vcpus: 2 });
    as(1);
    mmio.write(0xfee000f0, 4, 0x1ff);
    board.msi.send(0xfee01000, 0x77);
    expect([take(0), take(1)]).toEqual([-1, 0x77]);
  });

  test("ExtINT through input 0 of the I/O APIC reaches the 8259s too", () => {
    const { mmio, pio, ioapicWrite, board, cpus, type } = pcRig();
    mmio.write(0xfee00350, 4, 0x10000);
    ioapicWrite(0x10, 0x700);
    pio.write(0x21, 1, 0xef);
    pio.write(0x3fc, 1, 0x08);
    pio.write(0x3f9, 1, 0x01);
    type("x");
    expect(cpus[0]!.intr).toBe(true);
    expect(board.localInterrupts.acknowledge(0)).toBe(0x0c);
  });

  test("there is no GSI 24", () => {
    expect(() => pcRig().board.line(24)).toThrowError(expect.objectContaining({ code: "board/no-such-line" }));
  });
});

test("CR8 is the high nibble of the task priority", () => {
  const { board, mmio } = pcRig();
  board.localInterrupts.writeTaskPriority(0, 0x9);
  expect(mmio.read(0xfee00080, 4)).toBe(0x90);
  mmio.write(0xfee00080, 4, 0x5f);
  expect(board.localInterrupts.readTaskPriority(0)).toBe(5);
});

test("INIT and STARTUP reach the vCPU that they name", () => {
  const { mmio, cpus } = pcRig({ vcpus: 4 });
  mmio.write(0xfee00310, 4, 2 << 24);
  mmio.write(0xfee00300, 4, 0xc500);
  mmio.write(0xfee00300, 4, 0x8500);
  mmio.write(0xfee00300, 4, 0x4698);
  expect(cpus.map((cpu) => cpu.log)).toEqual([[], [], ["init", "startup 98"], []]);
});

describe("power", () => {
  test("S5 through the port that the tables name", () => {
    const { pio, power } = pcRig();
    pio.write(0x404, 2, (5 << 10) | (1 << 13));
    expect(power).toEqual([{ kind: "poweroff" }]);
  });

  test("reset by 0xcf9, the keyboard controller and port 0x92", () => {
    const { pio, power } = pcRig();
    pio.write(0xcf9, 1, 0x06);
    pio.write(0x64, 1, 0xfe);
    pio.write(0x92, 1, 0x01);
    expect(power).toEqual([{ kind: "reset" }, { kind: "reset" }, { kind: "reset" }]);
  });

  test("the exit port, when there is one", () => {
    const { pio, power } = pcRig({ exitPort: 0xf4 });
    pio.write(0xf4, 4, 0x21);
    expect(power).toEqual([{ kind: "exit", status: 0x43 }]);
    const without = pcRig();
    without.pio.write(0xf4, 4, 0x21);
    expect(without.power).toEqual([]);
  });
});

test("the test device drives interrupt lines", () => {
  const { pio, ioapicWrite, take } = pcRig({ testDevice: true });
  ioapicWrite(0x10 + 2 * 14, 0x78);
  pio.write(0x200e, 4, 1);
  expect(take()).toBe(0x78);
  pio.write(0x200e, 4, 0);
  expect(take()).toBe(-1);
});

test("tables are written where the boot protocol says, and say what the devices are", () => {
  const { board, memory, mmio } = pcRig({ vcpus: 2 });
  const { rsdp, reserved } = board.installTables();
  expect(new TextDecoder().decode(memory.view(rsdp, 8))).toBe("RSD PTR ");
  expect(reserved.some(({ base, length }) => rsdp >= base && rsdp < base + length)).toBe(true);
  const area = memory.view(reserved[0]!.base, reserved[0]!.length);
  const at = String.fromCharCode(...area.subarray(0, 0x8000)).lastIndexOf("HPET");
  expect(memory.readU32(reserved[0]!.base + at + 36)).toBe(mmio.read(0xfed00000, 4));
});

test("PCI has the drives in order, then the console, then entropy; each is there only when it was configured", () => {
  const store = {
    size: 1 << 20,
    sectorSize: 512,
    readOnly: false,
    read: async () => {},
    write: async () => {},
    flush: async () => {},
    close: async () => {},
  };
  const stream = { write: () => true, onDrain: () => {}, onData: () => {}, ready: () => {} };
  const drives = [0, 1].map(() => ({ store, readOnly: false }));
  const devices = (rig: ReturnType<typeof pcRig>) =>
    [0, 1, 2, 3, 4, 5, 6].map((slot) => {
      rig.pio.write(0xcf8, 4, 0x80000000 + (slot << 11));
      return rig.pio.read(0xcfc, 4);
    });
  const [bridge, isa, block, console, entropy] = [0x12378086, 0x70008086, 0x10421af4, 0x10431af4, 0x10441af4];
  expect(devices(pcRig({ drives, console: stream }))).toEqual([bridge, isa, block, block, console, entropy, 0xffffffff]);
  expect(devices(pcRig()).slice(2, 4)).toEqual([entropy, 0xffffffff]);
});

test("the BIOS data area has the serial port and the size of base memory, by which hypervisors place themselves", () => {
  const { board, memory } = pcRig();
  board.installTables();
  expect([memory.readU16(0x400), memory.readU16(0x40e), memory.readU16(0x413)]).toEqual([0x3f8, 0, 640]);
});

test("tables before connect() are the composer's mistake and say so", () => {
  const buses = pcBoard.createBuses();
  const clock = new ManualClock();
  const board = pcBoard.create({
    ...buses,
    ramBytes: 1 << 24,
    vcpus: 1,
    clock,
    wallClock: { nowMs: () => 0 },
    entropy: { fill: () => {} },
    serial: { write: () => true, onDrain: () => {}, onData: () => {}, ready: () => {} },
    drives: [],
    currentVcpu: () => 0,
    power: () => {},
    setA20: () => {},
    tscHz: 1e9,
  });
  expect(() => board.installTables()).toThrowError(expect.objectContaining({ code: "board/not-connected" }));
});

test("fw_cfg tells memory and processors", () => {
  const { pio } = pcRig({ vcpus: 3 });
  const item = (selector: number, bytes: number) => {
    pio.write(0x510, 2, selector);
    let value = 0;
    for (let byte = 0; byte < bytes; byte++) value += pio.read(0x511, 1) * 2 ** (8 * byte);
    return value;
  };
  expect([item(3, 8), item(5, 2)]).toEqual([64 << 20, 3]);
});

test("a reset brings the board back to where it began, whatever the guest did", () => {
  const { board, pio, mmio, ioapicWrite, type, clock } = pcRig({ vcpus: 2, testDevice: true });
  const fresh = structuredClone(board.save());
  ioapicWrite(0x14, 0x30);
  for (const [port, value] of [
    [0x43, 0x34],
    [0x40, 1],
    [0x40, 1],
    [0x61, 3],
    [0x21, 0],
    [0x3f9, 1],
    [0x3fc, 8],
    [0x92, 2],
    [0x64, 0xad],
    [0x402, 1],
    [0xe0, 9],
  ] as const) {
    pio.write(port, 1, value);
  }
  mmio.write(0xfed00010, 4, 3);
  mmio.write(0xfee00080, 4, 0x20);
  board.msrs.msrWrite(1, 0x1b, 0x42000800n);
  type("x");
  board.reset();
  expect(board.save()).toEqual(fresh);
  expect(mmio.read(0xfee00030, 4)).toBe(0x00050014);
  clock.advance(1e9);
});

describe("a saved board", () => {
  function busy() {
    const rig = pcRig({ vcpus: 2, testDevice: true });
    rig.pio.write(0x43, 1, 0x34);
    rig.pio.write(0x40, 1, 0xa9);
    rig.pio.write(0x40, 1, 0x04);
    rig.ioapicWrite(0x14, 0x30);
    rig.ioapicWrite(0x18, 0x34);
    rig.pio.write(0x3fc, 1, 0x08);
    rig.pio.write(0x3f9, 1, 0x01);
    rig.clock.advance(1.5e6);
    rig.type("x");
    return rig;
  }

  test("goes on where it was: same registers, same pending interrupts, no new edges", () => {
    const { board, take } = busy();
    const saved = board.save();
    const other = pcRig({ vcpus: 2, testDevice: true });
    other.clock.advance(1.5e6);
    other.board.load(JSON.parse(JSON.stringify(saved)));
    expect(other.board.save()).toEqual(saved);
    expect([other.take(), other.take(), other.take()]).toEqual([take(), take(), take()]);
    other.clock.advance(1e6);
    expect(other.take()).toBe(0x30);
  });

  test("is refused by a board with other parts or of another schema", () => {
    const { board } = busy();
    const saved = board.save();
    expect(() => pcRig({ vcpus: 1, testDevice: true }).board.load(saved)).toThrowError(
      expect.objectContaining({ code: "snapshot/mismatch" }),
    );
    expect(() => board.load({ ...saved, schema: "pc-board@0" as never })).toThrowError(
      expect.objectContaining({ code: "snapshot/unknown-schema" }),
    );
  });
});

test("absent devices float: a second serial port, a floppy, an IDE disk, DMA", () => {
  const { pio } = pcRig();
  for (const port of [0x2f8, 0x3f2, 0x1f7, 0x08, 0x80, 0x378]) expect(pio.read(port, 1)).toBe(0xff);
});
