// Time: calls 35 and 66 to 71. Alarms by IRQ 0 and by the local timer entry.
#include "rom.h"

static volatile unsigned ticks, last;
static bool tick(struct frame *frame) {
  ticks++;
  last = frame->vector;
  if (frame->vector == 0x30 + 0x10) out8(0x20, 0x20);
  else lapic_write(0xb0, 0);
  return true;
}
static u64 counter(u32 which) { return CALL(GetCycleCounter, which); }
static void alarm(u32 flags, u64 expiry, u64 period) { CALL(SetAlarm, flags, expiry, expiry >> 32, period, period >> 32); }
/** Interrupts enabled until there were `count` ticks, or a second has passed. */
static unsigned wait_for(unsigned count) {
  for (u64 until = rdtsc() + 1000000000ull; ticks < count && rdtsc() < until;) {
    CALL(EnableInterrupts);
    pause();
    CALL(DisableInterrupts);
  }
  unsigned seen = ticks;
  ticks = 0;
  return seen;
}
enum { PERIODIC = 0x100, LVTT = 0x10000 };

void test_time(void) {
  u32 hz = CALL(GetCycleFrequency);
  expect_value("GetCycleFrequency", hz, 1000000000);
  u64 real = counter(0), again = counter(0);
  expect_true("real time goes on", again >= real && again - real < hz);
  CALL(WallclockUpdated);
  expect_true("GetWallclockTime", CALL(GetWallclockTime) > 1500000000000000000ull);

  // IRQ 0 by the 8259 at vector 0x40, the interval timer silent.
  set_hook(0x40, tick);
  set_hook(0x41, tick);
  set_hook(0x42, tick);
  out8(0x20, 0x11), out8(0x21, 0x40), out8(0x21, 4), out8(0x21, 1), out8(0x21, 0xfe);
  out8(0x43, 0x3a);
  ticks = 0;
  CALL(EnableInterrupts);
  CALL(DisableInterrupts);
  ticks = 0;
  alarm(0, counter(0) + hz / 1000, 0);
  expect_value("one shot by IRQ 0", wait_for(1), 1);
  expect_value("its vector", last, 0x40);
  alarm(0, 5, 0);
  expect_value("an expiry that is past", wait_for(1), 1);
  alarm(PERIODIC, counter(0) + hz / 1000, hz / 1000);
  expect_value("periodic by IRQ 0", wait_for(3), 3);
  CALL(CancelAlarm, 0);
  wait_for(0);
  u64 until = rdtsc() + 5000000;
  CALL(EnableInterrupts);
  while (rdtsc() < until) pause();
  CALL(DisableInterrupts);
  expect_value("cancelled", ticks, 0);
  alarm(0, 1ull << 63, 0);
  alarm(0, counter(0) + hz / 500, 0);
  CALL(Halt);
  CALL(DisableInterrupts);
  expect_value("Halt until the alarm", ticks, 1);
  out8(0x21, 0xff);

  // Armed before the local entry is written, as on Linux's secondary CPUs.
  lapic_write(0xf0, 0x1ff);
  ticks = 0;
  lapic_write(0x320, 0x10000);
  alarm(LVTT | PERIODIC, counter(0) + hz / 1000, hz / 1000);
  until = rdtsc() + 3000000;
  CALL(EnableInterrupts);
  while (rdtsc() < until) pause();
  CALL(DisableInterrupts);
  expect_value("a masked entry gives nothing", ticks, 0);
  lapic_write(0x320, 0x41);
  expect_true("periodic by the local entry", wait_for(3) >= 3);
  lapic_write(0x320, 0x42);
  wait_for(2);
  expect_value("with the vector that it has at expiry", last, 0x42);
  CALL(CancelAlarm, LVTT);
  wait_for(0);
  alarm(LVTT | 1, counter(1) + hz / 1000, 0);
  expect_value("by available time", wait_for(1), 1);
  u64 sum = counter(1) + counter(2);
  expect_true("real is available and stolen", counter(0) >= sum && counter(0) - sum < hz);
}
