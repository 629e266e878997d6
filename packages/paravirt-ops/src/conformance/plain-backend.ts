/** A bottom layer for tests: every slot of the contract is architectural and does nothing. */
import { type BackendDefinition, type BackendSource, defineBackend } from "../backend.js";
import { operations, type ParavirtOps } from "../ops/index.js";

/** Operations that all leave everything to the core. */
export function plainOps(): ParavirtOps {
  const groups = Object.entries(operations).map(([group, rows]) => [
    group,
    Object.fromEntries(Object.keys(rows).map((name) => [name, { inline: { kind: "architectural" }, run: () => undefined }])),
  ]);
  return Object.fromEntries(groups) as ParavirtOps;
}

/** A bare machine for tests; `changes` replaces members of its definition. */
export function plainBackend(changes: Partial<BackendSource<Record<never, never>>> = {}): BackendDefinition {
  return defineBackend({
    name: "plain",
    abi: "1",
    needs: [],
    capabilities: ["bare-metal"],
    boot: { accepts: (image) => (image.protocols.length > 0 ? "allows" : "no"), placement: "monitor" },
    manifest: { part: "plain", abi: "1", entries: [] },
    defaults: {},
    install: () => ({ ops: plainOps() }),
    ...changes,
  });
}
