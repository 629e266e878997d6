// The zero-cost rule (ARCHITECTURE.md): what is emitted for a guest of the bare machine is the same with the contract on and without it.
import { expect, test } from "vitest";
import { helloImage } from "../src/guests/hello-image.js";
import { CORES, emittedBy } from "./emitted-code.js";

test("the WebAssembly emitted for a native guest is byte for byte the same with the contract and without it", async () => {
  const session = {
    guest: { kernel: helloImage(), commandLine: "hello" },
    memory: "64M",
    prompt: "hello> ",
    typed: `${"cpu\rhelp\rline\r".repeat(40)}poweroff\r`,
  };
  const [bound, bare] = [await emittedBy(CORES["with the contract"], session), await emittedBy(CORES["without it"], session)];
  expect([bound.result.kind, bare.result.kind]).toEqual(["poweroff", "poweroff"]);
  expect(bound.modules.length).toBeGreaterThan(0);
  expect(bound.modules).toEqual(bare.modules);
  expect(bound.stats.instructions).toBe(bare.stats.instructions);
});
