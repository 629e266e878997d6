// Processor state: calls 0 to 28, 61, and the local APIC's registers.
#include "rom.h"

#define FREE_SELECTOR SEL_FREE

static void set_dr(void *number) { CALL(SetDR, number, 0); }
static void set_gdt(void *at) { CALL(SetGDT, at); }
static void write_entry(void *index) { CALL(WriteGDTEntry, gdt, index, 0, 0); }
static void read_msr(void *index) { CALL(RDMSR, 0, 0, index); }
static void load_tr(void *selector) { CALL(SetTR, selector); }

void test_state(void) {
  u32 a = 1, b, c = 0, d;
  asm volatile("call *%4" : "+a"(a), "=b"(b), "+c"(c), "=d"(d) : "m"(target[CPUID]));
  expect_value("CPUID", ((u64)a << 32) | d, ((u64)cpuid(1, 0).a << 32) | cpuid(1, 0).d);

  expect_value("GetCR0", CALL(GetCR0) & 0xffffffff, read_cr0());
  expect_value("GetCR3", (u32)CALL(GetCR3), read_cr3());
  expect_value("GetCR4", (u32)CALL(GetCR4), read_cr4());
  CALL(SetCR2, 0x12345678);
  expect_value("SetCR2, GetCR2", (u32)CALL(GetCR2), 0x12345678);
  CALL(SetCR0, read_cr0() | CR0_TS);
  expect_true("SetCR0", read_cr0() & CR0_TS);
  CALL(CLTS);
  expect_true("CLTS", !(read_cr0() & CR0_TS));
  CALL(SetCR4, read_cr4() | CR4_DE);
  expect_true("SetCR4", read_cr4() & CR4_DE);
  CALL(SetCR3, read_cr3());
  CALL(WBINVD);

  CALL(SetDR, 0, 0x1000);
  expect_value("SetDR", read_dr0(), 0x1000);
  expect_value("GetDR", (u32)CALL(GetDR, 0), 0x1000);
  expect_fault("a debug register that does not exist", attempt(set_dr, (void *)99), UD, 0);

  CALL(WRMSR, 0x1234, 0, MSR_SYSENTER_ESP);
  expect_value("WRMSR", rdmsr(MSR_SYSENTER_ESP), 0x1234);
  expect_value("RDMSR", CALL(RDMSR, 0, 0, MSR_SYSENTER_ESP), 0x1234);
  expect_fault("an MSR that does not exist", attempt(read_msr, (void *)0x12345), GP, 0);
  u64 first = CALL(RDTSC), second = rdtsc();
  expect_true("RDTSC", second >= first && second - first < 1000000000);

  struct table_register table;
  CALL(GetGDT, &table);
  expect_value("GetGDT", table.base, (word)gdt);
  CALL(SetGDT, &table);
  CALL(GetIDT, &table);
  expect_value("GetIDT", table.base, (word)idt);
  CALL(SetIDT, &table);
  expect_fault("SetGDT from nowhere", attempt(set_gdt, (void *)NOWHERE), PF, 0);

  u64 value = descriptor(0x5000, 0xffff, 0xf3, 4);
  CALL(WriteGDTEntry, gdt, FREE_SELECTOR / 8, value, value >> 32);
  expect_value("WriteGDTEntry", gdt[FREE_SELECTOR / 8], value);
  expect_fault("WriteGDTEntry beyond any table", attempt(write_entry, (void *)0x20000000), GP, 0);
  struct gate old = idt[0x77];
  CALL(WriteIDTEntry, idt, 0x77, 0x00081234, 0x00008e00);
  expect_value("WriteIDTEntry", *(u64 *)&idt[0x77], 0x00008e0000081234ull);
  idt[0x77] = old;
  static u64 ldt[4];
  set_system_descriptor(FREE_SELECTOR + 8, (word)ldt, sizeof ldt - 1, 0x82);
  CALL(WriteLDTEntry, ldt, 1, value, value >> 32);
  expect_value("WriteLDTEntry", ldt[1], value);
  CALL(SetLDT, FREE_SELECTOR + 8);
  expect_value("SetLDT, GetLDT", (u32)CALL(GetLDT), FREE_SELECTOR + 8);
  CALL(SetLDT, 0);
  expect_value("GetTR", (u32)CALL(GetTR), SEL_TSS);
  gdt[SEL_TSS / 8] &= ~(2ull << 40);
  CALL(SetTR, SEL_TSS);
  expect_fault("SetTR of no task", attempt(load_tr, (void *)0x10), GP, 0x10);
  CALL(UpdateKernelStack, SEL_DATA, this_cpu()->tss.sp0 - 64);
  this_cpu()->tss.sp0 += 64;

  CALL(SetIOPLMask, 0x3000);
  expect_value("SetIOPLMask", read_flags() & FLAG_IOPL, 0x3000);
  CALL(SetIOPLMask, 0);

  expect_value("APICRead", (u32)CALL(APICRead, 0xf0), lapic_read(0xf0));
  CALL(APICWrite, 0xfee00080, 0x10);
  expect_value("APICWrite", lapic_read(0x80), 0x10);
  CALL(APICWrite, 0x80, 0);
}
