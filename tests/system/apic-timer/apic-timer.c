// The local APIC's timer: one-shot, periodic, TSC-deadline, what a change of mode does, and the TSC beneath it (SDM vol. 3, 11.5.4, 18.17).
#include "apic.h"

#define VECTOR 0x41
static u32 halfway(u32 count) { return count / 2; }
static void until_below(u32 count) { while (apic_read(APIC_CURRENT) > count) pause(); }
static void until_above(u32 count) { while (apic_read(APIC_CURRENT) <= count) pause(); }

static void stop_timer(void) { apic_write(APIC_LVT_TIMER, LVT_MASKED); apic_write(APIC_INITIAL, 0); forget(); }

static void test_one_shot(void) {
  stop_timer();
  apic_write(APIC_DIVIDE, 0xb);
  apic_write(APIC_LVT_TIMER, VECTOR);
  apic_write(APIC_INITIAL, 1000000);
  u32 first = apic_read(APIC_CURRENT);
  u32 second = apic_read(APIC_CURRENT);
  expect_true("one-shot counts down", first <= 1000000 && second <= first && second > 0);
  wait_for(1);
  expect_value("one-shot interrupts", came(), VECTOR);
  expect_value("one-shot stops at zero", apic_read(APIC_CURRENT), 0);
  expect_value("the initial count stays", apic_read(APIC_INITIAL), 1000000);
  apic_write(APIC_INITIAL, 1000);
  wait_for(2);
  expect_value("a write starts it again", arrivals, 2);
  forget();
  apic_write(APIC_INITIAL, 100000000);
  apic_write(APIC_INITIAL, 0);
  expect_value("zero stops it", apic_read(APIC_CURRENT), 0);
  apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR);
  apic_write(APIC_INITIAL, 100000);
  until_below(0);
  apic_write(APIC_LVT_TIMER, VECTOR);
  open_window();
  expect_value("what ran out while masked is gone", came(), 0);
}

static void test_dividers(void) {
  static const struct { u32 config, divisor; } list[] = {{0xb, 1}, {0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {0xa, 128}};
  stop_timer();
  u32 first_passed = 0, first_took = 0;
  for (unsigned i = 0; i < sizeof list / sizeof *list; i++) {
    apic_write(APIC_DIVIDE, list[i].config);
    apic_write(APIC_INITIAL, ~0u);
    u64 start = rdtsc();
    u32 from = apic_read(APIC_CURRENT);
    while (rdtsc() - start < 8000000) pause();
    u32 took = rdtsc() - start, passed = (from - apic_read(APIC_CURRENT)) * list[i].divisor;
    if (i == 0) first_passed = passed, first_took = took;
    u64 found = (u64)passed * first_took, wanted = (u64)first_passed * took;
    expect_true(text("divider %u", list[i].divisor), found * 10 > wanted * 9 && found * 10 < wanted * 11);
  }
  apic_write(APIC_DIVIDE, 0xb);
}

static void test_periodic(void) {
  const u32 count = 10000000;
  stop_timer();
  apic_write(APIC_LVT_TIMER, LVT_PERIODIC | VECTOR);
  apic_write(APIC_INITIAL, 200000);
  wait_for(20);
  expect_true("periodic interrupts again and again", arrivals >= 20);
  stop_timer();
  apic_write(APIC_LVT_TIMER, VECTOR);
  apic_write(APIC_INITIAL, count);
  until_below(halfway(count));
  apic_write(APIC_LVT_TIMER, LVT_PERIODIC | VECTOR);
  u32 left = apic_read(APIC_CURRENT);
  expect_true("one-shot to periodic goes on from where it is", left > 0 && left <= halfway(count));
  until_above(halfway(count));
  expect_true("and begins again at its end", apic_read(APIC_CURRENT) <= count);
  until_below(halfway(count));
  apic_write(APIC_LVT_TIMER, VECTOR);
  left = apic_read(APIC_CURRENT);
  expect_true("periodic to one-shot goes on from where it is", left > 0 && left <= halfway(count));
  until_below(0);
  apic_write(APIC_LVT_TIMER, LVT_PERIODIC | VECTOR);
  expect_value("a one-shot that has ended does not begin again as periodic", apic_read(APIC_CURRENT), 0);
  open_window();
  stop_timer();
}

static void test_deadline(void) {
  stop_timer();
  apic_write(APIC_LVT_TIMER, VECTOR);
  wrmsr(MSR_TSC_DEADLINE, rdtsc() + 1000);
  expect_value("IA32_TSC_DEADLINE outside its mode", rdmsr(MSR_TSC_DEADLINE), 0);
  apic_write(APIC_LVT_TIMER, LVT_DEADLINE | VECTOR);
  apic_write(APIC_INITIAL, 1000);
  expect_value("the count register in deadline mode", apic_read(APIC_INITIAL) | apic_read(APIC_CURRENT), 0);
  sti();
  wrmsr(MSR_TSC_DEADLINE, rdmsr(MSR_TSC));
  asm volatile("nop\ncli");
  expect_value("a deadline that is now", came(), VECTOR);
  expect_value("disarms itself", rdmsr(MSR_TSC_DEADLINE), 0);
  forget();
  u64 deadline = rdtsc() + 5000000;
  wrmsr(MSR_TSC_DEADLINE, deadline);
  expect_value("a deadline reads back", rdmsr(MSR_TSC_DEADLINE), deadline);
  wait_for(1);
  expect_true("a deadline is never early", arrivals == 1 && rdtsc() >= deadline);
  forget();
  wrmsr(MSR_TSC_DEADLINE, rdtsc() + 3000000);
  wrmsr(MSR_TSC_DEADLINE, 0);
  wrmsr(MSR_TSC_DEADLINE, rdtsc() + 2000000);
  apic_write(APIC_LVT_TIMER, VECTOR);
  apic_write(APIC_LVT_TIMER, LVT_DEADLINE | VECTOR);
  expect_value("leaving the mode disarms", rdmsr(MSR_TSC_DEADLINE), 0);
  for (u64 start = rdtsc(); rdtsc() - start < 6000000;) open_window();
  expect_value("nothing comes of deadlines that were taken back", came(), 0);
  deadline = rdtsc() + 100000000000ull;
  wrmsr(MSR_TSC_DEADLINE, deadline);
  wrmsr(MSR_TSC, deadline - 1000000);
  expect_value("a written TSC leaves the deadline", rdmsr(MSR_TSC_DEADLINE), deadline);
  wait_for(1);
  expect_true("which comes by the TSC's new count", arrivals == 1 && rdtsc() >= deadline);
  stop_timer();
}

static void test_tsc(void) {
  wrmsr(MSR_TSC, 100000000000ull);
  u64 now = rdtsc();
  expect_true("a written TSC goes on from there", now >= 100000000000ull && now < 101000000000ull);
  wrmsr(MSR_TSC, 0);
  expect_true("it can be set back", rdtsc() < 1000000000ull);
  if (!(cpuid(7, 0).b & 2)) return;
  u64 adjust = rdmsr(MSR_TSC_ADJUST), before = rdtsc();
  wrmsr(MSR_TSC_ADJUST, adjust + 100000000000ull);
  expect_true("IA32_TSC_ADJUST moves the TSC", rdtsc() - before >= 100000000000ull);
  wrmsr(MSR_TSC_ADJUST, 0);
  before = rdtsc();
  wrmsr(MSR_TSC, before + 5000000000ull);
  adjust = rdmsr(MSR_TSC_ADJUST);
  expect_true("a written TSC moves IA32_TSC_ADJUST", adjust <= 5000000000ull && adjust > 4000000000ull);
  wrmsr(MSR_TSC_ADJUST, 0);
}

void test_main(void) {
  set_hook(VECTOR, note);
  out8(0x21, 0xff), out8(0xa1, 0xff);
  lapic_write(APIC_SVR, 0x1ff);
  expect_value("IA32_TSC_ADJUST after reset", cpuid(7, 0).b & 2 ? rdmsr(MSR_TSC_ADJUST) : 0, 0);
#ifdef X2APIC
  if (has_x2apic()) apic_mode(true);
#endif
  test_one_shot();
  test_dividers();
  test_periodic();
  if (has_deadline()) test_deadline();
  test_tsc();
}
