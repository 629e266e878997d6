// IRET from a frame that attempt_at loads: the fault, if any, is IRET's own, at CPL 0.
#include "system.h"

CODE(back, END)

static struct fault run(u16 cs, u16 ss, word ip, word flags) {
  struct frame start = start_frame((const void *)ip, 3);
  start.cs = cs;
  start.ss = ss;
  start.flags |= flags;
  return attempt_at(&start);
}

static void expect_refused(const char *name, u16 cs, u16 ss, word ip, unsigned vector, word error) {
  struct fault got = run(cs, ss, ip, 0);
  expect_fault(name, got, vector, error);
  expect_value(text("%s: CPL", name), got.frame.cs & 3, 0);
}

#if LONG
static volatile word seen;
static void read_gs_base(void *argument) {
  word value;
  asm volatile("mov %%gs:(%1), %0" : "=r"(value) : "r"(argument));
  seen = value;
}
#endif

void test_main(void) {
  word ip = (word)back;
  const u16 cs = SEL_USER_CODE, ss = SEL_USER_DATA, spare = SEL_FREE;
  expect_fault("IRET to CPL 3", run(cs, ss, ip, 0), RETURNED, 0);
  expect_refused("null CS", 0, ss, ip, GP, 0);
  expect_refused("null CS with RPL 3", 3, ss, ip, GP, 0);
  expect_refused("CS beyond the GDT", 0x203, ss, ip, GP, 0x200);
  expect_refused("CS is data", SEL_USER_DATA, ss, ip, GP, SEL_USER_DATA & ~3);
  expect_refused("RPL 3 with code of DPL 0", SEL_CODE | 3, ss, ip, GP, SEL_CODE);
  gdt[spare / 8] = gdt[cs / 8] & ~(1ull << 47);
  expect_refused("CS not present", spare | 3, ss, ip, NP, spare);
  gdt[spare / 8] = gdt[ss / 8] & ~(1ull << 47);
  expect_refused("SS not present", cs, spare | 3, ip, SS, spare);
  expect_refused("SS of another RPL", cs, SEL_DATA, ip, GP, SEL_DATA);
  expect_refused("SS of another DPL", cs, SEL_DATA | 3, ip, GP, SEL_DATA);
  expect_refused("SS is code", cs, cs, ip, GP, cs & ~3);
  expect_refused("null SS", cs, 3, ip, GP, 0);
  gdt[spare / 8] = gdt[ss / 8] & ~(1ull << 41);
  expect_refused("SS is read-only", cs, spare | 3, ip, GP, spare);
  struct fault got = run(cs, ss, ip, FLAG_IOPL | FLAG_ID | FLAG_AC | FLAG_CF);
  expect_value("flags that come back", got.frame.flags & (FLAG_IOPL | FLAG_ID | FLAG_AC | FLAG_CF), FLAG_IOPL | FLAG_ID | FLAG_AC | FLAG_CF);
#if LONG
  expect_refused("RIP not canonical", cs, ss, 0x800000000000, GP, 0);
  gdt[spare / 8] = gdt[cs / 8] | 1ull << 54;
  expect_refused("CS with L and D", spare | 3, ss, ip, GP, spare);
  write_flags(read_flags() | FLAG_NT);
  got = run(cs, ss, ip, 0);
  write_flags(read_flags() & ~FLAG_NT);
  expect_fault("IRET with NT", got, GP, 0);
  // A segment that CPL 3 may not use becomes null; its base stays, and 64-bit code does not care for the selector.
  static word value = 0x1234567890;
  write_gs(SEL_DATA);
  wrmsr(MSR_GS_BASE, (word)&value - 0x100);
  expect_no_fault("FS and GS after IRET to CPL 3", attempt_user(read_gs_base, (void *)0x100));
  expect_value("GS base after IRET to CPL 3", seen, value);
  expect_value("GS selector after IRET to CPL 3", read_gs(), 0);
  wrmsr(MSR_GS_BASE, 0);
#else
  gdt[spare / 8] = descriptor(0, 0xfff, 0xfb, 4);
  expect_refused("EIP beyond the limit", spare | 3, ss, 0x100000, GP, 0);
#endif
}
