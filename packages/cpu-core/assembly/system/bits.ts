// Names of the bits that the system functions share: control registers, descriptor types, selector parts.
export const CR0_PE: u32 = 1;
export const CR0_EM: u32 = 4;
export const CR0_TS: u32 = 8;
export const CR0_PG: u32 = 0x80000000;
export const CR4_VME: u32 = 1;
export const CR4_PVI: u32 = 2;
export const CR4_OSFXSR: u32 = 0x200;
export const CR4_UMIP: u32 = 0x800;
export const CR4_SMAP: u32 = 0x200000;
export const EFER_LMA: u32 = 0x400;

// bits of SEG_ACCESS (and, shifted left by 8, of a descriptor's second dword)
export const ACC_ACCESSED: u32 = 1;
export const ACC_RW: u32 = 2; // writable data, readable code
export const ACC_CONFORMING: u32 = 4; // expand-down for data
export const ACC_CODE: u32 = 8;
export const ACC_S: u32 = 0x10; // code or data; clear: system
export const ACC_P: u32 = 0x80;
export const ACC_L: u32 = 0x2000;
export const ACC_DB: u32 = 0x4000;
export const ACC_G: u32 = 0x8000;

// system descriptor types (SDM Vol. 3A Table 3-2)
export const TYPE_TSS16: u32 = 1;
export const TYPE_LDT: u32 = 2;
export const TYPE_CALL16: u32 = 4;
export const TYPE_TASK_GATE: u32 = 5;
export const TYPE_INT16: u32 = 6;
export const TYPE_TRAP16: u32 = 7;
export const TYPE_TSS32: u32 = 9;
export const TYPE_CALL32: u32 = 12;
export const TYPE_INT32: u32 = 14;
export const TYPE_TRAP32: u32 = 15;
export const TSS_BUSY: u32 = 2;

export const RAX = 0;
export const RCX = 8;
export const RDX = 16;
export const RBX = 24;
export const RSP = 32;
export const RBP = 40;
