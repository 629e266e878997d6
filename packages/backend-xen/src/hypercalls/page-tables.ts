/** Calls that change page tables: mmu_update, update_va_mapping, mmuext_op. public/xen.h; errors as Xen 4.17 gives them. */
import { errno } from "../abi/errno.js";
import { wide } from "../abi/wide.js";
import { domids, mmu_update as mmuUpdateLayout, mmuExtCommands, mmuext_op as mmuExtLayout, mmuUpdateCommands, uvmf } from "../abi/xen.js";
import { DOMAIN_ID, type Domain } from "../domain/domain.js";
import { entryValue } from "../mmu/entry.js";
import { type FrameType, frameTypes, levelOf } from "../mmu/frame-table.js";
import type { VirtualCpu } from "../vcpu/virtual-cpu.js";
import { type Call, type CallResult, frameNumber, PIECES_AT_ONCE, u32 } from "./call.js";

/** Bit of a count: the call goes on where it was left, and `done` holds what was done before. */
const PREEMPTED = 0x8000_0000;

/** 0 when the domain of the call is the caller's own. */
function checkDomain(argument: number): number {
  const owner = argument & 0xffff;
  const tables = argument >>> 16;
  if (tables !== 0 && tables - 1 !== DOMAIN_ID) return -errno.ESRCH;
  if (owner === domids.SELF || owner === DOMAIN_ID) return 0;
  return owner === domids.IO || owner === domids.XEN ? -errno.EPERM : -errno.ESRCH;
}

/** A loop over an array of requests that may be left and taken up again. `act` is given one at a time, in bytes that the next one overwrites. */
function overRequests(call: Call, size: number, act: (call: Call, request: DataView) => number): CallResult {
  const { domain, vcpu, args } = call;
  const address = args[0] ?? 0n;
  const count = u32(args[1]);
  const done = args[2] ?? 0n;
  const owner = args[3] ?? 0n;
  let before = 0;
  if ((count & PREEMPTED) !== 0 && done !== 0n) before = Number(domain.copy.readNumber(vcpu.id, done, 4) ?? 0n);
  const wanted = (count & ~PREEMPTED) >>> 0;
  const foreign = checkDomain(u32(owner));
  if (foreign !== 0) return foreign;
  let finished = 0;
  let error = 0;
  for (; finished < wanted && finished < PIECES_AT_ONCE; finished++) {
    const at = finished === 0 ? address : BigInt.asUintN(domain.bits, address + BigInt(finished * size));
    const request = domain.copy.readShort(vcpu.id, at, size);
    error = request === undefined ? -errno.EFAULT : act(call, request);
    if (error !== 0) break;
  }
  if (done !== 0n && !domain.copy.writeNumber(vcpu.id, done, 4, before + finished) && error === 0) error = -errno.EFAULT;
  if (error !== 0 || finished === wanted) return error;
  return { again: [address + BigInt(finished * size), BigInt(((wanted - finished) | PREEMPTED) >>> 0), done, owner] };
}

/** Names of commands by number, for the tap. */
function namesOf(call: string, table: Readonly<Record<string, number>>): readonly (string | undefined)[] {
  const names: (string | undefined)[] = [];
  for (const [name, number] of Object.entries(table)) names[number] = `${call}.${name}`;
  return names;
}
const UPDATE_NAMES = namesOf("mmu_update", mmuUpdateCommands);
const EXTENDED_NAMES = namesOf("mmuext_op", mmuExtCommands);

/** Shows one request of many to whoever watches. */
function tell({ domain, vcpu }: Call, name: string, first: bigint, second: bigint, result: number): void {
  domain.environment.taps.hypercall?.(domain.exitNs, vcpu.id, name, [first, second], result === 0 ? 0n : BigInt(result));
}

/** mmu_update(requests, count, done, domain) */
export function mmuUpdate(call: Call): CallResult {
  return overRequests(call, mmuUpdateLayout[call.domain.bits].size, updateOne);
}

/** Both widths have the same layout. Kernels make tens of thousands of these while they boot, one to a call: halves as numbers cost less than wide ones. */
const { ptr: PTR, val: VAL } = mmuUpdateLayout[64].fields;

function updateOne(call: Call, request: DataView): number {
  const { domain } = call;
  const pointerLow = request.getUint32(PTR.offset, true);
  const pointerHigh = request.getUint32(PTR.offset + 4, true);
  const low = request.getUint32(VAL.offset, true);
  const high = request.getUint32(VAL.offset + 4, true);
  const result = update(domain, pointerLow & 3, (pointerLow >>> 12) + pointerHigh * 0x10_0000, pointerLow & 0xffc, low, high);
  if (domain.environment.taps.hypercall !== undefined) {
    tell(call, UPDATE_NAMES[pointerLow & 3]!, wide(pointerLow, pointerHigh), wide(low, high), result);
  }
  return result;
}

/** A request taken apart; its value is in halves. */
function update(domain: Domain, command: number, frame: number, offset: number, low: number, high: number): number {
  if (!domain.frames.owns(frame)) return -errno.EINVAL;
  if (command === mmuUpdateCommands.MMU_MACHPHYS_UPDATE) {
    domain.machToPhys.set(frame, entryValue(low, high));
    return 0;
  }
  if (offset % 8 !== 0) return -errno.EINVAL;
  if (levelOf(domain.frames.typeOf(frame)) === undefined) return storeToPlain(domain, frame, offset, entryValue(low, high));
  return domain.paging.setEntry(frame, offset / 8, low, high, command === mmuUpdateCommands.MMU_PT_UPDATE_PRESERVE_AD);
}

/** A frame that is no table is written as the guest could write it itself. */
export function storeToPlain(domain: Domain, frame: number, offset: number, value: bigint): number {
  if (domain.frames.get(frame, frameTypes.writable) !== 0) return -errno.EINVAL;
  const bytes = domain.hypervisor.frames.bytes(frame);
  new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(offset, value, true);
  domain.frames.put(frame);
  return 0;
}

/** update_va_mapping(address, value, flags); 32-bit guests give the value in two halves. */
export function updateVaMapping({ domain, vcpu, args }: Call): CallResult {
  const address = args[0] ?? 0n;
  if (!domain.copy.mayName(address, 1)) return -errno.EINVAL;
  const wide = domain.bits === 64;
  const low = u32(args[1]);
  const high = wide ? Number((args[1] ?? 0n) >> 32n) : u32(args[2]);
  const flags = (wide ? args[2] : args[3]) ?? 0n;
  const slot = vcpu.space.root === undefined ? undefined : domain.paging.leafSlot(vcpu.space.root, address);
  const error = slot === undefined ? -errno.EINVAL : domain.paging.setEntry(slot.table, slot.index, low, high);
  if (error !== 0) return error;
  const kind = Number(flags & BigInt(uvmf.FLUSHTYPE_MASK));
  if (kind === uvmf.NONE) return 0;
  if (kind !== uvmf.TLB_FLUSH && kind !== uvmf.INVLPG) return -errno.ENOSYS;
  const where = flags & ~BigInt(uvmf.FLUSHTYPE_MASK);
  const targets = where === 0n ? [vcpu] : where === BigInt(uvmf.ALL) ? domain.vcpus : vcpusOf(domain, vcpu, where);
  if (targets === undefined) return -errno.EFAULT;
  flush(domain, vcpu, targets, kind === uvmf.INVLPG ? address : undefined);
  return 0;
}

/** update_va_mapping with the domain whose frame is meant as its last argument: the guest's own, since it may use no other. */
export function updateVaMappingOtherdomain(call: Call): CallResult {
  const foreign = checkDomain(u32(call.args[call.domain.bits === 64 ? 3 : 4]) & 0xffff);
  return foreign === 0 ? updateVaMapping(call) : foreign;
}

/** vCPUs of a bitmap in guest memory. */
function vcpusOf(domain: Domain, vcpu: VirtualCpu, pointer: bigint): readonly VirtualCpu[] | undefined {
  const bitmap = domain.copy.readNumber(vcpu.id, pointer, domain.bits === 64 ? 8 : 4);
  return bitmap === undefined ? undefined : domain.vcpus.filter(({ id }) => ((bitmap >> BigInt(id)) & 1n) !== 0n);
}

/** The caller's own translations, or those of others. */
function flush({ operations }: Domain, caller: VirtualCpu, targets: readonly VirtualCpu[], address: bigint | undefined): void {
  const { mmu } = operations;
  if (targets.length !== 1 || targets[0] !== caller) {
    mmu.flushTlbOthers.run(
      caller.core,
      targets.map(({ id }) => id),
      address,
    );
  } else if (address === undefined) mmu.flushTlbKernel.run(caller.core);
  else mmu.flushTlbSingle.run(caller.core, address);
  if (address === undefined) for (const { space } of targets) space.flushed();
}

/** mmuext_op(operations, count, done, domain) */
export function mmuExtOp(call: Call): CallResult {
  return overRequests(call, mmuExtLayout[call.domain.bits].size, extendedRequest);
}

function extendedRequest(call: Call, request: DataView): number {
  const { bits, environment } = call.domain;
  const { cmd, arg1, arg2 } = mmuExtLayout[bits].fields;
  const command = request.getUint32(cmd.offset, true);
  const first = bits === 64 ? request.getBigUint64(arg1.offset, true) : wide(request.getUint32(arg1.offset, true));
  const second = bits === 64 ? request.getBigUint64(arg2.offset, true) : wide(request.getUint32(arg2.offset, true));
  const result = extendedOne(call.domain, call.vcpu, command, first, second);
  if (environment.taps.hypercall !== undefined) tell(call, EXTENDED_NAMES[command] ?? "mmuext_op", first, second, result);
  return result;
}

const PINS: Readonly<Record<number, FrameType>> = {
  [mmuExtCommands.PIN_L1_TABLE]: frameTypes.l1,
  [mmuExtCommands.PIN_L2_TABLE]: frameTypes.l2,
  [mmuExtCommands.PIN_L3_TABLE]: frameTypes.l3,
  [mmuExtCommands.PIN_L4_TABLE]: frameTypes.l4,
};

function extendedOne(domain: Domain, vcpu: VirtualCpu, command: number, arg1: bigint, arg2: bigint): number {
  const { paging, frames } = domain;
  const frame = frameNumber(arg1);
  const pin = PINS[command];
  if (pin !== undefined) return pin === frameTypes.l4 && domain.bits === 32 ? 0 : paging.pin(frame, pin);
  switch (command) {
    case mmuExtCommands.UNPIN_TABLE:
      return frames.owns(frame) ? paging.unpin(frame) : -errno.EINVAL;
    case mmuExtCommands.NEW_BASEPTR:
      return vcpu.space.setKernel(frame, true);
    case mmuExtCommands.NEW_USER_BASEPTR:
      return vcpu.space.setUser(arg1 === 0n ? undefined : frame);
    case mmuExtCommands.TLB_FLUSH_LOCAL:
      flush(domain, vcpu, [vcpu], undefined);
      return 0;
    case mmuExtCommands.INVLPG_LOCAL:
      flush(domain, vcpu, [vcpu], arg1);
      return 0;
    case mmuExtCommands.TLB_FLUSH_MULTI:
    case mmuExtCommands.INVLPG_MULTI: {
      const targets = vcpusOf(domain, vcpu, arg2);
      if (targets === undefined) return -errno.EINVAL;
      flush(domain, vcpu, targets, command === mmuExtCommands.INVLPG_MULTI ? arg1 : undefined);
      return 0;
    }
    case mmuExtCommands.TLB_FLUSH_ALL:
      flush(domain, vcpu, domain.vcpus, undefined);
      return 0;
    case mmuExtCommands.INVLPG_ALL:
      flush(domain, vcpu, domain.vcpus, arg1);
      return 0;
    case mmuExtCommands.FLUSH_CACHE:
      return -errno.EACCES;
    case mmuExtCommands.FLUSH_CACHE_GLOBAL:
      return -errno.EINVAL;
    case mmuExtCommands.SET_LDT:
      return vcpu.tables.setLdt(arg1, arg2 > 0xffffn ? 0xffff : Number(arg2));
    case mmuExtCommands.CLEAR_PAGE:
      return fillPage(domain, frame, undefined);
    case mmuExtCommands.COPY_PAGE:
      return fillPage(domain, frame, frameNumber(arg2));
    case mmuExtCommands.MARK_SUPER:
    case mmuExtCommands.UNMARK_SUPER:
      return -errno.EOPNOTSUPP;
    default:
      return -errno.ENOSYS;
  }
}

/** Clears a page or copies another to it. */
function fillPage(domain: Domain, target: number, source: number | undefined): number {
  const { frames, hypervisor, environment } = domain;
  if (frames.isShared(target) || (source !== undefined && !frames.owns(source))) return -errno.EINVAL;
  if (frames.get(target, frameTypes.writable) !== 0) return -errno.EINVAL;
  if (source === undefined) environment.memory.fill(target * 4096, 4096, 0);
  else environment.memory.write(target * 4096, hypervisor.frames.bytes(source).slice());
  frames.put(target);
  return 0;
}
