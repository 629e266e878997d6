/**
 * @paravane/backend-native: the bare machine. Every slot of the contract is named; nearly all say that the core's own semantics hold, so a
 * guest on it costs nothing over a machine without a contract. It is also the layer that other backends are put on top of.
 */
import { defineBackend } from "@paravane/paravirt-ops";
import { Architecture } from "./architecture.js";
import { cpuOps } from "./ops/cpu.js";
import { irqOps } from "./ops/irq.js";
import { mmuOps } from "./ops/mmu.js";
import { smpOps } from "./ops/smp.js";
import { timeOps } from "./ops/time.js";

/** The bare machine: boots whatever the monitor's loaders can place, intercepts nothing, delivers architecturally. */
export const native = defineBackend({
  name: "native",
  package: "@paravane/backend-native",
  contract: "^1.0",
  abi: "1",
  needs: [],
  capabilities: ["bare-metal"],
  requires: [],
  boot: { accepts: (image) => (image.protocols.length > 0 ? "allows" : "no"), placement: "monitor" },
  manifest: { part: "native", abi: "1", entries: [] },
  defaults: {},
  install: (_under, environment) => {
    const machine = new Architecture(environment);
    const irq = irqOps(machine, environment);
    return {
      ops: {
        cpu: cpuOps(machine, environment),
        irq,
        mmu: mmuOps(machine, environment),
        time: timeOps(environment),
        smp: smpOps(machine, environment, irq),
      },
    };
  },
});

export default native;
