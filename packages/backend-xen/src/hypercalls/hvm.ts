/**
 * Calls of guests with a physical address space of their own: hvm_op and its parameters, and memory_op where it differs.
 * public/hvm/hvm_op.h, public/hvm/params.h, public/memory.h.
 */
import { errno } from "../abi/errno.js";
import {
  add_to_physmap,
  HVM_NR_PARAMS,
  foreign_memory_map,
  hvm_param,
  hvmCommands,
  hvmParams,
  mapSpaces,
  memory_map,
  memoryCommands,
  XENMAPIDX_grant_table_status,
} from "../abi/services.js";
import { domids } from "../abi/xen.js";
import { DOMAIN_ID } from "../domain/domain.js";
import { type Call, type CallResult, frameNumber, u32 } from "./call.js";
import { memoryOp } from "./information.js";

const FIRST_EXTERNAL_VECTOR = 16;
const E820_ENTRY_BYTES = 20;
const MAX_MAP_ENTRIES = 1024;
const isOwn = (domain: number): boolean => domain === domids.SELF || domain === DOMAIN_ID;

/** hvm_op(command, argument) */
export function hvmOp(call: Call): CallResult {
  const { domain, vcpu, args } = call;
  const address = args[1] ?? 0n;
  switch (u32(args[0])) {
    case hvmCommands.set_param:
    case hvmCommands.get_param:
      return parameter(call, u32(args[0]) === hvmCommands.set_param);
    case hvmCommands.flush_tlbs:
      if (address !== 0n) return -errno.EINVAL;
      domain.operations.mmu.flushTlbOthers.run(
        vcpu.core,
        domain.vcpus.map(({ id }) => id),
        undefined,
      );
      return 0;
    // Xen with nested paging has no use for the hint, and says so.
    case hvmCommands.pagetable_dying:
      return -errno.EINVAL;
    case hvmCommands.get_time:
      return tellTime(call);
    case hvmCommands.set_evtchn_upcall_vector: {
      const asked = domain.copy.read(vcpu.id, address, 8);
      if (asked === undefined) return -errno.EFAULT;
      const target = domain.vcpus[new DataView(asked.buffer).getUint32(0, true)];
      const vector = asked[4]!;
      if (vector < FIRST_EXTERNAL_VECTOR) return -errno.EINVAL;
      if (target === undefined) return -errno.ENOENT;
      domain.upcalls!.setVector(target, vector);
      return 0;
    }
    default:
      return -errno.ENOSYS;
  }
}

/** hvm_op of a PV guest, which has no parameters. */
export function hvmOpOfPv({ domain, vcpu, args }: Call): CallResult {
  const address = args[1] ?? 0n;
  switch (u32(args[0])) {
    case hvmCommands.set_param:
    case hvmCommands.get_param: {
      const asked = domain.copy.readStruct(vcpu.id, address, hvm_param);
      if (asked === undefined) return -errno.EFAULT;
      return asked.get("index") < HVM_NR_PARAMS && !isOwn(asked.get("domid")) ? -errno.ESRCH : -errno.EINVAL;
    }
    case hvmCommands.get_time:
      return tellTime({ domain, vcpu, args });
    case hvmCommands.flush_tlbs:
    case hvmCommands.set_evtchn_upcall_vector:
      return -errno.EINVAL;
    default:
      return -errno.ENOSYS;
  }
}

function tellTime({ domain, vcpu, args }: Call): CallResult {
  return domain.copy.writeNumber(vcpu.id, args[1] ?? 0n, 8, BigInt(Math.floor(domain.now))) ? 0 : -errno.EFAULT;
}

/** HVMOP_set_param, HVMOP_get_param. A guest sees the parameters that are for it, and sets where it wants its callbacks. */
function parameter({ domain, vcpu, args }: Call, set: boolean): CallResult {
  const address = args[1] ?? 0n;
  const asked = domain.copy.readStruct(vcpu.id, address, hvm_param);
  if (asked === undefined) return -errno.EFAULT;
  const index = asked.get("index");
  if (index >= HVM_NR_PARAMS) return -errno.EINVAL;
  if (!isOwn(asked.get("domid"))) return -errno.ESRCH;
  if (!(Object.values(hvmParams) as number[]).includes(index)) return -errno.EPERM;
  if (!set) {
    asked.set("value", domain.parameters.get(index) ?? 0n);
    return domain.copy.writeStruct(vcpu.id, address, asked) ? 0 : -errno.EFAULT;
  }
  if (index !== hvmParams.CALLBACK_IRQ) return -errno.EPERM;
  domain.parameters.set(index, asked.wide("value"));
  domain.upcalls!.setCallback(asked.wide("value"));
  domain.latchWidth();
  return 0;
}

/** memory_op(command, argument) */
export function hvmMemoryOp(call: Call): CallResult {
  const { domain, vcpu, args } = call;
  const address = args[1] ?? 0n;
  switch (u32(args[0]) & 0x3f) {
    case memoryCommands.add_to_physmap: {
      const asked = domain.copy.readStruct(vcpu.id, address, add_to_physmap);
      if (asked === undefined) return -errno.EFAULT;
      if (!isOwn(asked.get("domid"))) return -errno.ESRCH;
      return addToPhysmap(call, asked.get("space"), asked.get("idx"), frameNumber(asked.wide("gpfn")));
    }
    case memoryCommands.memory_map: {
      const map = domain.copy.readStruct(vcpu.id, address, memory_map);
      if (map === undefined) return -errno.EFAULT;
      const entries = domain.memoryMap.slice(0, map.get("nr_entries"));
      const bytes = new DataView(new ArrayBuffer(entries.length * E820_ENTRY_BYTES));
      for (const [index, { base, length, type }] of entries.entries()) {
        bytes.setBigUint64(index * E820_ENTRY_BYTES, BigInt(base), true);
        bytes.setBigUint64(index * E820_ENTRY_BYTES + 8, BigInt(length), true);
        bytes.setUint32(index * E820_ENTRY_BYTES + 16, type, true);
      }
      map.set("nr_entries", entries.length);
      const given =
        domain.copy.write(vcpu.id, map.wide("buffer"), new Uint8Array(bytes.buffer)) && domain.copy.writeStruct(vcpu.id, address, map);
      return given ? 0 : -errno.EFAULT;
    }
    case memoryCommands.set_memory_map:
      return setMemoryMap(call, address);
    case memoryCommands.maximum_gpfn: {
      const owner = domain.copy.read(vcpu.id, address, 2);
      if (owner === undefined) return -errno.EFAULT;
      return isOwn(owner[0]! | (owner[1]! << 8)) ? domain.physmap.last : -errno.ESRCH;
    }
    case memoryCommands.machphys_mapping:
      return -errno.ENOSYS;
    default:
      return memoryOp(call);
  }
}

/** XENMEM_set_memory_map, by a kernel that starts another one: who asks for the map is told of this one. */
function setMemoryMap({ domain, vcpu }: Call, address: bigint): CallResult {
  const asked = domain.copy.readStruct(vcpu.id, address, foreign_memory_map);
  if (asked === undefined) return -errno.EFAULT;
  const count = asked.get("map.nr_entries");
  if (count > MAX_MAP_ENTRIES) return -errno.EINVAL;
  if (!isOwn(asked.get("domid"))) return -errno.ESRCH;
  const entries = domain.copy.read(vcpu.id, asked.wide("map.buffer"), count * E820_ENTRY_BYTES);
  if (entries === undefined) return -errno.EFAULT;
  const list = new DataView(entries.buffer);
  domain.memoryMap = Array.from({ length: count }, (_, index) => ({
    base: Number(list.getBigUint64(index * E820_ENTRY_BYTES, true)),
    length: Number(list.getBigUint64(index * E820_ENTRY_BYTES + 8, true)),
    type: list.getUint32(index * E820_ENTRY_BYTES + 16, true),
  }));
  return 0;
}

/** XENMEM_add_to_physmap: one of the hypervisor's pages is seen at `gfn` from now on. */
function addToPhysmap({ domain }: Call, space: number, index: number, gfn: number): CallResult {
  if (space === mapSpaces.shared_info) {
    if (index !== 0) return -errno.EINVAL;
    return domain.physmap.placeSharedInfo(gfn);
  }
  if (space !== mapSpaces.grant_table || index >= XENMAPIDX_grant_table_status) return -errno.EINVAL;
  return domain.physmap.placeGrantFrame(index, gfn);
}
