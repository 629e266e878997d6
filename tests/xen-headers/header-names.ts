/**
 * Where a number of ours has another name, or is an expression, in Xen's public headers; and what is ours alone. All else has the same name
 * in both, in the headers' or in capital letters.
 */

/** The C expression for a number; `WIDTH name` where it depends on the guest's width. */
export const EXPRESSIONS: Readonly<Record<string, string>> = {
  "fifo.PENDING": "(int)(1u << EVTCHN_FIFO_PENDING)",
  "fifo.MASKED": "1u << EVTCHN_FIFO_MASKED",
  "fifo.LINKED": "1u << EVTCHN_FIFO_LINKED",
  "fifo.BUSY": "1u << EVTCHN_FIFO_BUSY",
  "fifo.LINK_BITS": "EVTCHN_FIFO_LINK_BITS",
  "fifo.LINK_MASK": "EVTCHN_FIFO_LINK_MASK",
  "fifo.NR_CHANNELS": "EVTCHN_FIFO_NR_CHANNELS",
  "fifo.PRIORITY_MAX": "EVTCHN_FIFO_PRIORITY_MAX",
  "fifo.PRIORITY_DEFAULT": "EVTCHN_FIFO_PRIORITY_DEFAULT",
  "fifo.PRIORITY_MIN": "EVTCHN_FIFO_PRIORITY_MIN",
  "fifo.READY": "offsetof(struct evtchn_fifo_control_block, ready)",
  "fifo.HEADS": "offsetof(struct evtchn_fifo_control_block, head)",
  "fifo.CONTROL_BLOCK_BYTES": "sizeof(struct evtchn_fifo_control_block)",
  "sharedRing.req_prod": "offsetof(struct blkif_sring, req_prod)",
  "sharedRing.req_event": "offsetof(struct blkif_sring, req_event)",
  "sharedRing.rsp_prod": "offsetof(struct blkif_sring, rsp_prod)",
  "sharedRing.rsp_event": "offsetof(struct blkif_sring, rsp_event)",
  "sharedRing.bytes": "offsetof(struct blkif_sring, ring)",
  BLOCK_SEGMENT_BYTES: "sizeof(struct blkif_request_segment)",
  XEN_CPUID_BASE: "XEN_CPUID_FIRST_LEAF",
  XEN_CPUID_MAX: "XEN_CPUID_FIRST_LEAF + XEN_CPUID_MAX_NUM_LEAVES",
  "XEN_CPUID_SIGNATURE.0": "XEN_CPUID_SIGNATURE_EBX",
  "XEN_CPUID_SIGNATURE.1": "XEN_CPUID_SIGNATURE_ECX",
  "XEN_CPUID_SIGNATURE.2": "XEN_CPUID_SIGNATURE_EDX",
  STORE_HEADER_BYTES: "sizeof(struct xsd_sockmsg)",
  STORE_PAYLOAD_MAX: "XENSTORE_PAYLOAD_MAX",
  "STORE_PATH_MAX.absolute": "XENSTORE_ABS_PATH_MAX",
  "STORE_PATH_MAX.relative": "XENSTORE_REL_PATH_MAX",
  HVM_START_MAGIC: "XEN_HVM_START_MAGIC_VALUE",
  HVM_NR_PARAMS: "HVM_NR_PARAMS",
  LEGACY_MAX_VCPUS: "XEN_LEGACY_MAX_VCPUS",
  GTF_mask: "GTF_type_mask",
  GNTTAB_CACHE_invalidate: "GNTTAB_CACHE_INVAL",
};

/** Expressions that differ by width; each is compiled for its own. */
export const BY_WIDTH: Readonly<Record<64 | 32, Readonly<Record<string, string>>>> = {
  64: {
    "selectors.64.kernelCode": "FLAT_KERNEL_CS64",
    "selectors.64.kernelData": "FLAT_KERNEL_SS64",
    "selectors.64.userCode64": "FLAT_USER_CS64",
    "selectors.64.userCode32": "FLAT_USER_CS32",
    "selectors.64.userData": "FLAT_USER_SS64",
    "hypervisorHole.64.start": "HYPERVISOR_VIRT_START",
    "hypervisorHole.64.end": "HYPERVISOR_VIRT_END - 1",
    "machToPhys.64.start": "MACH2PHYS_VIRT_START",
    "machToPhys.64.end": "MACH2PHYS_VIRT_END",
    "blockAbis.64.slotBytes": "sizeof(union blkif_sring_entry)",
    "blockAbis.64.id": "offsetof(struct blkif_request, id)",
    "blockAbis.64.sector": "offsetof(struct blkif_request, sector_number)",
    "blockAbis.64.segments": "offsetof(struct blkif_request, seg)",
    "blockAbis.64.indirectPages": "offsetof(struct blkif_request_indirect, indirect_grefs)",
  },
  32: {
    "selectors.32.kernelCode": "FLAT_KERNEL_CS",
    "selectors.32.kernelData": "FLAT_KERNEL_DS",
    "selectors.32.userCode32": "FLAT_USER_CS",
    "selectors.32.userData": "FLAT_USER_DS",
    "hypervisorHole.32.start": "__HYPERVISOR_VIRT_START_PAE",
    "machToPhys.32.start": "__MACH2PHYS_VIRT_START_PAE",
    "blockAbis.32.slotBytes": "sizeof(union blkif_sring_entry)",
    "blockAbis.32.id": "offsetof(struct blkif_request, id)",
    "blockAbis.32.sector": "offsetof(struct blkif_request, sector_number)",
    "blockAbis.32.segments": "offsetof(struct blkif_request, seg)",
    "blockAbis.32.indirectPages": "offsetof(struct blkif_request_indirect, indirect_grefs)",
  },
};

/** Members of other names in C, in one width or in both. */
export const MEMBERS: Readonly<Record<string, string>> = {
  "32 shared_info.wc_sec_hi": "arch.wc_sec_hi",
  "64 callback_register.address.eip": "address",
  "gnttab_copy.source.frame": "source.u.gmfn",
  "gnttab_copy.dest.frame": "dest.u.gmfn",
  "gnttab_cache_flush.dev_bus_addr": "a.dev_bus_addr",
};

/** Ours alone: what the public headers leave to prose, or give to nobody. `*` stands for any end. */
export const NOT_IN_HEADERS: readonly string[] = [
  // The frame of a 32-bit guest's return is told in words only.
  "32 iret_context*",
  // A union or a row of registers under one name of ours.
  "32 vcpu_hvm_x86_32.general*",
  "64 vcpu_hvm_x86_32.general*",
  "32 vcpu_hvm_x86_64.general*",
  "64 vcpu_hvm_x86_64.general*",
  // 64-bit guests name no selector: their address is one word.
  "64 callback_register.address.cs*",
  // Conventions of calls, in comments and in assembly.
  "ARGUMENT_REGISTERS*",
  "HYPERCALL_VECTOR",
  "FORCED_EMULATION_PREFIX*",
  "XEN_HYPERCALL_MSR",
  // Text.
  "NOTE_OWNER",
  "blockAbis.32.protocol",
  "blockAbis.64.protocol",
  // What a guest finds in, and how far it sees, the machine-to-physical table and Xen's part of its address space.
  "INVALID_M2P_ENTRY",
  "SHARED_M2P_ENTRY",
  "XEN_L4_SLOTS*",
  "hypervisorHole.32.end",
  "machToPhys.32.end",
  "machToPhys.32.entryBytes",
  "machToPhys.64.entryBytes",
];
