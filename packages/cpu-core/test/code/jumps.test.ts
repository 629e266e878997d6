/** Calls and returns through the jump cache: what it remembers of a page ends with the page's translation, however that ends. */
import { describe, expect, it } from "vitest";
import { Bench, CODE, FRAMES, PAGES, ROOT, WINDOW } from "../system/bench.js";

const ROUNDS = 4000;
const EAGER = { engine: "jit", translation: { heat: 2, leastRuns: 1, leaps: 3, synchronous: true } } as const;
const le32 = (value: number): string => [0, 8, 16, 24].map((shift) => ((value >>> shift) & 0xff).toString(16).padStart(2, "0")).join(" ");

/** Calls the function in the window's first page ROUNDS times, adding up in EBX; half way the page becomes another one, by 7 bytes `drop`. */
const program = (drop: string): string =>
  [
    `b9 ${le32(ROUNDS)} 31 db`, //               mov ecx, ROUNDS; xor ebx, ebx
    `b8 ${le32(WINDOW)} ff d0 01 c3`, //   loop: mov eax, WINDOW; call eax; add ebx, eax
    `81 f9 ${le32(ROUNDS / 2 + 1)} 75 11`, //    cmp ecx, ROUNDS / 2 + 1; jne on
    `c7 05 ${le32(PAGES)} ${le32((FRAMES + 0x1000) | 7)}`, // mov dword [PAGES], the other frame
    drop,
    "49 75 db f4", //                        on: dec ecx; jnz loop; hlt
  ].join(" ");

describe("a page with a function that is called all the time", () => {
  for (const engine of [{ engine: "interp" } as const, EAGER])
    for (const [name, drop] of [
      ["INVLPG", `0f 01 3d ${le32(WINDOW)}`],
      ["a load of CR3", "0f 20 d8 0f 22 d8 90"],
    ] as const)
      it.each([
        ["pages of a kernel that has none that are global", 0x83],
        ["a user page that a kernel of global pages executes", 0x183],
      ])(`is another one after ${name} (${engine.engine}): %s`, async (_, own) => {
        const bench = (await Bench.create(undefined, engine)).start("paged32");
        bench.poke32(ROOT, own);
        bench.set("cr4", bench.get("cr4") | 0x80);
        bench.code(FRAMES, `b8 ${le32(1)} c3`);
        bench.code(FRAMES + 0x1000, `b8 ${le32(2)} c3`);
        bench.setPage(0, BigInt(FRAMES | 7));
        bench.code(CODE, program(drop));
        let exit: string;
        do exit = bench.vcpu.run(500);
        while (exit === "budget");
        expect(exit).toBe("halted");
        expect(bench.get("rbx")).toBe(ROUNDS / 2 + 2 * (ROUNDS / 2));
        if (engine === EAGER) expect(bench.core.stats()["tiers.jit.instructions"]).toBeGreaterThan(ROUNDS * 6);
      });
});
