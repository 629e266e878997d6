// Which hypervisors a machine carries: `--backend NAME`, given again for several. Each is loaded when it is asked for.
import type { VmiConfig } from "@paravane/backend-vmi";
import type { BackendDefinition } from "@paravane/paravirt-ops";
import type { XenSettings } from "./args/settings.js";
import type { Parts } from "./parts.js";

/** Names that `--backend` knows beside "auto". */
export const BACKEND_NAMES = ["native", "xen", "vmi"] as const;

/** A layer that other backends stand on and that starts no guest itself. */
function layerOnly(definition: BackendDefinition): BackendDefinition {
  return { ...definition, boot: { ...definition.boot, accepts: () => "no" } };
}

/** The console of guests on these backends, in a command line of ours: a Xen domain's is hvc0. One that a person wrote stays as it is. */
export function withConsole(commandLine: string, names: readonly string[]): string {
  const onXen = names.length > 0 && names.every((name) => name === "xen");
  return onXen ? commandLine.replace("console=ttyS0", "console=hvc0") : commandLine;
}

/** The parts with the backends that were named; native is a layer when it was not. "auto": everything that is there. */
export async function withBackends(
  parts: Parts,
  names: readonly string[],
  settings: { readonly vmi?: Partial<VmiConfig>; readonly xen?: Partial<XenSettings> } = {},
): Promise<Parts> {
  const wanted = names.includes("auto") ? BACKEND_NAMES : names.length === 0 ? (["native"] as const) : names;
  const [native] = parts.backends;
  const backends: BackendDefinition[] = [wanted.includes("native") ? native! : layerOnly(native!)];
  if (wanted.includes("xen")) backends.push((await import("@paravane/backend-xen")).xen.with(settings.xen ?? {}) as BackendDefinition);
  if (wanted.includes("vmi")) backends.push((await import("@paravane/backend-vmi")).vmi.with(settings.vmi ?? {}) as BackendDefinition);
  return { ...parts, backends };
}
