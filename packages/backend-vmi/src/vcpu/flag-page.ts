/** The page that a vCPU's kernel shares with the hypervisor at CPL 1: offsets of its fields, each 4 bytes. */

/** Offsets in the page. */
export const flagPage = {
  /** EFLAGS.IF as the kernel sees it: 0x200 or 0. */
  interruptFlag: 0,
  /** Selectors that SYSEXIT loads. */
  userCode: 8,
  userStack: 12,
} as const;

/** EFLAGS.IF. */
export const RFLAGS_IF = 0x200;
