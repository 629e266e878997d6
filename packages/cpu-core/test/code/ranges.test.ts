/** Accesses near one another share a probe of the TLB; where they lie in two pages, the results are the same, and the unit is soon another. */
import { describe, expect, it } from "vitest";
import { Bench, CODE, FRAMES, WINDOW } from "../system/bench.js";

const ROUNDS = 4000;
const ENGINES = {
  interp: { engine: "interp" },
  jit: { engine: "jit", translation: { heat: 2, leastRuns: 1, synchronous: true } },
} as const;
const le32 = (value: number): string => [0, 8, 16, 24].map((shift) => ((value >>> shift) & 0xff).toString(16).padStart(2, "0")).join(" ");

/** Adds up the words at `place` and behind it in EBX, and counts the second one up, ROUNDS times. */
const program = (place: number): string =>
  [
    `b9 ${le32(ROUNDS)} be ${le32(place)} 31 db`, // mov ecx, ROUNDS; mov esi, place; xor ebx, ebx
    "8b 06 01 c3 03 5e 04 ff 46 04", // loop: mov eax, [esi]; add ebx, eax; add ebx, [esi + 4]; inc dword [esi + 4]
    "49 75 f3 f4", //                      dec ecx; jnz loop; hlt
  ].join(" ");

async function run(name: keyof typeof ENGINES, offset: number): Promise<{ bench: Bench; stats: Readonly<Record<string, number>> }> {
  const bench = (await Bench.create(undefined, ENGINES[name])).start("paged32");
  const second = offset + 4 >= 0x1000 ? FRAMES + 0x3000 + offset + 4 - 0x1000 : FRAMES + offset + 4;
  bench.code(FRAMES + offset, le32(1));
  bench.code(second, le32(0));
  bench.setPage(0, BigInt(FRAMES | 7));
  bench.setPage(1, BigInt((FRAMES + 0x3000) | 7));
  bench.code(CODE, program(WINDOW + offset));
  let exit: string;
  do exit = bench.vcpu.run(500);
  while (exit === "budget");
  expect(exit).toBe("halted");
  return { bench, stats: bench.core.stats() };
}

describe("two words side by side", () => {
  for (const name of ["interp", "jit"] as const)
    for (const [where, offset] of [
      ["in one page", 0x100],
      ["in two pages", 0xffc],
    ] as const)
      it(`${where} are what was stored there (${name})`, async () => {
        const { bench, stats } = await run(name, offset);
        expect(bench.get("rbx")).toBe(ROUNDS + (ROUNDS * (ROUNDS - 1)) / 2);
        if (name === "interp") return;
        expect(stats["unitsApart"]).toBe(offset === 0xffc ? 1 : 0);
        expect(stats["exits.interpret"]).toBeLessThan(ROUNDS / 4);
        expect(stats["tiers.jit.instructions"]).toBeGreaterThan(ROUNDS * 5);
      });
});
