/**
 * Putting layers together: which backend starts this guest, which layers lie beneath it, and whether all of them are there.
 * A composition error names what to install.
 */
import {
  type BackendDefinition,
  type BackendEnvironment,
  type Core,
  completeOperations,
  type GuestImage,
  HvError,
  type InstalledBackend,
  type ParavirtOps,
} from "@paravane/paravirt-ops";
import { watchOperations } from "./watch-operations.js";

/** The backend that runs the guest, and the layers beneath it from the bottom up. */
export interface Composition {
  readonly chosen: BackendDefinition;
  readonly layers: readonly BackendDefinition[];
  /** Why this one, in words. */
  readonly reason: string;
}

/**
 * Chooses a backend for an image: the first that the image requires, else the first that it allows. Layers are in the order in which they stand
 * on one another; who comes first is `preference`'s to say, by names, and without it the lowest layer does.
 *
 * @throws HvError "compose/…" or "image/no-backend"
 */
export function composeBackends(
  backends: readonly BackendDefinition[],
  image: GuestImage,
  preference: readonly string[] = [],
): Composition {
  checkLayers(backends);
  if (preference.length > 0 && !backends.some(({ name }) => preference.includes(name))) {
    throw new HvError("compose/unknown-preference", `none of the backends preferred (${preference.join(", ")}) is given`, {
      hint: `given: ${backends.map(({ name }) => name).join(", ")}`,
    });
  }
  const rank = ({ name }: BackendDefinition): number => (preference.includes(name) ? preference.indexOf(name) : preference.length);
  const candidates = backends.toSorted((a, b) => rank(a) - rank(b));
  const required = candidates.find(({ boot }) => boot.accepts(image) === "requires");
  const chosen = required ?? candidates.find(({ boot }) => boot.accepts(image) === "allows");
  if (chosen === undefined) {
    const names = backends.map(({ name }) => name).join(", ");
    throw new HvError("image/no-backend", `no installed backend (${names}) can start this image: ${image.description}`, {
      hint: image.elf?.notes.some(({ owner }) => owner === "Xen")
        ? "it is made for Xen: install @paravane/backend-xen"
        : "give a kernel that boots on a bare machine",
    });
  }
  const reason =
    required !== undefined
      ? "the image requires it"
      : backends.length === 1
        ? "it is the only one"
        : "it is the first that the image allows";
  return { chosen, layers: layersOf(chosen, backends), reason };
}

function checkLayers(backends: readonly BackendDefinition[]): void {
  if (backends.length === 0) {
    throw new HvError("compose/no-backend", "a machine needs a backend", {
      hint: "install @paravane/backend-native and pass it as backends: [native]",
    });
  }
  const below = new Set<string>();
  for (const { name, needs } of backends) {
    if (below.has(name)) throw new HvError("compose/duplicate", `backend "${name}" is given twice`);
    for (const layer of needs) {
      if (below.has(layer)) continue;
      const given = backends.some((other) => other.name === layer);
      throw new HvError("compose/missing-layer", `backend "${name}" needs the layer "${layer}" under it`, {
        hint: given ? `name "${layer}" before "${name}"` : `install @paravane/backend-${layer} and name it before "${name}"`,
      });
    }
    below.add(name);
  }
}

function layersOf(chosen: BackendDefinition, backends: readonly BackendDefinition[]): BackendDefinition[] {
  const layers: BackendDefinition[] = [];
  const add = (definition: BackendDefinition): void => {
    for (const need of definition.needs) add(backends.find(({ name }) => name === need)!);
    if (!layers.includes(definition)) layers.push(definition);
  };
  add(chosen);
  return layers;
}

/** A guest's backend at work, with what must be closed after it. */
export interface InstalledComposition {
  readonly backend: InstalledBackend;
  close(): void;
}

/**
 * Installs the layers from the bottom up; each gets the operations of the last layer that it needs. Operations, delivery and intercepts of
 * the top one are bound to the core, once. @throws HvError "compose/core-lacks-handles"
 */
export function installBackends(composition: Composition, environment: BackendEnvironment, core: Core): InstalledComposition {
  const installed = new Map<string, InstalledBackend>();
  const close = (): void => {
    for (const backend of [...installed.values()].reverse()) backend.close?.();
  };
  try {
    for (const definition of composition.layers) {
      const under = installed.get(definition.needs.at(-1) ?? "")?.ops;
      const made = definition.install(under, environment);
      const backend = { ...made, ops: completeOperations(made.ops, definition.name) };
      const tap = environment.taps.operation;
      installed.set(
        definition.name,
        tap === undefined ? backend : { ...backend, ops: watchOperations(backend.ops, tap, environment.clock) },
      );
    }
    const backend = installed.get(composition.chosen.name)!;
    bind(composition.chosen.name, backend, core);
    return { backend, close };
  } catch (error) {
    close();
    throw error;
  }
}

function bind(name: string, backend: InstalledBackend, core: Core): void {
  if (core.bind !== undefined) core.bind(backend.ops);
  else if (!isArchitectural(backend.ops)) {
    throw new HvError("compose/core-lacks-handles", `backend "${name}" answers operations itself, which this core cannot call`);
  }
  const { delivery, intercept, store } = backend;
  if (delivery === undefined && intercept === undefined && store === undefined) return;
  if (core.hypervisor === undefined) {
    throw new HvError("compose/core-lacks-handles", `backend "${name}" needs intercepts and delivery, which this core does not lend`);
  }
  if (delivery !== undefined) core.hypervisor.setDeliveryHandler(delivery);
  if (intercept !== undefined) core.hypervisor.setInterceptHandler(intercept);
  if (store !== undefined) core.hypervisor.setStoreHandler(store);
}

/** True when a core that knows nothing of operations already does what they say: no function need ever be called. */
function isArchitectural(ops: ParavirtOps): boolean {
  return Object.values(ops).every((group) =>
    Object.values(group as Record<string, ParavirtOps["cpu"]["clts"]>).every(
      ({ inline }) => inline.kind !== "exit" && inline.kind !== "load-field" && inline.kind !== "store-field",
    ),
  );
}
