/** public/arch-x86/xen*.h: selectors, the hole in linear memory, traps, callbacks, a vCPU's whole state, CPUID and MSRs of Xen. */
import { type GuestBits, struct } from "./struct.js";

/** Xen's part of every descriptor table starts with this entry; guests own those below. */
export const FIRST_RESERVED_GDT_ENTRY = 14 * 512;
export const FIRST_RESERVED_GDT_BYTE = FIRST_RESERVED_GDT_ENTRY * 8;

/** Flat selectors that Xen lends, by ring and kind. */
export const selectors = {
  64: { kernelCode: 0xe033, kernelData: 0xe02b, userCode64: 0xe033, userCode32: 0xe023, userData: 0xe02b },
  32: { kernelCode: 0xe019, kernelData: 0xe021, userCode32: 0xe02b, userData: 0xe033 },
} as const;

/** Selector of the code in which a guest's kernel is entered when it names none. */
export function kernelCodeOf(bits: GuestBits): number {
  return selectors[bits].kernelCode;
}

/** Linear memory that is Xen's: from `start` to `end`, both included. 32-bit guests may lower the start by a note. */
export const hypervisorHole = {
  64: { start: 0xffff_8000_0000_0000n, end: 0xffff_87ff_ffff_ffffn },
  32: { start: 0xf580_0000n, end: 0xffff_ffffn },
} as const satisfies Record<GuestBits, { start: bigint; end: bigint }>;

/** Where the machine-to-physical table is seen: from `start` up to, not including, `end`; `entryBytes` for each frame. */
export const machToPhys = {
  64: { start: 0xffff_8000_0000_0000n, end: 0xffff_8040_0000_0000n, entryBytes: 8 },
  32: { start: 0xf580_0000n, end: 0xffe0_0000n, entryBytes: 4 },
} as const satisfies Record<GuestBits, { start: bigint; end: bigint; entryBytes: number }>;

/** Entries of a 64-bit top-level table that are Xen's: first, and the first after them. */
export const XEN_L4_SLOTS = { first: 256, end: 272 } as const;

/** Types of callback_op. 1, 3 and 6 have other meanings elsewhere or none. */
export const callbackTypes = { event: 0, failsafe: 1, syscall: 2, nmi: 4, sysenter: 5, syscall32: 7 } as const;
/** Flag of a callback: it is entered with events masked. */
export const CALLBACKF_mask_events = 1;

/** Which base set_segment_base sets. */
export const segmentBases = { FS: 0, GS_USER: 1, GS_KERNEL: 2, GS_USER_SEL: 3 } as const;

/** Flag in the frame of the iret call: the way back is as by SYSRET, without RCX and R11. */
export const VGCF_in_syscall = 1 << 8;
/** Flags of vcpu_guest_context. */
export const vgcf = { i387_valid: 1, in_kernel: 4, failsafe_disables_events: 8, syscall_disables_events: 16, online: 32 } as const;

/** One line of set_trap_table. */
export const trap_info = struct("trap_info", [16, 8], {
  vector: ["u8", 0],
  flags: ["u8", 1],
  cs: ["u16", 2],
  address: ["ulong", 8, 4],
});

/** Argument of callback_op; 32-bit guests name a selector too. */
export const callback_register = struct("callback_register", [16, 12], {
  type: ["u16", 0],
  flags: ["u16", 2],
  "address.cs": ["u32", 8, 4],
  "address.eip": ["ulong", 8],
});

/** Frame of the iret call, at the stack pointer; 32-bit guests have the last two only when they leave the kernel. */
export const iret_context = struct("iret_context", [72, 24], {
  rax: ["ulong", 0],
  r11: ["ulong", 8, 0],
  rcx: ["ulong", 16, 0],
  flags: ["ulong", 24, 0],
  rip: ["ulong", 32, 4],
  cs: ["ulong", 40, 8],
  rflags: ["ulong", 48, 12],
  rsp: ["ulong", 56, 16],
  ss: ["ulong", 64, 20],
});

/** A vCPU's whole state, for VCPUOP_initialise. What one width lacks has no bytes there. */
export const vcpu_guest_context = struct("vcpu_guest_context", [0x1430, 0xaf0], {
  fpu_ctxt: [512, 0],
  flags: ["ulong", 0x200],
  user_regs: [[200, 68], 0x208, 0x204],
  trap_ctxt: [[4096, 2048], 0x2d0, 0x248],
  ldt_base: ["ulong", 0x12d0, 0xa48],
  ldt_ents: ["ulong", 0x12d8, 0xa4c],
  gdt_frames: [[128, 64], 0x12e0, 0xa50],
  gdt_ents: ["ulong", 0x1360, 0xa90],
  kernel_ss: ["ulong", 0x1368, 0xa94],
  kernel_sp: ["ulong", 0x1370, 0xa98],
  ctrlreg: [[64, 32], 0x1378, 0xa9c],
  debugreg: [[64, 32], 0x13b8, 0xabc],
  event_callback_cs: [[0, 4], 0x13f8, 0xadc],
  event_callback_eip: ["ulong", 0x13f8, 0xae0],
  failsafe_callback_cs: [[0, 4], 0x1400, 0xae4],
  failsafe_callback_eip: ["ulong", 0x1400, 0xae8],
  syscall_callback_eip: [[8, 0], 0x1408, 0xaec],
  vm_assist: ["ulong", 0x1410, 0xaec],
  fs_base: [[8, 0], 0x1418, 0xaf0],
  gs_base_kernel: [[8, 0], 0x1420, 0xaf0],
  gs_base_user: [[8, 0], 0x1428, 0xaf0],
});

/** The processor's registers in it. */
export const cpu_user_regs = struct("cpu_user_regs", [200, 68], {
  r15: [[8, 0], 0],
  r14: [[8, 0], 8, 0],
  r13: [[8, 0], 16, 0],
  r12: [[8, 0], 24, 0],
  rbp: ["ulong", 32, 20],
  rbx: ["ulong", 40, 0],
  r11: [[8, 0], 48, 0],
  r10: [[8, 0], 56, 0],
  r9: [[8, 0], 64, 0],
  r8: [[8, 0], 72, 0],
  rax: ["ulong", 80, 24],
  rcx: ["ulong", 88, 4],
  rdx: ["ulong", 96, 8],
  rsi: ["ulong", 104, 12],
  rdi: ["ulong", 112, 16],
  rip: ["ulong", 0x80, 0x20],
  cs: ["u16", 0x88, 0x24],
  saved_upcall_mask: ["u8", 0x8c, 0x26],
  rflags: ["ulong", 0x90, 0x28],
  rsp: ["ulong", 0x98, 0x2c],
  ss: ["u16", 0xa0, 0x30],
  es: ["u16", 0xa8, 0x34],
  ds: ["u16", 0xb0, 0x38],
  fs: ["u16", 0xb8, 0x3c],
  gs: ["u16", 0xc0, 0x40],
});

/** A vCPU's state for VCPUOP_initialise of guests with a physical address space of their own: public/hvm/hvm_vcpu.h. */
export const vcpu_hvm_context = struct("vcpu_hvm_context", [128, 128], { mode: ["u32", 0], cpu_regs: [120, 8] });
/** Its registers in 32-bit mode. */
export const vcpu_hvm_x86_32 = struct("vcpu_hvm_x86_32", [120, 120], {
  general: [32, 0],
  eip: ["u32", 32],
  eflags: ["u32", 36],
  cr0: ["u32", 40],
  cr3: ["u32", 44],
  cr4: ["u32", 48],
  efer: ["u64", 56],
  cs_base: ["u32", 64],
  ds_base: ["u32", 68],
  ss_base: ["u32", 72],
  es_base: ["u32", 76],
  tr_base: ["u32", 80],
  cs_limit: ["u32", 84],
  ds_limit: ["u32", 88],
  ss_limit: ["u32", 92],
  es_limit: ["u32", 96],
  tr_limit: ["u32", 100],
  cs_ar: ["u16", 104],
  ds_ar: ["u16", 106],
  ss_ar: ["u16", 108],
  es_ar: ["u16", 110],
  tr_ar: ["u16", 112],
});
/** Its registers in 64-bit mode. */
export const vcpu_hvm_x86_64 = struct("vcpu_hvm_x86_64", [112, 112], {
  general: [64, 0],
  rip: ["u64", 64],
  rflags: ["u64", 72],
  cr0: ["u64", 80],
  cr3: ["u64", 88],
  cr4: ["u64", 96],
  efer: ["u64", 104],
});

/** CPUID leaves of Xen, and the MSR through which a hypercall page is asked for. */
export const XEN_CPUID_BASE = 0x4000_0000;
export const XEN_CPUID_MAX = 0x4000_0005;
export const XEN_HYPERCALL_MSR = 0x4000_0000;
/** "XenVMMXenVMM" in EBX, ECX, EDX. */
export const XEN_CPUID_SIGNATURE = [0x566e_6558, 0x6558_4d4d, 0x4d4d_566e] as const;
/** ud2a; "xen": the next instruction is to be emulated. */
export const FORCED_EMULATION_PREFIX = [0x0f, 0x0b, 0x78, 0x65, 0x6e] as const;
