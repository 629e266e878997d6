// Interprocessor interrupts among four processors: every way of addressing, INIT and STARTUP of running and of sleeping ones, the I/O APIC's
// destinations, and clocks that agree (SDM vol. 3, 9.4, 11.6, 11.12.9, 18.17).
#include "apic.h"

#define COUNT 4
static volatile u32 ready, go_x2apic, hits[COUNT], nmis[COUNT], starts[COUNT], phase;
static volatile u64 stamps[COUNT];
static const char *mode;

static bool hit(struct frame *frame) {
  (void)frame;
  asm volatile("lock incl %0" : "+m"(hits[cpu_index()]));
  eoi();
  return true;
}
static bool hit_level(struct frame *frame) {
  line(14, 0);
  return hit(frame);
}
static bool count_nmi(struct frame *frame) {
  (void)frame;
  asm volatile("lock incl %0" : "+m"(nmis[cpu_index()]));
  return true;
}

/** What each of the others does: sleeps with interrupts open; changes mode when it is asked to. */
static void sleeper(unsigned index) {
  starts[index]++;
  lapic_write(APIC_SVR, 0x1ff);
  lapic_write(APIC_LDR, 1u << (24 + index));
  asm volatile("lock incl %0" : "+m"(ready));
  for (;;) {
    if (go_x2apic && !in_x2apic()) {
      apic_mode(true);
      asm volatile("lock incl %0" : "+m"(ready));
    }
    asm volatile("sti\nhlt\ncli" : : : "memory");
  }
}
/** Runs with interrupts off and never gives its turn away. */
static void spinner(unsigned index) {
  starts[index]++;
  stamps[index] = rdtsc();
  asm volatile("lock incl %0" : "+m"(ready));
  for (;;) asm volatile("" : : : "memory");
}

static void until(volatile u32 *value, u32 wanted) {
  for (u64 end = rdtsc() + 3000000000ull; *value < wanted && rdtsc() < end;) pause();
}
/** Sends and returns who got it, one hex digit a processor, the last one first. */
static u32 sent(u32 destination, u32 command, unsigned wanted) {
  for (unsigned i = 0; i < COUNT; i++) hits[i] = nmis[i] = 0;
  ipi(destination, command);
  u32 all = 0;
  for (u64 end = rdtsc() + 200000000ull; rdtsc() < end;) {
    open_window();
    all = 0;
    unsigned sum = 0;
    for (unsigned i = 0; i < COUNT; i++) all |= (hits[i] + nmis[i]) << 4 * i, sum += hits[i] + nmis[i];
    if (sum >= wanted) break;
    pause();
  }
  return all;
}

static void test_addressing(const char *name) {
  mode = name;
  bool wide = in_x2apic();
  for (unsigned id = 0; id < COUNT; id++) expect_value(text("%s: physical %u", mode, id), sent(id, ICR_ASSERT | 0x51, 1), 1u << 4 * id);
  expect_value(text("%s: nobody has ID 9", mode), sent(9, ICR_ASSERT | 0x51, 1), 0);
  expect_value(text("%s: physical broadcast", mode), sent(wide ? ~0u : 0xff, ICR_ASSERT | 0x51, 4), 0x1111);
  expect_value(text("%s: shorthand all", mode), sent(0, ICR_ALL | ICR_ASSERT | 0x51, 4), 0x1111);
  expect_value(text("%s: shorthand others", mode), sent(0, ICR_OTHERS | ICR_ASSERT | 0x51, 3), 0x1110);
  expect_value(text("%s: logical set", mode), sent(0xa, ICR_LOGICAL | ICR_ASSERT | 0x51, 2), 0x1010);
  expect_value(text("%s: logical broadcast", mode), sent(wide ? ~0u : 0xff, ICR_LOGICAL | ICR_ASSERT | 0x51, 4), 0x1111);
  if (wide) expect_value(text("%s: another cluster", mode), sent(0x1000f, ICR_LOGICAL | ICR_ASSERT | 0x51, 1), 0);
  expect_value(text("%s: NMI to one", mode), sent(2, ICR_NMI | ICR_ASSERT, 1), 0x0100);
  expect_value(text("%s: NMI to the others", mode), sent(0, ICR_OTHERS | ICR_NMI | ICR_ASSERT, 3), 0x1110);
  u32 one = sent(0xe, ICR_LOGICAL | ICR_LOWEST | ICR_ASSERT | 0x51, 1);
  expect_true(text("%s: lowest priority reaches one of its set", mode), one == 0x10 || one == 0x100 || one == 0x1000);
  for (unsigned i = 0; i < COUNT; i++) hits[i] = 0;
  redirect(14, REDIRECT_LEVEL | 0x52, 3);
  line(14, 1);
  until(&hits[3], 1);
  expect_value(text("%s: I/O APIC, physical", mode), hits[3], 1);
  redirect(14, REDIRECT_LEVEL | REDIRECT_LOGICAL | 0x52, 0xc);
  line(14, 1);
  until(&hits[2], 1), until(&hits[3], 2);
  expect_value(text("%s: I/O APIC, logical set", mode), hits[2] << 4 | hits[3], 0x12);
}

static void test_restarts(void) {
  ready = 0;
  unsigned up = smp_start(spinner);
  until(&ready, 3);
  expect_value("INIT and STARTUP restart sleepers elsewhere", up + ready, 6);
  expect_value("spinning processors have been started once more", starts[1] + starts[2] + starts[3], 6);
  ready = 0;
  up = smp_start(spinner);
  until(&ready, 3);
  expect_value("and those that run with interrupts off", up + ready, 6);
  ipi(1, ICR_STARTUP | 8);
  for (u64 end = rdtsc() + 20000000; rdtsc() < end;) pause();
  expect_value("a STARTUP without INIT does nothing", starts[1], 3);
  u64 last = rdtsc();
  bool ordered = true;
  for (unsigned i = 1; i < COUNT; i++) ordered = ordered && stamps[i] <= last && last - stamps[i] < 20000000000ull;
  expect_true("time stamp counters agree", ordered);
  ready = 0;
  go_x2apic = 0;
  smp_start(sleeper);
  until(&ready, 3);
  expect_value("they come back to sleep", ready, 3);
}

void test_main(void) {
  set_hook(0x51, hit), set_hook(0x52, hit_level), set_hook(NMI, count_nmi);
  out8(0x21, 0xff), out8(0xa1, 0xff);
  expect_value("the machine says that it has four processors", cpu_count(), COUNT);
  expect_value("three processors start", smp_start(sleeper), 3);
  until(&ready, 3);
  lapic_write(APIC_LDR, 1u << 24);
  for (unsigned i = 1; i < COUNT; i++) starts[i] = 1;
  test_addressing("xAPIC");
  test_restarts();
  if (!has_x2apic()) return;
  ready = 0, go_x2apic = 1;
  ipi(0, ICR_OTHERS | ICR_ASSERT | 0x51);
  until(&ready, 3);
  apic_mode(true);
  test_addressing("x2APIC");
}
