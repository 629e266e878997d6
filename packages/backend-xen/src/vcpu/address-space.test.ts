// Loads of page-table roots: what is cached stays while the tables say what they said, and goes when they do not.
import { expect, test } from "vitest";
import { domains } from "../backend.js";
import { TestGuest } from "../../test/guest.js";

const NEW_BASEPTR = 5;
/** Linear address that the last entry of the last boot-time table translates. */
const PAGE_OF_THE_LAST_ENTRY = 0x3ff000;

test("a load of a root keeps what is cached but for the pages whose entries were present and have changed", async () => {
  const guest = await TestGuest.start(64);
  const root = guest.frameOf(guest.info.get("pt_base") / 4096);
  const table = guest.frameOf(guest.info.get("pt_base") / 4096 + guest.info.get("nr_pt_frames") - 1);
  const at = guest.scratch();
  const loads = (): string[] => {
    guest.memory.writeU32(at, NEW_BASEPTR);
    guest.words(at + 8, root, 0);
    guest.hypervisor.log.length = 0;
    expect(guest.call("mmuext_op", at, 1, 0, 0x7ff0)).toBe(0);
    return guest.hypervisor.log.filter((line) => /switchRoot|mov-to-cr 3|forgetAddress/.test(line));
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
  const dropped = [`forgetAddress 0 ${PAGE_OF_THE_LAST_ENTRY}`, `switchRoot 0 ${root}`];
  expect(loads()).toEqual(dropped);
  expect(loads()).toEqual([`switchRoot 0 ${root}`]);
  set(0n);
  expect(loads()).toEqual(dropped);
});

test("a load of a root drops everything when more pages have changed than are remembered, or a table has", async () => {
  const guest = await TestGuest.start(64);
  const domain = domains.get(guest.bench.environment)!;
  const { stale } = domain.paging.validation;
  const { space } = domain.vcpus[0]!;
  const root = guest.frameOf(guest.info.get("pt_base") / 4096);
  const load = (): string[] => {
    guest.hypervisor.log.length = 0;
    expect(space.setKernel(root, true)).toBe(0);
    return guest.hypervisor.log.filter((line) => /switchRoot|mov-to-cr 3|forgetAddress/.test(line));
  };
  load();
  for (let page = 0; page < 33; page++) stale.note(page);
  expect(load()).toEqual([`execute 0 mov-to-cr 3 ${root * 4096}`]);
  stale.note(1);
  stale.note(undefined);
  stale.note(2);
  expect(load()).toEqual([`execute 0 mov-to-cr 3 ${root * 4096}`]);
  stale.note(2 ** 36 - 1);
  expect(load()).toEqual([`forgetAddress 0 ${2n ** 64n - 4096n}`, `switchRoot 0 ${root}`]);
});
