import { describe, expect, it } from "vitest";
import { virtioMachine } from "../../test/virtio-machine.js";
import type { VirtioDevice, VirtioLink, VirtqChain } from "./index.js";

const INDIRECT = 1 << 28,
  EVENT_IDX = 1 << 29;

/** Answers each buffer with the sum of its bytes; holds buffers back while `hold` is set. */
function summing() {
  const device = {
    name: "summing",
    type: 42,
    pciClass: 0xff0000,
    features: 0b101,
    queueSizes: [16, 8],
    config: new Uint8Array([1, 2, 3, 4, 5, 6]),
    link: undefined as VirtioLink | undefined,
    held: [] as VirtqChain[],
    hold: false,
    starts: 0,
    stops: 0,
    bells: 0,
    configWrites: [] as number[],
    writeConfig: (offset: number, size: number, value: number) => void device.configWrites.push(offset, size, value),
    start(link: VirtioLink) {
      device.link = link;
      device.starts++;
    },
    stop() {
      device.link = undefined;
      device.held = [];
      device.stops++;
    },
    notify(queue: number) {
      device.bells++;
      for (let chain = device.link!.take(queue); chain !== undefined; chain = device.link!.take(queue)) {
        if (device.hold) device.held.push(chain);
        else device.answer(queue, chain);
      }
      device.link!.signal(queue);
    },
    answer(queue: number, chain: VirtqChain) {
      const input = new Uint8Array(Math.min(chain.readable, 1 << 16));
      chain.read(device.link!.memory, 0, input);
      const sum = new Uint8Array(4);
      new DataView(sum.buffer).setUint32(
        0,
        input.reduce((a, b) => a + b, 0),
        true,
      );
      device.link!.complete(queue, chain, chain.write(device.link!.memory, 0, sum));
    },
    save: () => ({ schema: "summing@1" }),
    load(_state: { schema: string }, link: VirtioLink | undefined, held: readonly (readonly VirtqChain[])[]) {
      device.link = link;
      device.held = [...(held[0] ?? [])];
    },
  };
  return device satisfies VirtioDevice;
}
const build = () => {
  const device = summing();
  return { device, ...virtioMachine(device) };
};
const IN = 0x20_0000,
  OUT = 0x21_0000,
  TABLE = 0x22_0000;

describe("a virtio PCI function", () => {
  it("is found by vendor, device id and its five structures", () => {
    const { bus, slot, pci, driver } = build();
    expect(bus.read(0, slot, 0, 0, 4)).toBe(0x106a_1af4);
    expect(bus.read(0, slot, 0, 8, 1)).toBe(1);
    const types: number[] = [];
    for (let cap = pci.space.read(0x34, 1); cap !== 0; cap = pci.space.read(cap + 1, 1))
      if (pci.space.read(cap, 1) === 9) types.push(pci.space.read(cap + 3, 1));
    expect(types.sort()).toEqual([1, 2, 3, 4, 5]);
    expect(driver.read(0x12, 2)).toBe(2);
    expect([driver.readConfig(0, 4), driver.readConfig(4, 4), driver.readConfig(100, 2)]).toEqual([0x0403_0201, 0x0605, 0]);
  });
  it("offers its own features, the ring features and VERSION_1", () => {
    const { driver } = build();
    driver.write(0, 4, 0);
    expect(driver.read(4, 4)).toBe((0b101 | INDIRECT | EVENT_IDX) >>> 0);
    driver.write(0, 4, 1);
    expect(driver.read(4, 4)).toBe(1);
    driver.write(0, 4, 2);
    expect(driver.read(4, 4)).toBe(0);
  });
  it("takes a subset of the features only, and VERSION_1 must be in it", () => {
    const { driver } = build();
    expect(driver.negotiate(0b1)).toBe(true);
    expect(driver.negotiate(0b10)).toBe(false);
    expect(driver.negotiate(0b1, 0)).toBe(false);
    expect(driver.negotiate(0b1, 3)).toBe(false);
  });
  it("starts at DRIVER_OK and not before, and not without FEATURES_OK", () => {
    const { driver, device } = build();
    driver.negotiate(0);
    driver.setQueue(0, 16, 0x10_0000);
    driver.ring(0);
    expect([device.starts, device.bells]).toEqual([0, 0]);
    driver.status = 15;
    driver.ring(0);
    expect([device.starts, device.bells]).toEqual([1, 1]);
    driver.status = 0;
    driver.status = 7;
    expect([device.starts, device.stops]).toEqual([1, 1]);
  });
  it("reads sub-fields and ignores writes of the wrong width", () => {
    const { driver } = build();
    driver.write(0x16, 2, 1);
    expect([driver.read(0x14, 4) >>> 16, driver.read(0x18, 4), driver.read(0x19, 1)]).toEqual([1, 0xffff_0008, 0]);
    driver.write(0x18, 4, 4);
    driver.write(0x18, 1, 4);
    driver.write(0x18, 2, 3);
    driver.write(0x18, 2, 16);
    expect(driver.read(0x18, 2)).toBe(8);
    driver.write(0x18, 2, 4);
    expect(driver.read(0x18, 2)).toBe(4);
    driver.write(0x16, 2, 9);
    expect([driver.read(0x18, 2), driver.read(0x1c, 2)]).toEqual([0, 0]);
  });
  it("passes configuration writes on", () => {
    const { driver, device, mmio, pci } = build();
    mmio.write(pci.space.barBase(pci.space.bars[0]!) + 0x2004, 4, 0x1234);
    expect(device.configWrites).toEqual([4, 4, 0x1234]);
    expect(driver.status).toBe(0);
  });
  it("can be driven through configuration space alone", () => {
    const { bus, slot, pci } = build();
    let cap = pci.space.read(0x34, 1);
    while (pci.space.read(cap + 3, 1) !== 5 || pci.space.read(cap, 1) !== 9) cap = pci.space.read(cap + 1, 1);
    const aim = (offset: number, size: number) => {
      bus.write(0, slot, 0, cap + 4, 1, 0);
      bus.write(0, slot, 0, cap + 8, 4, offset);
      bus.write(0, slot, 0, cap + 12, 4, size);
    };
    aim(0x14, 1);
    bus.write(0, slot, 0, cap + 16, 1, 3);
    expect(bus.read(0, slot, 0, cap + 16, 1)).toBe(3);
    aim(0x12, 2);
    expect(bus.read(0, slot, 0, cap + 16, 2)).toBe(2);
    aim(0xffff_fffc, 4);
    expect(bus.read(0, slot, 0, cap + 16, 4)).toBe(0);
    aim(0x4000, 4);
    bus.write(0, slot, 0, cap + 16, 4, 1);
    expect(bus.read(0, slot, 0, cap + 16, 4)).toBe(0);
  });
});

describe("a queue", () => {
  for (const features of [0, INDIRECT, EVENT_IDX, INDIRECT | EVENT_IDX]) {
    it(`carries buffers around its ring many times (features 0x${features.toString(16)})`, () => {
      const { driver, memory, device } = build();
      driver.start(features, [16, 8]);
      memory.fill(IN, 64, 3);
      const table = (features & INDIRECT) !== 0 ? TABLE : undefined;
      // Past the end of the 16-bit index once with and once without all features.
      const rounds = features === 0 || features === (INDIRECT | EVENT_IDX) ? 66_000 : 1000;
      for (let i = 0; i < rounds; i++) {
        const head = driver.post(
          0,
          [
            { address: IN, length: 1 + (i & 7) },
            { address: IN, length: 2 },
            { address: OUT, length: 4, write: true },
          ],
          table,
        );
        driver.setUsedEvent(0, i);
        driver.ring(0);
        const done = driver.completed(0);
        if (done.length !== 1 || done[0]!.head !== head || done[0]!.length !== 4 || memory.readU32(OUT) !== 3 * (3 + (i & 7))) {
          expect.fail(`buffer ${i}: ${JSON.stringify(done)}, sum ${memory.readU32(OUT)}`);
        }
      }
      expect(device.bells).toBe(rounds);
      if ((features & EVENT_IDX) !== 0) expect(driver.availableEvent(0)).toBe(rounds & 0xffff);
    });
  }
  it("reads and writes across segments, empty ones included", () => {
    const { driver, memory, device } = build();
    driver.start(0, [16, 8]);
    device.hold = true;
    memory.write(IN, new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]));
    driver.post(0, [
      { address: IN, length: 3 },
      { address: IN, length: 0 },
      { address: IN + 3, length: 5 },
      { address: OUT, length: 2, write: true },
      { address: OUT + 16, length: 6, write: true },
    ]);
    driver.ring(0);
    const chain = device.held[0]!;
    expect([chain.readable, chain.writable]).toEqual([8, 8]);
    const bytes = new Uint8Array(4);
    expect(chain.read(memory, 2, bytes)).toBe(4);
    expect([...bytes]).toEqual([3, 4, 5, 6]);
    expect(chain.read(memory, 6, bytes)).toBe(2);
    expect(chain.write(memory, 1, new Uint8Array([9, 8, 7]))).toBe(3);
    expect([...memory.view(OUT, 2), ...memory.view(OUT + 16, 3)]).toEqual([0, 9, 8, 7, 0]);
    expect(chain.write(memory, 7, new Uint8Array([1, 2]))).toBe(1);
  });
});

describe("interrupts", () => {
  const buffer = [{ address: OUT, length: 4, write: true }];
  it("use INTx and the ISR while MSI-X is off; reading the ISR lets the wire go", () => {
    const { driver, intx, bus, slot } = build();
    driver.start(0, [16, 8]);
    driver.post(0, buffer);
    driver.ring(0);
    expect([intx.level, bus.read(0, slot, 0, 6, 2) & 8]).toEqual([true, 8]);
    bus.write(0, slot, 0, 4, 2, 0x407);
    expect([intx.level, bus.read(0, slot, 0, 6, 2) & 8]).toEqual([false, 8]);
    bus.write(0, slot, 0, 4, 2, 7);
    expect(intx.level).toBe(true);
    expect([driver.takeIsr(), driver.takeIsr(), intx.level]).toEqual([1, 0, false]);
  });
  it("use a queue's vector with MSI-X, and no wire", () => {
    const { driver, intx, messages, enableMsix } = build();
    enableMsix();
    driver.start(0, [16, 8], (queue) => queue + 1);
    driver.post(1, buffer);
    driver.ring(1);
    driver.post(0, buffer);
    driver.ring(0);
    expect([messages, intx.level, driver.takeIsr()]).toEqual([[0x52, 0x51], false, 0]);
  });
  it("refuse vectors outside the table", () => {
    const { driver, messages, enableMsix } = build();
    enableMsix();
    driver.start(0, [16, 8], () => 3);
    expect(driver.read(0x1a, 2)).toBe(0xffff);
    driver.post(0, buffer);
    driver.ring(0);
    expect(messages).toEqual([]);
  });
  it("stay away when the driver asks: NO_INTERRUPT without event indices, an event ahead with them", () => {
    const { driver, messages, enableMsix, memory } = build();
    enableMsix();
    driver.start(0, [16, 8], () => 1);
    memory.writeU16(driver.rings[0]!.driver, 1);
    driver.post(0, buffer);
    driver.ring(0);
    expect(messages.length).toBe(0);
    driver.start(EVENT_IDX, [16, 8], () => 1);
    memory.fill(0x10_0000, 0x4000, 0);
    driver.setUsedEvent(0, 2);
    for (const expected of [0, 0, 1, 1]) {
      driver.post(0, buffer);
      driver.ring(0);
      expect(messages.length).toBe(expected);
    }
  });
  it("tell of changed configuration with a new generation", () => {
    const { driver, device, intx } = build();
    driver.start(0, [16, 8]);
    const before = driver.read(0x15, 1);
    device.link!.configChanged();
    expect([driver.read(0x15, 1), intx.level, driver.takeIsr()]).toEqual([before + 1, true, 2]);
  });
  it("end with a reset", () => {
    const { driver, intx } = build();
    driver.start(0, [16, 8]);
    driver.post(0, buffer);
    driver.ring(0);
    driver.status = 0;
    expect([intx.level, driver.takeIsr(), driver.status, driver.read(0x1c, 2)]).toEqual([false, 0, 0, 0]);
  });
});

describe("a hostile driver", () => {
  const NEXT = 1,
    WRITE = 2,
    INDIRECT_FLAG = 4;
  const cases: Record<string, (m: ReturnType<typeof build>) => void> = {
    "a chain that loops": ({ driver }) => {
      driver.describe(0, 0, { address: IN, length: 1 }, NEXT, 1);
      driver.describe(0, 1, { address: IN, length: 1 }, NEXT, 0);
      driver.offer(0, 0);
    },
    "a chain of empty segments that loops": ({ driver }) => {
      driver.describe(0, 0, { address: 0, length: 0 }, NEXT, 0);
      driver.offer(0, 0);
    },
    "a head outside the table": ({ driver }) => driver.offer(0, 16),
    "a next outside the table": ({ driver }) => {
      driver.describe(0, 0, { address: IN, length: 1 }, NEXT, 16);
      driver.offer(0, 0);
    },
    "a segment outside memory": ({ driver }) => void driver.post(0, [{ address: 0xffff_ffff_ffff, length: 4 }]),
    "a segment over the end of memory": ({ driver }) => void driver.post(0, [{ address: (4 << 20) - 4, length: 8 }]),
    "a segment that wraps around": ({ driver, memory }) => {
      const head = driver.post(0, [{ address: 0, length: 0xffff_ffff }]);
      memory.writeU64(driver.rings[0]!.descriptors + 16 * head, 0xffff_ffff_ffff_fff0n);
    },
    "a segment in device memory": ({ driver }) => void driver.post(0, [{ address: 0xe000_0000, length: 4, write: true }]),
    "a readable segment after a writable one": ({ driver }) =>
      void driver.post(0, [
        { address: OUT, length: 4, write: true },
        { address: IN, length: 4 },
      ]),
    "more buffers than the ring has": ({ driver, memory }) => memory.writeU16(driver.rings[0]!.driver + 2, 17),
    "an indirect table inside an indirect table": ({ driver, memory }) => {
      driver.post(0, [{ address: TABLE, length: 16 }], TABLE);
      memory.writeU16(TABLE + 12, INDIRECT_FLAG);
    },
    "an indirect table that also has a next": ({ driver, memory }) => {
      const head = driver.post(0, [{ address: IN, length: 1 }], TABLE);
      memory.writeU16(driver.rings[0]!.descriptors + 16 * head + 12, INDIRECT_FLAG | NEXT);
    },
    "an indirect table of odd length": ({ driver, memory }) => {
      const head = driver.post(0, [{ address: IN, length: 1 }], TABLE);
      memory.writeU32(driver.rings[0]!.descriptors + 16 * head + 8, 24);
    },
    "an indirect table outside memory": ({ driver, memory }) => {
      const head = driver.post(0, [{ address: IN, length: 1 }], TABLE);
      memory.writeU64(driver.rings[0]!.descriptors + 16 * head, 0x8000_0000n);
    },
    "an indirect chain longer than any buffer may be": ({ driver }) => {
      driver.post(
        0,
        Array.from({ length: 17 }, () => ({ address: IN, length: 1 })),
        TABLE,
      );
    },
    "an indirect chain that loops": ({ driver, memory }) => {
      driver.post(
        0,
        [
          { address: IN, length: 1 },
          { address: IN, length: 1 },
        ],
        TABLE,
      );
      memory.writeU16(TABLE + 16 + 12, NEXT | WRITE);
      memory.writeU16(TABLE + 16 + 14, 0);
    },
  };
  for (const [name, attack] of Object.entries(cases)) {
    it(`with ${name} stops its device until reset, and nothing else`, () => {
      const m = build();
      m.driver.start(INDIRECT, [16, 8]);
      attack(m);
      m.driver.ring(0);
      expect(m.driver.status & 64).toBe(64);
      expect([m.driver.completed(0), m.driver.takeIsr()]).toEqual([[], 2]);
      m.driver.post(0, [{ address: OUT, length: 4, write: true }]);
      m.driver.ring(0);
      expect(m.driver.completed(0)).toEqual([]);
      m.memory.fill(0x10_0000, 0x4000, 0);
      m.driver.start(0, [16, 8]);
      m.driver.post(0, [{ address: OUT, length: 4, write: true }]);
      m.driver.ring(0);
      expect(m.driver.completed(0).length).toBe(1);
    });
  }
  it("cannot use indirect tables that were not agreed on", () => {
    const { driver } = build();
    driver.start(0, [16, 8]);
    driver.post(0, [{ address: IN, length: 1 }], TABLE);
    driver.ring(0);
    expect(driver.status & 64).toBe(64);
  });
  it("cannot put rings outside memory or off their alignment", () => {
    for (const base of [0x9_f000, 0x7fff_0000, 0x10_0008]) {
      const { driver } = build();
      driver.negotiate(0);
      driver.setQueue(0, 16, base);
      expect(driver.status & 64).toBe(64);
      driver.status = 15;
      driver.ring(0);
    }
  });
  it("cannot move a live queue or renegotiate features", () => {
    const { driver } = build();
    driver.start(0, [16, 8]);
    driver.write(0x16, 2, 0);
    driver.write(0x20, 4, 0x1234_0000);
    driver.write(0x18, 2, 2);
    driver.write(0x08, 4, 0);
    driver.write(0x0c, 4, 1);
    expect([driver.read(0x20, 4), driver.read(0x18, 2), driver.read(0x0c, 4)]).toEqual([0x10_0000, 16, 0]);
  });
  it("finds nothing behind bells, structures and registers that do not exist", () => {
    const { driver, mmio, pci, device } = build();
    driver.start(0, [16, 8]);
    const base = pci.space.barBase(pci.space.bars[0]!);
    for (let offset = 0x38; offset < 0x4000; offset += 4) {
      if (offset >= 0x3000 && offset < 0x3008) continue;
      mmio.write(base + offset, 4, 0xffff_ffff);
      mmio.read(base + offset, 4);
    }
    expect([device.bells, driver.status]).toEqual([0, 15]);
  });
});

describe("state", () => {
  it("comes back with buffers that were in the device's hands, oldest first", () => {
    const a = build();
    a.driver.start(EVENT_IDX, [16, 8], () => 1);
    a.device.hold = true;
    const heads = [1, 2, 3].map(() => a.driver.post(0, [{ address: OUT, length: 4, write: true }]));
    a.driver.ring(0);
    a.device.answer(0, a.device.held.splice(1, 1)[0]!);
    const saved = a.pci.save();
    expect(saved.virtio.queues[0]!.taken).toEqual([heads[0], heads[2]]);

    const device = summing();
    const b = virtioMachine(device, a.memory);
    b.pci.load(saved);
    expect(b.pci.save()).toEqual(saved);
    expect(device.held.map((chain) => chain.head)).toEqual([heads[0], heads[2]]);
    for (const chain of device.held) device.answer(0, chain);
    device.link!.signal(0);
    expect(a.driver.completed(0).map((done) => done.head)).toEqual([heads[1], heads[0], heads[2]]);
  });
  it("changes with every register", () => {
    const { driver, pci, intx, device, bus, slot, enableMsix } = build();
    driver.negotiate(0);
    const steps: (() => void)[] = [
      () => driver.write(0x00, 4, 1),
      () => driver.write(0x08, 4, 5),
      () => driver.write(0x10, 2, 2),
      () => driver.write(0x16, 2, 1),
      () => driver.write(0x18, 2, 4),
      () => driver.write(0x1a, 2, 1),
      () => driver.write(0x20, 4, 0x10_0000),
      () => driver.write(0x24, 4, 1),
      () => driver.write(0x28, 4, 0x11_0000),
      () => driver.write(0x2c, 4, 1),
      () => driver.write(0x30, 4, 0x12_0000),
      () => driver.write(0x34, 4, 1),
      () => driver.setQueue(0, 16, 0x10_0000),
      () => driver.write(0x14, 1, 15),
      () => device.link!.configChanged(),
      () => driver.takeIsr(),
      () => bus.write(0, slot, 0, 4, 2, 0x407),
      () => enableMsix(),
      () => driver.setQueue(1, 8, 0x7fff_0000),
      () => driver.negotiate(1),
    ];
    let before = JSON.stringify(pci.save());
    steps.forEach((step, i) => {
      step();
      const after = JSON.stringify(pci.save());
      expect(after, `step ${i}`).not.toBe(before);
      before = after;
    });
    expect(intx.level).toBe(false);
  });
  it("of an unknown schema is a clear error at each level", () => {
    const { pci } = build();
    const saved = pci.save();
    expect(() => pci.load({ ...saved, schema: "virtio-pci@9" as never })).toThrow(/virtio-pci@9/);
    expect(() => pci.load({ ...saved, virtio: { ...saved.virtio, schema: "virtio@9" as never } })).toThrow(/virtio@9/);
    const queues = saved.virtio.queues.map((queue) => ({ ...queue, schema: "virtqueue@9" as never }));
    expect(() => pci.load({ ...saved, virtio: { ...saved.virtio, queues } })).toThrow(/virtqueue@9/);
  });
  it("drives the INTx wire to its level when loaded", () => {
    const a = build();
    a.driver.start(0, [16, 8]);
    a.driver.post(0, [{ address: OUT, length: 4, write: true }]);
    a.driver.ring(0);
    const b = build();
    b.pci.load(a.pci.save());
    expect(b.intx.level).toBe(true);
  });
});
