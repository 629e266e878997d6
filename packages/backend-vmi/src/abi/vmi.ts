/** Numbers of VMI 3.0 beside the calls: the ROM's header, flags of arguments, structures in guest memory (Linux 2.6.32 vmi.h, vmi_time.h). */

/** The API that the ROM says it has. */
export const apiVersion = { major: 3, minor: 0 } as const;

/** Offsets in the ROM. The two entries hold code. */
export const romHeader = {
  signature: 0x00,
  length: 0x02,
  biosInit: 0x03,
  vromSignature: 0x08,
  apiMinor: 0x0c,
  apiMajor: 0x0d,
  slotCount: 0x0e,
  virtualTop: 0x10,
  license: 0x16,
  pci: 0x18,
  pnp: 0x1a,
  init: 0x80,
  relocation: 0x88,
  end: 0x90,
} as const;
/** "cVmi". */
export const VROM_SIGNATURE = 0x696d5663;
/** An option ROM's first two bytes. */
export const ROM_SIGNATURE = 0xaa55;
/** Offsets in the PCI data structure. */
export const pciFields = { signature: 0x00, vendor: 0x04, device: 0x06, length: 0x0a, minor: 0x12, major: 0x13, size: 0x18 } as const;
/** VMware's vendor and the device of its VROM: what kernels call a known manufacturer. */
export const pciIdentity = { vendor: 0x15ad, device: 0x0801 } as const;
/** Offsets in the Plug and Play header. */
export const pnpFields = { signature: 0x00, revision: 0x04, length: 0x05, manufacturer: 0x0e, product: 0x10, size: 0x20 } as const;

/** Flags of SetPxE and UpdatePxE. Bits 31 to 12 are a linear address when `currentAddressSpace` is set. */
export const pageFlags = { pt: 0x01, pd: 0x02, pdp: 0x04, pml4: 0x08, currentAddressSpace: 0x10, defer: 0x20 } as const;
/** Flags of AllocatePage and ReleasePage. */
export const tableFlags = { pt: 0x01, pd: 0x02, pdp: 0x04, pml4: 0x08, pae: 0x10, clone: 0x20, zeroed: 0x40 } as const;
/** Flags of FlushTLB. */
export const flushFlags = { tlb: 0x01, global: 0x02 } as const;
/** Modes of SetLazyMode. */
export const lazyModes = { none: 0, mmu: 1, cpu: 2 } as const;
/** Flags of SetAlarm and CancelAlarm; bits 7 to 0 are the counter. */
export const alarmFlags = { counter: 0xff, periodic: 0x100, lvtt: 0x10000 } as const;
/** Counters of GetCycleCounter and SetAlarm. */
export const counters = { real: 0, available: 1, stolen: 2 } as const;

/** SetInitialAPState's structure: offset and bytes of each field. 92 bytes with i386 alignment. */
export const apState = {
  cr0: [0, 4],
  cr2: [4, 4],
  cr3: [8, 4],
  cr4: [12, 4],
  efer: [16, 8],
  eip: [24, 4],
  eflags: [28, 4],
  eax: [32, 4],
  ebx: [36, 4],
  ecx: [40, 4],
  edx: [44, 4],
  esp: [48, 4],
  ebp: [52, 4],
  esi: [56, 4],
  edi: [60, 4],
  cs: [64, 2],
  ss: [66, 2],
  ds: [68, 2],
  es: [70, 2],
  fs: [72, 2],
  gs: [74, 2],
  ldtr: [76, 2],
  gdtrLimit: [78, 2],
  gdtrBase: [80, 4],
  idtrBase: [84, 4],
  idtrLimit: [88, 2],
} as const satisfies Record<string, readonly [offset: number, bytes: 2 | 4 | 8]>;
/** Bytes of it. */
export const AP_STATE_BYTES = 92;
