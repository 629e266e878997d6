/** Grant tables: public/grant_table.h. Entries of version 1 are 8 bytes, of version 2 16 with their status apart, 2 bytes each. */
import { struct } from "./struct.js";

/** Types in the low two bits of an entry's flags. */
export const grantTypes = { invalid: 0, permit_access: 1, accept_transfer: 2, transitive: 3, mask: 3 } as const;

/** Other bits of the flags; in version 2 reading and writing are in the status. */
export const grantFlags = { readonly: 4, reading: 8, writing: 16, sub_page: 0x100 } as const;

/** What a grant operation answers, s16. */
export const grantStatus = {
  okay: 0,
  general_error: -1,
  bad_domain: -2,
  bad_gntref: -3,
  bad_handle: -4,
  bad_virt_addr: -5,
  bad_dev_addr: -6,
  no_device_space: -7,
  permission_denied: -8,
  bad_page: -9,
  bad_copy_arg: -10,
  address_too_big: -11,
  eagain: -12,
  no_space: -13,
} as const;

/** Flags of a mapping; 16 and up are available bits of the entry. */
export const grantMapFlags = { device_map: 1, host_map: 2, readonly: 4, application_map: 8, contains_pte: 16 } as const;

/** Flags of a copy. */
export const grantCopyFlags = { source_gref: 1, dest_gref: 2 } as const;

/** References that guests do not give out themselves. */
export const GNTTAB_NR_RESERVED_ENTRIES = 8;
export const GNTTAB_RESERVED_CONSOLE = 0;
export const GNTTAB_RESERVED_XENSTORE = 1;

/** Bits of a cache flush. */
export const grantCacheFlags = { clean: 1, invalidate: 2 } as const;

/** What happened to an entry that accepts a transfer. */
export const grantTransferFlags = { committed: 4, completed: 8 } as const;

/** Argument of map_grant_ref. */
export const gnttab_map_grant_ref = struct("gnttab_map_grant_ref", [32, 32], {
  host_addr: ["u64", 0],
  flags: ["u32", 8],
  ref: ["u32", 12],
  dom: ["u16", 16],
  status: ["u16", 18],
  handle: ["u32", 20],
  dev_bus_addr: ["u64", 24],
});

/** Argument of unmap_grant_ref; of unmap_and_replace too, where the second member is the new address. */
export const gnttab_unmap_grant_ref = struct("gnttab_unmap_grant_ref", [24, 24], {
  host_addr: ["u64", 0],
  dev_bus_addr: ["u64", 8],
  handle: ["u32", 16],
  status: ["u16", 20],
});

/** Argument of setup_table. */
export const gnttab_setup_table = struct("gnttab_setup_table", [24, 16], {
  dom: ["u16", 0],
  nr_frames: ["u32", 4],
  status: ["u16", 8],
  frame_list: ["ulong", 16, 12],
});

/** Argument of transfer. */
export const gnttab_transfer = struct("gnttab_transfer", [24, 16], {
  mfn: ["ulong", 0],
  domid: ["u16", 8, 4],
  ref: ["u32", 12, 8],
  status: ["u16", 16, 12],
});

/** Argument of copy: `frame` is a reference when a flag says so. */
export const gnttab_copy = struct("gnttab_copy", [40, 24], {
  "source.frame": ["ulong", 0],
  "source.domid": ["u16", 8, 4],
  "source.offset": ["u16", 10, 6],
  "dest.frame": ["ulong", 16, 8],
  "dest.domid": ["u16", 24, 12],
  "dest.offset": ["u16", 26, 14],
  len: ["u16", 32, 16],
  flags: ["u16", 34, 18],
  status: ["u16", 36, 20],
});

/** Argument of query_size. */
export const gnttab_query_size = struct("gnttab_query_size", [16, 16], {
  dom: ["u16", 0],
  nr_frames: ["u32", 4],
  max_nr_frames: ["u32", 8],
  status: ["u16", 12],
});

/** Argument of get_status_frames; the list has 8 bytes for each frame. */
export const gnttab_get_status_frames = struct("gnttab_get_status_frames", [16, 12], {
  nr_frames: ["u32", 0],
  dom: ["u16", 4],
  status: ["u16", 6],
  frame_list: ["ulong", 8],
});

/** Argument of get_version. */
export const gnttab_get_version = struct("gnttab_get_version", [8, 8], { dom: ["u16", 0], version: ["u32", 4] });

/** Argument of set_version. */
export const gnttab_set_version = struct("gnttab_set_version", [4, 4], { version: ["u32", 0] });

/** Argument of swap_grant_ref. */
export const gnttab_swap_grant_ref = struct("gnttab_swap_grant_ref", [12, 12], {
  ref_a: ["u32", 0],
  ref_b: ["u32", 4],
  status: ["u16", 8],
});

/** Argument of cache_flush. */
export const gnttab_cache_flush = struct("gnttab_cache_flush", [16, 16], {
  dev_bus_addr: ["u64", 0],
  offset: ["u16", 8],
  length: ["u16", 10],
  op: ["u32", 12],
});
