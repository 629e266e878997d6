/** Jumps and calls through a table of addresses: where they go is a guess of the translator's, and the guest may change everything about it. */
import { describe, expect, it } from "vitest";
import { Bench, CODE, FRAMES, PAGES, WINDOW } from "../system/bench.js";

const ROUNDS = 8000;
const EAGER = { engine: "jit", translation: { heat: 40, leastRuns: 10, leaps: 3, synchronous: true } } as const;
const ENGINES = [{ engine: "interp" } as const, EAGER];
const le32 = (value: number): string => [0, 8, 16, 24].map((shift) => ((value >>> shift) & 0xff).toString(16).padStart(2, "0")).join(" ");

const TABLE = 0xa000;
const [AT, NEXT] = [WINDOW, WINDOW + 0x60];
/** How the table is used, in instructions a round. */
const WAYS = [
  { way: "jump", round: 9 },
  { way: "call", round: 10 },
] as const;
type Way = (typeof WAYS)[number]["way"];
const caseAt = (number: number): number => WINDOW + 0x80 + number * 0x20;

/**
 * Goes through the four cases of TABLE in turn, ROUNDS times in all; each adds a number of its own to EBX. Half way does `change`. Code lies in
 * the window's first page; case 3 in its second.
 */
const program = (way: Way, change: string): string => {
  const length = change.split(" ").length;
  const before = [
    `b9 ${le32(ROUNDS)} 31 db`, //                      mov ecx, ROUNDS; xor ebx, ebx
    "89 c8 83 e0 03", //                          loop: mov eax, ecx; and eax, 3
    `81 f9 ${le32(ROUNDS / 2)} 75 ${length.toString(16).padStart(2, "0")}`, // cmp ecx, ROUNDS / 2; jne on
    change,
    `ff ${way === "jump" ? "24" : "14"} 85 ${le32(TABLE)}`, // on: jmp or call [TABLE + eax * 4]
  ].join(" ");
  return way === "jump" ? before : `${before} e9 ${le32(NEXT - (AT + before.split(" ").length + 5))}`;
};

/** `add ebx, amount`, then on to NEXT from `at`, or back. */
const adding = (way: Way, amount: number, at: number): string =>
  `81 c3 ${le32(amount)} ${way === "jump" ? `e9 ${le32(NEXT - (at + 11))}` : "c3"}`;

async function prepare(engine: (typeof ENGINES)[number], way: Way, change: string, cases: readonly number[]): Promise<Bench> {
  const bench = (await Bench.create(undefined, engine)).start("paged32");
  for (let page = 0; page < 2; page++) bench.setPage(page, BigInt((FRAMES + page * 0x1000) | 7));
  const host = (linear: number): number => FRAMES + (linear - WINDOW);
  const text = program(way, change);
  const loop = AT + 7;
  expect(text.split(" ").length).toBeLessThan(NEXT - AT);
  bench.code(host(AT), text);
  bench.code(host(NEXT), `49 0f 85 ${le32(loop - (NEXT + 7))} f4`); // dec ecx; jnz loop; hlt
  [1, 0x100, 0x10000].forEach((amount, i) => {
    bench.code(host(caseAt(i)), adding(way, amount, caseAt(i)));
  });
  const far = WINDOW + 0x1000;
  bench.code(host(far), adding(way, 0x1000000, far));
  bench.code(host(far) + 0x1000, adding(way, 0x2000000, far));
  cases.forEach((to, i) => {
    bench.poke32(TABLE + i * 4, to);
  });
  bench.set("rip", AT);
  return bench;
}

/** To the end, in slices: how many instructions, and what was added up. */
function finish(bench: Bench): { added: number; retired: number } {
  let exit: string;
  do exit = bench.vcpu.run(700);
  while (exit === "budget");
  expect(exit).toBe("halted");
  return { added: Number(bench.get("rbx")), retired: bench.vcpu.retired };
}

const QUARTER = ROUNDS / 4;
const FAR = WINDOW + 0x1000;
const FIRST = [caseAt(0), caseAt(1), caseAt(2), FAR];

describe.each(ENGINES.flatMap((engine) => WAYS.map((how) => ({ ...how, options: engine, engine: engine.engine }))))(
  "a loop over a $way through a table ($engine)",
  ({ way, round, options: engine }) => {
    it("goes to each case, in its own page and in another", async () => {
      const bench = await prepare(engine, way, "90", FIRST);
      const { added, retired } = finish(bench);
      expect(added).toBe((QUARTER * 0x1010101) >>> 0);
      expect(retired).toBe(2 + ROUNDS * round + 1 + 1);
      if (engine === EAGER) {
        const { unitRuns, "tiers.jit.instructions": translated } = bench.core.stats() as Record<string, number>;
        expect(translated).toBeGreaterThan(ROUNDS * 8);
        expect(unitRuns).toBeLessThan(ROUNDS / 4);
      }
    });
    it("goes where a changed table leads, to cases that have never run before", async () => {
      const bench = await prepare(engine, way, `c7 05 ${le32(TABLE)} ${le32(caseAt(2))}`, [caseAt(0), caseAt(1), caseAt(1), FAR]);
      const changed = QUARTER / 2;
      expect(finish(bench).added).toBe((QUARTER * 0x1000200 + (QUARTER - changed) + changed * 0x10000) >>> 0);
    });
    it.each([
      ["INVLPG", `0f 01 3d ${le32(FAR)}`],
      ["a load of CR3", "0f 20 da 0f 22 da"],
    ])("goes to what a case's page is mapped to after %s", async (_, drop) => {
      const bench = await prepare(engine, way, `c7 05 ${le32(PAGES + 4)} ${le32((FRAMES + 0x2000) | 7)} ${drop}`, FIRST);
      const after = QUARTER / 2;
      expect(finish(bench).added).toBe((QUARTER * 0x10101 + (QUARTER - after) * 0x1000000 + after * 0x2000000) >>> 0);
    });
    it("goes to what a case has become when it is overwritten", async () => {
      // The amount of case 1, in the unit's own code.
      const bench = await prepare(engine, way, `c7 05 ${le32(caseAt(1) + 2)} ${le32(0x300)}`, FIRST);
      const after = QUARTER / 2;
      expect(finish(bench).added).toBe((QUARTER * 0x1010001 + (QUARTER - after) * 0x100 + after * 0x300) >>> 0);
    });
    it("goes where addresses lead that wrap around or are far apart", async () => {
      const bench = await prepare(engine, way, "90", [caseAt(0), caseAt(0), caseAt(1), CODE]);
      bench.code(CODE, way === "jump" ? `83 c3 07 e9 ${le32(NEXT - (CODE + 8))}` : "83 c3 07 c3"); // add ebx, 7
      bench.set("rip", AT);
      expect(finish(bench).added).toBe(QUARTER * (2 + 0x100 + 7));
    });
  },
);
