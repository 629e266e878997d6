/** public/xen.h: domains, page-table updates, extended MMU operations, assists, virtual interrupts, structures that everybody shares. */
import { struct } from "./struct.js";

/** Domain identifiers with a meaning of their own. */
export const domids = { SELF: 0x7ff0, IO: 0x7ff1, XEN: 0x7ff2, COW: 0x7ff3, INVALID: 0x7ff4 } as const;

/** Low two bits of mmu_update's `ptr`. */
export const mmuUpdateCommands = {
  MMU_NORMAL_PT_UPDATE: 0,
  MMU_MACHPHYS_UPDATE: 1,
  MMU_PT_UPDATE_PRESERVE_AD: 2,
  MMU_PT_UPDATE_NO_TRANSLATE: 3,
} as const;

/** Commands of mmuext_op. 14 is a hole. */
export const mmuExtCommands = {
  PIN_L1_TABLE: 0,
  PIN_L2_TABLE: 1,
  PIN_L3_TABLE: 2,
  PIN_L4_TABLE: 3,
  UNPIN_TABLE: 4,
  NEW_BASEPTR: 5,
  TLB_FLUSH_LOCAL: 6,
  INVLPG_LOCAL: 7,
  TLB_FLUSH_MULTI: 8,
  INVLPG_MULTI: 9,
  TLB_FLUSH_ALL: 10,
  INVLPG_ALL: 11,
  FLUSH_CACHE: 12,
  SET_LDT: 13,
  NEW_USER_BASEPTR: 15,
  CLEAR_PAGE: 16,
  COPY_PAGE: 17,
  FLUSH_CACHE_GLOBAL: 18,
  MARK_SUPER: 19,
  UNMARK_SUPER: 20,
} as const;

/** Flags of update_va_mapping: what to flush, and where. */
export const uvmf = { NONE: 0, TLB_FLUSH: 1, INVLPG: 2, FLUSHTYPE_MASK: 3, MULTI: 0, LOCAL: 0, ALL: 4 } as const;

/** Types of vm_assist. 6 to 31 are holes. */
export const vmAssists = {
  "4gb_segments": 0,
  "4gb_segments_notify": 1,
  writable_pagetables: 2,
  pae_extended_cr3: 3,
  architectural_iopl: 4,
  runstate_update_flag: 5,
  m2p_strict: 32,
} as const;

/** Virtual interrupts. 5 is a hole. */
export const virqs = {
  TIMER: 0,
  DEBUG: 1,
  CONSOLE: 2,
  DOM_EXC: 3,
  TBUF: 4,
  DEBUGGER: 6,
  XENOPROF: 7,
  CON_RING: 8,
  PCPU_STATE: 9,
  MEM_EVENT: 10,
  ARGO: 11,
  ENOMEM: 12,
  XENPMU: 13,
  ARCH_0: 16,
} as const;

/** Flags of start_info. */
export const startInfoFlags = { PRIVILEGED: 1, INITDOMAIN: 2, MULTIBOOT_MOD: 4, MOD_START_PFN: 8, VIRT_P2M_4TOOLS: 16 } as const;

/** Values in the machine-to-physical table that are not frames: of frames that belong to nobody, and of Xen's own that a guest may map. */
export const INVALID_M2P_ENTRY = 0xffff_ffff_ffff_ffffn;
export const SHARED_M2P_ENTRY = 0xffff_ffff_ffff_fffen;

/** vCPUs whose vcpu_info lies in shared_info. */
export const LEGACY_MAX_VCPUS = 32;

/** What a domain finds in its first page. */
export const start_info = struct("start_info", [0x490, 0x458], {
  magic: [32, 0],
  nr_pages: ["ulong", 0x20],
  shared_info: ["ulong", 0x28, 0x24],
  flags: ["u32", 0x30, 0x28],
  store_mfn: ["ulong", 0x38, 0x2c],
  store_evtchn: ["u32", 0x40, 0x30],
  "console.domU.mfn": ["ulong", 0x48, 0x34],
  "console.domU.evtchn": ["u32", 0x50, 0x38],
  pt_base: ["ulong", 0x58, 0x3c],
  nr_pt_frames: ["ulong", 0x60, 0x40],
  mfn_list: ["ulong", 0x68, 0x44],
  mod_start: ["ulong", 0x70, 0x48],
  mod_len: ["ulong", 0x78, 0x4c],
  cmd_line: [1024, 0x80, 0x50],
  first_p2m_pfn: ["ulong", 0x480, 0x450],
  nr_p2m_frames: ["ulong", 0x488, 0x454],
});

/** A vCPU's part of the shared page. */
export const vcpu_info = struct("vcpu_info", [64, 64], {
  evtchn_upcall_pending: ["u8", 0],
  evtchn_upcall_mask: ["u8", 1],
  evtchn_pending_sel: ["ulong", 8, 4],
  "arch.cr2": ["ulong", 0x10, 8],
  time: [32, 0x20],
});

/** Time as a vCPU reads it without a call. */
export const vcpu_time_info = struct("vcpu_time_info", [32, 32], {
  version: ["u32", 0],
  tsc_timestamp: ["u64", 8],
  system_time: ["u64", 16],
  tsc_to_system_mul: ["u32", 24],
  tsc_shift: ["u8", 28],
  flags: ["u8", 29],
});

/** The page that Xen and a domain share. */
export const shared_info = struct("shared_info", [0xc40, 0x928], {
  vcpu_info: [32 * 64, 0],
  evtchn_pending: [[512, 128], 0x800],
  evtchn_mask: [[512, 128], 0xa00, 0x880],
  wc_version: ["u32", 0xc00, 0x900],
  wc_sec: ["u32", 0xc04, 0x904],
  wc_nsec: ["u32", 0xc08, 0x908],
  wc_sec_hi: ["u32", 0xc0c, 0x924],
  "arch.max_pfn": ["ulong", 0xc10, 0x90c],
  "arch.pfn_to_mfn_frame_list_list": ["ulong", 0xc18, 0x910],
  "arch.nmi_reason": ["ulong", 0xc20, 0x914],
});

/** One request of mmu_update. */
export const mmu_update = struct("mmu_update", [16, 16], { ptr: ["u64", 0], val: ["u64", 8] });

/** One operation of mmuext_op. */
export const mmuext_op = struct("mmuext_op", [24, 12], { cmd: ["u32", 0], arg1: ["ulong", 8, 4], arg2: ["ulong", 16, 8] });

/** One call of a multicall. */
export const multicall_entry = struct("multicall_entry", [64, 32], {
  op: ["ulong", 0],
  result: ["ulong", 8, 4],
  args: [[48, 24], 16, 8],
});
