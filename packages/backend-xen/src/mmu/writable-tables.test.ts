import { expect, test } from "vitest";
import { FIRST, PagingBench } from "../../test/paging.js";
import { frameTypes } from "./frame-table.js";
import { storeToTable } from "./writable-tables.js";

const [TABLE, PLAIN, OTHER] = [FIRST, FIRST + 1, FIRST + 2];
const entry = (frame: number, flags: bigint): bigint => (BigInt(frame) << 12n) | flags;

function bench(bits: 64 | 32): PagingBench {
  const made = new PagingBench(bits);
  made.write(TABLE, 3, entry(PLAIN, 7n));
  made.paging.pin(TABLE, frameTypes.l1);
  return made;
}

const store = (made: PagingBench, offset: number, size: number, value: bigint, inKernel = true, assisted = true) =>
  storeToTable(made.paging, { address: 0n, physical: TABLE * 4096 + offset, size, value, level: 1, writable: false }, inKernel, assisted);

test("a kernel's store to a leaf table is a change of the entry, whole or in part", () => {
  const made = bench(64);
  expect(store(made, 8, 8, entry(OTHER, 3n))).toBe("done");
  expect(made.read(TABLE, 1) & 3n).toBe(3n);
  // Linux takes away one flag by a locked AND of one byte.
  expect(store(made, 24, 1, 0x05n)).toBe("done");
  expect(made.read(TABLE, 3) & 7n).toBe(5n);
  expect(made.frames.typeOf(PLAIN)).toBe(frameTypes.none);
  expect(store(made, 24, 4, 0n)).toBe("done");
  expect(made.faults()).toEqual([]);
});

test("a store that would break a rule is the guest's fault, and changes nothing", () => {
  const made = bench(64);
  expect(store(made, 8, 8, entry(TABLE, 3n))).toBe("fault");
  expect(store(made, 8, 8, entry(3, 1n))).toBe("fault");
  expect([store(made, 9, 2, 1n), store(made, 0, 16, 1n)]).toEqual(["fault", "fault"]);
  expect(made.read(TABLE, 1)).toBe(0n);
  expect(made.faults()).toEqual([]);
});

test("user code, guests that did not ask for it, and higher levels are not helped", () => {
  const made = bench(64);
  expect(store(made, 8, 8, 0n, false)).toBe("fault");
  expect(store(made, 8, 8, 0n, true, false)).toBe("fault");
  made.paging.unpin(TABLE);
  made.memory.fill(TABLE * 4096, 4096, 0);
  made.paging.pin(TABLE, frameTypes.l2);
  expect(store(made, 8, 8, 0n)).toBe("fault");
});

test("a PAE entry that is written upper half last is absent while it makes no sense", () => {
  const made = bench(32);
  expect(store(made, 24 + 4, 4, 0x7n)).toBe("done");
  expect(made.read(TABLE, 3) & 1n).toBe(0n);
  expect(store(made, 24, 4, 0n)).toBe("done");
  expect(store(made, 24 + 4, 4, 0n)).toBe("done");
  expect(store(made, 24, 4, entry(OTHER, 3n))).toBe("done");
  expect(made.faults()).toEqual([]);
});
