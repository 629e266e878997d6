// `abi probe`: what a kernel says of itself, and on which of the installed backends it can run.
import { type BackendDefinition, type BootWay, type GuestImage, isHvError } from "@paravane/paravirt-ops";
import { composeBackends, inspectImage } from "@paravane/vmm";
import { preference } from "../backends.js";
import { payloadDecompressors } from "../img/payload.js";

/** One backend's verdict. */
export interface Verdict {
  readonly backend: string;
  /** "requires": no other can start it. */
  readonly accepts: "requires" | "allows" | "no";
  readonly ways: readonly BootWay[];
}

/** What was found out. */
export interface Probe {
  readonly title: string;
  /** What the file is. */
  readonly image: string;
  /** What is inside a bzImage, or why it could not be looked at. */
  readonly inside?: string;
  readonly verdicts: readonly Verdict[];
  /** What `--backend auto` takes, and why; undefined when nothing can start it. */
  readonly auto?: { readonly backend: string; readonly reason: string };
}

/** The kernel inside a bzImage, or the sentence that says why it cannot be looked at. */
async function inside(image: GuestImage): Promise<GuestImage | string | undefined> {
  if (image.payload === undefined) return undefined;
  try {
    return await image.payload();
  } catch (error) {
    if (isHvError(error)) return error.message;
    throw error;
  }
}

/** Looks at a kernel. @throws HvError "image/…" for a file that is none */
export async function probeKernel(title: string, kernel: Uint8Array, installed: readonly BackendDefinition[]): Promise<Probe> {
  const image = inspectImage(kernel, { decompressors: payloadDecompressors });
  const found = await inside(image);
  const unpacked = typeof found === "object" ? found : image;
  const verdicts = installed.map((backend): Verdict => {
    // A bzImage is believed until it is unpacked, and here it is.
    const accepts = backend.boot.placement === "backend" ? backend.boot.accepts(unpacked) : backend.boot.accepts(image);
    const ways = backend.boot.ways?.({ image, unpacked }) ?? [{ name: backend.name, open: accepts !== "no", why: [] }];
    return { backend: backend.name, accepts: ways.some(({ open }) => open) ? accepts : "no", ways };
  });
  return {
    title,
    image: image.description,
    ...(found === undefined ? {} : { inside: typeof found === "string" ? found : found.description }),
    verdicts,
    ...automatic(image, installed),
  };
}

function automatic(image: GuestImage, installed: readonly BackendDefinition[]): Pick<Probe, "auto"> {
  try {
    const { chosen, reason } = composeBackends(installed, image, preference(["auto"]));
    return { auto: { backend: chosen.name, reason } };
  } catch (error) {
    if (isHvError(error)) return {};
    throw error;
  }
}

/** For people. */
export function formatProbe({ title, image, inside: within, verdicts, auto }: Probe): string {
  return [
    `${title}: ${image}`,
    ...(within === undefined ? [] : [`inside: ${within}`]),
    ...verdicts.flatMap(({ backend, ways }) => [
      "",
      `${backend}: ${ways.some(({ open }) => open) ? "yes" : "no"}`,
      ...ways.flatMap(({ name, open, why }) => [`  ${name}: ${open ? "yes" : "no"}`, ...why.map((line) => `    ${line}`)]),
    ]),
    "",
    auto === undefined ? "--backend auto: nothing that is installed can start it" : `--backend auto takes ${auto.backend}: ${auto.reason}`,
  ].join("\n");
}
