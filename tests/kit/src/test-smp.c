// The other processors: started, at the kernel's level, told by messages, each with its own alarm, in the same tick; and translations of theirs.
#include "pv.h"

enum { REARMS = 3 };
static volatile u32 arrived, messages[MAX_CPUS], alarms[MAX_CPUS], served, level_of[MAX_CPUS];
static volatile u64 instant;
static volatile u32 go;
static volatile word shared_window = 0x50000000;
static u32 old_page[1024] PAGED, new_page[1024] PAGED;
static volatile u32 seen[MAX_CPUS];
static volatile u32 looking;

static bool on_message(struct frame *frame) {
  (void)frame;
  unsigned cpu = cpu_number();
  if (looking == 2) pv.mmu.flush_one(shared_window);
  if (looking) seen[cpu] = *(volatile u32 *)shared_window;
  messages[cpu]++;
  add_atomically(&served, 1);
  return true;
}
static bool on_alarm(struct frame *frame) {
  (void)frame;
  unsigned cpu = cpu_number();
  if (++alarms[cpu] <= REARMS) pv.time.set_alarm(pv.time.counter(REAL) + pv.time.frequency() / 5000, 0);
  return true;
}

/** On its own stack. Everything that a processor has is set up here, by the operations. */
void start_secondary(void) {
  unsigned cpu = cpu_number();
  pv.mmu.describe();
  setup_cpu(cpu);
  word cs;
  asm volatile("mov %%cs, %0" : "=r"(cs));
  level_of[cpu] = cs & 3;
  pv.time.setup();
  pv.irq.enable();
  add_atomically(&arrived, 1);
  while (!go) pv.irq.safe_halt();
  pv.irq.disable();
  pv.time.set_alarm(instant, 0);
  for (;;) pv.irq.safe_halt();
}

static bool wait(volatile u32 *count, u32 wanted) {
  u64 until = pv.time.counter(REAL) + 3ull * pv.time.frequency();
  pv.irq.enable();
  while (*count < wanted && pv.time.counter(REAL) < until) pause();
  pv.irq.disable();
  return *count >= wanted;
}
static bool tell_all(unsigned others) {
  served = 0;
  for (unsigned cpu = 1; cpu <= others; cpu++) pv.smp.send_ipi(cpu);
  return wait(&served, others);
}
static bool all_saw(unsigned others, u32 value) {
  for (unsigned cpu = 1; cpu <= others; cpu++)
    if (seen[cpu] != value) return false;
  return true;
}

void test_smp(void) {
  begin_group("smp");
  handlers[IPI_VECTOR] = on_message;
  handlers[TIMER_VECTOR] = on_alarm;
  unsigned others = pv.smp.count() - 1;
  for (unsigned cpu = 1; cpu <= others; cpu++) {
    prepare_cpu(cpu);
    pv.smp.start(cpu);
  }
  expect_true("all processors come", wait(&arrived, others));
  bool right = true;
  for (unsigned cpu = 1; cpu <= others; cpu++) right = right && level_of[cpu] == kernel_rpl;
  expect_true("at the kernel's level", right);
  expect_true("each answers a message", tell_all(others));

  old_page[0] = 1, new_page[0] = 2;
  make_tables(pv.mmu.read_root(), shared_window);
  pv.mmu.set(entry_of(pv.mmu.read_root(), 1, shared_window), pv.mmu.make(old_page, P | W | AD), 1, shared_window);
  looking = 1;
  tell_all(others);
  expect_true("an entry that was set shows on each", all_saw(others, 1));
  pv.mmu.set(entry_of(pv.mmu.read_root(), 1, shared_window), pv.mmu.make(new_page, P | W | AD), 1, shared_window);
  looking = 2;
  tell_all(others);
  expect_true("a change too, when each has flushed it", all_saw(others, 2));
  looking = 0;

  instant = pv.time.counter(REAL) + pv.time.frequency() / 50;
  go = 1;
  tell_all(others);
  pv.time.set_alarm(instant, 0);
  right = true;
  for (unsigned cpu = 0; cpu <= others; cpu++) right = wait(&alarms[cpu], REARMS + 1) && right;
  expect_true("alarms of all in the same tick, each armed anew", right);
  right = true;
  for (unsigned cpu = 0; cpu <= others; cpu++) right = right && alarms[cpu] == REARMS + 1;
  expect_true("and each comes as often as it was armed", right);
  u64 stolen = pv.time.counter(STOLEN), real = pv.time.counter(REAL);
  expect_true("stolen time is a part of the real one", stolen < real);
}
