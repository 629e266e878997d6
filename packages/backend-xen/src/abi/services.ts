/** Commands of the calls for events, scheduling, vCPUs, memory, time, grants and devices: the public header is named with each. */
import { struct } from "./struct.js";

/** public/event_channel.h */
export const eventChannelCommands = {
  bind_interdomain: 0,
  bind_virq: 1,
  bind_pirq: 2,
  close: 3,
  send: 4,
  status: 5,
  alloc_unbound: 6,
  bind_ipi: 7,
  bind_vcpu: 8,
  unmask: 9,
  reset: 10,
  init_control: 11,
  expand_array: 12,
  set_priority: 13,
} as const;

/** State of a port, as EVTCHNOP_status tells it. */
export const channelStates = { closed: 0, unbound: 1, interdomain: 2, pirq: 3, virq: 4, ipi: 5 } as const;

/** FIFO events: bits of a port's word, and places in a vCPU's control block. */
export const fifo = {
  PENDING: 0x8000_0000 | 0,
  MASKED: 0x4000_0000,
  LINKED: 0x2000_0000,
  BUSY: 0x1000_0000,
  LINK_BITS: 17,
  LINK_MASK: 0x1_ffff,
  NR_CHANNELS: 0x2_0000,
  PRIORITY_MAX: 0,
  PRIORITY_DEFAULT: 7,
  PRIORITY_MIN: 15,
  READY: 0,
  HEADS: 8,
  CONTROL_BLOCK_BYTES: 72,
} as const;

/** public/sched.h */
export const schedCommands = {
  yield: 0,
  block: 1,
  shutdown: 2,
  poll: 3,
  remote_shutdown: 4,
  shutdown_code: 5,
  watchdog: 6,
  pin_override: 7,
} as const;
/** Why a domain shuts down. */
export const shutdownReasons = { poweroff: 0, reboot: 1, suspend: 2, crash: 3, watchdog: 4, soft_reset: 5 } as const;

/** public/vcpu.h */
export const vcpuCommands = {
  initialise: 0,
  up: 1,
  down: 2,
  is_up: 3,
  get_runstate_info: 4,
  register_runstate_memory_area: 5,
  set_periodic_timer: 6,
  stop_periodic_timer: 7,
  set_singleshot_timer: 8,
  stop_singleshot_timer: 9,
  register_vcpu_info: 10,
  send_nmi: 11,
  get_physid: 12,
  register_vcpu_time_memory_area: 13,
} as const;

/** public/memory.h; the upper bits of the command carry a continuation. */
export const memoryCommands = {
  increase_reservation: 0,
  decrease_reservation: 1,
  maximum_ram_page: 2,
  current_reservation: 3,
  maximum_reservation: 4,
  machphys_mfn_list: 5,
  populate_physmap: 6,
  add_to_physmap: 7,
  memory_map: 9,
  machine_memory_map: 10,
  exchange: 11,
  machphys_mapping: 12,
  set_memory_map: 13,
  maximum_gpfn: 14,
  remove_from_physmap: 15,
  get_vnumainfo: 26,
} as const;

/** What the calls of the machine's owner begin with: public/sysctl.h, public/domctl.h, public/platform.h */
export const interfaceVersions = {
  XEN_SYSCTL_INTERFACE_VERSION: 0x15,
  XEN_DOMCTL_INTERFACE_VERSION: 0x15,
  XENPF_INTERFACE_VERSION: 0x0300_0001,
} as const;

/** public/version.h */
export const versionCommands = {
  version: 0,
  extraversion: 1,
  compile_info: 2,
  capabilities: 3,
  changeset: 4,
  platform_parameters: 5,
  get_features: 6,
  pagesize: 7,
  guest_handle: 8,
  commandline: 9,
  build_id: 10,
} as const;

/** public/physdev.h */
export const physdevCommands = {
  irq_status_query: 5,
  set_iopl: 6,
  set_iobitmap: 7,
  eoi: 12,
  map_pirq: 13,
  pirq_eoi_gmfn_v1: 17,
  pirq_eoi_gmfn_v2: 28,
} as const;

/** public/hvm/hvm_op.h */
export const hvmCommands = {
  set_param: 0,
  get_param: 1,
  flush_tlbs: 5,
  pagetable_dying: 9,
  get_time: 10,
  get_mem_type: 15,
  set_evtchn_upcall_vector: 23,
} as const;

/** public/hvm/params.h: those that a guest may look at. */
export const hvmParams = { CALLBACK_IRQ: 0, STORE_PFN: 1, STORE_EVTCHN: 2, CONSOLE_PFN: 17, CONSOLE_EVTCHN: 18 } as const;
/** Parameters that there are. */
export const HVM_NR_PARAMS = 39;
/** Argument of HVMOP_set_param and HVMOP_get_param. */
export const hvm_param = struct("xen_hvm_param", [16, 16], { domid: ["u16", 0], index: ["u32", 4], value: ["u64", 8] });

/** Argument of XENMEM_add_to_physmap. */
export const add_to_physmap = struct("xen_add_to_physmap", [24, 16], {
  domid: ["u16", 0],
  size: ["u16", 2],
  space: ["u32", 4],
  idx: ["ulong", 8],
  gpfn: ["ulong", 16, 12],
});
/** What XENMEM_add_to_physmap maps: public/memory.h XENMAPSPACE_*. */
export const mapSpaces = { shared_info: 0, grant_table: 1, gmfn: 2 } as const;
/** Of a grant table's index: a page of status words. */
export const XENMAPIDX_grant_table_status = 0x8000_0000;

/** public/grant_table.h */
export const grantCommands = {
  map_grant_ref: 0,
  unmap_grant_ref: 1,
  setup_table: 2,
  dump_table: 3,
  transfer: 4,
  copy: 5,
  query_size: 6,
  unmap_and_replace: 7,
  set_version: 8,
  get_status_frames: 9,
  get_version: 10,
  swap_grant_ref: 11,
  cache_flush: 12,
} as const;

/** Commands of console_io: public/xen.h. */
export const consoleCommands = { write: 0, read: 1 } as const;
/** Commands of callback_op: public/callback.h. */
export const callbackCommands = { register: 0, unregister: 1 } as const;
/** Commands of vm_assist: public/xen.h. */
export const assistCommands = { enable: 0, disable: 1 } as const;

/** vcpu_runstate_info: what a vCPU did with its time. */
export const vcpu_runstate_info = struct("vcpu_runstate_info", [48, 44], {
  state: ["u32", 0],
  state_entry_time: ["u64", 8, 4],
  time: [32, 16, 12],
});

/** Where a vCPU's own vcpu_info is to be. */
export const vcpu_register_vcpu_info = struct("vcpu_register_vcpu_info", [16, 16], {
  mfn: ["u64", 0],
  offset: ["u32", 8],
  rsvd: ["u32", 12],
});

/** Argument of XENMEM_machphys_mapping. */
export const machphys_mapping = struct("xen_machphys_mapping", [24, 12], {
  v_start: ["ulong", 0],
  v_end: ["ulong", 8, 4],
  max_mfn: ["ulong", 16, 8],
});

/** Argument of XENMEM_memory_map. */
export const memory_map = struct("xen_memory_map", [16, 8], { nr_entries: ["u32", 0], buffer: ["ulong", 8, 4] });

/** Argument of XENMEM_set_memory_map. */
export const foreign_memory_map = struct("xen_foreign_memory_map", [24, 12], {
  domid: ["u16", 0],
  "map.nr_entries": ["u32", 8, 4],
  "map.buffer": ["ulong", 16, 8],
});

/** Argument of XENMEM_increase_reservation, decrease_reservation and populate_physmap. */
export const memory_reservation = struct("xen_memory_reservation", [32, 20], {
  extent_start: ["ulong", 0],
  nr_extents: ["ulong", 8, 4],
  extent_order: ["u32", 16, 8],
  mem_flags: ["u32", 20, 12],
  domid: ["u16", 24, 16],
});

/** Argument of XENMEM_exchange. */
export const memory_exchange = struct("xen_memory_exchange", [72, 44], {
  "in.extent_start": ["ulong", 0],
  "in.nr_extents": ["ulong", 8, 4],
  "in.extent_order": ["u32", 16, 8],
  "in.mem_flags": ["u32", 20, 12],
  "in.domid": ["u16", 24, 16],
  "out.extent_start": ["ulong", 32, 20],
  "out.nr_extents": ["ulong", 40, 24],
  "out.extent_order": ["u32", 48, 28],
  "out.mem_flags": ["u32", 52, 32],
  "out.domid": ["u16", 56, 36],
  nr_exchanged: ["ulong", 64, 40],
});

/** Argument of XENMEM_machphys_mfn_list. */
export const machphys_mfn_list = struct("xen_machphys_mfn_list", [24, 12], {
  max_extents: ["u32", 0],
  extent_start: ["ulong", 8, 4],
  nr_extents: ["u32", 16, 8],
});

/** Argument of XENMEM_get_vnumainfo. */
export const vnuma_topology_info = struct("xen_vnuma_topology_info", [40, 40], { domid: ["u16", 0], pad: ["u16", 2] });

/** hvm_start_info: public/arch-x86/hvm/start_info.h. */
export const hvm_start_info = struct("hvm_start_info", [56, 56], {
  magic: ["u32", 0],
  version: ["u32", 4],
  flags: ["u32", 8],
  nr_modules: ["u32", 12],
  modlist_paddr: ["u64", 16],
  cmdline_paddr: ["u64", 24],
  rsdp_paddr: ["u64", 32],
  memmap_paddr: ["u64", 40],
  memmap_entries: ["u32", 48],
  reserved: ["u32", 52],
});
/** "xEn3", with bit 7 of the first byte set. */
export const HVM_START_MAGIC = 0x336e_c578;
/** A module for a PVH kernel. */
export const hvm_modlist_entry = struct("hvm_modlist_entry", [32, 32], {
  paddr: ["u64", 0],
  size: ["u64", 8],
  cmdline_paddr: ["u64", 16],
  reserved: ["u64", 24],
});
/** A range of the memory map for a PVH kernel. */
export const hvm_memmap_table_entry = struct("hvm_memmap_table_entry", [24, 24], {
  addr: ["u64", 0],
  size: ["u64", 8],
  type: ["u32", 16],
  reserved: ["u32", 20],
});
