/** A guest that makes code forever: what is kept of its translations is bounded, and the oldest go first. */
import { describe, expect, it } from "vitest";
import { Bench, CODE } from "../system/bench.js";

const KEPT = 16 << 10;
const LOOPS = 120,
  APART = 64;
/** mov ecx, 6; loop: add eax, n; sub ecx, 1; jnz loop; jmp $ */
const loop = (n: number): number[] => [0xb9, 6, 0, 0, 0, 0x05, n & 0xff, n >> 8, 0, 0, 0x83, 0xe9, 1, 0x75, 0xf6, 0xeb, 0xfe];

async function made(): Promise<Bench> {
  const bench = await Bench.create(undefined, {
    engine: "jit",
    translation: { heat: 2, leastRuns: 1, synchronous: true, maxCodeBytes: KEPT },
  });
  bench.start("protected");
  for (let n = 0; n < LOOPS; n++) bench.core.guestMemory.write((CODE + n * APART) as never, Uint8Array.from(loop(n)));
  return bench;
}

/** Runs loop `n`: in pieces, so that its translation is entered. */
function run(bench: Bench, n: number): bigint {
  bench.set("rax", 0);
  bench.set("rip", CODE + n * APART);
  for (let i = 0; i < 4; i++) bench.vcpu.run(5);
  return bench.vcpu.registers.get("rax");
}

describe("translations of a guest that makes code forever", () => {
  it("stay within their bound, and are right", async () => {
    const bench = await made();
    let most = 0;
    for (let round = 0; round < 3; round++)
      for (let n = 0; n < LOOPS; n++) {
        expect(run(bench, n)).toBe(BigInt(6 * n));
        most = Math.max(most, bench.core.stats()["unitBytesKept"]!);
      }
    const { unitBytes, unitsDropped } = bench.core.stats();
    expect(unitBytes).toBeGreaterThan(2 * KEPT);
    expect(unitsDropped).toBeGreaterThan(LOOPS / 2);
    expect(most).toBeLessThan(KEPT + 4096);
  });
  it("that are young survive the old", async () => {
    const bench = await made();
    for (let n = 0; n < LOOPS; n++) run(bench, n);
    const addresses = bench.core.regions!().map(({ address }) => Number(address));
    expect(Math.max(...addresses)).toBeGreaterThanOrEqual(CODE + (LOOPS - 1) * APART);
    expect(Math.min(...addresses)).toBeGreaterThan(CODE + 10 * APART);
  });
});
