/** All guest-visible numbers of this backend as the contract's manifest, gathered from the tables beside it. */
import type { AbiEntry, AbiManifest } from "@paravane/paravirt-ops";
import { blockOperations, vbdInfo, xenbusStates } from "./blkif.js";
import * as grants from "./grant-table.js";
import * as arch from "./arch-x86.js";
import { elfNotes, features } from "./elfnote.js";
import { errno } from "./errno.js";
import { hypercalls } from "./hypercalls.js";
import { storeMessages } from "./io.js";
import * as services from "./services.js";
import type { Struct } from "./struct.js";
import * as xen from "./xen.js";

/** Prefix as in the headers, and the table. */
const COMMANDS: readonly (readonly [string, Readonly<Record<string, number>>])[] = [
  ["__HYPERVISOR_", hypercalls],
  ["EVTCHNOP_", services.eventChannelCommands],
  ["EVTCHNSTAT_", services.channelStates],
  ["SCHEDOP_", services.schedCommands],
  ["SHUTDOWN_", services.shutdownReasons],
  ["VCPUOP_", services.vcpuCommands],
  ["XENMEM_", services.memoryCommands],
  ["XENVER_", services.versionCommands],
  ["PHYSDEVOP_", services.physdevCommands],
  ["GNTTABOP_", services.grantCommands],
  ["CONSOLEIO_", services.consoleCommands],
  ["CALLBACKOP_", services.callbackCommands],
  ["VMASST_CMD_", services.assistCommands],
  ["VMASST_TYPE_", xen.vmAssists],
  ["MMUEXT_", xen.mmuExtCommands],
  ["", xen.mmuUpdateCommands],
  ["UVMF_", xen.uvmf],
  ["VIRQ_", xen.virqs],
  ["DOMID_", xen.domids],
  ["SIF_", xen.startInfoFlags],
  ["CALLBACKTYPE_", arch.callbackTypes],
  ["SEGBASE_", arch.segmentBases],
  ["VGCF_", arch.vgcf],
  ["XEN_ELFNOTE_", elfNotes],
  ["XENFEAT_", features],
  ["XEN_", errno],
  ["XS_", storeMessages],
  ["XenbusState", xenbusStates],
  ["BLKIF_OP_", blockOperations],
  ["VDISK_", vbdInfo],
  ["GTF_", grants.grantTypes],
  ["GTF_", grants.grantFlags],
  ["GNTMAP_", grants.grantMapFlags],
  ["GNTCOPY_", grants.grantCopyFlags],
];

function isStruct(value: unknown): value is Struct {
  return typeof value === "object" && value !== null && 64 in value && "fields" in (value[64] as object);
}

const structs: readonly Struct[] = [xen, arch, services, grants].flatMap((header) => Object.values(header).filter(isStruct));

function fieldsOf(struct: Struct): AbiEntry[] {
  return ([64, 32] as const).flatMap((bits) => {
    const { name, size, fields } = struct[bits];
    const members = Object.entries(fields)
      .filter(([, { bytes }]) => bytes > 0)
      .map(([field, { offset, bytes }]): AbiEntry => ({ kind: "field", name: `${bits} ${name}.${field}`, value: offset, size: bytes }));
    return [{ kind: "field", name: `${bits} ${name}`, value: 0, size }, ...members];
  });
}

/** What this backend promises to guests. */
export const manifest: AbiManifest = {
  part: "xen",
  abi: "4.17",
  entries: [
    ...COMMANDS.flatMap(([prefix, table]) =>
      Object.entries(table).map(([name, value]): AbiEntry => ({ kind: "hypercall", name: prefix + name, value })),
    ),
    ...structs.flatMap(fieldsOf),
    ...([64, 32] as const).flatMap((bits) =>
      Object.entries(arch.selectors[bits]).map(
        ([name, value]): AbiEntry => ({ kind: "field", name: `${bits} selector.${name}`, value, size: 2 }),
      ),
    ),
    { kind: "cpuid", name: "XEN_CPUID_FIRST_LEAF", value: arch.XEN_CPUID_BASE },
    { kind: "cpuid", name: "XEN_CPUID_LAST_LEAF", value: arch.XEN_CPUID_MAX },
    { kind: "msr", name: "hypercall page", value: arch.XEN_HYPERCALL_MSR },
  ],
};
