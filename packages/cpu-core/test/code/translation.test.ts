/** Translated code against the interpreter: random programs with loops, calls, memory and stores into themselves, under random budgets. */
import { describe, expect, it } from "vitest";
import { Random } from "../../src/reference/values.js";
import { Bench, CODE } from "../system/bench.js";
import { program } from "./random-program.js";

const PROGRAMS = 160,
  STEPS = 3000;
/** Instructions of all programs together that translations do: some programs end early, by a jump to nowhere. */
const LEAST_TRANSLATED = 12_000;
const NAMES = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "rip", "rflags"] as const;
/** Everything is translated as soon as it has run twice, and before `run` returns. */
const EAGER = { engine: "jit", translation: { heat: 2, leastRuns: 1, leaps: 3, synchronous: true } } as const;

for (const mode of ["long", "protected"] as const)
  for (const hostile of [false, true])
    describe(`${mode} mode, programs that ${hostile ? "overwrite themselves" : "leave their code alone"}`, () => {
      it("translations do what the interpreter does, at every stop", { timeout: 120_000 }, async () => {
        const interpreter = await Bench.create(undefined, { engine: "interp" });
        const translated = await Bench.create(undefined, EAGER);
        const random = new Random(hostile ? 21 : 22);
        for (let n = 0; n < PROGRAMS; n++) {
          const bytes = Uint8Array.from(program(random, mode, hostile));
          const budgets: number[] = [];
          for (let left = STEPS; left > 0; ) {
            const budget = 1 + random.below(random.below(4) === 0 ? 600 : 40);
            budgets.push(Math.min(budget, left));
            left -= budget;
          }
          const start = (bench: Bench): void => {
            bench.core.guestMemory.fill(0 as never, 0xa0000, 0);
            bench.start(mode);
            bench.core.guestMemory.write(CODE as never, bytes);
            for (const name of NAMES.slice(0, 4)) bench.set(name, n * 0x01234567);
            bench.set("rflags", 2);
          };
          start(interpreter);
          start(translated);
          let ran = 0;
          for (const budget of budgets) {
            ran += budget;
            const state = ({ vcpu }: Bench): unknown => ({
              reason: vcpu.run(budget),
              retired: vcpu.retired,
              registers: NAMES.map((name) => vcpu.registers.get(name)),
            });
            expect(state(translated), `program ${n} after at most ${ran}`).toEqual(state(interpreter));
          }
          const memory = ({ core }: Bench): Uint8Array => core.guestMemory.view(0 as never, 0xa0000);
          expect(Buffer.compare(memory(translated), memory(interpreter)), `memory of program ${n}`).toBe(0);
        }
        expect(translated.core.stats()["tiers.jit.instructions"]).toBeGreaterThan(LEAST_TRANSLATED);
        expect(translated.core.stats()["unitsJoined"]).toBeGreaterThan(0);
        expect(interpreter.core.stats()["tiers.jit.instructions"]).toBe(0);
      });
    });
