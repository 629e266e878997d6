import { disassemble } from "@paravane/cpu-core/disasm";
import { describe, expect, it } from "vitest";
import { differences, fxDifferences } from "./compare.js";
import { judge, RULES } from "./rules.js";
import { State } from "./state.js";

const CR0_PE = 1n;
const protectedMode = (): State => {
  const state = new State();
  state.set("cr0", CR0_PE);
  state.set("cs", 8n);
  state.set("cs.access", 0xc09bn);
  return state;
};
const run = (code: string, bits: 16 | 32 | 64) =>
  disassemble(
    Uint8Array.from(code.split(" "), (byte) => Number.parseInt(byte, 16)),
    bits,
  );

describe("differences", () => {
  it("name the register and the bits", () => {
    const ours = protectedMode();
    const theirs = ours.copy();
    theirs.set("rbx", 4n);
    expect(differences(ours, theirs)).toEqual([{ field: "rbx", ours: 0n, theirs: 4n, bits: 4n }]);
  });

  it("do not count upper halves, R8 to R15 and null segments in 32-bit code", () => {
    const ours = protectedMode();
    const theirs = ours.copy();
    theirs.set("rax", 1n << 40n);
    theirs.set("r9", 5n);
    theirs.set("ds.limit", 5n);
    expect(differences(ours, theirs)).toEqual([]);
  });

  it("count x87 and SSE only where both sides tell them", () => {
    const ours = protectedMode();
    const theirs = ours.copy();
    ours.fx = new Uint8Array(512);
    expect(fxDifferences(ours, theirs)).toEqual([]);
    theirs.fx = new Uint8Array(512);
    theirs.fx[160] = 1;
    expect(fxDifferences(ours, theirs).map(({ field }) => field)).toEqual(["xmm0"]);
  });
});

describe("rules", () => {
  const before = protectedMode();
  const differing = (bits: bigint) => [{ field: "rflags", ours: bits, theirs: 0n, bits }];

  it("excuse flags that the manual leaves undefined, and no others", () => {
    const instruction = run("21 d8", 32); // and eax, ebx
    expect(judge(differing(0x10n), { instruction, before }, RULES)).toMatchObject({ left: [], used: ["undefined-flags"] });
    expect(judge(differing(0x50n), { instruction, before }, RULES).left).toMatchObject([{ bits: 0x40n }]);
  });

  it("excuse OF of a shift only when the count is not one", () => {
    expect(judge(differing(0x800n), { instruction: run("d1 e0", 32), before }, RULES).left).toHaveLength(1);
    expect(judge(differing(0x800n), { instruction: run("c1 e0 03", 32), before }, RULES).left).toEqual([]);
  });

  it("can be switched off", () => {
    const instruction = run("21 d8", 32);
    expect(judge(differing(0x10n), { instruction, before }, []).left).toHaveLength(1);
  });
});
