import { describe, expect, test } from "vitest";
import { ManualClock, ProbeLine } from "../../test/fakes.js";
import { stateTrio } from "../../test/state-trio.js";
import { createPioBus } from "../bus/pio-bus.js";
import { nsOfTick } from "../ticks.js";
import { I8254 } from "./i8254.js";
import { IsaPit, PIT_HZ } from "./isa-pit.js";

function board() {
  const clock = new ManualClock();
  const irq = new ProbeLine();
  const pit = new IsaPit(clock, irq);
  const bus = createPioBus();
  pit.attach(bus);
  const program = (control: number, count: number, port = 0x40) => {
    bus.write(0x43, 1, control);
    bus.write(port, 1, count & 0xff);
    bus.write(port, 1, count >> 8);
  };
  return { clock, irq, pit, bus, program };
}

describe("IRQ 0", () => {
  test("rises HZ times a second in mode 2, exactly, for an hour", () => {
    const { clock, irq, program } = board();
    program(0x34, 1193);
    const before = irq.rises;
    for (let second = 0; second < 3600; second++) clock.advance(1e9);
    expect(irq.rises - before).toBe(Math.floor((3600 * PIT_HZ - 1) / 1193));
  });

  test("rises once in mode 0, at the tick that was asked for", () => {
    const { clock, irq, program } = board();
    program(0x30, 11_932);
    expect(irq.level).toBe(false);
    clock.advance(nsOfTick(11_933, PIT_HZ) - 1);
    expect(irq.level).toBe(false);
    clock.advance(1);
    expect(irq.level).toBe(true);
    clock.advance(1e9);
    expect(irq.rises).toBe(1);
  });

  test("catches up once after the host slept", () => {
    const { clock, irq, program } = board();
    program(0x34, 1193);
    clock.advance(1e7);
    const before = irq.rises;
    clock.sleep(5e9);
    expect(irq.rises).toBe(before + 1);
    clock.advance(1e6);
    expect(irq.rises).toBe(before + 2);
  });

  test("a rise that is due but not polled yet is not lost when the guest programs the counter", () => {
    const { clock, irq, program } = board();
    program(0x30, 1000);
    clock.pass(1e6);
    program(0x34, 1193);
    expect(irq.rises).toBeGreaterThan(0);
  });

  test("is silent while another timer has the wire", () => {
    const { clock, irq, pit, program } = board();
    program(0x34, 1193);
    clock.advance(1e7);
    pit.setConnected(false);
    const before = irq.rises;
    clock.advance(1e9);
    expect(irq.rises).toBe(before);
    pit.setConnected(true);
    clock.advance(1e7);
    expect(irq.rises).toBeGreaterThan(before);
  });

  test("stops after a reset", () => {
    const { clock, pit, program } = board();
    program(0x34, 1193);
    pit.reset();
    expect(clock.pending).toBe(0);
  });
});

describe("port 0x61", () => {
  test("gates counter 2 and shows its OUT: how a kernel calibrates its TSC", () => {
    const { clock, bus, program } = board();
    bus.write(0x61, 1, 0x01);
    program(0xb0, 0xffff, 0x42);
    expect(bus.read(0x61, 1) & 0x20).toBe(0);
    clock.advance(nsOfTick(0x10000, PIT_HZ) - 1);
    expect(bus.read(0x61, 1) & 0x20).toBe(0);
    clock.advance(1);
    expect(bus.read(0x61, 1) & 0x20).toBe(0x20);
  });

  test("keeps the speaker and enable bits, and toggles refresh", () => {
    const { clock, bus } = board();
    bus.write(0x61, 1, 0xff);
    expect(bus.read(0x61, 1) & 0xcf).toBe(0x0f);
    const seen = new Set<number>();
    for (let i = 0; i < 8; i++) {
      seen.add(bus.read(0x61, 1) & 0x10);
      clock.advance(10_000);
    }
    expect(seen.size).toBe(2);
  });
});

test("read-back latches several counters at once", () => {
  const { clock, bus, program } = board();
  program(0x34, 1000);
  program(0x74, 2000, 0x41);
  clock.advance(nsOfTick(11, PIT_HZ));
  bus.write(0x43, 1, 0xc6 & ~0x30);
  clock.advance(1e6);
  expect(bus.read(0x40, 1)).toBe(0xb4);
  expect(bus.read(0x41, 1)).toBe(0xb4);
  expect(bus.read(0x40, 1) | (bus.read(0x40, 1) << 8)).toBe(990);
  expect(bus.read(0x41, 1) | (bus.read(0x41, 1) << 8)).toBe(1990);
  expect(bus.read(0x43, 1)).toBe(0xff);
});

test("a restored timer goes on at the same instants and makes no edge of its own", () => {
  const { clock, pit, bus, program } = board();
  program(0x34, 1193);
  bus.write(0x61, 1, 3);
  clock.advance(1_234_567);
  const saved = pit.save();
  const other = board();
  other.clock.advance(1_234_567);
  other.irq.level = true;
  other.pit.load(saved);
  expect(other.irq.rises).toBe(0);
  expect(other.pit.save()).toEqual(saved);
  clock.advance(1e7);
  other.clock.advance(1e7);
  other.pit.save();
  expect(other.irq.rises).toBe(Math.floor((11_234_567 * PIT_HZ) / 1e9 / 1193) - Math.floor((1_234_567 * PIT_HZ) / 1e9 / 1193));
  expect(() => pit.load({ ...saved, schema: "isa-pit@2" as never })).toThrowError(/isa-pit@2/);
});

stateTrio(
  () => new I8254(),
  (pit) => {
    pit.write(3, 0x34, 0);
    pit.write(0, 0x12, 0);
    pit.write(0, 0x34, 0);
    pit.write(3, 0xb6, 5);
    pit.write(2, 0x10, 6);
    pit.counters[2].setGate(true, 7);
  },
  {
    "a control word": (pit) => pit.write(3, 0x30, 9),
    "half a count": (pit) => pit.write(0, 1, 9),
    "a count": (pit) => {
      pit.write(0, 1, 9);
      pit.write(0, 2, 9);
    },
    "a latched count": (pit) => pit.write(3, 0x00, 9),
    "a latched status": (pit) => pit.write(3, 0xe2, 9),
    "half a read": (pit) => void pit.read(0, 9),
    "a gate": (pit) => pit.counters[2].setGate(false, 9),
  },
);
