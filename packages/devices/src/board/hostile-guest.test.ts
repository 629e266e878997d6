/** A guest that writes anything anywhere while time passes: nothing throws, nothing hangs, nothing grows. */
import type { AccessSize } from "@paravane/paravirt-ops";
import { expect, test } from "vitest";
import { pcRig } from "../../test/pc-rig.js";

/** xorshift32: the same noise on every run. */
function noise(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const PORTS = [
  0x20, 0x21, 0xa0, 0xa1, 0x40, 0x41, 0x42, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x92, 0x400, 0x402, 0x404, 0x4d0, 0xe0, 0x2003, 0x200e,
];
const SERIAL = [0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff];
const PAGES = [0xfec00000, 0xfee00000, 0xfed00000] as const;
const MSRS = [0x1b, 0x6e0, 0x800, 0x80b, 0x80f, 0x830, 0x832, 0x838, 0x83e, 0x83f];
const SIZES: readonly AccessSize[] = [1, 2, 4];

for (const seed of [1, 2, 3]) {
  test(`noise ${seed}`, () => {
    const random = noise(seed * 0x9e3779b1);
    const { board, pio, mmio, clock, as, cpus, type, power } = pcRig({ vcpus: 3, testDevice: true });
    const word = () => [0, 1, 0xff, 0xffffffff, random(256), (random(0x10000) << 16) | random(0x10000)][random(6)]! >>> 0;
    for (let step = 0; step < 20_000; step++) {
      as(random(3));
      const size = SIZES[random(3)]!;
      switch (random(9)) {
        case 0:
        case 1:
          pio.write(PORTS[random(PORTS.length)]!, size, word());
          break;
        case 2:
          pio.write(SERIAL[random(SERIAL.length)]!, size, word());
          break;
        case 3:
          mmio.write(PAGES[random(3)]! + 4 * random(0x100), 4, word());
          break;
        case 4:
          mmio.read(PAGES[random(3)]! + random(0x400), size);
          pio.read(PORTS[random(PORTS.length)]!, size);
          break;
        case 5:
          board.msrs.msrWrite(random(3), MSRS[random(MSRS.length)]!, (BigInt(word()) << BigInt(random(33))) & 0xffffffffffffffffn);
          break;
        case 6:
          for (const [n, cpu] of cpus.entries()) if (cpu.intr) board.localInterrupts.acknowledge(n);
          break;
        case 7:
          clock.sleep(random(2) === 0 ? random(1000) : random(50_000_000));
          break;
        default:
          type("guest");
          board.key(random(0x84), random(2) === 0);
      }
      for (const cpu of cpus) cpu.log.length = 0;
      power.length = 0;
    }
    const saved = board.save();
    expect(JSON.stringify(saved).length).toBeLessThan(2_000_000);
    const other = pcRig({ vcpus: 3, testDevice: true });
    other.clock.sleep(clock.nowNs());
    other.board.load(saved);
    expect(other.board.save()).toEqual(saved);
    board.reset();
    clock.sleep(1e9);
    expect(cpus.map((cpu) => cpu.intr)).toEqual([false, false, false]);
  });
}
