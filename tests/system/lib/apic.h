// The local APIC in xAPIC and x2APIC mode, the I/O APIC, the test device's interrupt lines, and handlers that write down what came.
#ifndef APIC_H
#define APIC_H
#include "system.h"

#define MSR_TSC 0x10u
#define MSR_TSC_ADJUST 0x3bu
#define MSR_TSC_DEADLINE 0x6e0u
#define APIC_BASE_BSP 0x100ull
#define APIC_BASE_EXTD 0x400ull
#define APIC_BASE_ENABLE 0x800ull
// register offsets of xAPIC mode; x2APIC MSR = 0x800 + offset / 16
enum {
  APIC_ID = 0x20, APIC_VERSION = 0x30, APIC_TPR = 0x80, APIC_PPR = 0xa0, APIC_EOI = 0xb0, APIC_LDR = 0xd0, APIC_DFR = 0xe0, APIC_SVR = 0xf0,
  APIC_ISR = 0x100, APIC_TMR = 0x180, APIC_IRR = 0x200, APIC_ESR = 0x280, APIC_ICR = 0x300, APIC_LVT_TIMER = 0x320, APIC_LVT_LINT0 = 0x350,
  APIC_LVT_ERROR = 0x370, APIC_INITIAL = 0x380, APIC_CURRENT = 0x390, APIC_DIVIDE = 0x3e0, APIC_SELF_IPI = 0x3f0,
};
#define ICR_NMI 0x400u
#define ICR_INIT 0x500u
#define ICR_STARTUP 0x600u
#define ICR_LOWEST 0x100u
#define ICR_LOGICAL 0x800u
#define ICR_ASSERT 0x4000u
#define ICR_SELF 0x40000u
#define ICR_ALL 0x80000u
#define ICR_OTHERS 0xc0000u
#define LVT_MASKED 0x10000u
#define LVT_PERIODIC 0x20000u
#define LVT_DEADLINE 0x40000u

static inline bool has_x2apic(void) { return cpuid(1, 0).c >> 21 & 1; }
static inline bool has_deadline(void) { return cpuid(1, 0).c >> 24 & 1; }
static inline bool in_x2apic(void) { return (rdmsr(MSR_APIC_BASE) & APIC_BASE_EXTD) != 0; }
static inline u32 apic_read(unsigned offset) { return in_x2apic() ? (u32)rdmsr(0x800 + offset / 16) : lapic_read(offset); }
static inline void apic_write(unsigned offset, u32 value) {
  if (in_x2apic()) wrmsr(0x800 + offset / 16, value);
  else lapic_write(offset, value);
}
static inline bool apic_bit(unsigned set, unsigned vector) { return apic_read(set + vector / 32 * 16) >> vector % 32 & 1; }
static inline void eoi(void) { apic_write(APIC_EOI, 0); }
static inline u32 apic_id(void) { return in_x2apic() ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24; }
/** ICR in either mode. */
static inline void ipi(u32 destination, u32 command) {
  if (in_x2apic()) wrmsr(0x830, (u64)destination << 32 | command);
  else send_ipi(destination, command);
}
/** xAPIC or x2APIC mode with the APIC enabled, through the disabled state, which clears it. */
static inline void apic_mode(bool x2apic) {
  u64 base = rdmsr(MSR_APIC_BASE) & ~(APIC_BASE_ENABLE | APIC_BASE_EXTD);
  wrmsr(MSR_APIC_BASE, base);
  wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
  if (x2apic) wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_EXTD);
  apic_write(APIC_SVR, 0x1ff);
}

// ---- what came, in order ----
#define LOG_MAX 64
static volatile u8 arrived[LOG_MAX];
static volatile unsigned arrivals;
/** Writes the vector down and ends the interrupt. */
static inline bool note(struct frame *frame) {
  if (arrivals < LOG_MAX) arrived[arrivals] = frame->vector;
  arrivals++;
  if (frame->vector != NMI) eoi();
  return true;
}
static inline void forget(void) { arrivals = 0; }
/** The vectors that came, the first in the highest byte: 0x7161 is 0x71, then 0x61. */
static inline u64 came(void) {
  u64 all = 0;
  for (unsigned i = 0; i < arrivals && i < 8; i++) all = all << 8 | arrived[i];
  return all;
}
/** Interrupts are open for an instruction or two. */
static inline void open_window(void) { asm volatile("sti\nnop\nnop\ncli" : : : "memory"); }
/** Waits with interrupts open until `count` have come or a TSC second or so is over. */
static inline void wait_for(unsigned count) {
  u64 until = rdtsc() + 3000000000ull;
  sti();
  while (arrivals < count && rdtsc() < until) pause();
  cli();
}

// ---- I/O APIC ----
#define IOAPIC 0xfec00000ul
static inline u32 ioapic_read(unsigned index) {
  *(volatile u32 *)IOAPIC = index;
  return *(volatile u32 *)(IOAPIC + 0x10);
}
static inline void ioapic_write(unsigned index, u32 value) {
  *(volatile u32 *)IOAPIC = index;
  *(volatile u32 *)(IOAPIC + 0x10) = value;
}
#define REDIRECT_LOGICAL 0x800u
#define REDIRECT_REMOTE_IRR 0x4000u
#define REDIRECT_LEVEL 0x8000u
#define REDIRECT_MASKED 0x10000u
static inline void redirect(unsigned pin, u32 low, u32 destination) {
  ioapic_write(0x10 + 2 * pin, REDIRECT_MASKED);
  ioapic_write(0x11 + 2 * pin, destination << 24);
  ioapic_write(0x10 + 2 * pin, low);
}
/** The test device's wire to an interrupt line. */
static inline void line(unsigned pin, u8 level) { out8(0x2000 + pin, level); }
#endif
