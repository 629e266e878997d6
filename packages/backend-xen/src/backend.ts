/** Xen as a backend: what it accepts, and what it puts to work in one machine. */
import {
  type BackendEnvironment,
  clockEventSlots,
  type DeliveryHandler,
  defineBackend,
  type GuestImage,
  type GuestNote,
  HvError,
  type InterceptHandler,
  layerOver,
  requireHypervisor,
  requireUnder,
} from "@paravane/paravirt-ops";
import { elfNotes, NOTE_OWNER } from "./abi/elfnote.js";
import { vmAssists } from "./abi/xen.js";
import { manifest } from "./abi/manifest.js";
import type { Domain, XenConfig } from "./domain/domain.js";
import { bootWays } from "./domain/boot-ways.js";
import { isPvKernel, readNotes, type XenNotes } from "./domain/notes.js";
import { startPvhDomain } from "./domain/start-pvh.js";
import { startPvDomain } from "./domain/start-pv.js";
import { storeToTable } from "./mmu/writable-tables.js";
import { modes } from "./modes/index.js";
import { Deliveries } from "./vcpu/exceptions.js";
import { PvhExits } from "./vcpu/pvh-exits.js";
import { Instructions } from "./vcpu/instructions.js";

const defaults: XenConfig = { mode: "auto", frames: "scrambled", seed: 1, hypervisorConsole: false };

/** A bzImage shows its notes only when it is unpacked, so it is believed until then. */
function accepts(image: GuestImage): "requires" | "allows" | "no" {
  if (image.elf === undefined) return image.payload === undefined ? "no" : "allows";
  if (!isPvKernel(image.elf)) return image.elf.notes.some(isPvhEntry) ? "allows" : "no";
  return image.protocols.length === 0 ? "requires" : "allows";
}

const isPvhEntry = ({ owner, type }: GuestNote): boolean => owner === NOTE_OWNER && type === elfNotes.PHYS32_ENTRY;

/** The image with the notes: the kernel inside, for a bzImage. */
async function unpacked(image: GuestImage): Promise<GuestImage> {
  if (image.elf !== undefined || image.payload === undefined) return image;
  return { ...(await image.payload()), commandLine: image.commandLine, ...(image.initrd === undefined ? {} : { initrd: image.initrd }) };
}

/** What a machine may ask for and would not get is said before anything runs. @throws HvError "xen/not-modelled" */
function refuseWhatIsMissing({ ports }: BackendEnvironment): void {
  if (ports.length > 0) throw new HvError("xen/not-modelled", "a Xen domain has no network yet");
}

/** PV unless told otherwise or the kernel has a PVH entry only. @throws HvError "image/no-boot-protocol" for a kernel that has not got what was asked for */
function startsAsPvh(mode: XenConfig["mode"], notes: XenNotes): boolean {
  const wanted = mode === "auto" ? (notes.pv ? "pv" : "pvh") : mode;
  const has = wanted === "pv" ? notes.pv : notes.phys32Entry !== undefined;
  if (has) return wanted === "pvh";
  throw new HvError("image/no-boot-protocol", `the kernel's notes have no entry for a ${wanted.toUpperCase()} guest`, {
    hint: mode === "auto" ? "it is not made for Xen" : `start it without --xen-mode ${mode}`,
  });
}

/** A domain at work, and who answers for it. */
interface Guest {
  readonly domain: Domain;
  readonly intercept: InterceptHandler;
  readonly deliver: DeliveryHandler;
}

/** The domain of a machine, for tests that look at what no guest sees. */
export const domains = new WeakMap<BackendEnvironment, Domain>();

/** Xen 4.17 for PV and PVH guests. */
export const xen = defineBackend<XenConfig>({
  name: "xen",
  package: "@paravane/backend-xen",
  contract: "^1.0",
  abi: "4.17",
  needs: ["native"],
  capabilities: ["paravirt", "evtchn"],
  requires: ["operations", "hypervisor"],
  boot: { accepts, placement: "backend", ways: ({ unpacked: image }) => bootWays(image.elf) },
  manifest,
  modes,
  defaults,
  install: (beneath, environment, config) => {
    const under = requireUnder(beneath, "xen");
    let guest: Guest | undefined;
    // What a call has in common with the bare machine ends there; a domain's timers are its own.
    const ops = layerOver(under, { time: clockEventSlots((vcpu) => guest?.domain.timers[vcpu]) });
    return {
      ops,
      intercept: (vcpu, intercepted) => guest?.intercept(vcpu, intercepted) ?? "architectural",
      delivery: (vcpu, event) => guest?.deliver(vcpu, event) ?? "architectural",
      store: (vcpu, store) => {
        if (guest === undefined || guest.domain.kind === "pvh") return "store";
        const { domain } = guest;
        return storeToTable(domain.paging, store, domain.vcpus[vcpu]!.inKernel, domain.assists.has(vmAssists.writable_pagetables));
      },
      close: () => guest?.domain.close(),
      load: async (given) => {
        const hypervisor = requireHypervisor(environment, "xen");
        refuseWhatIsMissing(environment);
        const image = await unpacked(given);
        const notes = image.elf === undefined ? undefined : readNotes(image.elf);
        if (image.elf === undefined || notes === undefined) {
          throw new HvError("image/no-boot-protocol", `the kernel is not made for Xen: ${image.description}`);
        }
        const source = { image, elf: image.elf, notes };
        if (startsAsPvh(config.mode, notes)) {
          const domain = await startPvhDomain(source, environment, hypervisor, config, ops);
          const exits = new PvhExits(domain);
          guest = {
            domain,
            intercept: (vcpu, intercepted) => exits.handle(vcpu, intercepted),
            deliver: (vcpu, event) => exits.deliver(vcpu, event),
          };
        } else {
          const domain = await startPvDomain(source, environment, hypervisor, config, ops);
          const instructions = new Instructions(domain);
          const deliveries = new Deliveries(domain);
          guest = {
            domain,
            intercept: (vcpu, intercepted) => instructions.handle(vcpu, intercepted),
            deliver: (vcpu, event) => deliveries.handle(vcpu, event),
          };
        }
        domains.set(environment, guest.domain);
      },
    };
  },
});
