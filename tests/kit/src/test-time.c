// Clocks and this processor's alarm: once, in the past, cancelled, armed anew by its own handler, periodic, while interrupts are disabled.
#include "pv.h"

static volatile unsigned alarms, rearm;
static volatile u64 last_at;
static u32 hz;

static u64 now(void) { return pv.time.counter(REAL); }
static bool on_alarm(struct frame *frame) {
  (void)frame;
  alarms++;
  last_at = now();
  if (rearm) {
    rearm--;
    pv.time.set_alarm(now() + hz / 10000, 0);
  }
  return true;
}
/** Interrupts enabled for that many cycles, or until there were `count` alarms. Returns how many. */
static unsigned wait(unsigned count, u64 cycles) {
  for (u64 until = now() + cycles; alarms < count && now() < until;) {
    pv.irq.enable();
    pause();
    pv.irq.disable();
  }
  unsigned seen = alarms;
  alarms = 0;
  return seen;
}

void test_time(void) {
  begin_group("time");
  handlers[TIMER_VECTOR] = on_alarm;
  hz = pv.time.frequency();
  expect_true("a frequency between 10 MHz and 10 GHz's low half", hz >= 10000000);
  u64 before = now(), after = now();
  expect_true("real time goes on", after >= before && after - before < hz);
  u64 available = pv.time.counter(AVAILABLE), stolen = pv.time.counter(STOLEN), real = now();
  expect_true("real is available and stolen", real >= stolen && real - available - stolen < hz);
  u64 tsc = pv.cpu.read_tsc();
  before = now();
  while (now() - before < hz / 1000) {}
  tsc = pv.cpu.read_tsc() - tsc;
  expect_true("the TSC counted meanwhile", tsc > 100000);
  expect_true("it is later than 2017", pv.time.wall_clock() > 1500000000000000000ull);

  wait(0, 0);
  before = now();
  pv.time.set_alarm(before + hz / 1000, 0);
  expect("once: it comes", wait(1, hz), 1);
  expect_true("not early", last_at >= before + hz / 1000);
  expect("and not again", wait(1, hz / 500), 0);
  pv.time.set_alarm(before, 0);
  expect("an expiry that is past", wait(1, hz), 1);
  pv.time.set_alarm(now() + hz / 1000, 0);
  pv.time.cancel_alarm();
  expect("cancelled", wait(1, hz / 500), 0);
  pv.time.set_alarm(now() + hz / 1000, 0);
  pv.time.set_alarm(now() + hz / 500, 0);
  before = now();
  expect("set twice: it comes once", wait(2, hz / 250), 1);
  expect_true("at the later time", last_at >= before + hz / 600);
  pv.time.set_alarm(1ull << 62, 0);
  expect("far ahead: nothing yet", wait(1, hz / 1000), 0);
  rearm = 4;
  pv.time.set_alarm(now() + hz / 10000, 0);
  expect("armed anew in its handler, four times", wait(5, hz), 5);
  before = now();
  pv.time.set_alarm(before + hz / 1000, hz / 1000);
  expect("periodic: it comes again and again", wait(3, hz), 3);
  expect_true("at its pace", last_at >= before + 3ull * (hz / 1000));
  pv.time.cancel_alarm();
  wait(1, hz / 2000);
  expect("and stops when it is cancelled", wait(1, hz / 500), 0);
  pv.time.set_alarm(now() + hz / 2000, 0);
  before = now();
  while (now() - before < hz / 1000) {}
  expect("while interrupts are disabled it waits", alarms, 0);
  expect("and comes when they are enabled", wait(1, hz), 1);
}
