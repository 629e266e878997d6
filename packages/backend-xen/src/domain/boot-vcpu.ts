/** The state in which the first vCPU of a domain starts: Xen's arch_set_info_guest as the toolstack calls it, and docs/misc/pvh. */
import { generalRegisters, type SegmentCache, type VcpuRegisters } from "@paravane/paravirt-ops";
import { selectors } from "../abi/arch-x86.js";
import type { GuestBits } from "../abi/struct.js";

/** Descriptor bytes 5 and 6 of the flat segments that Xen lends. */
const CODE64 = 0xa0fb;
const CODE32 = (ring: 1 | 3): number => (ring === 3 ? 0xc0fb : 0xc0bb);
const DATA32 = (ring: 1 | 3): number => (ring === 3 ? 0xc0f3 : 0xc0b3);
const flat = (selector: number, access: number): SegmentCache => ({ selector, base: 0n, limit: 0xffff_ffff, access });
const unusable: SegmentCache = { selector: 0, base: 0n, limit: 0, access: 0 };

/** What a guest reads, and what is in force: protection, paging, the FPU present. */
export const BOOT_CR0 = 0x8005_0033n;
/** PAE, machine checks, FXSAVE and SSE exceptions. */
export const BOOT_CR4 = 0x660n;
/** What a guest may change of it: TSD, DE, FSGSBASE, OSXSAVE. */
export const CR4_GUEST = (1n << 2n) | (1n << 3n) | (1n << 16n) | (1n << 18n);
/** SYSCALL, long mode, no-execute. */
const EFER = 0xd01n;
const RFLAGS_IF = 0x202n;
/** Of an FXSAVE image: SDM Vol. 1 §10.5.1. */
const FX_CONTROL = 0;
const FX_MXCSR = 24;

/** Flat segments of a guest kernel, by name. */
export const kernelSegments = {
  64: { code: flat(selectors[64].kernelCode, CODE64), stack: flat(selectors[64].kernelData, DATA32(3)) },
  32: { code: flat(selectors[32].kernelCode, CODE32(1)), stack: flat(selectors[32].kernelData, DATA32(1)) },
} as const;

/** Flat segments of user code in a 64-bit guest. */
export const userSegments = {
  code64: flat(selectors[64].userCode64, CODE64),
  code32: flat(selectors[64].userCode32, CODE32(3)),
  stack: flat(selectors[64].userData, DATA32(3)),
} as const;

/** Where a PV guest starts. */
export interface PvStart {
  readonly bits: GuestBits;
  readonly entry: bigint;
  readonly stack: bigint;
  readonly startInfo: bigint;
  /** Physical address of the table at which translation starts. */
  readonly root: bigint;
}

/** The FPU as FNINIT leaves it, and MXCSR with all exceptions masked: an FXSAVE image. */
function freshFpu(): Uint8Array {
  const image = new Uint8Array(512);
  const view = new DataView(image.buffer);
  view.setUint16(FX_CONTROL, 0x37f, true);
  view.setUint32(FX_MXCSR, 0x1f80, true);
  return image;
}

/** Sets a vCPU to the start of a PV guest. Both widths run under four levels of tables; 32-bit code is in compatibility mode. */
export function startPv(registers: VcpuRegisters, start: PvStart): void {
  clear(registers);
  registers.set("efer", EFER);
  registers.set("cr4", BOOT_CR4);
  registers.set("cr3", start.root);
  registers.set("cr0", BOOT_CR0);
  registers.set("rflags", RFLAGS_IF);
  registers.set("rip", start.entry);
  registers.set("rsp", start.stack);
  registers.set("rsi", start.startInfo);
  registers.setFxState(freshFpu());
  const { code, stack } = kernelSegments[start.bits];
  registers.setSegment("cs", code);
  registers.setSegment("ss", stack);
  for (const name of ["ds", "es", "fs", "gs"] as const) registers.setSegment(name, start.bits === 64 ? unusable : stack);
}

/** Sets a vCPU to the entry of a PVH guest: 32-bit protected mode without paging, EBX points at hvm_start_info. */
export function startPvh(registers: VcpuRegisters, entry: number, startInfo: number): void {
  clear(registers);
  registers.set("efer", 0n);
  registers.set("cr4", 0n);
  registers.set("cr0", 0x11n);
  registers.set("rflags", 2n);
  registers.set("rip", BigInt(entry));
  registers.set("rbx", BigInt(startInfo));
  registers.setSegment("cs", flat(0, 0xc09b));
  for (const name of ["ss", "ds", "es", "fs", "gs"] as const) registers.setSegment(name, flat(0, 0xc093));
  registers.setSegment("tr", { selector: 0, base: 0n, limit: 0x67, access: 0x8b });
}

function clear(registers: VcpuRegisters): void {
  for (const name of generalRegisters) registers.set(name, 0n);
  registers.set("cr2", 0n);
  registers.set("dr6", 0xffff_0ff0n);
  registers.set("dr7", 0x400n);
  registers.setSegment("ldtr", unusable);
}
