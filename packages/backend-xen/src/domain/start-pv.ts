/** Makes a PV domain of an image and puts the first vCPU at its entry: what Xen's toolstack and Xen do between them. */
import type { BackendEnvironment, ElfImage, GuestImage, HypervisorHandle, ParavirtOps } from "@paravane/paravirt-ops";
import { HvError } from "@paravane/paravirt-ops";
import { KERNEL_LEVEL } from "../vcpu/entry.js";
import { interceptSets } from "../vcpu/instructions.js";
import { BlockDevice } from "../services/block/device.js";
import { ConsoleRing } from "../services/console-ring.js";
import { describeDomain } from "../services/xenstore/domain-tree.js";
import { XenStore } from "../services/xenstore/store.js";
import { StoreRing } from "../services/xenstore/store-ring.js";
import { kernelSegments, startPv } from "./boot-vcpu.js";
import { buildPv } from "./build-pv.js";
import { Domain, DOMAIN_ID, type XenConfig } from "./domain.js";
import { domainFrames } from "./frame-list.js";
import type { XenNotes } from "./notes.js";
import { unpackRamdisk } from "./ramdisk.js";
import { CONSOLE_PORT, STORE_PORT } from "./start-info.js";

/** Grant references of the two rings, and the domain that they are granted to. */
const CONSOLE_GRANT = 0;
const STORE_GRANT = 1;
const DOM0 = 0;

/** What a domain is started from. */
export interface StartSource {
  readonly image: GuestImage;
  readonly elf: ElfImage;
  readonly notes: XenNotes;
}

/** Builds the domain and starts it. @throws HvError "image/…" when the image does not fit */
export async function startPvDomain(
  { image, elf, notes }: StartSource,
  environment: BackendEnvironment,
  hypervisor: HypervisorHandle,
  config: XenConfig,
  operations: ParavirtOps,
): Promise<Domain> {
  const { memory } = environment;
  const p2m = domainFrames(memory, config.frames, config.seed);
  const ramdisk = image.initrd === undefined ? undefined : await unpackRamdisk(image.initrd, p2m.length * 4096);
  const domain = new Domain(notes.bits, environment, hypervisor, config, operations, notes.hvStartLow);
  const built = buildPv({ elf, notes, ramdisk, commandLine: image.commandLine }, memory, p2m, domain.shared.frame);
  for (const [pfn, frame] of p2m.entries()) domain.give(frame, pfn);
  const [boot] = domain.vcpus;
  // As the toolstack leaves it: the top level pinned, and in force on the first vCPU.
  const error = domain.paging.pin(built.root, domain.paging.rootType) || boot!.space.setKernel(built.root, false);
  if (error !== 0) throw new HvError("xen/builder", `the domain's own page tables do not validate (${error})`);
  connectRings(domain, p2m[built.layout.console]!, p2m[built.layout.xenstore]!);
  for (const { id } of domain.vcpus) setIntercepts(domain, id);
  startPv(boot!.registers, {
    bits: notes.bits,
    entry: built.entry,
    stack: built.stack,
    startInfo: built.startInfo,
    root: boot!.space.startAddress,
  });
  boot!.kernelStack = { selector: kernelSegments[notes.bits].stack.selector, pointer: built.stack };
  domain.timers[0]!.start();
  return domain;
}

/** Console, xenstore and disks of a new domain, as the toolstack makes them. */
export function connectRings(domain: Domain, consoleFrame: number, storeFrame: number): void {
  const { activeGrants, events, grants, hypervisor, environment } = domain;
  grants.permit(CONSOLE_GRANT, DOM0, consoleFrame);
  grants.permit(STORE_GRANT, DOM0, storeFrame);
  // Held as their backends hold them: neither page can become a page table, or another page, while they write to it.
  for (const grant of [CONSOLE_GRANT, STORE_GRANT]) activeGrants.hold(grant, { domain: DOM0, write: true, copy: false });
  const xenstore = new XenStore();
  describeDomain(xenstore, {
    domain: DOMAIN_ID,
    name: "paravane",
    vcpus: domain.vcpus.length,
    pages: domain.reservation.pages,
    storePort: STORE_PORT,
    storeFrame,
    consolePort: CONSOLE_PORT,
    consoleFrame,
  });
  const storeRing = new StoreRing(hypervisor.frames, storeFrame, xenstore, DOMAIN_ID, () => events.raise(STORE_PORT));
  const store = events.connectService(() => storeRing.notified());
  const ring = new ConsoleRing(hypervisor.frames, consoleFrame, environment.console, () => events.raise(CONSOLE_PORT));
  const console = events.connectService(() => ring.notified());
  connectDisks(domain, xenstore);
  if (store !== STORE_PORT || console !== CONSOLE_PORT) throw new HvError("xen/builder", "the domain's first ports are taken");
}

/** A block backend for each drive, in xenstore. */
function connectDisks(domain: Domain, xenstore: XenStore): void {
  const { activeGrants, bits, events, hypervisor, environment } = domain;
  const { memory, drives } = environment;
  const common = { grants: activeGrants, frames: hypervisor.frames, memory, backend: DOM0, bits, events, xenstore, domain: DOMAIN_ID };
  for (const [index, { store, readOnly }] of drives.entries()) {
    domain.devices.push(new BlockDevice({ ...common, store, readOnly: readOnly || store.readOnly, index }));
  }
}

function setIntercepts({ bits, hypervisor }: Domain, vcpu: number): void {
  hypervisor.setIntercepts(vcpu, KERNEL_LEVEL, interceptSets.kernel);
  hypervisor.setIntercepts(vcpu, 3, interceptSets.user);
  if (bits === 32) hypervisor.setIntercepts(vcpu, 2, interceptSets.user);
  // Both a 64-bit guest's kernel and its user run at CPL 3; which of them it is, is ours to know.
  if (bits === 64) hypervisor.setVirtualLevel(vcpu, KERNEL_LEVEL);
}
