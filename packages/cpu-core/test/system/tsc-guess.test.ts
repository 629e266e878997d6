/** The time-stamp counter between two readings of the host's: guessed for some instructions, until somebody else may have seen the clock. */
import { beforeEach, describe, expect, test } from "vitest";
import { Bench } from "./bench.js";

const GUESS = { instructions: 100, pace: () => 512 };
/** RDTSC; MOV ESI, EAX; three NOPs; RDTSC; SUB EAX, ESI. */
const TWICE = "0f31 89c6 90 90 90 0f31 29f0";

for (const engine of ["interp", "jit"] as const)
  describe(`RDTSC, ${engine}`, () => {
    let bench: Bench;
    beforeEach(async () => {
      bench = await Bench.create(undefined, { engine, translation: { heat: 1, leastRuns: 1, synchronous: true } }, { tscGuess: GUESS });
      bench.start("long");
      bench.tsc = 5_000_000_000;
    });

    test("goes on by the pace that was allowed, without asking", () => {
      bench.readPort = () => {
        throw new Error("no port is read here");
      };
      bench.run(`${TWICE} f4`);
      expect(bench.get("rax")).toBe(2 * 5);
    });

    test("asks again when so many instructions have passed", () => {
      // MOV ECX, 60; LOOP: 61 instructions, twice
      bench.run("0f31 89c6 b93c000000 e2fe b93c000000 e2fe 0f31 29f0 f4");
      expect(bench.get("rax")).toBe(0);
    });

    test("asks again behind a device access", () => {
      bench.readPort = () => {
        bench.tsc += 1000;
        return 0;
      };
      bench.run("0f31 89c6 e460 0f31 29f0 f4");
      expect(bench.get("rax")).toBe(1000);
    });

    test("asks again at the beginning of a run", () => {
      bench.run("0f31 89c6 0f31 29f0 f4", 2);
      bench.tsc += 7;
      bench.run(undefined, 2);
      expect(bench.get("rax")).toBe(7);
    });
  });
