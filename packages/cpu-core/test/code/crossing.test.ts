/** An instruction that crosses into another page, in translations: its bytes may change in either page, and either page may be another one. */
import { describe, expect, it } from "vitest";
import { Bench, CODE, FRAMES, PAGES, WINDOW } from "../system/bench.js";

const ROUNDS = 4000;
const EAGER = { engine: "jit", translation: { heat: 2, leastRuns: 1, leaps: 3, synchronous: true } } as const;
const le32 = (value: number): string => [0, 8, 16, 24].map((shift) => ((value >>> shift) & 0xff).toString(16).padStart(2, "0")).join(" ");
/** mov byte [address], value */
const store = (address: number, value: number): string => `c6 05 ${le32(address)} ${value.toString(16).padStart(2, "0")}`;
/** mov dword [PAGES + 4 * page], frame | 7; invlpg [WINDOW + 0x1000 * page] */
const remap = (page: number, frame: number): string =>
  `c7 05 ${le32(PAGES + 4 * page)} ${le32(frame | 7)} 0f 01 3d ${le32(WINDOW + 0x1000 * page)}`;

/** MOV EAX, imm32 with two bytes in the first page; RET. */
const FUNCTION = WINDOW + 0xffe;

describe.each([{ engine: "interp" } as const, EAGER])("an instruction across two pages ($engine)", (engine) => {
  it.each([
    ["a store to its last bytes", store(FRAMES + 0x1000, 1), 0x101],
    ["a store to its first bytes", store(FRAMES + 0xfff, 2), 2],
    ["another second page", remap(1, FRAMES + 0x3000), 0x701],
    ["another first page", remap(0, FRAMES + 0x2000), 9],
  ])("is another one after %s", async (_, change, after) => {
    const bench = (await Bench.create(undefined, engine)).start("paged32");
    bench.code(FRAMES + 0xffe, "b8 01");
    bench.code(FRAMES + 0x1000, "00 00 00 c3");
    bench.code(FRAMES + 0x2ffe, "b8 09");
    bench.code(FRAMES + 0x3000, "07 00 00 c3");
    bench.setPage(0, BigInt(FRAMES | 7));
    bench.setPage(1, BigInt((FRAMES + 0x1000) | 7));
    const length = change.split(" ").length;
    bench.code(
      CODE,
      [
        `b9 ${le32(ROUNDS)} 31 db`, //                 mov ecx, ROUNDS; xor ebx, ebx
        `b8 ${le32(FUNCTION)} ff d0 01 c3`, //   loop: mov eax, FUNCTION; call eax; add ebx, eax
        `81 f9 ${le32(ROUNDS / 2 + 1)} 75 ${length.toString(16).padStart(2, "0")}`, // cmp ecx, ROUNDS / 2 + 1; jne on
        change,
        `49 75 ${(256 - (9 + 8 + length + 3)).toString(16)} f4`, //   on: dec ecx; jnz loop; hlt
      ].join(" "),
    );
    let exit: string;
    do exit = bench.vcpu.run(500);
    while (exit === "budget");
    expect(exit).toBe("halted");
    expect(bench.get("rbx")).toBe((1 + after) * (ROUNDS / 2));
    if (engine === EAGER) {
      const { "tiers.jit.instructions": translated, "exits.interpret": sides } = bench.core.stats();
      expect(translated).toBeGreaterThan(ROUNDS * 6);
      expect(sides).toBeLessThan(100);
    }
  });
});
