import { beforeEach, describe, expect, test } from "vitest";
import { TestFrontend, TestStore, testDomain } from "../../../test/frontend.js";
import { frameTypes } from "../../mmu/frame-table.js";
import { diskName, virtualDevice } from "./device.js";

const [READ, WRITE, BARRIER, FLUSH] = [0, 1, 2, 3];
const sectorsOf = (bytes: Uint8Array): number[] => [0, 1, 2, 3, 4, 5, 6, 7].map((sector) => bytes[sector * 512]!);

test("disks have the numbers and names of Linux", () => {
  expect([0, 1, 15, 16].map(virtualDevice)).toEqual([51712, 51728, 51952, (1 << 28) | 4096]);
  expect([0, 25, 26, 27].map(diskName)).toEqual(["xvda", "xvdz", "xvdaa", "xvdab"]);
});

describe.each([
  [64, 64],
  [64, 32],
  [32, 32],
] as const)("a %i-bit domain with a frontend of the x86 ABI of %i bits", (bits, protocol) => {
  let store: TestStore;
  let guest: TestFrontend;

  beforeEach(async () => {
    store = new TestStore();
    guest = new TestFrontend(await testDomain(bits), store, { protocol });
  });

  test("finds the nodes that a live domain has, connects, and sees the disk's size", () => {
    expect([guest.front("state"), guest.back("state"), guest.front("virtual-device")]).toEqual(["1", "2", "51712"]);
    expect([guest.back("max-ring-page-order"), guest.back("feature-max-indirect-segments"), guest.back("mode")]).toEqual(["4", "256", "w"]);
    guest.connect();
    expect([guest.back("state"), guest.back("sectors"), guest.back("info"), guest.back("sector-size")]).toEqual(["4", "64", "0", "512"]);
    expect(["flush-cache", "barrier", "persistent", "discard"].map((name) => guest.back(`feature-${name}`))).toEqual(["1", "1", "1", "1"]);
  });

  test("reads and writes runs of sectors, and its grants are in use only meanwhile", async () => {
    guest.connect();
    const [one, other] = [guest.frame(), guest.frame()];
    const [first, second] = [guest.grant(one), guest.grant(other)];
    guest.put(READ, 7, 2, [
      [first, 6, 7],
      [second, 0, 1],
    ]);
    expect(await guest.push()).toBe(true);
    expect(guest.responses()).toEqual([[7, READ, 0]]);
    expect(guest.told()).toBe(true);
    expect([sectorsOf(guest.bytes(one)).slice(6), sectorsOf(guest.bytes(other)).slice(0, 2)]).toEqual([
      [3, 4],
      [5, 6],
    ]);
    guest.bytes(one).fill(99);
    store.held = [];
    guest.put(WRITE, 8, 10, [[first, 0, 0]]);
    await guest.push();
    // A grant that is only read from has no "writing".
    expect([guest.entry(first).getUint16(0, true), guest.responses()]).toEqual([1 | 8, []]);
    store.held.shift()!();
    await guest.settle();
    expect([guest.responses(), guest.entry(first).getUint16(0, true), store.bytes[10 * 512]]).toEqual([[[8, WRITE, 0]], 1, 99]);
    expect(guest.domain.activeGrants.get(first)).toBeUndefined();
  });

  test("a request that makes no sense has status -1, one that nobody knows -2, and neither reaches the host", async () => {
    guest.connect();
    const good = guest.grant(guest.frame());
    const readOnly = guest.grant(guest.frame(), 1 | 4);
    const foreign = guest.grant(3);
    const table = guest.grant([...Array(0x800).keys()].find((frame) => guest.domain.frames.typeOf(frame) === frameTypes.l1)!);
    guest.put(READ, 1, 0, [[good, 3, 2]]);
    guest.put(READ, 2, 0, [[good, 0, 8]]);
    guest.put(READ, 3, 0, [[4000, 0, 7]]);
    guest.put(READ, 4, 0, []);
    guest.put(
      READ,
      5,
      0,
      Array.from({ length: 12 }, () => [good, 0, 0] as const),
    );
    guest.put(READ, 6, 60, [[good, 0, 7]]);
    guest.put(READ, 7, 1n << 63n, [[good, 0, 7]]);
    guest.put(READ, 8, 0, [[readOnly, 0, 7]]);
    guest.put(READ, 9, 0, [[foreign, 0, 7]]);
    guest.put(READ, 10, 0, [[table, 0, 7]]);
    guest.put(9, 11, 0, [[good, 0, 7]]);
    guest.putDiscard(12, 63, 2);
    await guest.push();
    const answers = guest.responses().sort(([one], [other]) => one - other);
    expect(answers.map(([, , status]) => status)).toEqual([-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -2, -1]);
    expect(store.log).toEqual([]);
    expect(guest.domain.activeGrants.get(good)).toBeUndefined();
  });

  test("a host failure is an error of the request, and the next one works", async () => {
    guest.connect();
    const reference = guest.grant(guest.frame());
    store.failing = true;
    guest.put(READ, 1, 0, [[reference, 0, 7]]);
    await guest.push();
    store.failing = false;
    guest.put(READ, 2, 0, [[reference, 0, 7]]);
    await guest.push();
    expect(guest.responses()).toEqual([
      [1, READ, -1],
      [2, READ, 0],
    ]);
  });

  test("flush, discard and barriers: a barrier waits for what came before, and lets nothing past", async () => {
    guest.connect();
    const reference = guest.grant(guest.frame());
    store.held = [];
    guest.put(WRITE, 1, 0, [[reference, 0, 7]]);
    guest.put(BARRIER, 2, 8, [[reference, 0, 7]]);
    guest.put(READ, 3, 0, [[reference, 0, 7]]);
    await guest.push();
    expect(store.log).toEqual(["write 0+8"]);
    for (const expected of ["write 8+8", "flush", "read 0+8"]) {
      store.held.shift()!();
      await guest.settle();
      expect(store.log.at(-1)).toBe(expected);
    }
    store.held.shift()!();
    store.held = undefined;
    guest.put(FLUSH, 4, 0, []);
    guest.put(BARRIER, 5, 0, []);
    guest.putDiscard(6, 8, 8);
    await guest.push();
    expect(store.log.slice(4)).toEqual(["flush", "flush", "discard 8+8"]);
  });

  test("indirect requests have their segments in pages of their own", async () => {
    guest.connect();
    const frames = [guest.frame(), guest.frame(), guest.frame()];
    const list = guest.frame();
    const page = new DataView(guest.bytes(list).buffer, guest.bytes(list).byteOffset, 4096);
    for (const [index, frame] of frames.entries()) guest.segment(page, index * 8, [guest.grant(frame), 0, 7]);
    const reference = guest.grant(list);
    guest.putIndirect(READ, 1, 8, 3, [reference]);
    guest.putIndirect(READ, 2, 8, 257, [reference]);
    guest.putIndirect(FLUSH, 3, 8, 1, [reference]);
    guest.putIndirect(READ, 4, 8, 1, [4000]);
    await guest.push();
    expect(
      guest
        .responses()
        .map(([id, operation, status]) => [id, operation, status])
        .sort(),
    ).toEqual([
      [1, READ, 0],
      [2, READ, -1],
      [3, FLUSH, -1],
      [4, READ, -1],
    ]);
    expect(frames.map((frame) => guest.bytes(frame)[0])).toEqual([9, 17, 25]);
    expect(store.log).toEqual(["read 8+24"]);
  });

  test("a ring of several pages has more slots, some of them across two pages", async () => {
    guest.connect(4);
    expect(guest.slots).toBe(128);
    const frame = guest.frame();
    const reference = guest.grant(frame);
    for (let round = 0; round < 3; round++) {
      for (let id = 0; id < 100; id++) guest.put(READ, id, id % 56, [[reference, 0, 7]]);
      await guest.push();
      expect(
        guest
          .responses()
          .map(([id]) => id)
          .sort((one, other) => one - other),
      ).toEqual([...Array(100).keys()]);
    }
  });

  test("no more than a bounded number of requests is under way, and the rest waits in the ring", async () => {
    guest.connect();
    const reference = guest.grant(guest.frame());
    store.held = [];
    for (let id = 0; id < 32; id++) guest.put(READ, id, 0, [[reference, 0, 0]]);
    await guest.push();
    expect(store.held.length).toBe(16);
    while (store.held.length > 0) {
      store.held.shift()!();
      await guest.settle();
    }
    expect(guest.responses().length).toBe(32);
  });

  test("both ends are told only when they asked for it", async () => {
    guest.connect();
    const reference = guest.grant(guest.frame());
    guest.told();
    store.held = [];
    guest.put(READ, 1, 0, [[reference, 0, 0]]);
    expect(await guest.push()).toBe(true);
    guest.put(READ, 2, 0, [[reference, 0, 0]]);
    // The backend waits for the next one.
    expect(await guest.push()).toBe(true);
    store.held.shift()!();
    await guest.settle();
    expect(guest.told()).toBe(true);
    guest.responses();
    store.held.shift()!();
    await guest.settle();
    // The frontend did not say that it wants to hear of the second.
    expect(guest.told()).toBe(false);
    guest.responses();
    guest.awaitNext();
    guest.put(READ, 3, 0, [[reference, 0, 0]]);
    await guest.push();
    store.held.shift()!();
    await guest.settle();
    expect(guest.told()).toBe(true);
  });

  test("persistent grants stay in use until the frontend is gone, and no page table can be made of them", async () => {
    guest.connect(1, { "feature-persistent": 1 });
    const frame = guest.frame();
    const reference = guest.grant(frame);
    guest.put(READ, 1, 0, [[reference, 0, 7]]);
    await guest.push();
    expect([guest.responses()[0]![2], guest.entry(reference).getUint16(0, true)]).toEqual([0, 1 | 8 | 16]);
    expect(guest.domain.frames.typeOf(frame)).toBe(frameTypes.writable);
    expect(guest.domain.paging.pin(frame, frameTypes.l1)).toBe(-22);
    guest.write("state", 5);
    expect(guest.back("state")).toBe("5");
    guest.write("state", 6);
    expect([guest.back("state"), guest.entry(reference).getUint16(0, true)]).toEqual(["6", 1]);
    expect(guest.domain.activeGrants.busyFrom(8)).toBe(false);
  });

  test("closes when the host has let go of what runs, and connects again", async () => {
    guest.connect();
    const reference = guest.grant(guest.frame());
    store.held = [];
    guest.put(WRITE, 1, 0, [[reference, 0, 7]]);
    await guest.push();
    guest.write("state", 6);
    expect(guest.back("state")).toBe("4");
    store.held.shift()!();
    await guest.settle();
    expect(guest.back("state")).toBe("6");
    expect(guest.domain.events.channel(guest.port)?.state).toBe(1);
    guest.write("state", 1);
    expect(guest.back("state")).toBe("2");
    store.held = undefined;
    guest.connect();
    expect(guest.back("state")).toBe("4");
    guest.put(READ, 2, 0, [[reference, 0, 7]]);
    await guest.push();
    expect(guest.responses()).toEqual([[2, READ, 0]]);
  });

  test("a frontend that removes its nodes is let go of", () => {
    guest.connect();
    guest.xenstore.remove("/local/domain/1/device/vbd/51712", 1);
    expect([guest.back("state"), guest.domain.activeGrants.busyFrom(8)]).toEqual(["6", false]);
  });

  test("an offer that does not hold is refused, and nothing stays in use", () => {
    for (const [name, value] of [
      ["ring-ref", "77"],
      ["ring-ref", "nonsense"],
      ["event-channel", "99"],
      ["protocol", "sparc-abi"],
      ["ring-page-order", "5"],
      ["ring-page-order", "1"],
    ]) {
      guest.connect(1, { [name!]: value! });
      expect(guest.back("state"), name).toBe("5");
      expect(guest.domain.activeGrants.busyFrom(8), name).toBe(false);
      if (name === "ring-page-order") guest.xenstore.remove("/local/domain/1/device/vbd/51712/ring-page-order", 1);
    }
  });

  test("a ring with more requests than slots is not listened to any more", async () => {
    guest.connect();
    await guest.push(1000);
    guest.put(READ, 1, 0, [[guest.grant(guest.frame()), 0, 7]]);
    await guest.push();
    expect([guest.responses(), store.log]).toEqual([[], []]);
  });

  test("a read-only disk says so and refuses writes", async () => {
    const other = new TestFrontend(await testDomain(bits), store, { protocol, readOnly: true });
    other.connect();
    const reference = other.grant(other.frame());
    other.put(WRITE, 1, 0, [[reference, 0, 7]]);
    other.put(BARRIER, 2, 0, [[reference, 0, 7]]);
    other.putDiscard(3, 0, 8);
    other.put(READ, 4, 0, [[reference, 0, 7]]);
    await other.push();
    expect(
      other
        .responses()
        .sort(([one], [two]) => one - two)
        .map(([, , status]) => status),
    ).toEqual([-1, -1, -2, 0]);
    expect([other.back("info"), other.back("mode"), store.log]).toEqual(["4", "r", ["read 0+8"]]);
  });

  test("a machine that closes calls off what runs and answers nothing", async () => {
    guest.connect();
    store.held = [];
    guest.put(READ, 1, 0, [[guest.grant(guest.frame()), 0, 7]]);
    await guest.push();
    guest.device.close();
    store.held.shift()!();
    await guest.settle();
    expect(guest.responses()).toEqual([]);
  });
});
