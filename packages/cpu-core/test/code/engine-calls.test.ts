/** Engine functions that translations call: what they find in registers and leave behind, against the interpreter. */
import { describe, expect, it } from "vitest";
import * as L from "../../src/layout.js";
import { Bench, CODE } from "../system/bench.js";

const EAGER = { engine: "jit", translation: { heat: 2, leastRuns: 1, synchronous: true } } as const;
const DATA = 0x20000;
const TURNS = 60;

/** Runs `code` to its HLT in both tiers; what `observe` sees must be the same. Returns it. */
async function both<T>(
  mode: "long" | "protected",
  code: string,
  prepare: (bench: Bench) => void,
  observe: (bench: Bench) => T,
): Promise<T> {
  const [interpreted, translated] = await Promise.all(
    [{ engine: "interp" } as const, EAGER].map(async (options) => {
      const bench = await Bench.create(undefined, options);
      bench.start(mode);
      bench.code(CODE, code);
      prepare(bench);
      let reason = "budget";
      for (let turn = 0; turn < 1000 && reason === "budget"; turn++) reason = bench.vcpu.run(50);
      expect(reason).toBe("halted");
      if (options === EAGER) expect(bench.core.stats()["tiers.jit.instructions"]).toBeGreaterThan(TURNS * 2);
      return observe(bench);
    }),
  );
  expect(translated).toEqual(interpreted);
  return translated as T;
}

describe("engine functions called from translations", () => {
  for (const mode of ["protected", "long"] as const) {
    it(`an unmasked x87 exception records instruction, operand and opcode in ${mode} mode`, async () => {
      // fninit; fldcw [rbx]; fld1; back: dec ecx; fdiv dword [rbx+rcx*4+8]; jnz back; hlt
      const seen = await both(
        mode,
        "dbe3 d92b d9e8 ffc9 d8748b08 75f8 f4",
        (bench) => {
          bench.poke32(DATA, 0x37b, 0, 0, ...new Array<number>(TURNS).fill(0x3f800000));
          bench.set("rbx", DATA);
          bench.set("rcx", TURNS);
        },
        (bench) => ({
          status: bench.word(L.FSW) & 0xff,
          instruction: bench.word(L.FIP),
          operand: bench.word(L.FDP),
          opcode: bench.word(L.FOP),
          selectors: [bench.word(L.FCS), bench.word(L.FDS)],
        }),
      );
      expect(seen).toMatchObject({ status: 0x84, instruction: CODE + 8, operand: DATA + 8, opcode: 0x74 });
    });

    it(`registers that a function reads and writes go there and back in ${mode} mode`, async () => {
      // fninit; back: mov eax, ecx; fld1; fldz; fcompp; fnstsw ax; add ebx, eax; lea eax, [rcx+rcx+0x12340000]; fnstsw ax; add ebx, eax;
      // fild dword [rsi]; fistp dword [rsi+4]; dec dword [rsi]; dec ecx; jnz back; hlt
      const seen = await both(
        mode,
        "dbe3 89c8 d9e8 d9ee ded9 dfe0 01c3 8d840900003412 dfe0 01c3 db06 db5e04 ff0e ffc9 75de f4",
        (bench) => {
          bench.poke32(DATA, 1000);
          bench.set("rsi", DATA);
          bench.set("rbx", 0);
          bench.set("rcx", TURNS);
        },
        (bench) => ({ registers: (["rax", "rbx", "rcx"] as const).map((name) => bench.get(name)), stored: bench.word(L.FSW) }),
      );
      expect(seen.registers[2]).toBe(0);
      expect(seen.registers[1]).not.toBe(0);
    });
  }
});
