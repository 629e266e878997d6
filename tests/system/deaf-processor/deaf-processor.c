// One processor in an endless loop with interrupts off: the others run, get their timer interrupts and their share of time, and can
// still reach it by NMI and INIT (SDM vol. 3, 9.4, 11.6.1).
#include "apic.h"

static volatile u32 ticks, nmis, deaf, alive;

static bool tick(struct frame *frame) {
  (void)frame;
  ticks++;
  eoi();
  return true;
}
static bool count_nmi(struct frame *frame) {
  (void)frame;
  if (cpu_index() == 1) nmis++;
  return true;
}
static void endless(unsigned index) {
  (void)index;
  cli();
  deaf++;
  asm volatile("1: jmp 1b");
}
static void lively(unsigned index) {
  (void)index;
  alive = 1;
}
static void until(volatile u32 *value, u32 wanted) {
  for (u64 end = rdtsc() + 3000000000ull; *value < wanted && rdtsc() < end;) open_window();
}

void test_main(void) {
  set_hook(0x51, tick), set_hook(NMI, count_nmi);
  out8(0x21, 0xff), out8(0xa1, 0xff);
  expect_value("the other processor starts", smp_start(endless), 1);
  until(&deaf, 1);
  lapic_write(APIC_LVT_TIMER, 0x20051); // periodic
  lapic_write(APIC_DIVIDE, 0xb);
  lapic_write(APIC_INITIAL, 2000000);
  until(&ticks, 20);
  expect_true("twenty ticks arrive beside it", ticks >= 20);
  lapic_write(APIC_LVT_TIMER, 0x10051);
  ipi(1, ICR_ASSERT | 0x51);
  ipi(1, ICR_NMI | ICR_ASSERT);
  until(&nmis, 1);
  expect_value("an NMI reaches it, an interrupt does not", nmis * 16 + deaf, 0x11);
  expect_value("INIT and STARTUP bring it back", smp_start(lively), 1);
  until(&alive, 1);
  expect_value("it runs something else", alive, 1);
}
