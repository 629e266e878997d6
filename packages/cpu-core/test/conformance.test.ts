// The contract's suite of a core.
import { coreSuite } from "@paravane/paravirt-ops/conformance";
import { describe, test } from "vitest";
import { cpuCore } from "../src/index.js";

describe("the CPU core, as every core", () => {
  for (const { name, run } of coreSuite(cpuCore)) test(name, run);
});
