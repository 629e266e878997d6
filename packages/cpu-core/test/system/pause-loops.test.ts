/** A processor that executes PAUSE again and again, and a host that wants to know. SDM Vol. 3C §25.1.3, "PAUSE-loop exiting". */
import { describe, expect, test } from "vitest";
import { PAUSE_GAP, PAUSE_LOOP } from "../../src/layout.js";
import { Bench, CODE } from "./bench.js";

/** INC EAX; PAUSE; JMP back. */
const LOOP = "ffc0 f390 ebfa";

for (const engine of ["interp", "jit"] as const)
  describe(`PAUSE in a loop, ${engine}`, () => {
    const started = async (code: string, pauseLoopExiting: boolean): Promise<Bench> => {
      const options = { engine, translation: { heat: 1, leastRuns: 1, synchronous: true } };
      const bench = (await Bench.create(undefined, options, { pauseLoopExiting })).start("long");
      bench.code(CODE, code);
      bench.set("rax", 0);
      return bench;
    };

    test("yields once it is long, behind the PAUSE, and again after as many", async () => {
      const bench = await started(LOOP, true);
      expect([bench.vcpu.run(100_000), bench.get("rax"), bench.get("rip") - CODE]).toEqual(["yield", PAUSE_LOOP, 4]);
      expect([bench.vcpu.run(100_000), bench.get("rax"), bench.get("rip") - CODE]).toEqual(["yield", 2 * PAUSE_LOOP, 4]);
      expect(bench.vcpu.retired).toBe(3 * 2 * PAUSE_LOOP - 1);
    });

    test("goes on counting where a run ends in between", async () => {
      const bench = await started(LOOP, true);
      for (let run = 0; run < 2; run++) expect(bench.vcpu.run(PAUSE_LOOP)).toBe("budget");
      expect([bench.vcpu.run(100_000), bench.get("rax")]).toEqual(["yield", PAUSE_LOOP]);
    });

    test("goes on when nobody asked", async () => {
      const bench = await started(LOOP, false);
      expect([bench.vcpu.run(100_000), bench.vcpu.retired]).toEqual(["budget", 100_000]);
    });

    test("goes on when much lies between two PAUSEs", async () => {
      // INC EAX; PAUSE; MOV ECX, n; LOOP to itself; JMP back: n + 4 instructions from one to the next
      const spaced = (n: number): string => `ffc0 f390 b9${n.toString(16).padStart(2, "0")}000000 e2fe ebf3`;
      const near = await started(spaced(PAUSE_GAP - 4), true);
      expect([near.vcpu.run(100_000), near.get("rax")]).toEqual(["yield", PAUSE_LOOP]);
      const far = await started(spaced(PAUSE_GAP - 3), true);
      expect(far.vcpu.run(100_000)).toBe("budget");
      expect(far.get("rax")).toBeGreaterThan(4 * PAUSE_LOOP);
    });
  });
