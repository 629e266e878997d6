/** Flags that blocks leave to the ways out of those that follow: every stop finds them, wherever the budget ends and from wherever the code is entered. */
import { expect, it } from "vitest";
import { Bench, CODE } from "../system/bench.js";

const EAGER = { engine: "jit", translation: { heat: 2, leastRuns: 1, leaps: 3, synchronous: true } } as const;
const NAMES = ["rax", "rcx", "rdx", "rbx", "rsi", "rdi", "rip", "rflags"] as const;
const BUDGETS = 40,
  STOPS = 60;

/** Each is a loop without end; data lies at RDI. */
const PROGRAMS: Record<string, string> = {
  "a loop of one block": "83 c1 04 39 c8 72 f9 83 e9 70 eb f4", // l: add ecx, 4; cmp eax, ecx; jb l; sub ecx, 0x70; jmp l
  "entered where flags are kept, from a block that has set them":
    "89 c2 eb 04 85 c0 89 c1 89 d6 eb 01 90 89 f3 83 c0 03 72 f0 a8 04 74 ec eb e6",
  "values of memory, and registers that change at once": "3b 07 89 f0 8d 76 05 72 03 8b 47 04 83 c6 01 a8 07 74 ed 80 f9 11 b1 20 eb e6",
  "carries kept over a test and a decrement": "83 c0 7f 85 c0 89 c2 ff c9 72 02 ff c2 f5 ff c1 19 de eb ec",
  "shifts, and sums with constants": "c1 e0 03 89 d1 8d 40 07 74 04 c1 e9 02 90 83 e8 05 89 c2 83 c2 05 eb e8",
};

for (const mode of ["long", "protected"] as const)
  it.each(Object.entries(PROGRAMS))(`are there at every stop: ${mode} mode, %s`, async (_name, code) => {
    const interpreter = await Bench.create(undefined, { engine: "interp" });
    const translated = await Bench.create(undefined, EAGER);
    for (const bench of [interpreter, translated]) {
      bench.start(mode);
      bench.code(CODE, code);
      bench.poke64(0x31000, 0x123_0000_0077n);
      bench.set("rdi", 0x31000);
      for (const name of ["rax", "rcx", "rdx", "rbx", "rsi"] as const) bench.set(name, 0x55);
      bench.set("rflags", 2);
    }
    for (let budget = 1; budget <= BUDGETS; budget++)
      for (let stop = 0; stop < STOPS; stop++) {
        const state = ({ vcpu }: Bench): unknown => [vcpu.run(budget), vcpu.retired, ...NAMES.map((name) => vcpu.registers.get(name))];
        expect(state(translated), `stop ${stop} of budget ${budget}`).toEqual(state(interpreter));
      }
    expect(translated.core.stats()["tiers.jit.instructions"]).toBeGreaterThan(10_000);
  });
