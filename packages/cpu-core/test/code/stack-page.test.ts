/** Units ask for the page of the stack once: a stack that goes on in other pages, or into one that may not be written, is right all the same. */
import { describe, expect, it } from "vitest";
import { Bench, FRAMES, WINDOW } from "../system/bench.js";

const EAGER = { engine: "jit", translation: { heat: 2, leastRuns: 1, leaps: 3, synchronous: true } } as const;
const le32 = (value: number): string => [0, 8, 16, 24].map((shift) => ((value >>> shift) & 0xff).toString(16).padStart(2, "0")).join(" ");
/**
 * l: mov ecx, depth; call f; dec ebx; jnz l; mov ecx, edi; call f; hlt
 * f: push rcx; dec ecx; jz e; call f
 * e: pop rdx; add eax, edx; ret
 */
const recursion = (depth: number): string =>
  `b9 ${le32(depth)} e8 0c 00 00 00 ff cb 75 f2 89 f9 e8 01 00 00 00 f4 51 ff c9 74 05 e8 f6 ff ff ff 5a 01 d0 c3`;
const GENERAL_PROTECTION = 13,
  PAGE_FAULT = 14;

/** Goes to `depth` so many times, and then once to `last`; at CPL 3, where HLT ends the program with #GP. */
function run(bench: Bench, depth: number, rounds: number, last: number, top = WINDOW + 0x4000): number | undefined {
  bench.set("rax", 0);
  bench.set("rbx", rounds);
  bench.set("rdi", last);
  bench.set("rsp", top);
  let outcome = bench.run(recursion(depth), 500);
  while (outcome.exit === "budget") outcome = bench.run(undefined, 500);
  return outcome.vector;
}
const sum = (depth: number): number => (depth * (depth + 1)) / 2;

describe.each([{ engine: "interp" } as const, EAGER])("recursion ($engine)", (engine) => {
  describe.each([
    ["paged32", 8],
    ["long", 16],
  ] as const)("%s", (mode, frame) => {
    /** Four pages of stack, whose frames do not follow one another; the lowest has these rights. */
    const prepared = async (lowest: number): Promise<Bench> => {
      const bench = (await Bench.create(undefined, engine)).start(mode, 3);
      [0x5000, 0x2000, 0x7000, 0x1000].forEach((at, page) => {
        bench.setPage(page, BigInt(FRAMES + at) | BigInt(page === 0 ? lowest : 7));
      });
      return bench;
    };

    it("goes through three pages and back, again and again", async () => {
      const bench = await prepared(7);
      const depth = 0x2800 / frame;
      expect(run(bench, depth, 50, 1)).toBe(GENERAL_PROTECTION);
      expect(bench.get("rax")).toBe(50 * sum(depth) + 1);
      if (engine === EAGER) expect(bench.core.stats()["tiers.jit.instructions"]).toBeGreaterThan(50 * depth * 6);
    });

    it("is asked for like other memory where it goes to and fro between two pages", async () => {
      const bench = await prepared(7);
      expect(run(bench, 16, 5000, 1, WINDOW + 0x3000 + 4 * frame)).toBe(GENERAL_PROTECTION);
      expect(bench.get("rax")).toBe(5000 * sum(16) + 1);
      if (engine !== EAGER) return;
      const { unitsApart, "exits.interpret": exits } = bench.core.stats();
      expect(unitsApart).toBeGreaterThan(0);
      expect(exits).toBeLessThan(5000);
    });

    it.each([
      ["nowhere before", 0, GENERAL_PROTECTION],
      ["where the stack may not be written", 1, PAGE_FAULT],
    ])("faults %s", async (_, more, vector) => {
      const bench = await prepared(5);
      const last = 0x3000 / frame + more;
      expect(run(bench, 64, 400, last)).toBe(vector);
      if (vector === PAGE_FAULT) expect(bench.get("cr2")).toBe(WINDOW + 0x1000 - frame / 2);
      else expect(bench.get("rax")).toBe((400 * sum(64) + sum(last)) >>> 0);
    });
  });
});
