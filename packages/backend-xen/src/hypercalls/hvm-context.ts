/** vcpu_op of guests with a physical address space of their own: a vCPU starts in a mode of its choice, or by its local APIC. public/hvm/hvm_vcpu.h. */
import { generalRegisters, type SegmentCache } from "@paravane/paravirt-ops";
import { vcpu_hvm_context, vcpu_hvm_x86_32, vcpu_hvm_x86_64 } from "../abi/arch-x86.js";
import { errno } from "../abi/errno.js";
import { vcpuCommands } from "../abi/services.js";
import { StructView } from "../abi/struct.js";
import type { VirtualCpu } from "../vcpu/virtual-cpu.js";
import { type Call, type CallResult, u32 } from "./call.js";
import { vcpuOp } from "./vcpu-op.js";

const MODE_32B = 0;
const MODE_64B = 1;
const CR0_PE_ET = 0x11n;
const CR0_PG = 1n << 31n;
const EFER_LME = 1n << 8n;
const EFER_LMA = 1n << 10n;
const EFER_KNOWN = 0xd01n;
/** RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI: the order of the structure, and of encodings. */
const GENERAL = generalRegisters.slice(0, 8);
const SEGMENTS = ["cs", "ds", "ss", "es", "tr"] as const;
const CODE64: SegmentCache = { selector: 0, base: 0n, limit: 0xffff_ffff, access: 0xa09b };
const DATA64: SegmentCache = { selector: 0, base: 0n, limit: 0xffff_ffff, access: 0xc093 };
const TASK: SegmentCache = { selector: 0, base: 0n, limit: 0x67, access: 0x8b };
const ABSENT: SegmentCache = { selector: 0, base: 0n, limit: 0, access: 0 };
const PRESENT = 0x80;

/** vcpu_op(command, vcpu, argument) */
export function hvmVcpuOp(call: Call): CallResult {
  const { domain, vcpu, args } = call;
  const target = domain.vcpus[u32(args[1])];
  if (target === undefined) return -errno.ENOENT;
  switch (u32(args[0])) {
    case vcpuCommands.initialise: {
      const context = domain.copy.readStruct(vcpu.id, args[2] ?? 0n, vcpu_hvm_context);
      if (context === undefined) return -errno.EFAULT;
      return target.initialised ? -errno.EEXIST : initialise(target, context.get("mode"), context.field("cpu_regs"));
    }
    case vcpuCommands.send_nmi:
      if ((args[2] ?? 0n) !== 0n) return -errno.EINVAL;
      target.core.raiseNmi();
      return 0;
    default: {
      const result = vcpuOp(call);
      // One that was told where to look is to look.
      domain.recheckEvents(target);
      return result;
    }
  }
}

/** 0, or -EINVAL for a state that no processor can be in. Nothing has changed then. */
function initialise(target: VirtualCpu, mode: number, bytes: Uint8Array): number {
  const error = mode === MODE_32B ? enter32(target, bytes) : mode === MODE_64B ? enter64(target, bytes) : -errno.EINVAL;
  if (error === 0) target.initialised = true;
  return error;
}

/** Type, S, DPL and P in the low byte; AVL, L, D and G follow, where a descriptor has the limit's upper bits between. */
const accessOf = (packed: number): number => (packed & 0xff) | ((packed & 0xf00) << 4);

function enter32(target: VirtualCpu, bytes: Uint8Array): number {
  const state = new StructView(vcpu_hvm_x86_32[64], bytes);
  const segments = SEGMENTS.map((name): SegmentCache => {
    const access = accessOf(state.get(`${name}_ar`));
    return { selector: 0, base: state.wide(`${name}_base`), limit: state.get(`${name}_limit`), access };
  });
  const general = state.field("general");
  const view = new DataView(general.buffer, general.byteOffset, general.byteLength);
  const efer = state.wide("efer");
  const cr0 = state.wide("cr0");
  if ((segments[0]!.access & PRESENT) === 0 || (efer & ~EFER_KNOWN) !== 0n || ((efer & EFER_LME) !== 0n && (cr0 & CR0_PG) !== 0n)) {
    return -errno.EINVAL;
  }
  const { registers } = target;
  reset(target, efer, cr0 | CR0_PE_ET, state.wide("cr4"), state.wide("cr3"));
  for (const [index, name] of GENERAL.entries()) registers.set(name, BigInt(view.getUint32(index * 4, true)));
  registers.set("rip", state.wide("eip"));
  registers.set("rflags", state.wide("eflags") | 2n);
  for (const [index, name] of SEGMENTS.entries()) registers.setSegment(name, segments[index]!);
  return 0;
}

function enter64(target: VirtualCpu, bytes: Uint8Array): number {
  const state = new StructView(vcpu_hvm_x86_64[64], bytes);
  const efer = state.wide("efer");
  if ((efer & ~EFER_KNOWN) !== 0n || (efer & EFER_LMA) === 0n || (state.wide("cr0") & CR0_PG) === 0n) return -errno.EINVAL;
  const { registers } = target;
  reset(target, efer | EFER_LME, state.wide("cr0") | CR0_PE_ET, state.wide("cr4"), state.wide("cr3"));
  const general = state.field("general");
  const view = new DataView(general.buffer, general.byteOffset, general.byteLength);
  for (const [index, name] of GENERAL.entries()) registers.set(name, view.getBigUint64(index * 8, true));
  registers.set("rip", state.wide("rip"));
  registers.set("rflags", state.wide("rflags") | 2n);
  registers.setSegment("cs", CODE64);
  for (const name of ["ss", "ds", "es"] as const) registers.setSegment(name, DATA64);
  registers.setSegment("tr", TASK);
  return 0;
}

/** What both modes have in common: all else as after reset. */
function reset({ registers }: VirtualCpu, efer: bigint, cr0: bigint, cr4: bigint, cr3: bigint): void {
  for (const name of generalRegisters) registers.set(name, 0n);
  registers.set("efer", efer);
  registers.set("cr4", cr4);
  registers.set("cr3", cr3);
  registers.set("cr0", cr0);
  for (const name of ["fs", "gs", "ldtr"] as const) registers.setSegment(name, ABSENT);
}
