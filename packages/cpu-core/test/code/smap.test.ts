/** Code of the kernel that touches a user page, in translations: which accesses are allowed changes with CR4.SMAP and EFLAGS.AC. */
import { describe, expect, it } from "vitest";
import * as L from "../../src/layout.js";
import { Bench, CODE, FRAMES, PD, ROOT, STACK0, WINDOW } from "../system/bench.js";

const ROUNDS = 3000;
const SMAP = 0x200000;
const AC = 0x40000;
const PAGE_FAULT = 14;
const EAGER = { engine: "jit", translation: { heat: 2, leastRuns: 1, leaps: 3, synchronous: true } } as const;
/** l: add eax, [rdi]; dec ecx; jnz l; hlt */
const PLAIN = "03 07 ff c9 75 fa f4";
/** l: stac; add eax, [rdi]; clac; dec ecx; jnz l; hlt */
const GUARDED = "0f 01 cb 03 07 0f 01 ca ff c9 75 f4 f4";

describe.each([{ engine: "interp" } as const, EAGER])("a kernel's access to a user page ($engine)", (engine) => {
  describe.each(["paged32", "long"] as const)("%s", (mode) => {
    const prepared = async (): Promise<Bench> => {
      const bench = (await Bench.create("max", engine)).start(mode);
      // all else is the kernel's own
      if (mode === "long") bench.poke64(PD, 0x83n);
      else bench.poke32(ROOT, 0x83);
      bench.setPage(0, BigInt(FRAMES | 7));
      bench.poke32(FRAMES, 1);
      return bench;
    };
    /** How often the loop went round, and the vector of what ended it. */
    const rounds = (bench: Bench, code: string): [number, number | undefined] => {
      bench.setWord(L.HALTED, 0);
      bench.set("rip", CODE);
      bench.set("rsp", STACK0);
      bench.set("rdi", WINDOW);
      bench.set("rax", 0);
      bench.set("rcx", ROUNDS);
      let outcome = bench.run(code, 500);
      while (outcome.exit === "budget") outcome = bench.run(undefined, 500);
      return [bench.get("rax"), outcome.vector];
    };

    it("is refused from the moment on that CR4.SMAP is set, and allowed with EFLAGS.AC", async () => {
      const bench = await prepared();
      expect(rounds(bench, PLAIN)).toEqual([ROUNDS, undefined]);
      if (engine === EAGER) expect(bench.core.stats()["tiers.jit.instructions"]).toBeGreaterThan(ROUNDS * 2);
      bench.set("cr4", bench.get("cr4") | SMAP);
      expect(rounds(bench, PLAIN)).toEqual([0, PAGE_FAULT]);
      bench.set("rflags", 2 | AC);
      expect(rounds(bench, PLAIN)).toEqual([ROUNDS, undefined]);
      bench.set("rflags", 2);
      expect(rounds(bench, PLAIN)).toEqual([0, PAGE_FAULT]);
      bench.set("cr4", bench.get("cr4") & ~SMAP);
      expect(rounds(bench, PLAIN)).toEqual([ROUNDS, undefined]);
    });

    it("is allowed between STAC and CLAC only", async () => {
      const bench = await prepared();
      bench.set("cr4", bench.get("cr4") | SMAP);
      expect(rounds(bench, GUARDED)).toEqual([ROUNDS, undefined]);
      expect(rounds(bench, PLAIN)).toEqual([0, PAGE_FAULT]);
      if (engine === EAGER) expect(bench.core.stats()["tiers.jit.instructions"]).toBeGreaterThan(ROUNDS * 4);
    });
  });
});
