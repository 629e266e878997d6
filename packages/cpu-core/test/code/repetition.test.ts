/** A guest that does the same wide work again and again: no block of it runs often, and yet it is translated. */
import { describe, expect, it } from "vitest";
import { Bench, CODE } from "../system/bench.js";

/** Few enough pieces to be no news, and bytes and instructions of one. */
const PIECES = 700;
const PIECE = 32;
const INSTRUCTIONS = PIECE / 2;
/** inc ecx, again and again, then a jump to the piece behind. */
const piece = [...Array.from({ length: INSTRUCTIONS - 1 }, () => 0x41), 0xeb, PIECE - (INSTRUCTIONS - 1) - 2];

/** A circle of the pieces. */
async function circle(): Promise<Bench> {
  const bench = await Bench.create(undefined, { engine: "jit", translation: { synchronous: true } });
  bench.start("protected");
  for (let n = 0; n < PIECES; n++) bench.core.guestMemory.write((CODE + n * PIECE) as never, Uint8Array.from(piece));
  const end = CODE + PIECES * PIECE;
  const back = CODE - (end + 5);
  bench.core.guestMemory.write(end as never, Uint8Array.from([0xe9, back, back >> 8, back >> 16, back >> 24]));
  return bench;
}

/** Units written after so many turns more, each a run. */
function units(bench: Bench, turns: number): number {
  for (let turn = 0; turn < turns; turn++) bench.vcpu.run(PIECES * INSTRUCTIONS + 1);
  return bench.core.stats()["units"]!;
}

describe("work that is repeated", () => {
  it("is translated long before its blocks have run often", async () => {
    const bench = await circle();
    expect(units(bench, 600)).toBe(0);
    expect(units(bench, 200)).toBeGreaterThan(0);
    expect(bench.core.stats()["blocksDecoded"]).toBeLessThan(800);
  });
});
