/** Calls that ask: xen_version, memory_op. public/version.h, public/memory.h. */
import { hypervisorHole, machToPhys } from "../abi/arch-x86.js";
import { features } from "../abi/elfnote.js";
import { errno } from "../abi/errno.js";
import { machphys_mapping, machphys_mfn_list, memory_map, memoryCommands, versionCommands, vnuma_topology_info } from "../abi/services.js";
import { StructView } from "../abi/struct.js";
import { domids, shared_info, vmAssists } from "../abi/xen.js";
import { DOMAIN_ID } from "../domain/domain.js";
import { latin1 } from "../domain/start-info.js";
import { type Call, type CallResult, u32 } from "./call.js";
import { changeReservation, EXTENT_SHIFT, exchange } from "./memory.js";

const VERSION = (4 << 16) | 17;
const E820_ENTRY_BYTES = 20;
const E820_RAM = 1;
const bit = (name: keyof typeof features): number => 2 ** features[name];
/** What a 4.17 tells a PV domain, whatever it enabled. */
const PV_FEATURES =
  bit("mmu_pt_update_preserve_ad") +
  bit("highmem_assist") +
  bit("gnttab_map_avail_bits") +
  bit("memory_op_vnode_supported") +
  bit("direct_mapped");
/** And a guest with a physical address space of its own. */
const HVM_FEATURES =
  bit("writable_page_tables") +
  bit("auto_translated_physmap") +
  bit("hvm_callback_vector") +
  bit("hvm_safe_pvclock") +
  bit("memory_op_vnode_supported") +
  bit("not_direct_mapped");

function text(length: number, value: string): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(latin1(value).subarray(0, length - 1));
  return bytes;
}

/** xen_version(command, argument) */
export function xenVersion({ domain, vcpu, args }: Call): CallResult {
  const address = args[1] ?? 0n;
  const give = (bytes: Uint8Array): number => (domain.copy.write(vcpu.id, address, bytes) ? 0 : -errno.EFAULT);
  switch (u32(args[0])) {
    case versionCommands.version:
      return VERSION;
    case versionCommands.extraversion:
      return give(text(16, ".5"));
    case versionCommands.compile_info:
      return give(new Uint8Array([...text(64, "<denied>"), ...text(16, "<denied>"), ...text(32, "<denied>"), ...text(32, "<denied>")]));
    case versionCommands.capabilities:
      return give(text(1024, "xen-3.0-x86_64 xen-3.0-x86_32p hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 "));
    case versionCommands.changeset:
      return give(text(64, "<denied>"));
    case versionCommands.platform_parameters:
      return domain.copy.writeNumber(vcpu.id, address, domain.bits === 64 ? 8 : 4, hypervisorHole[domain.bits].start) ? 0 : -errno.EFAULT;
    case versionCommands.get_features: {
      const index = domain.copy.readNumber(vcpu.id, address, 4);
      if (index === undefined) return -errno.EFAULT;
      if (index !== 0n) return -errno.EINVAL;
      if (domain.kind === "pvh") return domain.copy.writeNumber(vcpu.id, address + 4n, 4, HVM_FEATURES) ? 0 : -errno.EFAULT;
      const above = domain.assists.has(vmAssists.pae_extended_cr3) ? bit("pae_pgdir_above_4gb") : 0;
      return domain.copy.writeNumber(vcpu.id, address + 4n, 4, PV_FEATURES + above) ? 0 : -errno.EFAULT;
    }
    case versionCommands.pagesize:
      return address === 0n ? 4096 : -errno.EINVAL;
    case versionCommands.guest_handle: {
      const uuid = new Uint8Array(16);
      uuid[15] = DOMAIN_ID;
      return give(uuid);
    }
    case versionCommands.commandline:
      return give(text(1024, "<denied>"));
    case versionCommands.build_id:
      return -errno.EPERM;
    default:
      return -errno.ENOSYS;
  }
}

const COMMAND_MASK = 0x3f;
const DOM0 = 0;

/** 0 for the caller's own domain. */
function ownDomain(id: number): number {
  if (id === domids.SELF || id === DOMAIN_ID) return 0;
  return id === DOM0 ? -errno.EPERM : -errno.ESRCH;
}

/** memory_op(command, argument) */
export function memoryOp(call: Call): CallResult {
  const { domain, vcpu, args } = call;
  const command = u32(args[0]) & COMMAND_MASK;
  /** Extents that are done, of a call that goes on. */
  const begun = u32(args[0]) >>> EXTENT_SHIFT;
  const address = args[1] ?? 0n;
  const { copy, bits } = domain;
  switch (command) {
    case memoryCommands.machphys_mapping: {
      const mapping = StructView.empty(machphys_mapping[bits]);
      const { start, end } = machToPhys[bits];
      mapping.set("v_start", start);
      mapping.set("v_end", end);
      mapping.set("max_mfn", domain.machToPhys.frames - 1);
      return copy.writeStruct(vcpu.id, address, mapping) ? 0 : -errno.EFAULT;
    }
    case memoryCommands.memory_map: {
      const map = copy.readStruct(vcpu.id, address, memory_map);
      if (map === undefined) return -errno.EFAULT;
      if (map.get("nr_entries") < 1) return -errno.EINVAL;
      const entry = new DataView(new ArrayBuffer(E820_ENTRY_BYTES));
      entry.setBigUint64(8, BigInt(domain.reservation.maximum) * 4096n, true);
      entry.setUint32(16, E820_RAM, true);
      map.set("nr_entries", 1);
      const given = copy.write(vcpu.id, map.wide("buffer"), new Uint8Array(entry.buffer)) && copy.writeStruct(vcpu.id, address, map);
      return given ? 0 : -errno.EFAULT;
    }
    case memoryCommands.increase_reservation:
    case memoryCommands.decrease_reservation:
    case memoryCommands.populate_physmap:
      return changeReservation(call);
    case memoryCommands.exchange:
      return begun === 0 ? exchange(call) : -errno.EINVAL;
    case memoryCommands.maximum_ram_page:
      return begun === 0 ? domain.machToPhys.frames : -errno.EINVAL;
    case memoryCommands.current_reservation:
    case memoryCommands.maximum_reservation:
    case memoryCommands.maximum_gpfn: {
      if (begun !== 0) return -errno.EINVAL;
      const asked = copy.read(vcpu.id, address, 2);
      if (asked === undefined) return -errno.EFAULT;
      const error = ownDomain(asked[0]! | (asked[1]! << 8));
      if (error !== 0) return error;
      if (command === memoryCommands.current_reservation) return domain.reservation.pages;
      if (command === memoryCommands.maximum_reservation) return domain.reservation.maximum;
      const maximum = new StructView(shared_info[bits], domain.shared.bytes).wide("arch.max_pfn");
      return maximum === 0n ? 0 : BigInt.asIntN(bits, maximum - 1n);
    }
    case memoryCommands.machphys_mfn_list: {
      const list = copy.readStruct(vcpu.id, address, machphys_mfn_list);
      if (list === undefined) return -errno.EFAULT;
      const chunks = domain.machToPhys.chunks.slice(0, list.get("max_extents"));
      const width = bits === 64 ? 8 : 4;
      for (const [index, frame] of chunks.entries()) {
        if (!copy.writeNumber(vcpu.id, list.wide("extent_start") + BigInt(index * width), width, frame)) return -errno.EFAULT;
      }
      list.set("nr_extents", chunks.length);
      return copy.writeStruct(vcpu.id, address, list) ? 0 : -errno.EFAULT;
    }
    // Only guests with a physical address space of their own have one to change.
    case memoryCommands.add_to_physmap:
      return -errno.EACCES;
    case memoryCommands.get_vnumainfo: {
      if (begun !== 0) return -errno.EINVAL;
      const topology = copy.readStruct(vcpu.id, address, vnuma_topology_info);
      if (topology === undefined) return -errno.EFAULT;
      if (topology.get("pad") !== 0) return -errno.EINVAL;
      return ownDomain(topology.get("domid")) || -errno.EOPNOTSUPP;
    }
    default:
      return -errno.ENOSYS;
  }
}
