/** Names of the local APIC's registers and bits. SDM Vol. 3A Table 11-1 (xAPIC offsets / 16 = x2APIC MSR - 0x800) and §11.5-11.12. */

export const REG_ID = 0x02;
export const REG_VERSION = 0x03;
export const REG_TPR = 0x08;
export const REG_PPR = 0x0a;
export const REG_EOI = 0x0b;
export const REG_LDR = 0x0d;
export const REG_DFR = 0x0e;
export const REG_SVR = 0x0f;
export const REG_ISR = 0x10;
export const REG_TMR = 0x18;
export const REG_IRR = 0x20;
export const REG_ESR = 0x28;
export const REG_ICR_LOW = 0x30;
export const REG_ICR_HIGH = 0x31;
export const REG_LVT_TIMER = 0x32;
export const REG_LVT_ERROR = 0x37;
export const REG_INITIAL_COUNT = 0x38;
export const REG_CURRENT_COUNT = 0x39;
export const REG_DIVIDE = 0x3e;
export const REG_SELF_IPI = 0x3f;

/** The local vector table in register order. */
export const LVT_TIMER = 0;
export const LVT_LINT0 = 3;
export const LVT_LINT1 = 4;
export const LVT_ERROR = 5;
/** Bits that software may set in each LVT entry. */
export const LVT_WRITABLE = [0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff] as const;
/** Bits of each LVT entry that exist, the read-only ones included. */
export const LVT_DEFINED = [0x710ff, 0x117ff, 0x117ff, 0x1f7ff, 0x1f7ff, 0x110ff] as const;
export const LVT_MASKED = 1 << 16;
export const LVT_REMOTE_IRR = 1 << 14;
export const LVT_LEVEL = 1 << 15;

/** Delivery modes, bits 8-10 of ICR, LVT, redirection entries and MSI data. */
export const MODE_FIXED = 0;
export const MODE_LOWEST_PRIORITY = 1;
export const MODE_SMI = 2;
export const MODE_NMI = 4;
export const MODE_INIT = 5;
export const MODE_STARTUP = 6;
export const MODE_EXTINT = 7;

export const SVR_ENABLE = 1 << 8;
export const SVR_WRITABLE = 0x3ff;
export const DFR_FLAT = 0xf;

export const ICR_LOGICAL = 1 << 11;
export const ICR_ASSERT = 1 << 14;
export const ICR_LEVEL = 1 << 15;
/** Bits of the ICR's low half that keep what is written. */
export const ICR_WRITABLE = 0x000ccfff;
export const X2APIC_ICR_RESERVED = 0xfff32000;

export const ESR_SEND_ILLEGAL_VECTOR = 1 << 5;
export const ESR_RECEIVE_ILLEGAL_VECTOR = 1 << 6;
export const ESR_ILLEGAL_REGISTER = 1 << 7;

/** Version 0x14 (integrated APIC), six LVT entries, no suppression of EOI broadcasts. */
export const APIC_VERSION = 0x00050014;

export const MSR_APIC_BASE = 0x1b;
export const MSR_TSC_DEADLINE = 0x6e0;
export const MSR_X2APIC_FIRST = 0x800;
export const MSR_X2APIC_LAST = 0x8ff;
export const APIC_BASE_BSP = 1 << 8;
export const APIC_BASE_EXTD = 1 << 10;
export const APIC_BASE_ENABLE = 1 << 11;
export const APIC_DEFAULT_PAGE = 0xfee00;
