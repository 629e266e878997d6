// Which hypervisors a machine carries: `--backend NAME`, given again for several. Each is loaded when it is asked for.
import type { VmiConfig } from "@paravane/backend-vmi";
import type { BackendDefinition } from "@paravane/paravirt-ops";
import type { XenSettings } from "./args/settings.js";
import { usageError } from "./errors.js";
import type { Parts } from "./parts.js";

/** Names that `--backend` knows beside "auto". */
export const BACKEND_NAMES = ["native", "xen", "vmi"] as const;

/** A layer that other backends stand on and that starts no guest itself. */
export function layerOnly(definition: BackendDefinition): BackendDefinition {
  return { ...definition, boot: { ...definition.boot, accepts: () => "no" } };
}

/** The console of guests on this backend, in a command line of ours: a Xen domain's is hvc0. One that a person wrote stays as it is. */
export function withConsole(commandLine: string, backend: string): string {
  return backend === "xen" ? commandLine.replace("console=ttyS0", "console=hvc0") : commandLine;
}

/** Names in the order in which backends are preferred: as given, all that there are for "auto" alone, native for none. */
export function preference(names: readonly string[]): readonly string[] {
  const given = names.filter((name) => name !== "auto");
  return given.length > 0 ? given : names.length > 0 ? BACKEND_NAMES : ["native"];
}

/** What a backend's package exports, or undefined where it is not installed. */
async function loaded<Exports>(load: () => Promise<Exports>, name: string): Promise<Exports | undefined> {
  try {
    return await load();
  } catch (error) {
    const missing = `@paravane/backend-${name}`;
    if ((error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND" && String(error).includes(missing)) return undefined;
    throw error;
  }
}

type Loaders = Readonly<Record<Exclude<(typeof BACKEND_NAMES)[number], "native">, () => Promise<BackendDefinition>>>;

/** Where the backends beside native come from; each is imported by its name, so that any of them may be missing. */
const LOADERS: Loaders = {
  xen: async () => (await import("@paravane/backend-xen")).xen as BackendDefinition,
  vmi: async () => (await import("@paravane/backend-vmi")).vmi as BackendDefinition,
};

/** All backends that are installed, with their usual settings. */
export async function installedBackends(parts: Parts): Promise<BackendDefinition[]> {
  const found = await Promise.all(Object.entries(LOADERS).map(([name, load]) => loaded(load, name)));
  return [...parts.backends, ...found.filter((definition) => definition !== undefined)];
}

/**
 * The parts with the backends that were named; native is a layer when it was not. "auto" alone: everything that is installed.
 * A backend that was named and is not installed is a usage error that says what to install.
 */
export async function withBackends(
  parts: Parts,
  names: readonly string[],
  settings: { readonly vmi?: Partial<VmiConfig>; readonly xen?: Partial<XenSettings> } = {},
): Promise<Parts> {
  const wanted = preference(names);
  const [native] = parts.backends;
  const backends: BackendDefinition[] = [wanted.includes("native") ? native! : layerOnly(native!)];
  for (const [name, load] of Object.entries(LOADERS)) {
    if (!wanted.includes(name)) continue;
    const definition = await loaded(load, name);
    if (definition !== undefined) backends.push(definition.with(settings[name as keyof Loaders] ?? {}));
    else if (names.includes(name)) throw usageError(`--backend ${name}: not installed; npm install @paravane/backend-${name}`);
  }
  return { ...parts, backends };
}
