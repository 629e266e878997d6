/** Makes a PVH domain of an image and puts the first vCPU at its entry: what Xen's toolstack and Xen do between them. */
import { type BackendEnvironment, type ElfImage, type GuestImage, type HypervisorHandle, HvError, type ParavirtOps } from "@paravane/paravirt-ops";
import { hvmParams } from "../abi/services.js";
import { pvhInterceptSets } from "../vcpu/pvh-exits.js";
import { startPvh } from "./boot-vcpu.js";
import { buildPvh, type MemoryRange, pvhMemoryMap } from "./build-pvh.js";
import { Domain, type XenConfig } from "./domain.js";
import type { XenNotes } from "./notes.js";
import { pvhTables } from "./pvh-tables.js";
import { unpackRamdisk } from "./ramdisk.js";
import { CONSOLE_PORT, STORE_PORT } from "./start-info.js";
import { connectRings } from "./start-pv.js";

/** What a domain is started from. */
export interface PvhStartSource {
  readonly image: GuestImage;
  readonly elf: ElfImage;
  readonly notes: XenNotes;
}
