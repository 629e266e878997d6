import { isGuestFault } from "@paravane/paravirt-ops";
import { expect, test } from "vitest";
import { TestGuest } from "../../test/guest.js";
import { callNames } from "../abi/calls.js";
import { buildRom } from "../rom/rom.js";

/** mulberry32: the same noise on every run. */
function noise(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const CALLS = 10_000;

test.each([0, 1] as const)(
  "random calls with wild arguments are answered, never thrown at the host, the kernel at CPL %i",
  async (cpl) => {
    const guest = await TestGuest.start({ cpl }, 2);
    const exits = new Set([...buildRom({ level: cpl, flagPage: undefined }, 0).exits.values()].map(({ entry }) => entry));
    const names = callNames.filter((name) => exits.has(name));
    const random = noise(1 + cpl);
    const wild = (): number => {
      const values = [
        0,
        1,
        0x1000,
        0xc8000,
        0x200000 + random(0x1000),
        0x7ffffc,
        0x800000,
        0xfee00000,
        0xfffffffc,
        random(2 ** 32),
        1 << random(32),
        random(256),
      ];
      return values[random(values.length)]! >>> 0;
    };
    for (let step = 0; step < CALLS; step++) {
      const name = names[random(names.length)]!;
      const answer = guest.enter(name, [wild(), wild(), wild(), wild(), wild()], random(2));
      if (isGuestFault(answer)) expect(answer.fault, name).toBeLessThan(32);
      else expect(typeof answer === "bigint" || answer === "resume", name).toBe(true);
      if (random(100) === 0) guest.bench.advance(random(1e6));
    }
    guest.bench.backend.close?.();
  },
  120_000,
);

test("random answers of GetRelocationInfo have a type that the ABI knows, and lie in the ROM", async () => {
  const guest = await TestGuest.start();
  const random = noise(3);
  for (let step = 0; step < 2000; step++) {
    const answer = guest.enter("GetRelocationInfo", [random(4) === 0 ? random(2 ** 32) : random(100)], 0) as bigint;
    const [eip, type] = [Number(answer & 0xffffffffn), Number(answer >> 32n)];
    expect(type).toBeLessThan(4);
    expect(type === 1 || type === 2 ? Math.floor(eip / 0x1000) : eip).toBe(type === 1 || type === 2 ? 0xc8 : 0);
  }
});
