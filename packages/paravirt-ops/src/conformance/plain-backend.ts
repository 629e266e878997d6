/** A bottom layer for tests: every slot of the contract is architectural, and hardly any does something. */
import { type BackendDefinition, type BackendSource, defineBackend } from "../backend.js";
import { CONTRACT_VERSION } from "../abi.js";
import { operations, type ParavirtOps } from "../ops/index.js";
import { architectural } from "../ops/operation.js";

const RFLAGS_IF = 0x200n;

/** Operations that leave everything to the core; what the suite can check without one is kept in the vCPU's registers. */
export function plainOps(): ParavirtOps {
  const groups = Object.entries(operations).map(([group, rows]) => [
    group,
    Object.fromEntries(Object.keys(rows).map((name) => [name, architectural(() => undefined)])),
  ]);
  const { irq, mmu, time, ...rest } = Object.fromEntries(groups) as ParavirtOps;
  return {
    ...rest,
    irq: {
      ...irq,
      saveFl: architectural((vcpu) => Number(vcpu.registers.get("rflags") & RFLAGS_IF)),
      restoreFl: architectural((vcpu, flags) => vcpu.registers.set("rflags", BigInt(flags) & RFLAGS_IF)),
      disable: architectural((vcpu) => vcpu.registers.set("rflags", 0n)),
      enable: architectural((vcpu) => vcpu.registers.set("rflags", RFLAGS_IF)),
    },
    mmu: { ...mmu, makeEntry: architectural((_vcpu, value) => value), entryValue: architectural((_vcpu, stored) => stored) },
    time: { ...time, schedClock: architectural(() => 0), stealClock: architectural(() => 0) },
  };
}

/** A bare machine for tests; `changes` replaces members of its definition. */
export function plainBackend(changes: Partial<BackendSource<Record<never, never>>> = {}): BackendDefinition {
  return defineBackend({
    name: "plain",
    abi: "1",
    needs: [],
    contract: `^${CONTRACT_VERSION}`,
    capabilities: ["bare-metal"],
    requires: [],
    boot: { accepts: (image) => (image.protocols.length > 0 ? "allows" : "no"), placement: "monitor" },
    manifest: { part: "plain", abi: "1", entries: [] },
    defaults: {},
    install: () => ({ ops: plainOps() }),
    ...changes,
  });
}
