// The local APIC's modes: transitions by IA32_APIC_BASE, what exists in each, and what x2APIC mode refuses (SDM vol. 3, 11.4.3, 11.4.4, 11.12).
#include "apic.h"

struct access { u32 msr; u64 value; };
static void write_one(void *argument) { const struct access *one = argument; wrmsr(one->msr, one->value); }
static void read_one(void *argument) { ((struct access *)argument)->value = rdmsr(((const struct access *)argument)->msr); }
static struct fault try_write(u32 msr, u64 value) { struct access one = {msr, value}; return attempt(write_one, &one); }
static struct fault try_read(u32 msr) { struct access one = {msr, 0}; return attempt(read_one, &one); }
static bool cpuid_apic(void) { return cpuid(1, 0).d >> 9 & 1; }

/** No registers in memory: reads float and writes go nowhere. CR8 is the processor's and goes on. */
static void no_memory_registers(const char *when) {
  for (unsigned offset = 0; offset < 0x400; offset += 4) *(volatile u32 *)(0xfee00000ul + offset) = ~0u;
  expect_value(text("%s: the version's place reads as ones", when), lapic_read(APIC_VERSION), ~0u);
  expect_value(text("%s: so does the task priority's", when), lapic_read(APIC_TPR), ~0u);
#if LONG
  u64 cr8;
  asm volatile("mov %1, %%cr8\nmov %%cr8, %0\nmov %2, %%cr8" : "=r"(cr8) : "r"(5ul), "r"(0ul));
  expect_value(text("%s: CR8 works", when), cr8, 5);
#endif
}

static void test_xapic(u64 base) {
  expect_value("IA32_APIC_BASE after reset", base, 0xfee00000 | APIC_BASE_ENABLE | APIC_BASE_BSP);
  expect_true("an integrated APIC", (lapic_read(APIC_VERSION) & 0xff) >= 0x10 && (lapic_read(APIC_VERSION) & 0xff) <= 0x15);
  expect_value("the ID is CPUID's", lapic_read(APIC_ID) >> 24, cpuid(1, 0).b >> 24);
  static const u8 reserved[] = {0, 1, 2, 3, 4, 5, 6, 7, 9};
  for (unsigned i = 0; i < sizeof reserved; i++)
    expect_fault(text("IA32_APIC_BASE bit %u", reserved[i]), try_write(MSR_APIC_BASE, base | 1u << reserved[i]), GP, 0);
  unsigned width = cpuid(0x80000008, 0).a & 0xff;
  expect_fault("IA32_APIC_BASE beyond physical addresses", try_write(MSR_APIC_BASE, base | 1ull << width), GP, 0);
  expect_fault("xAPIC to EXTD alone", try_write(MSR_APIC_BASE, (base & ~APIC_BASE_ENABLE) | APIC_BASE_EXTD), GP, 0);
  wrmsr(MSR_APIC_BASE, (base & 0xfffu) | 0xfed40000);
  expect_value("moved, the registers are at the new address", *(volatile u32 *)(0xfed40000ul + APIC_ID) >> 24, cpuid(1, 0).b >> 24);
  expect_value("moved, they are not at the old one", lapic_read(APIC_VERSION), ~0u);
  wrmsr(MSR_APIC_BASE, base);
  expect_true("moved back", lapic_read(APIC_VERSION) != ~0u);
}

static void test_disabled(u64 base) {
  u64 off = base & ~(APIC_BASE_ENABLE | APIC_BASE_EXTD);
  lapic_write(APIC_LVT_TIMER, 0x40);
  expect_no_fault("disabling", try_write(MSR_APIC_BASE, off));
  expect_value("disabled: CPUID.1:EDX.APIC", cpuid_apic(), 0);
  no_memory_registers("disabled");
  expect_fault("disabled to EXTD alone", try_write(MSR_APIC_BASE, off | APIC_BASE_EXTD), GP, 0);
  expect_fault("disabled to x2APIC", try_write(MSR_APIC_BASE, off | APIC_BASE_EXTD | APIC_BASE_ENABLE), GP, 0);
  expect_no_fault("enabling", try_write(MSR_APIC_BASE, off | APIC_BASE_ENABLE));
  expect_value("enabled: CPUID.1:EDX.APIC", cpuid_apic(), 1);
  expect_value("enabled: the spurious vector register is as after reset", lapic_read(APIC_SVR), 0xff);
  expect_value("enabled: the timer's entry is as after reset", lapic_read(APIC_LVT_TIMER), LVT_MASKED);
  lapic_write(APIC_LVT_TIMER, 0x40);
  expect_value("software-disabled, a mask cannot be cleared", lapic_read(APIC_LVT_TIMER), LVT_MASKED | 0x40);
  lapic_write(APIC_SVR, 0x1ff);
}

static void test_x2apic(u64 base) {
  expect_no_fault("xAPIC to x2APIC", try_write(MSR_APIC_BASE, base | APIC_BASE_EXTD));
  expect_fault("x2APIC to xAPIC", try_write(MSR_APIC_BASE, base), GP, 0);
  expect_fault("x2APIC to EXTD alone", try_write(MSR_APIC_BASE, (base & ~APIC_BASE_ENABLE) | APIC_BASE_EXTD), GP, 0);
  no_memory_registers("x2APIC");
  u32 id = cpuid(0xb, 0).d;
  expect_value("the x2APIC ID is CPUID's", rdmsr(0x802), id);
  expect_value("the logical ID follows from it", rdmsr(0x80d), (id >> 4) << 16 | 1u << (id & 15));
  static const u16 unreadable[] = {0x800, 0x801, 0x804, 0x80b, 0x80e, 0x829, 0x831, 0x83a, 0x83f, 0x840, 0x8ff};
  for (unsigned i = 0; i < sizeof unreadable / 2; i++) expect_fault(text("reading MSR 0x%x", unreadable[i]), try_read(unreadable[i]), GP, 0);
  static const u16 unwritable[] = {0x802, 0x803, 0x80a, 0x80d, 0x80e, 0x810, 0x818, 0x820, 0x831, 0x839};
  for (unsigned i = 0; i < sizeof unwritable / 2; i++) expect_fault(text("writing MSR 0x%x", unwritable[i]), try_write(unwritable[i], 0), GP, 0);
  static const struct access reserved[] = {
      {0x808, 0x100}, {0x80b, 1}, {0x80f, 0x400}, {0x828, 1}, {0x830, 0x2000}, {0x830, 0x10000}, {0x830, 0x100000}, {0x832, 0x100},
      {0x835, 0x800}, {0x837, 0x100}, {0x838, 1ull << 32}, {0x83e, 4}, {0x83f, 0x100}, {0x808, 1ull << 32},
  };
  for (unsigned i = 0; i < sizeof reserved / sizeof *reserved; i++)
    expect_fault(text("reserved bits 0x%llx of MSR 0x%x", reserved[i].value, reserved[i].msr), try_write(reserved[i].msr, reserved[i].value), GP, 0);
  for (u32 msr = 0x810; msr < 0x828; msr++) expect_no_fault(text("reading MSR 0x%x", msr), try_read(msr));
  expect_no_fault("x2APIC to disabled", try_write(MSR_APIC_BASE, base & ~APIC_BASE_ENABLE));
  wrmsr(MSR_APIC_BASE, base);
}

void test_main(void) {
  u64 base = rdmsr(MSR_APIC_BASE);
  test_xapic(base);
  test_disabled(base);
  if (has_x2apic()) test_x2apic(base);
  else {
    expect_fault("x2APIC mode without x2APIC", try_write(MSR_APIC_BASE, base | APIC_BASE_EXTD), GP, 0);
    expect_fault("an x2APIC register without x2APIC", try_read(0x802), GP, 0);
  }
  if (!has_deadline()) expect_fault("IA32_TSC_DEADLINE without the feature", try_read(MSR_TSC_DEADLINE), GP, 0);
}
