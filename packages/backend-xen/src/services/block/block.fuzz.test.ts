// A hostile frontend: random requests, indices, nodes and ends of connections. Nothing throws, little is under way, and nothing stays in use.
import { expect, test } from "vitest";
import { TestFrontend, TestStore, testDomain } from "../../../test/frontend.js";
import { domainFaults } from "../../../test/invariants.js";
import { random } from "../../../test/random.js";

const ROUNDS = 400;
const MAX_IN_FLIGHT = 16;

test.each([
  [64, 64, 1],
  [64, 32, 2],
  [32, 32, 3],
] as const)("domain of %i bits, ABI of %i bits, seed %i", async (bits, protocol, seed) => {
  const below = random(seed * 0x9e3779b9);
  const store = new TestStore();
  const guest = new TestFrontend(await testDomain(bits), store, { protocol });
  const { protectedFrames } = guest.domain.hypervisor as unknown as { protectedFrames: ReadonlySet<number> };
  const references = Array.from({ length: 12 }, () => guest.grant(guest.frame(), [1, 1, 1, 5, 2, 0][below(6)]!));
  const reference = (): number => (below(8) === 0 ? below(0x1_0000_0000) : references[below(references.length)]!);
  guest.connect(2 ** below(3), { "feature-persistent": below(2) });
  let answered = 0;
  for (let round = 0; round < ROUNDS; round++) {
    store.held = below(3) === 0 ? (store.held ?? []) : store.held;
    for (let count = below(6); count > 0; count--) {
      const segments = Array.from({ length: below(13) }, () => [reference(), below(9), below(9)] as const);
      if (below(4) === 0) guest.putIndirect(below(4), round, below(80), below(300), [reference()]);
      else if (below(6) === 0) guest.putDiscard(round, below(80), below(80));
      else guest.put(below(8), round, below(10) === 0 ? BigInt(below(0x1_0000_0000)) << 32n : below(70), segments);
    }
    await guest.push();
    expect(store.held?.length ?? 0).toBeLessThanOrEqual(MAX_IN_FLIGHT);
    if (below(4) === 0) {
      for (const go of store.held?.splice(0) ?? []) go();
      if (below(2) === 0) store.held = undefined;
      await guest.settle();
    }
    answered += guest.responses().length;
    if (below(20) === 0) guest.write(["state", "ring-ref", "event-channel", "protocol", "ring-page-order"][below(5)]!, below(9));
    if (below(25) === 0) await guest.push(below(0x1_0000_0000));
    if (below(25) === 0) {
      for (const name of ["ring-page-order", "protocol"]) guest.xenstore.remove(`/local/domain/1/device/vbd/51712/${name}`, 1);
      guest.write("state", 6);
      for (const go of store.held?.splice(0) ?? []) go();
      store.held = undefined;
      await guest.settle();
      guest.write("state", 1);
      guest.connect(2 ** below(3), { "feature-persistent": below(2) });
    }
  }
  guest.write("state", 6);
  for (let left = 50; left > 0; left--) {
    for (const go of store.held?.splice(0) ?? []) go();
    await guest.settle();
  }
  expect(guest.domain.activeGrants.busyFrom(8)).toBe(false);
  expect(domainFaults(guest.domain, protectedFrames)).toEqual([]);
  expect(answered).toBeGreaterThan(ROUNDS / 4);
});
