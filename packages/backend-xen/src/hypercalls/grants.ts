/** grant_table_op: the table itself. Mapping and copying are in files of their own. public/grant_table.h; statuses as Xen 4.17 gives them. */
import { errno } from "../abi/errno.js";
import {
  GNTTAB_NR_RESERVED_ENTRIES,
  gnttab_cache_flush,
  gnttab_get_status_frames,
  gnttab_get_version,
  gnttab_query_size,
  gnttab_set_version,
  gnttab_setup_table,
  gnttab_swap_grant_ref,
  grantCacheFlags,
  grantStatus,
} from "../abi/grant-table.js";
import { grantCommands } from "../abi/services.js";
import type { Domain } from "../domain/domain.js";
import { type Call, type CallResult, frameNumber, u32 } from "./call.js";
import { overGrants, ownTable } from "./grant-batch.js";
import { copyGrants, transferFrames } from "./grant-copy.js";
import { mapGrants, unmapAndReplace, unmapGrants } from "./grant-mapping.js";

const COMMAND_MASK = 0xfff;
const MAX_COUNT = 0x7fff_ffff;

/** What a guest with a physical address space of its own may ask of its grants, as in Xen. */
const HVM_COMMANDS: readonly number[] = [
  grantCommands.query_size,
  grantCommands.setup_table,
  grantCommands.set_version,
  grantCommands.get_version,
  grantCommands.copy,
  grantCommands.map_grant_ref,
  grantCommands.unmap_grant_ref,
  grantCommands.swap_grant_ref,
];

/** grant_table_op(command, operations, count) of such a guest */
export function hvmGrantTableOp(call: Call): CallResult {
  return HVM_COMMANDS.includes(u32(call.args[0])) ? grantTableOp(call) : -errno.ENOSYS;
}

/** grant_table_op(command, operations, count) */
export function grantTableOp(call: Call): CallResult {
  const command = u32(call.args[0]);
  if (u32(call.args[2]) > MAX_COUNT || command > COMMAND_MASK) return -errno.EINVAL;
  switch (command) {
    case grantCommands.map_grant_ref:
      return mapGrants(call);
    case grantCommands.unmap_grant_ref:
      return unmapGrants(call);
    case grantCommands.unmap_and_replace:
      return unmapAndReplace(call);
    case grantCommands.setup_table:
      return setupTable(call);
    case grantCommands.transfer:
      return transferFrames(call);
    case grantCommands.copy:
      return copyGrants(call);
    case grantCommands.query_size:
      return querySize(call);
    case grantCommands.set_version:
      return setVersion(call);
    case grantCommands.get_status_frames:
      return getStatusFrames(call);
    case grantCommands.get_version:
      return getVersion(call);
    case grantCommands.swap_grant_ref:
      return swapGrants(call);
    case grantCommands.cache_flush:
      return overGrants(call, gnttab_cache_flush, (operation) =>
        flushCache(call.domain, operation.wide("dev_bus_addr"), {
          offset: operation.get("offset"),
          length: operation.get("length"),
          what: operation.get("op"),
        }),
      );
    default:
      return -errno.ENOSYS;
  }
}

/** setup_table: the table has so many frames at least, and these are they. */
function setupTable({ domain, vcpu, args }: Call): CallResult {
  const { copy, grants, bits } = domain;
  const address = args[1] ?? 0n;
  if (u32(args[2]) !== 1) return -errno.EINVAL;
  const operation = copy.readStruct(vcpu.id, address, gnttab_setup_table);
  if (operation === undefined) return -errno.EFAULT;
  const count = operation.get("nr_frames");
  const list = operation.wide("frame_list");
  const width = bits === 64 ? 8 : 4;
  if (!copy.mayName(list, count * width)) return -errno.EFAULT;
  let status = ownTable(operation.get("dom"));
  if (status === grantStatus.okay && (count > grants.maxFrames || !grants.grow(count))) status = grantStatus.general_error;
  for (let index = 0; status !== grantStatus.general_error && index < count; index++) {
    if (status === grantStatus.bad_domain || status === grantStatus.permission_denied) break;
    if (!copy.writeNumber(vcpu.id, list + BigInt(index * width), width, grants.frames[index]!)) status = grantStatus.bad_virt_addr;
  }
  operation.set("status", status);
  return copy.writeStruct(vcpu.id, address, operation) ? 0 : -errno.EFAULT;
}

function querySize({ domain, vcpu, args }: Call): CallResult {
  const { copy, grants } = domain;
  const address = args[1] ?? 0n;
  if (u32(args[2]) !== 1) return -errno.EINVAL;
  const operation = copy.readStruct(vcpu.id, address, gnttab_query_size);
  if (operation === undefined) return -errno.EFAULT;
  const status = ownTable(operation.get("dom"));
  operation.set("status", status);
  if (status === grantStatus.okay) {
    operation.set("nr_frames", grants.frames.length);
    operation.set("max_nr_frames", grants.maxFrames);
  }
  return copy.writeStruct(vcpu.id, address, operation) ? 0 : -errno.EFAULT;
}

/** set_version: the version in force is told in any case. */
function setVersion({ domain, vcpu, args }: Call): CallResult {
  const { copy, grants, activeGrants } = domain;
  const address = args[1] ?? 0n;
  const operation = copy.readStruct(vcpu.id, address, gnttab_set_version);
  if (operation === undefined) return -errno.EFAULT;
  const version = operation.get("version");
  let result = -errno.EINVAL;
  if (version === 1 || version === 2) {
    const busy = version !== grants.version && activeGrants.busyFrom(GNTTAB_NR_RESERVED_ENTRIES);
    result = busy ? -errno.EBUSY : grants.setVersion(version);
  }
  operation.set("version", grants.version);
  return copy.writeStruct(vcpu.id, address, operation) ? result : -errno.EFAULT;
}

function getVersion({ domain, vcpu, args }: Call): CallResult {
  const { copy, grants } = domain;
  const address = args[1] ?? 0n;
  const operation = copy.readStruct(vcpu.id, address, gnttab_get_version);
  if (operation === undefined) return -errno.EFAULT;
  const status = ownTable(operation.get("dom"));
  if (status !== grantStatus.okay) return status === grantStatus.bad_domain ? -errno.ESRCH : -errno.EPERM;
  operation.set("version", grants.version);
  return copy.writeStruct(vcpu.id, address, operation) ? 0 : -errno.EFAULT;
}

function getStatusFrames({ domain, vcpu, args }: Call): CallResult {
  const { copy, grants } = domain;
  const address = args[1] ?? 0n;
  if (u32(args[2]) !== 1) return -errno.EINVAL;
  const operation = copy.readStruct(vcpu.id, address, gnttab_get_status_frames);
  if (operation === undefined) return -errno.EFAULT;
  const count = operation.get("nr_frames");
  const list = operation.wide("frame_list");
  let status = ownTable(operation.get("dom"));
  if (status === grantStatus.okay && count > grants.statusFrames.length) status = grantStatus.general_error;
  for (let index = 0; index < count && (status === grantStatus.okay || status === grantStatus.bad_virt_addr); index++) {
    if (!copy.writeNumber(vcpu.id, list + BigInt(index * 8), 8, grants.statusFrames[index]!)) status = grantStatus.bad_virt_addr;
  }
  operation.set("status", status);
  return copy.writeStruct(vcpu.id, address, operation) ? 0 : -errno.EFAULT;
}

function swapGrants(call: Call): CallResult {
  const { grants, activeGrants } = call.domain;
  return overGrants(call, gnttab_swap_grant_ref, (operation) => {
    const [one, other] = [operation.get("ref_a"), operation.get("ref_b")];
    let status: number = grantStatus.okay;
    if (one >= grants.entries || other >= grants.entries) status = grantStatus.bad_gntref;
    else if (one !== other) {
      if (activeGrants.get(one) !== undefined || activeGrants.get(other) !== undefined) status = grantStatus.eagain;
      else grants.swap(one, other);
    }
    operation.set("status", status);
    return 0;
  });
}

/** Guest memory has no cache that anything could see. What is refused is refused as on a processor that cannot drop lines unwritten. */
function flushCache(domain: Domain, address: bigint, { offset, length, what }: { offset: number; length: number; what: number }): number {
  const known = grantCacheFlags.clean | grantCacheFlags.invalidate;
  if (offset >= 4096 || length > 4096 || offset + length > 4096 || (what & ~known) !== 0) return -errno.EINVAL;
  if (length === 0 || what === 0) return 0;
  const frame = frameNumber(address >> 12n);
  if (frame < 0 || frame >= domain.frames.ramFrames) return -errno.EINVAL;
  if (!domain.frames.owns(frame)) return -errno.EPERM;
  return what === grantCacheFlags.invalidate ? -errno.EOPNOTSUPP : 0;
}
