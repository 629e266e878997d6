/**
 * All guest-visible numbers of this backend as the contract's manifest. It is gathered from whatever the files beside it export, so a number
 * that is added to one of them is in it; what is written here is only how the headers' names begin.
 */
import { type AbiEntry, type AbiKind, type AbiManifest, type AbiTable, abiConstants } from "@paravane/paravirt-ops";
import * as arch from "./arch-x86.js";
import * as blkif from "./blkif.js";
import * as elfnote from "./elfnote.js";
import * as errors from "./errno.js";
import * as grants from "./grant-table.js";
import * as calls from "./hypercalls.js";
import * as io from "./io.js";
import * as services from "./services.js";
import type { Struct } from "./struct.js";
import * as xen from "./xen.js";

/** Tables with a prefix in the headers. Those that are not here keep the name under which they are exported. */
const PREFIXES = new Map<unknown, readonly [prefix: string, kind: AbiKind]>([
  [calls.hypercalls, ["__HYPERVISOR_", "hypercall"]],
  [services.eventChannelCommands, ["EVTCHNOP_", "command"]],
  [services.channelStates, ["EVTCHNSTAT_", "constant"]],
  [services.schedCommands, ["SCHEDOP_", "command"]],
  [services.shutdownReasons, ["SHUTDOWN_", "constant"]],
  [services.vcpuCommands, ["VCPUOP_", "command"]],
  [services.memoryCommands, ["XENMEM_", "command"]],
  [services.interfaceVersions, ["", "constant"]],
  [services.versionCommands, ["XENVER_", "command"]],
  [services.physdevCommands, ["PHYSDEVOP_", "command"]],
  [services.hvmCommands, ["HVMOP_", "command"]],
  [services.hvmParams, ["HVM_PARAM_", "constant"]],
  [services.mapSpaces, ["XENMAPSPACE_", "constant"]],
  [services.grantCommands, ["GNTTABOP_", "command"]],
  [services.consoleCommands, ["CONSOLEIO_", "command"]],
  [services.callbackCommands, ["CALLBACKOP_", "command"]],
  [services.assistCommands, ["VMASST_CMD_", "command"]],
  [xen.vmAssists, ["VMASST_TYPE_", "constant"]],
  [xen.mmuExtCommands, ["MMUEXT_", "command"]],
  [xen.mmuUpdateCommands, ["", "command"]],
  [xen.uvmf, ["UVMF_", "constant"]],
  [xen.virqs, ["VIRQ_", "constant"]],
  [xen.domids, ["DOMID_", "constant"]],
  [xen.startInfoFlags, ["SIF_", "constant"]],
  [arch.callbackTypes, ["CALLBACKTYPE_", "constant"]],
  [arch.segmentBases, ["SEGBASE_", "constant"]],
  [arch.vgcf, ["VGCF_", "constant"]],
  [elfnote.elfNotes, ["XEN_ELFNOTE_", "constant"]],
  [elfnote.features, ["XENFEAT_", "constant"]],
  [errors.errno, ["XEN_", "constant"]],
  [io.storeMessages, ["XS_", "constant"]],
  [blkif.xenbusStates, ["XenbusState", "constant"]],
  [blkif.blockOperations, ["BLKIF_OP_", "constant"]],
  [blkif.blockStatus, ["BLKIF_RSP_", "constant"]],
  [blkif.vbdInfo, ["VDISK_", "constant"]],
  [grants.grantTypes, ["GTF_", "constant"]],
  [grants.grantFlags, ["GTF_", "constant"]],
  [grants.grantMapFlags, ["GNTMAP_", "constant"]],
  [grants.grantCopyFlags, ["GNTCOPY_", "constant"]],
  [grants.grantStatus, ["GNTST_", "constant"]],
  [grants.grantCacheFlags, ["GNTTAB_CACHE_", "constant"]],
  [grants.grantTransferFlags, ["GTF_transfer_", "constant"]],
]);

/** Exported numbers that are not constants among others. */
const KINDS: Readonly<Record<string, AbiKind>> = { XEN_CPUID_BASE: "cpuid", XEN_CPUID_MAX: "cpuid", XEN_HYPERCALL_MSR: "msr" };

function isStruct(value: unknown): value is Struct {
  return typeof value === "object" && value !== null && 64 in value && "fields" in (value[64] as object);
}

function fieldsOf(struct: Struct): AbiEntry[] {
  return ([64, 32] as const).flatMap((bits) => {
    const { name, size, fields } = struct[bits];
    const members = Object.entries(fields)
      .filter(([, { bytes }]) => bytes > 0)
      .map(([field, { offset, bytes }]): AbiEntry => ({ kind: "field", name: `${bits} ${name}.${field}`, value: offset, size: bytes }));
    return [{ kind: "structure", name: `${bits} ${name}`, value: 0, size }, ...members];
  });
}

function entriesOf(name: string, value: unknown): AbiEntry[] {
  if (typeof value === "function") return [];
  if (isStruct(value)) return fieldsOf(value);
  const named = PREFIXES.get(value);
  if (named === undefined) return abiConstants(name, value as AbiTable, KINDS[name]);
  const [prefix, kind] = named;
  return Object.entries(value as Readonly<Record<string, AbiTable>>).flatMap(([key, each]) => abiConstants(prefix + key, each, kind));
}

/** What this backend promises to guests. */
export const manifest: AbiManifest = {
  part: "xen",
  abi: "4.17",
  get entries(): readonly AbiEntry[] {
    const headers: readonly object[] = [xen, arch, services, grants, blkif, io, elfnote, errors, calls];
    return headers.flatMap((header) => Object.entries(header).flatMap(([name, value]) => entriesOf(name, value)));
  },
};
