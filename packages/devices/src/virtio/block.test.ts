import { HvError } from "@paravane/paravirt-ops";
import type { BlockStore } from "@paravane/paravirt-ops";
import { describe, expect, it } from "vitest";
import { virtioMachine } from "../../test/virtio-machine.js";
import { VirtioBlock } from "./index.js";
import type { VirtioBlockOptions } from "./index.js";

const HEADER = 0x20_0000,
  STATUS = 0x20_1000,
  DATA = 0x21_0000;
const IN = 0,
  OUT = 1,
  FLUSH = 4,
  GET_ID = 8,
  DISCARD = 11;

/** A disk in memory whose operations wait for `release` while `hold` is set. */
function createStore(size = 1 << 20, sectorSize = 512) {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (i >> 9) ^ i;
  let waiting: (() => void)[] = [];
  const store = {
    bytes,
    size,
    sectorSize,
    readOnly: false,
    hold: false,
    fail: false,
    log: [] as string[],
    async turn(what: string, signal?: AbortSignal) {
      store.log.push(what);
      if (store.hold) {
        await new Promise<void>((resolve, reject) => {
          waiting.push(resolve);
          signal?.addEventListener("abort", () => reject(signal.reason));
        });
      }
      if (store.fail) throw new HvError("block/io", "the disk is on fire");
    },
    async read(offset: number, into: Uint8Array, signal?: AbortSignal) {
      await store.turn(`read ${offset}+${into.length}`, signal);
      into.set(bytes.subarray(offset, offset + into.length));
    },
    async write(offset: number, from: Uint8Array, signal?: AbortSignal) {
      await store.turn(`write ${offset}+${from.length}`, signal);
      bytes.set(from, offset);
    },
    flush: (signal?: AbortSignal) => store.turn("flush", signal),
    discard: (offset: number, length: number, signal?: AbortSignal) => store.turn(`discard ${offset}+${length}`, signal),
    close: async () => {},
    release() {
      const all = waiting;
      waiting = [];
      for (const resolve of all) resolve();
    },
  };
  return store satisfies BlockStore;
}
const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

function build(options: Partial<VirtioBlockOptions> & { features?: number } = {}, store = createStore()) {
  const block = new VirtioBlock({ store, serial: "disk-0", ...options });
  const m = virtioMachine(block);
  m.driver.start(options.features ?? block.features, [256]);
  const header = (type: number, sector: number, at = HEADER) => {
    m.memory.writeU32(at, type);
    m.memory.writeU64(at + 8, BigInt(sector));
  };
  /** One request with its data in one segment; returns the status byte and what the used ring says. */
  const request = async (type: number, sector: number, length: number, write = type === IN || type === GET_ID) => {
    header(type, sector);
    m.memory.writeU8(STATUS, 0xee);
    const data = length === 0 ? [] : [{ address: DATA, length, write }];
    const head = m.driver.post(0, [{ address: HEADER, length: 16 }, ...data, { address: STATUS, length: 1, write: true }]);
    m.driver.ring(0);
    let done = m.driver.completed(0);
    for (let i = 0; i < 50 && done.length === 0; i++) {
      await settle();
      done = m.driver.completed(0);
    }
    expect(done.map((each) => each.head)).toEqual([head]);
    return { status: m.memory.readU8(STATUS), length: done[0]!.length };
  };
  return { ...m, block, store, header, request };
}

describe("virtio block", () => {
  it("tells its size, segments, geometry and sector size", () => {
    const { driver, block } = build();
    expect([driver.readConfig(0, 4), driver.readConfig(4, 4), driver.readConfig(12, 4), driver.readConfig(20, 4)]).toEqual([
      2048, 0, 254, 512,
    ]);
    expect([driver.readConfig(16, 2), driver.readConfig(18, 1), driver.readConfig(19, 1)]).toEqual([2, 16, 63]);
    expect(block.features & (1 << 5)).toBe(0);
    expect(build({ readOnly: true }).block.features & (1 << 5)).toBe(1 << 5);
    const large = new VirtioBlock({ store: { ...createStore(0), size: 5 * 2 ** 41 } });
    expect([...large.config.subarray(0, 8)]).toEqual([0, 0, 0, 0, 5, 0, 0, 0]);
  });
  it("reads and writes sectors, and interrupts", async () => {
    const { request, memory, store, intx, driver } = build();
    expect(await request(IN, 3, 1024)).toEqual({ status: 0, length: 1025 });
    expect([...memory.view(DATA, 1024)]).toEqual([...store.bytes.subarray(1536, 2560)]);
    expect([intx.level, driver.takeIsr()]).toEqual([true, 1]);
    memory.fill(DATA, 1536, 0x5a);
    expect((await request(OUT, 7, 1536)).status).toBe(0);
    expect(store.bytes.subarray(3584, 5120).every((byte) => byte === 0x5a)).toBe(true);
    expect((await request(FLUSH, 0, 0)).status).toBe(0);
    expect(store.log).toEqual(["read 1536+1024", "write 3584+1536", "flush"]);
  });
  it("takes headers, data and status in any segments, through an indirect table too", async () => {
    const { driver, memory, header, store } = build({ features: 1 << 28 });
    header(IN, 9);
    driver.post(
      0,
      [
        { address: HEADER, length: 5 },
        { address: HEADER + 5, length: 11 },
        { address: DATA, length: 100, write: true },
        { address: DATA + 100, length: 413, write: true },
      ],
      0x23_0000,
    );
    driver.ring(0);
    await settle();
    expect(driver.completed(0)).toEqual([{ head: 0, length: 513 }]);
    expect([...memory.view(DATA, 513)]).toEqual([...store.bytes.subarray(9 * 512, 10 * 512), 0]);
  });
  it("moves a large request in pieces", async () => {
    const { request, store, memory } = build();
    expect(await request(IN, 0, 1 << 20)).toEqual({ status: 0, length: (1 << 20) + 1 });
    expect(store.log).toEqual([0, 1, 2, 3].map((i) => `read ${i * 262144}+262144`));
    expect(memory.view(DATA, 1 << 20).every((byte, i) => byte === store.bytes[i])).toBe(true);
    store.log.length = 0;
    expect((await request(OUT, 0, 512 * 1000)).status).toBe(0);
    expect(store.log).toEqual(["write 0+262144", "write 262144+249856"]);
  });
  it("keeps at most 16 requests in flight, completes them as they finish, and takes the rest then", async () => {
    const { driver, store, block, header, memory } = build();
    store.hold = true;
    header(IN, 0);
    for (let i = 0; i < 40; i++) {
      driver.post(0, [
        { address: HEADER, length: 16 },
        { address: DATA + 512 * i, length: 512, write: true },
        { address: STATUS + i, length: 1, write: true },
      ]);
    }
    driver.ring(0);
    expect([block.inFlight, store.log.length, driver.completed(0).length]).toEqual([16, 16, 0]);
    let done = 0;
    for (let round = 0; round < 3; round++) {
      store.release();
      await settle();
      done += driver.completed(0).length;
      expect(done).toBe([16, 32, 40][round]);
    }
    expect([block.inFlight, memory.readU8(STATUS + 39)]).toEqual([0, 0]);
  });
  it("answers GET_ID with the serial number and no more than there is room for", async () => {
    const { request, memory } = build();
    expect(await request(GET_ID, 0, 20)).toEqual({ status: 0, length: 21 });
    expect(new TextDecoder().decode(memory.view(DATA, 20))).toBe("disk-0".padEnd(20, "\0"));
    memory.fill(DATA, 20, 0xff);
    await request(GET_ID, 0, 4);
    expect([...memory.view(DATA, 6)]).toEqual([0x64, 0x69, 0x73, 0x6b, 0xff, 0xff]);
  });
  it("discards ranges where the store can, and only where it can", async () => {
    const { request, memory, store } = build();
    const ranges = [
      [8, 16, 0],
      [100, 4, 0],
    ] as const;
    ranges.forEach(([sector, count, flags], i) => {
      memory.writeU64(DATA + 16 * i, BigInt(sector));
      memory.writeU32(DATA + 16 * i + 8, count);
      memory.writeU32(DATA + 16 * i + 12, flags);
    });
    expect((await request(DISCARD, 0, 32)).status).toBe(0);
    expect(store.log).toEqual(["discard 4096+8192", "discard 51200+2048"]);
    memory.writeU32(DATA + 12, 1);
    expect((await request(DISCARD, 0, 16)).status).toBe(2);
    memory.writeU32(DATA + 12, 0);
    memory.writeU64(DATA, 2047n);
    expect((await request(DISCARD, 0, 16)).status).toBe(1);
    expect((await request(DISCARD, 0, 15)).status).toBe(1);
    const { discard: _, ...plain } = createStore();
    const without = build({}, plain as ReturnType<typeof createStore>);
    expect(without.block.features & (1 << 13)).toBe(0);
    expect((await without.request(DISCARD, 0, 16)).status).toBe(2);
  });
  it("refuses writes to a read-only drive, sectors beyond the end, odd lengths and unknown requests", async () => {
    const readOnly = build({ readOnly: true });
    expect(await readOnly.request(OUT, 0, 512)).toEqual({ status: 1, length: 1 });
    expect(readOnly.store.log).toEqual([]);
    const { request, store, memory } = build();
    expect((await request(IN, 2048, 512)).status).toBe(1);
    expect((await request(IN, 2047, 1024)).status).toBe(1);
    expect((await request(IN, 2 ** 52, 512)).status).toBe(1);
    expect((await request(OUT, 2 ** 63, 512)).status).toBe(1);
    expect((await request(IN, 0, 511)).status).toBe(1);
    expect((await request(99, 0, 512)).status).toBe(2);
    expect(store.log).toEqual([]);
    expect(memory.readU8(STATUS)).toBe(2);
  });
  it("insists on whole sectors of a store with large ones", async () => {
    const { request, driver } = build({}, createStore(1 << 20, 4096));
    expect(driver.readConfig(20, 4)).toBe(4096);
    expect((await request(IN, 8, 4096)).status).toBe(0);
    expect((await request(IN, 1, 4096)).status).toBe(1);
    expect((await request(IN, 8, 512)).status).toBe(1);
    expect(() => new VirtioBlock({ store: createStore(4096, 100) })).toThrow(/sectors of 100/);
  });
  it("turns host failures into an I/O error and reports them", async () => {
    const errors: unknown[] = [];
    const { request, store } = build({ onHostError: (error) => errors.push(error) });
    store.fail = true;
    expect(await request(IN, 0, 512)).toEqual({ status: 1, length: 1 });
    expect((await request(FLUSH, 0, 0)).status).toBe(1);
    expect(errors).toHaveLength(2);
    store.fail = false;
    expect((await request(IN, 0, 512)).status).toBe(0);
  });
  it("returns requests too short to answer", async () => {
    const { driver } = build();
    driver.post(0, [{ address: HEADER, length: 16 }]);
    driver.post(0, [
      { address: HEADER, length: 15 },
      { address: STATUS, length: 1, write: true },
    ]);
    driver.ring(0);
    await settle();
    expect(driver.completed(0).map((done) => done.length)).toEqual([0, 1]);
    expect(driver.status).toBe(15);
  });
  it("cancels requests at reset, touches nothing afterwards, and works again", async () => {
    const errors: unknown[] = [];
    const { driver, store, header, memory, block, intx, request } = build({ onHostError: (error) => errors.push(error) });
    store.hold = true;
    header(IN, 0);
    memory.writeU8(STATUS, 0xee);
    driver.post(0, [
      { address: HEADER, length: 16 },
      { address: DATA, length: 512, write: true },
      { address: STATUS, length: 1, write: true },
    ]);
    driver.ring(0);
    driver.status = 0;
    store.release();
    await settle();
    expect([memory.readU8(STATUS), memory.readU8(DATA + 1), intx.level, block.inFlight]).toEqual([0xee, 0, false, 0]);
    store.hold = false;
    memory.fill(0x10_0000, 0x4000, 0);
    driver.start(block.features, [256]);
    expect((await request(IN, 1, 512)).status).toBe(0);
    expect(errors).toEqual([]);
  });
  it("does requests in flight again after a snapshot", async () => {
    const a = build();
    a.store.hold = true;
    a.header(OUT, 4);
    a.memory.fill(DATA, 512, 0x77);
    const heads = [0, 1].map(() =>
      a.driver.post(0, [
        { address: HEADER, length: 16 },
        { address: DATA, length: 512 },
        { address: STATUS, length: 1, write: true },
      ]),
    );
    a.driver.ring(0);
    const saved = a.pci.save();
    const store = createStore();
    const block = new VirtioBlock({ store, serial: "disk-0" });
    const b = virtioMachine(block, a.memory);
    b.pci.load(saved);
    expect(b.pci.save()).toEqual(saved);
    await settle();
    expect(a.driver.completed(0).map((done) => done.head)).toEqual(heads);
    expect(store.log).toEqual(["write 2048+512", "write 2048+512"]);
    expect(b.intx.level).toBe(true);
    const wrong = { ...saved, virtio: { ...saved.virtio, device: { schema: "virtio-block@9" } } };
    expect(() => b.pci.load(wrong)).toThrow(/virtio-block@9/);
  });
});
