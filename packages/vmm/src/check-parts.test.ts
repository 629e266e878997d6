import { type BackendDefinition, CONTRACT_VERSION, type CoreDefinition, PART, type PartMark } from "@paravane/paravirt-ops";
import { plainBackend, recordingBoard, recordingCore } from "@paravane/paravirt-ops/conformance";
import { describe, expect, test } from "vitest";
import { multibootKernel } from "../test/images.js";
import { checkParts, type Parts } from "./check-parts.js";
import { createMachine } from "./machine.js";

const parts = (changes: Partial<Parts> = {}): Parts => ({
  core: recordingCore(),
  board: recordingBoard(),
  backends: [plainBackend()],
  ...changes,
});

/** Code, message and hint of a refusal. */
function refusal(given: Parts, contract?: string): string {
  try {
    checkParts(given, contract);
    return "accepted";
  } catch (error) {
    const { code, message, hint } = error as { code: string; message: string; hint: string };
    return `${code}: ${message}; ${hint}`;
  }
}

const copyOf = (contract: string): { [PART]: PartMark } => ({ [PART]: { kind: "backend", contract } });

test("parts that go together are accepted", () => {
  expect(refusal(parts())).toBe("accepted");
});

describe("versions", () => {
  test("a part one major behind is refused by both versions, with what to install, whichever sort it is", () => {
    const old = { contract: "^0.9", package: "@someone/part" };
    const expected = (who: string) =>
      `compose/contract: ${who} is written for version ^0.9 of the contract, and this machine has ${CONTRACT_VERSION}; ` +
      "install a release of @someone/part whose peer dependency is @paravane/paravirt-ops ^1, or @paravane/paravirt-ops@^0.9 and releases of all other parts that go with it";
    expect(refusal(parts({ core: { ...recordingCore(), ...old } }))).toBe(expected('core "recording"'));
    expect(refusal(parts({ board: { ...recordingBoard(), ...old } }))).toBe(expected('board "recording"'));
    expect(refusal(parts({ backends: [plainBackend(old)] }))).toBe(expected('backend "plain"'));
  });

  test("one minor behind is accepted, one minor ahead is not", () => {
    expect(refusal(parts(), "1.3")).toBe("accepted");
    expect(refusal(parts({ backends: [plainBackend({ contract: "^1.4" })] }), "1.3")).toMatch(/compose\/contract: .*\^1\.4 .* has 1\.3/);
  });

  test("a monitor with another contract than its own says so", () => {
    expect(refusal(parts(), "2.0")).toMatch(/compose\/contract: the monitor @paravane\/vmm is written for version \^1\.0 .* has 2\.0/);
  });

  test("two copies of one major work, a copy of another major is refused though the part would take both", () => {
    const old: BackendDefinition = { ...plainBackend(), ...copyOf("1.7") };
    expect(refusal(parts({ backends: [old] }))).toBe("accepted");
    const newer = { ...plainBackend({ contract: "^1.0 || ^2.0" }), ...copyOf("2.0") };
    expect(refusal(parts({ backends: [newer] }))).toMatch(/compose\/contract: the copy of the contract .* version 2\.0 .* has 1\./);
  });

  test("a part of another copy makes a machine", async () => {
    const { core, board } = parts();
    const foreign = { ...plainBackend(), ...copyOf("1.5") };
    const machine = await createMachine({ core, board, backends: [foreign], guest: { kernel: multibootKernel(0x200000) }, memory: "8M" });
    expect(machine.boot.backend).toBe("plain");
    await machine.close();
  });
});

test("what is no part, or another sort of part, is refused before it is used", () => {
  const none = "pass the definition that a package exports, made by define";
  expect(refusal(parts({ core: { name: "x" } as CoreDefinition }))).toContain(`compose/not-a-part: what is given as a core is none`);
  expect(refusal(parts({ core: recordingBoard() as unknown as CoreDefinition }))).toContain("given as a core is a board");
  expect(refusal(parts({ backends: [{ xen: plainBackend() } as unknown as BackendDefinition] }))).toContain(`${none}Backend`);
});

describe("capabilities", () => {
  test("what nobody has is named with who asks and who was asked", () => {
    const core = { ...recordingCore(), capabilities: ["operations"] };
    expect(refusal(parts({ core, backends: [plainBackend({ requires: ["hypervisor"] })] }))).toMatch(
      /compose\/missing-capability: backend "plain" requires "hypervisor", which core "recording", board "recording" .*"operations", "bare-metal"|"operations"/,
    );
  });

  test("a backend has what lies beneath it, not what lies above; core and board have all", () => {
    const above = plainBackend({ name: "above", needs: ["plain"], requires: ["bare-metal"], capabilities: ["events"] });
    expect(refusal(parts({ backends: [plainBackend(), above] }))).toBe("accepted");
    const below = plainBackend({ requires: ["events"] });
    expect(refusal(parts({ backends: [below, above] }))).toContain('backend "plain" requires "events"');
    const board = { ...recordingBoard(), requires: ["events"] };
    expect(refusal(parts({ board, backends: [plainBackend(), above] }))).toBe("accepted");
    expect(refusal(parts({ board }))).toContain('board "recording" requires "events"');
  });
});
