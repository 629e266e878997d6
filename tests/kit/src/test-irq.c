// The interrupt flag, and interrupts that wait for it: the processor's own message to itself, and an alarm.
#include "pv.h"

static volatile unsigned messages, alarms;
static volatile word flag_inside;
static bool on_message(struct frame *frame) {
  (void)frame;
  messages++;
  flag_inside = pv.irq.save() & FLAG_IF;
  return true;
}
static bool on_alarm(struct frame *frame) {
  (void)frame;
  alarms++;
  return true;
}
static void a_while(void) {
  for (int n = 0; n < 300; n++) pause();
}
static word raise_overflow(word unused) {
  asm volatile("int $4");
  return unused;
}

void test_irq(void) {
  begin_group("irq");
  handlers[IPI_VECTOR] = on_message;
  handlers[TIMER_VECTOR] = on_alarm;
  pv.time.setup();
  pv.irq.disable();
  expect("disable shows in save", pv.irq.save() & FLAG_IF, 0);
  pv.irq.enable();
  expect("enable shows in save", pv.irq.save() & FLAG_IF, FLAG_IF);
  word flags = pv.irq.save();
  pv.irq.disable();
  pv.irq.restore(flags);
  expect("restore of what was enabled", pv.irq.save() & FLAG_IF, FLAG_IF);
  pv.irq.disable();
  flags = pv.irq.save();
  pv.irq.enable();
  pv.irq.restore(flags);
  expect("restore of what was disabled", pv.irq.save() & FLAG_IF, 0);
  messages = 0;
  pv.smp.send_ipi(0);
  a_while();
  expect("an interrupt waits while they are disabled", messages, 0);
  pv.irq.enable();
  a_while();
  pv.irq.disable();
  expect("and comes when they are enabled", messages, 1);
  expect("its handler runs with interrupts disabled", flag_inside, 0);
  pv.smp.send_ipi(0);
  pv.irq.restore(FLAG_IF);
  a_while();
  pv.irq.disable();
  expect("restore lets it come too", messages, 2);
  pv.irq.enable();
  struct outcome trap = attempt(raise_overflow, 0);
  expect("a trap's frame has the flag", trap.flags & FLAG_IF, FLAG_IF);
  expect("and its handler has it disabled", pv.irq.save() & FLAG_IF, 0);
  trap = attempt(raise_overflow, 0);
  expect("a trap's frame has the cleared flag", trap.flags & FLAG_IF, 0);
  alarms = 0;
  pv.time.set_alarm(pv.time.counter(REAL) + pv.time.frequency() / 2000, 0);
  while (alarms == 0) {
    pv.irq.safe_halt();
    pv.irq.disable();
  }
  expect("safe_halt until an alarm", alarms, 1);
}
