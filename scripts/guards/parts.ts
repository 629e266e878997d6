/**
 * What each package promises to guests, as entries for its lock. Backends and the monitor say it themselves in manifests that are made of
 * the constants their code uses; what a board, a core and a loader show is taken down from one at work, so that nothing is listed twice.
 */
import { type AbiEntry, type AbiManifest, machineAbi } from "../../packages/paravirt-ops/src/index.js";
import { native } from "../../packages/backend-native/src/index.js";
import { manifest as vmi } from "../../packages/backend-vmi/src/abi/manifest.js";
import { manifest as xen } from "../../packages/backend-xen/src/abi/manifest.js";
import { boardEntries } from "./board-census.js";
import { bootEntries } from "./boot-census.js";
import { coreEntries } from "./core-census.js";
import { xenEntries } from "./xen-census.js";

/** One package's promise. */
export interface GuestPromise {
  /** Folder under packages/. */
  readonly dir: string;
  readonly part: string;
  readonly abi: string;
  readonly entries: readonly AbiEntry[];
}

const of = (dir: string, { part, abi, entries }: AbiManifest): GuestPromise => ({ dir, part, abi, entries });

/** Every package that shows a guest anything. */
export async function promises(): Promise<GuestPromise[]> {
  return [
    of("paravirt-ops", machineAbi),
    { dir: "vmm", part: "boot", abi: "1", entries: bootEntries() },
    of("backend-native", native.manifest),
    of("backend-xen", { ...xen, entries: [...xen.entries, ...xenEntries()] }),
    of("backend-vmi", vmi),
    { dir: "devices", part: "pc", abi: "1", entries: boardEntries() },
    { dir: "cpu-core", part: "cpu", abi: "1", entries: await coreEntries() },
  ];
}
