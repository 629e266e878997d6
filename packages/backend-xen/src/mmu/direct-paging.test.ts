import { describe, expect, test } from "vitest";
import { FIRST, PagingBench } from "../../test/paging.js";
import { errno } from "../abi/errno.js";
import { safeDescriptor } from "./descriptors.js";
import { frameTypes } from "./frame-table.js";

const P = 1n;
const RW = 2n;
const US = 4n;
const NX = 1n << 63n;
const [A, B, C, D, E, F, G] = [0, 1, 2, 3, 4, 5, 6].map((index) => FIRST + index) as [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];
const entry = (frame: number, flags: bigint): bigint => (BigInt(frame) << 12n) | flags;

/** A top level A over B, C and the leaf table D, which maps E writable and D itself read-only. */
function tree(bits: 64 | 32): PagingBench {
  const bench = new PagingBench(bits);
  if (bits === 64) bench.write(A, 0, entry(B, P | RW | US));
  const top = bits === 64 ? B : A;
  bench.write(top, 0, entry(C, P | (bits === 64 ? RW | US : 0n)));
  if (bits === 32) bench.write(top, 3, entry(G, P));
  bench.write(C, 0, entry(D, P | RW | US));
  bench.write(D, 0, entry(E, P | RW));
  bench.write(D, 1, entry(D, P));
  return bench;
}

describe.each([64, 32] as const)("page tables of a %i-bit domain", (bits) => {
  test("pinning a top level makes tables of all that hangs under it, and what they map stays mapped", () => {
    const bench = tree(bits);
    expect(bench.paging.pin(A, bench.paging.rootType)).toBe(0);
    const types = [A, B, C, D, E].map((frame) => bench.frames.typeOf(frame));
    if (bits === 64) expect(types).toEqual([4, 3, 2, 1, frameTypes.writable]);
    else expect([types[0], types[2], types[3], bench.frames.typeOf(G)]).toEqual([3, 2, 1, frameTypes.l2top]);
    expect([...bench.protectedFrames].sort()).toEqual(bits === 64 ? [A, B, C, D] : [A, C, D, G]);
    expect(bench.faults()).toEqual([]);
    expect(bench.paging.leafSlot(A, 0n)).toEqual({ table: D, index: 0 });
    expect(bench.paging.leafSlot(A, 0x40000000n)).toBeUndefined();
    expect(bench.paging.unpin(A)).toBe(0);
    expect([A, B, C, D, E].map((frame) => bench.frames.typeCountOf(frame))).toEqual([0, 0, 0, 0, 0]);
    expect(bench.faults()).toEqual([]);
  });

  test("a table that maps a table writable is refused, and nothing is left behind", () => {
    const bench = tree(bits);
    bench.write(D, 511, entry(C, P | RW));
    expect(bench.paging.pin(A, bench.paging.rootType)).toBe(-errno.EBUSY);
    expect(bench.faults()).toEqual([]);
    expect([A, B, C, D, E].map((frame) => bench.frames.countOf(frame))).toEqual([1, 1, 1, 1, 1]);
  });

  test("a frame that is mapped writable does not become a table, and a table is not mapped writable", () => {
    const bench = tree(bits);
    expect(bench.paging.pin(D, frameTypes.l1)).toBe(0);
    expect(bench.paging.pin(E, frameTypes.l1)).toBe(-errno.EINVAL);
    expect(bench.paging.pin(F, frameTypes.l1)).toBe(0);
    expect(bench.set(D, 7, entry(F, P | RW))).toBe(-errno.EBUSY);
    expect(bench.set(D, 7, entry(F, P))).toBe(0);
    expect(bench.read(D, 0) & 0xfffn).toBe(bits === 64 ? P | RW | US : P | RW);
    expect(bench.faults()).toEqual([]);
  });

  test("a table below the top may name itself and others of its level, to be read, and no ring of tables holds itself", () => {
    const bench = tree(bits);
    bench.write(C, 5, entry(C, P));
    expect(bench.paging.pin(C, frameTypes.l2)).toBe(0);
    expect(bench.set(C, 6, entry(C, P | RW))).toBe(-errno.EINVAL);
    expect(bench.set(C, 6, entry(F, P | RW))).toBe(0);
    expect(bench.set(C, 7, entry(A + 8, P))).toBe(0);
    expect([bench.paging.pin(A + 9, frameTypes.l2), bench.paging.pin(A + 10, frameTypes.l2)]).toEqual([0, 0]);
    expect(bench.set(C, 8, entry(A + 9, P))).toBe(0);
    expect(bench.set(C, 9, entry(A + 9, P))).toBe(0);
    expect(bench.set(C, 8, entry(A + 9, P | RW))).toBe(-errno.EINVAL);
    expect(bench.faults()).toEqual([]);
    for (const other of [C, A + 10]) expect(bench.set(A + 9, 0, entry(other, P))).toBe(-errno.EINVAL);
    expect(bench.set(A + 10, 0, entry(C, P))).toBe(-errno.EINVAL);
    expect(bench.set(A + 10, 0, entry(A + 9, P))).toBe(0);
    expect(bench.set(A + 9, 1, entry(A + 9, P))).toBe(0);
    expect([bench.paging.unpin(A + 9), bench.paging.unpin(A + 10)]).toEqual([0, 0]);
    expect(bench.frames.typeOf(A + 9)).toBe(frameTypes.l2);
    expect(bench.paging.unpin(C)).toBe(0);
    expect([C, A + 9, A + 10].map((frame) => bench.frames.typeCountOf(frame))).toEqual([0, 0, 0]);
    expect(bench.faults()).toEqual([]);
    // What was named by others may name some itself afterwards.
    bench.write(A + 10, 0, 0n);
    expect([bench.paging.pin(A + 10, frameTypes.l2), bench.paging.pin(A + 9, frameTypes.l2)]).toEqual([0, 0]);
    expect(bench.set(A + 9, 0, entry(A + 10, P))).toBe(0);
  });

  test("a frame that was writable is forgotten by all processors before it becomes a table", () => {
    const bench = tree(bits);
    bench.paging.pin(D, frameTypes.l1);
    bench.forgotten.length = 0;
    expect(bench.set(D, 0, 0n)).toBe(0);
    expect(bench.forgotten).toEqual([]);
    expect(bench.paging.pin(E, frameTypes.l1)).toBe(0);
    expect(bench.forgotten).toEqual([E]);
    expect(bench.set(D, 0, entry(E, P | RW))).toBe(-errno.EBUSY);
    bench.paging.unpin(E);
    expect(bench.set(D, 0, entry(E, P | RW))).toBe(0);
    expect(bench.protectedFrames.has(E)).toBe(false);
  });

  test("frames of others, forbidden flags and wrong levels have their errors", () => {
    const bench = tree(bits);
    bench.paging.pin(A, bench.paging.rootType);
    expect(bench.set(D, 2, entry(3, P))).toBe(-errno.EBUSY);
    expect(bench.set(D, 2, entry(0xfffff, P))).toBe(-errno.EINVAL);
    for (const flags of [1n << 3n, 1n << 4n, 1n << 7n, 1n << 59n, 1n << 62n])
      expect(bench.set(D, 2, entry(F, P | flags))).toBe(-errno.EINVAL);
    expect(bench.set(D, 2, entry(F, P | NX | (1n << 52n) | (1n << 8n) | (7n << 9n)))).toBe(0);
    expect(bench.set(C, 1, entry(F, P | (1n << 7n)))).toBe(-errno.EINVAL);
    expect(bench.set(C, 1, entry(C, P | RW))).toBe(-errno.EINVAL);
    expect(bench.set(E, 0, 0n)).toBe(-errno.EINVAL);
    expect(bench.faults()).toEqual([]);
  });

  test("an entry that is not present may hold anything, and changing it needs nothing", () => {
    const bench = tree(bits);
    bench.paging.pin(A, bench.paging.rootType);
    expect(bench.set(D, 3, 0xdead_beef_0000_00f8n)).toBe(0);
    expect(bench.read(D, 3)).toBe(0xdead_beef_0000_00f8n);
    expect(bench.set(D, 0, 0n)).toBe(0);
    expect(bench.frames.countOf(E)).toBe(1);
    expect(bench.faults()).toEqual([]);
  });

  test("accessed and dirty bits that the processor set are kept when asked for", () => {
    const bench = tree(bits);
    bench.paging.pin(D, frameTypes.l1);
    bench.write(D, 0, bench.read(D, 0) | 0x60n);
    expect(bench.set(D, 0, entry(E, P), true)).toBe(0);
    expect(bench.read(D, 0) & 0x60n).toBe(0x60n);
    expect(bench.set(D, 0, entry(E, P))).toBe(0);
    expect(bench.read(D, 0) & 0x60n).toBe(0n);
    expect(bench.faults()).toEqual([]);
  });

  test("pins are one each, and end once", () => {
    const bench = tree(bits);
    expect(bench.paging.unpin(D)).toBe(-errno.EINVAL);
    expect(bench.paging.pin(D, frameTypes.l1)).toBe(0);
    expect(bench.paging.pin(D, frameTypes.l1)).toBe(-errno.EINVAL);
    expect(bench.paging.pin(D, frameTypes.l2)).toBe(-errno.EINVAL);
    expect(bench.paging.pin(3, frameTypes.l1)).toBe(-errno.EINVAL);
    expect(bench.faults()).toEqual([]);
    expect(bench.paging.unpin(D)).toBe(0);
    expect(bench.faults()).toEqual([]);
  });
});

describe("a 64-bit domain", () => {
  test("marks what its kernel mapped for itself, since all of it runs at CPL 3", () => {
    const bench = tree(64);
    bench.paging.pin(D, frameTypes.l1);
    expect(bench.read(D, 0)).toBe(entry(E, P | RW | US | (1n << 52n)));
    bench.set(D, 2, entry(F, P | RW | US));
    expect(bench.read(D, 2)).toBe(entry(F, P | RW | US | 0x100n));
  });

  test("does not set the entries that are Xen's, and loses what it wrote there before", () => {
    const bench = tree(64);
    bench.write(A, 256, entry(F, P | RW));
    bench.write(A, 272, entry(B, P | RW));
    expect(bench.paging.pin(A, frameTypes.l4)).toBe(0);
    expect([bench.read(A, 256), bench.read(A, 272)]).toEqual([0n, entry(B, P | RW | US)]);
    for (const index of [256, 271]) expect(bench.set(A, index, entry(B, P))).toBe(-errno.EINVAL);
    expect(bench.paging.leafSlot(A, 0xffff_8000_0000_0000n)).toBeUndefined();
    expect(bench.faults()).toEqual([]);
  });

  test("may map a top level into itself for reading only", () => {
    const bench = tree(64);
    bench.write(A, 300, entry(A, P));
    expect(bench.paging.pin(A, frameTypes.l4)).toBe(0);
    expect(bench.set(A, 301, entry(A, P | RW))).toBe(-errno.EINVAL);
    expect(bench.set(A, 300, entry(A, P | RW))).toBe(-errno.EINVAL);
    expect(bench.set(A, 300, 0n)).toBe(0);
    expect(bench.faults()).toEqual([]);
  });
});

describe("a 32-bit domain", () => {
  test("has a table in the last slot of its top level, one that no other top level shares and that does not change", () => {
    const bench = tree(32);
    bench.write(A, 3, 0n);
    expect(bench.paging.pin(A, frameTypes.l3)).toBe(-errno.EINVAL);
    bench.write(A, 3, entry(G, P));
    expect(bench.paging.pin(A, frameTypes.l3)).toBe(0);
    bench.write(F, 3, entry(G, P));
    expect(bench.paging.pin(F, frameTypes.l3)).toBe(-errno.EINVAL);
    expect(bench.set(A, 3, entry(C, P))).toBe(-errno.EINVAL);
    expect(bench.paging.pin(G, frameTypes.l2)).toBe(-errno.EINVAL);
    expect(bench.faults()).toEqual([]);
  });

  test("does not set the entries of that table that are Xen's", () => {
    const bench = tree(32);
    bench.write(G, 511, entry(D, P | RW));
    bench.paging.pin(A, frameTypes.l3);
    expect(bench.read(G, 511)).toBe(0n);
    expect(bench.set(G, 428, entry(D, P | RW | US))).toBe(-errno.EPERM);
    expect(bench.set(G, 427, entry(D, P | RW | US))).toBe(0);
    expect(bench.faults()).toEqual([]);
  });

  test("has no no-execute bit in its top level", () => {
    const bench = tree(32);
    bench.paging.pin(A, frameTypes.l3);
    expect(bench.set(A, 1, entry(C, P | NX))).toBe(-errno.EINVAL);
    expect(bench.set(A, 1, entry(C, P))).toBe(0);
    expect(bench.read(A, 1)).toBe(entry(C, P | RW | US));
    expect(bench.faults()).toEqual([]);
  });
});

test("a shared page of the hypervisor's may be mapped, and is never a table", () => {
  const bench = new PagingBench(64);
  bench.frames.share(5000);
  bench.paging.pin(D, frameTypes.l1);
  expect(bench.set(D, 0, entry(5000, P | RW))).toBe(0);
  expect(bench.set(D, 1, entry(5000, P))).toBe(0);
  expect(bench.paging.pin(5000, frameTypes.l1)).toBe(-errno.EINVAL);
  expect(bench.set(D, 0, 0n)).toBe(0);
  expect(bench.set(D, 1, 0n)).toBe(0);
  expect([bench.frames.countOf(5000), bench.frames.typeCountOf(5000)]).toEqual([1, 1]);
});

test("the domain gives back only what nobody uses", () => {
  const bench = new PagingBench(64);
  bench.paging.pin(D, frameTypes.l1);
  bench.set(D, 0, entry(E, P));
  expect([bench.frames.take(D), bench.frames.take(E), bench.frames.take(F)]).toEqual([false, false, true]);
  expect(bench.set(D, 1, entry(F, P))).toBe(-errno.EBUSY);
});

describe("descriptors", () => {
  const high = (access: number, flags = 0xc): number => ((flags << 20) | (access << 8) | 0xf0000) >>> 0;

  test("of code and data are lowered to the guest's ring", () => {
    expect(safeDescriptor(0xffff, high(0x9b), 64)).toEqual({ low: 0xffff, high: high(0xfb) });
    expect(safeDescriptor(0xffff, high(0x93), 32)).toEqual({ low: 0xffff, high: high(0xb3) });
    expect(safeDescriptor(0xffff, high(0xf3), 32)).toEqual({ low: 0xffff, high: high(0xf3) });
  });

  test("of the system are refused, but for call gates that fault when used", () => {
    for (const access of [0x82, 0x89, 0x8b, 0x8e, 0x8f, 0x85]) expect(safeDescriptor(0, high(access), 64)).toBeUndefined();
    expect(safeDescriptor(0xe008_0000, 0xec00, 32)).toBeUndefined();
    expect(safeDescriptor(0xe019_0000, 0xec20, 32)).toBeUndefined();
    expect(safeDescriptor(0, high(0x0b), 64)).toEqual({ low: 0, high: high(0x0b) });
    expect(safeDescriptor(0x1234, 0x8000, 64)).toEqual({ low: 0x1234, high: 0x8000 });
  });

  test("of call gates keep the level that the guest asked for in their selectors", () => {
    expect(safeDescriptor(0x0008_1234, 0xec00, 32)).toEqual({ low: 0x000b_1234, high: 0x8c00 });
    expect(safeDescriptor(0x000b_1234, 0x8c05, 32)).toEqual({ low: 0x0009_1234, high: 0x8c05 });
    expect(safeDescriptor(0xe033_0000, 0x8c00, 64)).toEqual({ low: 0xe033_0000, high: 0x8c00 });
    const bench = new PagingBench(32);
    bench.write(D, 5, 0x0000_ec00_0008_1234n);
    for (let use = 0; use < 2; use++) {
      expect(bench.frames.get(D, frameTypes.segmentDescriptors)).toBe(0);
      expect(bench.read(D, 5)).toBe(0x0000_8c00_000b_1234n);
      bench.frames.put(D);
    }
  });

  test("of flat segments that end somewhere in Xen's part go on to the end, for 32-bit guests", () => {
    expect(safeDescriptor(0x67ff, 0x00cf_fb00, 32)).toEqual({ low: 0xffff, high: 0x00cf_fb00 });
    expect(safeDescriptor(0x57ff, 0x00cf_fb00, 32)).toEqual({ low: 0x57ff, high: 0x00cf_fb00 });
    expect(safeDescriptor(0x0001_67ff, 0x00cf_fb00, 32)).toEqual({ low: 0x0001_67ff, high: 0x00cf_fb00 });
  });

  test("of 64-bit code are refused to 32-bit guests", () => {
    expect(safeDescriptor(0xffff, high(0xfb, 0xa), 32)).toBeUndefined();
    expect(safeDescriptor(0xffff, high(0xfb, 0xa), 64)).toEqual({ low: 0xffff, high: high(0xfb, 0xa) });
  });

  test("a page with a bad one does not become a page of descriptors", () => {
    const bench = new PagingBench(64);
    bench.write(D, 5, 0x0000_8b00_0000_0000n);
    expect(bench.frames.get(D, frameTypes.segmentDescriptors)).toBe(-errno.EINVAL);
    bench.write(D, 5, 0x00cf_9b00_0000_ffffn);
    expect(bench.frames.get(D, frameTypes.segmentDescriptors)).toBe(0);
    expect(bench.read(D, 5)).toBe(0x00cf_fb00_0000_ffffn);
    bench.paging.pin(E, frameTypes.l1);
    expect(bench.set(E, 0, entry(D, P | RW))).toBe(-errno.EBUSY);
  });
});
