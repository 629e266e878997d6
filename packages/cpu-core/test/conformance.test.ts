import { coreSuite } from "@paravane/paravirt-ops/conformance";
import { describe, test } from "vitest";
import { cpuCoreWith } from "../src/index.js";

const CORES = {
  "in the interpreter": cpuCoreWith({ engine: "interp" }),
  "as users get it": cpuCoreWith({}),
  "with every translation verified": cpuCoreWith({ engine: "verify", translation: { heat: 1, leastRuns: 1, synchronous: true } }),
  "with everything translated": cpuCoreWith({ translation: { heat: 1, leastRuns: 1, synchronous: true } }),
};

for (const [how, core] of Object.entries(CORES))
  describe(how, () => {
    for (const { name, run } of coreSuite(core)) test(name, async () => run());
  });
