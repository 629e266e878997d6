/** Makes a PVH domain of an image and puts the first vCPU at its entry: what Xen's toolstack and Xen do between them. */
import type { BackendEnvironment, HypervisorHandle, ParavirtOps } from "@paravane/paravirt-ops";
import { hvmParams } from "../abi/services.js";
import { pvhInterceptSets } from "../vcpu/pvh-exits.js";
import { startPvh } from "./boot-vcpu.js";
import { buildPvh, E820_RAM } from "./build-pvh.js";
import { Domain, type XenConfig } from "./domain.js";
import { pvhTables } from "./pvh-tables.js";
import { unpackRamdisk } from "./ramdisk.js";
import { CONSOLE_PORT, STORE_PORT } from "./start-info.js";
import { connectRings, type StartSource } from "./start-pv.js";

/** Builds the domain and starts it. @throws HvError "image/…" when the image does not fit */
export async function startPvhDomain(
  { image, elf, notes }: StartSource,
  environment: BackendEnvironment,
  hypervisor: HypervisorHandle,
  config: XenConfig,
  operations: ParavirtOps,
): Promise<Domain> {
  const { memory } = environment;
  const ramdisk = image.initrd === undefined ? undefined : await unpackRamdisk(image.initrd, memory.size);
  const domain = new Domain(notes.bits, environment, hypervisor, config, operations, undefined, "pvh");
  const { vcpus } = environment;
  const built = buildPvh({ elf, notes, ramdisk, commandLine: image.commandLine, tables: (base) => pvhTables(vcpus.length, base) }, memory);
  domain.memoryMap = built.memoryMap;
  for (const { base, length, type } of built.memoryMap) if (type === E820_RAM) giveRange(domain, base, length);
  for (const frame of [built.console, built.xenstore]) domain.give(frame, frame);
  connectRings(domain, built.console, built.xenstore);
  const { parameters } = domain;
  parameters.set(hvmParams.STORE_PFN, BigInt(built.xenstore));
  parameters.set(hvmParams.STORE_EVTCHN, BigInt(STORE_PORT));
  parameters.set(hvmParams.CONSOLE_PFN, BigInt(built.console));
  parameters.set(hvmParams.CONSOLE_EVTCHN, BigInt(CONSOLE_PORT));
  for (const { id } of vcpus) {
    hypervisor.setIntercepts(id, 0, pvhInterceptSets.kernel);
    hypervisor.setIntercepts(id, 3, pvhInterceptSets.user);
  }
  startPvh(domain.vcpus[0]!.registers, built.entry, built.startInfo);
  return domain;
}

function giveRange(domain: Domain, base: number, length: number): void {
  for (let frame = Math.ceil(base / 4096); frame < Math.floor((base + length) / 4096); frame++) domain.give(frame, frame);
}
