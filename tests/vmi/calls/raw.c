// A guest that is told to do everything itself: the instructions of its kernel, at the level where VMI_Init has left it.
#include "rom.h"

static volatile unsigned ticks;
static bool tick(struct frame *frame) {
  (void)frame;
  ticks++;
  out8(0x20, 0x20);
  return true;
}
static void read_msr(void *index) { rdmsr((u32)index); }
static void user_cli(void *unused) { (void)unused, cli(); }
static void user_hlt(void *unused) { (void)unused, hlt(); }
static void user_out(void *unused) { (void)unused, out8(0x80, 0); }

void test_raw(void) {
  expect_value("nothing is called", target[GetCR0] | target[EnableInterrupts] | target[SetPxE] | target[SetAlarm], 0);
  expect_true("CR0", read_cr0() & CR0_PG);
  write_cr0(read_cr0() | CR0_TS);
  asm volatile("clts");
  expect_true("CLTS", !(read_cr0() & CR0_TS));
  write_cr2(0x1234);
  expect_value("CR2", read_cr2(), 0x1234);
  write_cr3(read_cr3());
  write_cr4(read_cr4());
  write_dr0(0x4321);
  expect_value("DR0", read_dr0(), 0x4321);
  wrmsr(MSR_SYSENTER_ESP, 0x77);
  expect_value("MSR", rdmsr(MSR_SYSENTER_ESP), 0x77);
  expect_fault("an MSR that does not exist", attempt(read_msr, (void *)0x12345), GP, 0);
  asm volatile("wbinvd");

  struct table_register table;
  asm volatile("sgdt %0" : "=m"(table));
  expect_value("SGDT shows the kernel's own", table.base, (word)gdt);
  asm volatile("lgdt %0" : : "m"(table));
  asm volatile("sidt %0" : "=m"(table));
  expect_value("SIDT", table.base, (word)idt);
  asm volatile("lidt %0" : : "m"(table));
  gdt[SEL_FREE / 8] = descriptor(0, 0xfffff, 0x93, 12);
  write_fs(SEL_FREE);
  expect_value("a kernel's descriptor stored and loaded", read_fs(), SEL_FREE);
  write_fs(SEL_DATA);
  static u64 ldt[2];
  ldt[1] = descriptor(0, 0xfffff, 0x93, 12);
  set_system_descriptor(SEL_FREE + 8, (word)ldt, sizeof ldt - 1, 0x82);
  asm volatile("lldt %0" : : "rm"((u16)(SEL_FREE + 8)));
  write_fs(12);
  expect_value("and one of a local table", read_fs(), 12);
  write_fs(SEL_DATA);
  u16 selector;
  asm volatile("sldt %0" : "=rm"(selector));
  expect_value("SLDT", selector, SEL_FREE + 8);
  asm volatile("lldt %0" : : "rm"((u16)0));
  asm volatile("str %0" : "=rm"(selector));
  expect_value("STR", selector, SEL_TSS);

  sti();
  expect_true("STI shows in PUSHF", read_flags() & FLAG_IF);
  cli();
  expect_true("CLI too", !(read_flags() & FLAG_IF));
  write_flags(FLAG_FIXED | FLAG_IF | FLAG_CF);
  expect_value("POPF", read_flags() & (FLAG_IF | FLAG_CF), FLAG_IF | FLAG_CF);
  write_flags(FLAG_FIXED);

  set_hook(0x40, tick);
  out8(0x20, 0x11), out8(0x21, 0x40), out8(0x21, 4), out8(0x21, 1), out8(0x21, 0xfe);
  out8(0x43, 0x34), out8(0x40, 0), out8(0x40, 4);
  for (u64 until = rdtsc() + 3000000; rdtsc() < until;) pause();
  expect_value("no interrupt while they are disabled", ticks, 0);
  while (ticks < 3) {
    sti();
    hlt();
    cli();
  }
  expect_true("HLT until an interrupt", ticks >= 3);
  // One tick, which waits already: taken between STI and HLT there would be none to wake it.
  out8(0x43, 0x30), out8(0x40, 0xff), out8(0x40, 1);
  for (u64 until = rdtsc() + 2000000; rdtsc() < until;) pause();
  ticks = 0;
  asm volatile("sti\nhlt\ncli");
  expect_value("STI and HLT are one", ticks, 1);
  out8(0x21, 0xff);

  expect_fault("CLI in user code", attempt_user(user_cli, 0), GP, 0);
  expect_fault("HLT in user code", attempt_user(user_hlt, 0), GP, 0);
  expect_fault("OUT in user code", attempt_user(user_out, 0), GP, 0);
  struct cpu *cpu = this_cpu();
  cpu->io_bitmap[0x80 / 8] = 0;
  expect_no_fault("but where the map of ports allows it", attempt_user(user_out, 0));
}
