// Benchmarks: one word each on the command line, a fixed number of rounds, so that what a round costs is the host's to measure.
#include "pv.h"

/** With interrupts enabled, so that none waits meanwhile. */
static void flag_calls(void) {
  pv.irq.enable();
  for (int n = 0; n < 5000000; n++) {
    word flags = pv.irq.save();
    pv.irq.disable();
    pv.irq.restore(flags);
  }
  pv.irq.disable();
}

static u32 page[2][1024] PAGED;
static void entries(void) {
  const word window = 0x50000000;
  make_tables(pv.mmu.read_root(), window);
  pte *entry = entry_of(pv.mmu.read_root(), 1, window);
  for (int n = 0; n < 200000; n++) {
    pv.mmu.set(entry, pv.mmu.make(page[n & 1], P | W | AD), 1, window);
    pv.mmu.flush_one(window);
    *(volatile u32 *)window = n;
  }
}
static void batches(void) {
  const word window = 0x50000000;
  make_tables(pv.mmu.read_root(), window);
  pte *entry = entry_of(pv.mmu.read_root(), 1, window);
  for (int n = 0; n < 200000 / 16; n++) {
    pv.mmu.enter_lazy();
    for (word at = 0; at < 16; at++) pv.mmu.set(entry + at, pv.mmu.make(page[n & 1], P | W | AD), 1, window + at * 4096);
    pv.mmu.leave_lazy();
    pv.mmu.flush_user();
  }
}

static bool on_service(struct frame *frame) {
  frame->ax++;
  return true;
}
static word user_calls(word times) {
  word value = 0;
  while (value < times) asm volatile("int %1" : "+a"(value) : "i"(SYSCALL_INT) : "memory");
  return value;
}
static word user_fast_calls(word times) {
  word value = 0;
#if LONG
  while (value < times) asm volatile("syscall" : "+a"(value) : : "rcx", "r11", "memory");
#else
  while (value < times) asm volatile("mov %%esp, %%ecx\nmov $1f, %%edx\nsysenter\n1:" : "+a"(value) : : "ecx", "edx", "memory");
#endif
  return value;
}
static void system_calls(void) {
  handlers[SYSCALL_INT] = on_service;
  expect("system calls", attempt_user(user_calls, 500000).value, 500000);
}
static void fast_system_calls(void) {
  handlers[FAST_SYSCALL] = on_service;
  if (pv_fast_return) expect("faster system calls", attempt_user(user_fast_calls, 500000).value, 500000);
}

static volatile u32 alarms;
static bool on_alarm(struct frame *frame) {
  (void)frame;
  alarms++;
  return true;
}
static void timer(void) {
  handlers[TIMER_VECTOR] = on_alarm;
  pv.time.setup();
  for (u32 n = 0; n < 50000; n++) {
    pv.time.set_alarm(pv.time.counter(REAL), 0); // past: at once
    while (alarms <= n) {
      pv.irq.enable();
      pause();
      pv.irq.disable();
    }
  }
}
static void clock_reads(void) {
  u64 sum = 0;
  for (int n = 0; n < 500000; n++) sum += pv.time.counter(REAL);
  page[0][0] = sum;
}

void benchmarks(void) {
  begin_group("bench");
  static const struct { const char *name; void (*run)(void); } all[] = {
      {"bench=flags", flag_calls}, {"bench=entries", entries}, {"bench=batches", batches}, {"bench=syscalls", system_calls},
      {"bench=fast-syscalls", fast_system_calls}, {"bench=timer", timer}, {"bench=clock", clock_reads},
  };
  for (unsigned n = 0; n < sizeof all / sizeof all[0]; n++) {
    if (!has_option(all[n].name)) continue;
    all[n].run();
    print("%s: done\n", all[n].name);
  }
  expect_true("all done", true);
}
