/** Grant tables: public/grant_table.h. Entries of version 1 are 8 bytes, of version 2 16 with their status apart, 2 bytes each. */

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
