/** Calls that set what a vCPU is: traps, callbacks, stacks, segments, descriptors, debug registers, and the way back to where it was. */
import { CALLBACKF_mask_events, callback_register, callbackTypes, segmentBases, selectors, trap_info } from "../abi/arch-x86.js";
import { errno } from "../abi/errno.js";
import { assistCommands, callbackCommands } from "../abi/services.js";
import { vmAssists } from "../abi/xen.js";
import { safeDescriptor } from "../mmu/descriptors.js";
import { frameTypes } from "../mmu/frame-table.js";
import { debugRegister, setDebugRegister } from "../vcpu/debug-registers.js";
import { clearNmiHandler, setNmiHandler } from "../vcpu/nmi.js";
import type { Callback, Callbacks, VirtualCpu } from "../vcpu/virtual-cpu.js";
import { type Call, type CallResult, frameNumber, resumed, u32 } from "./call.js";

const MAX_TRAPS = 256;
const ENTRIES_PER_PAGE = 512;
const MAX_GDT_ENTRIES = 7168;
const CALLBACK_NAMES = new Map<number, keyof Callbacks>(
  Object.entries(callbackTypes).flatMap(([name, type]) => (name === "nmi" ? [] : [[type, name as keyof Callbacks] as const])),
);

/** A selector as the guest's kernel may have it: never of a ring above it. */
export function kernelSelector(vcpu: VirtualCpu, selector: number): number {
  return vcpu.bits === 64 ? selector | 3 : selector | ((selector & 3) === 0 ? 1 : 0);
}

/** set_trap_table(traps) */
export function setTrapTable({ domain, vcpu, args }: Call): CallResult {
  const [address = 0n] = args;
  if (address === 0n) {
    vcpu.traps.clear();
    return 0;
  }
  const { size } = trap_info[domain.bits];
  for (let index = 0; index <= MAX_TRAPS; index++) {
    const trap = domain.copy.readStruct(vcpu.id, address + BigInt(index * size), trap_info);
    if (trap === undefined) return -errno.EFAULT;
    if (trap.wide("address") === 0n) return 0;
    if (domain.bits === 64 && !isCanonical(trap.wide("address"))) return -errno.EINVAL;
    const flags = trap.get("flags");
    vcpu.traps.set(trap.get("vector"), {
      selector: kernelSelector(vcpu, trap.get("cs")),
      address: trap.wide("address"),
      level: flags & 3,
      masksEvents: (flags & 4) !== 0,
    });
  }
  return 0;
}

/** callback_op(command, argument) */
export function callbackOp({ domain, vcpu, args }: Call): CallResult {
  const command = u32(args[0]);
  if (command !== callbackCommands.register && command !== callbackCommands.unregister)
    return domain.bits === 64 ? -errno.ENOSYS : -errno.EINVAL;
  const found = domain.copy.readStruct(vcpu.id, args[1] ?? 0n, callback_register);
  if (found === undefined) return -errno.EFAULT;
  const type = found.get("type");
  const name = CALLBACK_NAMES.get(type);
  if (command === callbackCommands.unregister) {
    if (type !== callbackTypes.nmi) return name === undefined ? -errno.ENOSYS : -errno.EINVAL;
    clearNmiHandler(vcpu);
    return 0;
  }
  if (domain.bits === 64 && !isCanonical(found.wide("address.eip"))) return -errno.EINVAL;
  if (type === callbackTypes.nmi) {
    setNmiHandler(vcpu, found.wide("address.eip"));
    return 0;
  }
  if (name === undefined || (domain.bits === 32 && name === "syscall")) return -errno.ENOSYS;
  const selector = domain.bits === 64 ? selectors[64].kernelCode : kernelSelector(vcpu, found.get("address.cs") & 0xffff);
  const masks = name === "event" || (found.get("flags") & CALLBACKF_mask_events) !== 0;
  vcpu.callbacks[name] = { selector, address: found.wide("address.eip"), masksEvents: masks };
  return 0;
}

/** set_callbacks: event, failsafe and, for 64 bit, syscall. */
export function setCallbacks({ domain, vcpu, args }: Call): CallResult {
  const [a = 0n, b = 0n, c = 0n, d = 0n] = args;
  const callback = (selector: bigint, address: bigint, masksEvents: boolean): Callback => ({
    selector: kernelSelector(vcpu, Number(selector & 0xffffn)),
    address,
    masksEvents,
  });
  if (domain.bits === 64) {
    const code = BigInt(selectors[64].kernelCode);
    vcpu.callbacks.event = callback(code, a, true);
    vcpu.callbacks.failsafe = callback(code, b, false);
    vcpu.callbacks.syscall = callback(code, c, false);
  } else {
    vcpu.callbacks.event = callback(a, b, true);
    vcpu.callbacks.failsafe = callback(c, d, false);
  }
  return 0;
}

/** stack_switch(selector, pointer) */
export function stackSwitch({ vcpu, args }: Call): CallResult {
  vcpu.kernelStack = { selector: kernelSelector(vcpu, u32(args[0]) & 0xffff), pointer: args[1] ?? 0n };
  return 0;
}

/** fpu_taskswitch(set) */
export function fpuTaskSwitch({ domain, vcpu, args }: Call): CallResult {
  vcpu.taskSwitched = u32(args[0]) !== 0;
  setTaskSwitched(domain, vcpu, vcpu.taskSwitched);
  return 0;
}

const CR0_TS = 1n << 3n;

/** Makes the processor's own bit so. */
export function setTaskSwitched({ operations }: Call["domain"], vcpu: VirtualCpu, on: boolean): void {
  const cr0 = vcpu.registers.get("cr0");
  const wanted = on ? cr0 | CR0_TS : cr0 & ~CR0_TS;
  if (wanted !== cr0) operations.cpu.writeCr0.run(vcpu.core, wanted);
}

/** set_segment_base(which, base), 64 bit. */
export function setSegmentBase({ domain, vcpu, args }: Call): CallResult {
  if (domain.bits === 32) return -errno.ENOSYS;
  const [which = 0n, base = 0n] = args;
  if (Number(which) !== segmentBases.GS_USER_SEL && !isCanonical(base)) return -errno.EINVAL;
  const { registers } = vcpu;
  switch (Number(which)) {
    case segmentBases.FS:
      registers.setSegment("fs", { ...registers.segment("fs"), base });
      return 0;
    case segmentBases.GS_USER:
      vcpu.setOtherGsBase(base);
      return 0;
    case segmentBases.GS_KERNEL:
      registers.setSegment("gs", { ...registers.segment("gs"), base });
      return 0;
    case segmentBases.GS_USER_SEL: {
      const selector = Number(base & 0xffffn);
      const segment = (selector & ~3) === 0 ? undefined : vcpu.tables.segment(selector | 3);
      vcpu.setOtherGsBase(segment?.base ?? 0n);
      const active = registers.segment("gs").base;
      registers.setSegment("gs", { ...(segment ?? { selector: 0, limit: 0, access: 0 }), base: active });
      return 0;
    }
    default:
      return -errno.EINVAL;
  }
}

/** True for an address whose upper bits are alike. */
export function isCanonical(address: bigint): boolean {
  return BigInt.asUintN(64, BigInt.asIntN(48, address)) === address;
}

/** set_gdt(frames, entries) */
export function setGdt({ domain, vcpu, args }: Call): CallResult {
  const entries = u32(args[1]);
  if (entries > MAX_GDT_ENTRIES) return -errno.EINVAL;
  const pages = Math.ceil(entries / ENTRIES_PER_PAGE);
  const width = domain.bits === 64 ? 8 : 4;
  const frames: number[] = [];
  for (let page = 0; page < pages; page++) {
    const frame = domain.copy.readNumber(vcpu.id, (args[0] ?? 0n) + BigInt(page * width), width);
    if (frame === undefined) return -errno.EFAULT;
    frames.push(frameNumber(frame));
  }
  return vcpu.tables.setGdt(frames, entries);
}

/** update_descriptor(machine address, descriptor); 32-bit guests give both in halves. */
export function updateDescriptor({ domain, args }: Call): CallResult {
  const [a = 0n, b = 0n, c = 0n, d = 0n] = args;
  const address = domain.bits === 64 ? a : (b << 32n) | a;
  const low = domain.bits === 64 ? u32(b) : u32(c);
  const high = domain.bits === 64 ? Number(b >> 32n) : u32(d);
  const frame = frameNumber(address >> 12n);
  const safe = safeDescriptor(low, high, domain.bits);
  if (address % 8n !== 0n || safe === undefined || !domain.frames.owns(frame)) return -errno.EINVAL;
  const type = domain.frames.typeOf(frame) === frameTypes.segmentDescriptors ? frameTypes.segmentDescriptors : frameTypes.writable;
  if (domain.frames.get(frame, type) !== 0) return -errno.EINVAL;
  const bytes = domain.hypervisor.frames.bytes(frame);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const offset = Number(address & 0xfffn);
  view.setUint32(offset, safe.low, true);
  view.setUint32(offset + 4, safe.high, true);
  domain.frames.put(frame);
  for (const { tables } of domain.vcpus) tables.changed();
  return 0;
}

/** vm_assist(command, type) */
export function vmAssist({ domain, args }: Call): CallResult {
  const [command, type] = [u32(args[0]), u32(args[1])];
  const known = Object.values(vmAssists).some((number) => number === type && (type !== vmAssists.m2p_strict || domain.bits === 64));
  if (command !== assistCommands.enable && command !== assistCommands.disable) return -errno.ENOSYS;
  if (!known) return -errno.EINVAL;
  if (command === assistCommands.enable) domain.assists.add(type);
  else domain.assists.delete(type);
  return 0;
}

/** set_debugreg(index, value) */
export function setDebugreg({ domain, vcpu, args }: Call): CallResult {
  return setDebugRegister(domain, vcpu, u32(args[0]), args[1] ?? 0n);
}

/** get_debugreg(index) */
export function getDebugreg({ vcpu, args }: Call): CallResult {
  return debugRegister(vcpu, u32(args[0]));
}

/** iret: the frame is on the stack. */
export function iret({ domain, vcpu }: Call): CallResult {
  const outcome = domain.entry.iret(vcpu);
  vcpu.nmiMasked = false;
  if (outcome === "segments") {
    const { failsafe } = vcpu.callbacks;
    const { registers } = vcpu;
    const names = ["ds", "es", "fs", "gs"] as const;
    const entered = domain.entry.enter(vcpu, {
      target: failsafe ?? { selector: 0, address: 0n, masksEvents: false },
      selectors: names.map((name) => registers.segment(name).selector),
    });
    if ("crash" in entered) domain.crash(vcpu, entered.crash);
    else domain.entry.apply(vcpu, entered);
  } else if (outcome !== undefined) domain.crash(vcpu, outcome.crash);
  return resumed;
}
