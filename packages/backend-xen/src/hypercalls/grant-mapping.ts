/** grant_table_op: map_grant_ref, unmap_grant_ref, unmap_and_replace. Guests map grants of their own; other guests there are none. */
import type { Mfn } from "@paravane/paravirt-ops";
import { gnttab_map_grant_ref, gnttab_unmap_grant_ref, grantMapFlags, grantStatus } from "../abi/grant-table.js";
import type { ActiveGrant } from "../domain/active-grants.js";
import { DOMAIN_ID, type Domain } from "../domain/domain.js";
import type { GrantPlace } from "../mmu/grant-entries.js";
import type { VirtualCpu } from "../vcpu/virtual-cpu.js";
import type { Call, CallResult } from "./call.js";
import { foreignGrant, overGrants } from "./grant-batch.js";

const { device_map, host_map, readonly } = grantMapFlags;

/** map_grant_ref(operations, count) */
export function mapGrants(call: Call): CallResult {
  const { domain, vcpu } = call;
  return overGrants(call, gnttab_map_grant_ref, (operation) => {
    const flags = operation.get("flags");
    const reference = operation.get("ref");
    const place = { address: operation.wide("host_addr"), flags, root: rootOf(domain, vcpu) };
    const mapped = mapOne(domain, operation.get("dom"), reference, place);
    operation.set("status", typeof mapped === "number" ? mapped : grantStatus.okay);
    if (typeof mapped === "number") return 0;
    operation.set("handle", mapped.handle);
    operation.set("dev_bus_addr", BigInt(mapped.frame) * 4096n);
    return 0;
  });
}

/** The handle and the frame, or a negative status with nothing changed. */
function mapOne(domain: Domain, owner: number, reference: number, place: GrantPlace): { handle: number; frame: number } | number {
  const { flags } = place;
  const kinds = flags & (device_map | host_map);
  if (kinds === 0) return grantStatus.bad_gntref;
  const foreign = foreignGrant(owner, reference);
  if (foreign === grantStatus.bad_domain) return foreign;
  if (!domain.mapTrack.hasRoom) return grantStatus.no_device_space;
  if (foreign !== undefined) return foreign;
  const write = (flags & readonly) === 0;
  const { activeGrants } = domain;
  const use = { domain: DOMAIN_ID, write, copy: false };
  // A mapping for a device holds on to the frame here; one for the processor does by its page-table entry.
  let held: ActiveGrant | undefined;
  if ((kinds & device_map) !== 0) {
    const grant = activeGrants.hold(reference, use);
    if (typeof grant === "number") return grant;
    held = grant;
  }
  let grant = held;
  if ((kinds & host_map) !== 0) {
    const begun = activeGrants.begin(reference, use);
    const status = typeof begun === "number" ? begun : domain.grantMapper.create(place, begun.frame);
    if (typeof begun === "number" || status !== grantStatus.okay) {
      if (typeof begun !== "number") activeGrants.end(reference, write);
      if (held !== undefined) activeGrants.drop(reference, held, write);
      return status;
    }
    grant = begun;
  }
  return { handle: domain.mapTrack.add({ reference, flags }), frame: grant!.frame };
}

/** unmap_grant_ref(operations, count) */
export function unmapGrants(call: Call): CallResult {
  const { domain, vcpu } = call;
  const result = overGrants(call, gnttab_unmap_grant_ref, (operation) => {
    const [host, device] = [operation.wide("host_addr"), operation.wide("dev_bus_addr")];
    operation.set("status", unmapOne(domain, vcpu, operation.get("handle"), { host, device, replacement: 0n }));
    return 0;
  });
  forgetMappings(domain);
  return result;
}

/** unmap_and_replace(operations, count): where the device address would be is a linear address, whose mapping takes the place. */
export function unmapAndReplace(call: Call): CallResult {
  const { domain, vcpu } = call;
  const result = overGrants(call, gnttab_unmap_grant_ref, (operation) => {
    const [host, replacement] = [operation.wide("host_addr"), operation.wide("dev_bus_addr")];
    operation.set("status", unmapOne(domain, vcpu, operation.get("handle"), { host, device: 0n, replacement }));
    return 0;
  });
  forgetMappings(domain);
  return result;
}

function unmapOne(
  domain: Domain,
  vcpu: VirtualCpu,
  handle: number,
  { host, device, replacement }: { host: bigint; device: bigint; replacement: bigint },
): number {
  const { activeGrants, mapTrack } = domain;
  const mapping = mapTrack.get(handle);
  const grant = mapping === undefined ? undefined : activeGrants.get(mapping.reference);
  if (mapping === undefined || grant === undefined) return grantStatus.bad_handle;
  const { flags, reference } = mapping;
  const { frame } = grant;
  const write = (flags & readonly) === 0;
  if (device !== 0n && device !== BigInt(frame) * 4096n) return grantStatus.general_error;
  if (host !== 0n && (flags & host_map) !== 0) {
    const status = domain.grantMapper.destroy({ address: host, flags, root: rootOf(domain, vcpu) }, frame, replacement);
    if (status !== grantStatus.okay) return status;
    mapping.flags &= ~host_map;
    activeGrants.end(reference, write);
  }
  if (device !== 0n && (flags & device_map) !== 0) {
    mapping.flags &= ~device_map;
    activeGrants.drop(reference, grant, write);
  }
  if ((mapping.flags & (host_map | device_map)) === 0) mapTrack.remove(handle);
  return grantStatus.okay;
}

/** A guest with a physical address space of its own names physical addresses. */
function rootOf({ kind }: Domain, vcpu: VirtualCpu): Mfn | undefined {
  return kind === "pv" ? vcpu.space.root : undefined;
}

/** No vCPU uses what was mapped. */
function forgetMappings(domain: Domain): void {
  for (const { id } of domain.vcpus) domain.hypervisor.forgetAddress(id, undefined);
}
