// A driver that writes nonsense, from a seed: nothing may throw, loop, reject, or leave the device unusable after a reset.
import type { BlockStore } from "@paravane/paravirt-ops";
import { describe, expect, it } from "vitest";
import { virtioMachine } from "../../test/virtio-machine.js";
import { VirtioBlock, VirtioConsole, VirtioEntropy } from "./index.js";
import type { VirtioDevice } from "./index.js";

/** xorshift32. */
function random(seed: number) {
  let state = seed;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  const below = (limit: number) => next() % limit;
  const pick = <T>(...choices: T[]): T => choices[below(choices.length)]!;
  return { next, below, pick };
}

const store: BlockStore = {
  size: 1 << 20,
  sectorSize: 512,
  readOnly: false,
  read: async (_offset, into) => void into.fill(1),
  write: async () => {},
  flush: async () => {},
  discard: async () => {
    throw new Error("the host cannot");
  },
  close: async () => {},
};
const devices: Record<string, () => VirtioDevice> = {
  block: () => new VirtioBlock({ store }),
  console: () =>
    new VirtioConsole({
      write: (bytes) => bytes.length % 3 !== 0,
      onDrain: (listener) => void setTimeout(listener, 0),
      onData: (listener) => void setTimeout(() => listener(new Uint8Array(10_000)), 0),
      ready() {},
    }),
  entropy: () => new VirtioEntropy({ fill: (bytes) => void bytes.fill(7) }),
};

describe.each(Object.entries(devices))("virtio %s", (_name, create) => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])("survives a random driver (seed %i)", async (seed) => {
    const { next, below, pick } = random(seed * 0x9e37_79b9);
    const device = create();
    const { driver, memory, mmio, bus, slot, pci } = virtioMachine(device);
    const base = () => pci.space.barBase(pci.space.bars[0]!);
    const address = () =>
      pick(0x20_0000 + below(0x1000), 0x10_0000 + below(0x4000), below(0x40_0000), next(), 0x9_fff0 + below(32), 0x3f_fff0 + below(32));
    for (let round = 0; round < 60; round++) {
      bus.assign(() => 10);
      bus.write(0, slot, 0, 4, 2, pick(7, 7, 7, next() & 0xffff));
      driver.start(device.features | pick(0, 1 << 28, 1 << 29, 3 << 28), device.queueSizes);
      for (let step = 0; step < 40; step++) {
        const queue = below(device.queueSizes.length);
        const ring = driver.rings[queue]!;
        switch (below(9)) {
          case 0:
          case 1:
          case 2: {
            const at = ring.descriptors + 16 * below(pick(4, ring.size));
            memory.writeU64(at, BigInt(address()) + (below(20) === 0 ? 1n << 60n : 0n));
            memory.writeU32(at + 8, pick(16, 1, 512, 513, below(0x2000), next()));
            memory.writeU16(at + 12, pick(0, 1, 2, 3, 4, 5, next() & 0xffff));
            memory.writeU16(at + 14, pick(below(4), next() & 0xffff));
            break;
          }
          case 3:
            driver.offer(queue, pick(below(4), below(ring.size), next() & 0xffff));
            break;
          case 4:
            memory.writeU16(ring.driver + pick(0, 2, 4 + 2 * ring.size), pick(below(8), next() & 0xffff));
            break;
          case 5:
            mmio.write(base() + pick(below(0x40), below(0x4000)), pick(1, 2, 4), next());
            break;
          case 6:
            bus.write(0, slot, 0, below(256), pick(1, 2, 4), next());
            break;
          default:
            driver.ring(queue);
        }
        if (below(16) === 0) await new Promise((resolve) => setTimeout(resolve, 0));
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    bus.assign(() => 10);
    bus.write(0, slot, 0, 4, 2, 7);
    memory.fill(0x10_0000, 0x2_0000, 0);
    driver.start(0, device.queueSizes);
    expect(driver.status).toBe(15);
    const state = pci.save();
    pci.load(state);
    expect(pci.save()).toEqual(state);
  });
});
