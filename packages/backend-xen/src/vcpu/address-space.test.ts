// Loads of page-table roots: what is cached stays while the tables say what they said, and goes when they do not.
import { expect, test } from "vitest";
import { TestGuest } from "../../test/guest.js";

const NEW_BASEPTR = 5;

test("a load of a root keeps what is cached until an entry that was present is changed", async () => {
  const guest = await TestGuest.start(64);
  const root = guest.frameOf(guest.info.get("pt_base") / 4096);
  const table = guest.frameOf(guest.info.get("pt_base") / 4096 + guest.info.get("nr_pt_frames") - 1);
  const at = guest.scratch();
  const loads = (): string[] => {
    guest.memory.writeU32(at, NEW_BASEPTR);
    guest.words(at + 8, root, 0);
    guest.hypervisor.log.length = 0;
    expect(guest.call("mmuext_op", at, 1, 0, 0x7ff0)).toBe(0);
    return guest.hypervisor.log.filter((line) => /switchRoot|mov-to-cr 3/.test(line));
  };
  const set = (value: bigint): void => {
    guest.memory.writeU64(at, BigInt(table * 4096 + 8 * 511));
    guest.memory.writeU64(at + 8, value);
    expect(guest.call("mmu_update", at, 1, 0, 0x7ff0)).toBe(0);
  };
  const page = BigInt(guest.frameOf(17)) << 12n;
  set(0n);
  loads();
  expect(loads()).toEqual([`switchRoot 0 ${root}`]);
  set(page | 1n);
  expect(loads()).toEqual([`switchRoot 0 ${root}`]);
  set(page | 3n);
  expect(loads()).toEqual([`execute 0 mov-to-cr 3 ${root * 4096}`]);
  expect(loads()).toEqual([`switchRoot 0 ${root}`]);
  set(0n);
  expect(loads()).toEqual([`execute 0 mov-to-cr 3 ${root * 4096}`]);
});
