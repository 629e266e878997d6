// Local timers of several processors: armed for the same tick each of them interrupts; re-armed from its handler, as a kernel without a periodic
// tick does, none is lost and none is early (SDM vol. 3, 11.5.4). TICKS is the number of ticks in the second part, all processors together.
#include "apic.h"

#define VECTOR 0x41
#define ROUNDS 50
#ifndef TICKS
#define TICKS 40000
#endif
static volatile u32 fired[MAX_CPUS], early, ready, arrived_all, go;
static volatile u64 deadline[MAX_CPUS], together;
static volatile u32 finished, each, interval, use_deadline;

static void arm(unsigned index, u64 when) {
  deadline[index] = when;
  if (use_deadline) {
    wrmsr(MSR_TSC_DEADLINE, when);
    return;
  }
  u64 now = rdtsc();
  apic_write(APIC_INITIAL, when > now ? when - now : 1);
}
static bool once(struct frame *frame) {
  (void)frame;
  unsigned index = cpu_index();
  if (use_deadline && rdtsc() < deadline[index]) early = 1;
  fired[index]++;
  asm volatile("lock incl %0" : "+m"(arrived_all));
  eoi();
  return true;
}
static bool again(struct frame *frame) {
  (void)frame;
  unsigned index = cpu_index();
  if (use_deadline && rdtsc() < deadline[index]) early = 1;
  if (++fired[index] < each) arm(index, rdtsc() + interval);
  else asm volatile("lock incl %0" : "+m"(finished));
  eoi();
  return true;
}

/** Every processor, the first one too: arms its timer at each `go`, sleeps, and counts. */
static void together_loop(unsigned index) {
  for (u32 round = 1; round <= ROUNDS; round++) {
    asm volatile("lock incl %0" : "+m"(ready));
    while (go < round) pause();
    arm(index, together);
    while (fired[index] < round) asm volatile("sti\nhlt\ncli" : : : "memory");
  }
}
static void storm_loop(unsigned index) {
  cli();
  arm(index, rdtsc() + interval);
  while (fired[index] < each) {
    if (index & 1) asm volatile("sti\nnop\ncli" : : : "memory"); // one half computes
    else asm volatile("sti\nhlt\ncli" : : : "memory"); // the other sleeps
  }
}
static void prepare(void) {
  lapic_write(APIC_SVR, 0x1ff);
  apic_write(APIC_DIVIDE, 0xb);
  apic_write(APIC_LVT_TIMER, (use_deadline ? LVT_DEADLINE : 0) | VECTOR);
}
static void other_together(unsigned index) { prepare(), together_loop(index); }
static void other_storm(unsigned index) { prepare(), storm_loop(index); }

static void clear(void) {
  for (unsigned i = 0; i < MAX_CPUS; i++) fired[i] = 0;
  early = ready = arrived_all = go = finished = 0;
}

/** The first processor conducts: when all are ready, one deadline for all. */
static void test_together(const char *name, unsigned count) {
  clear();
  set_hook(VECTOR, once);
  prepare();
  smp_start(other_together);
  u32 complete = 0;
  for (u32 round = 1; round <= ROUNDS; round++) {
    while (ready < (count - 1) * round) pause();
    together = rdtsc() + 300000;
    go = round;
    arm(0, together);
    while (fired[0] < round) asm volatile("sti\nhlt\ncli" : : : "memory");
    for (u64 end = rdtsc() + 2000000000ull; arrived_all < count * round && rdtsc() < end;) pause();
    complete += arrived_all == count * round;
  }
  expect_value(text("%s: rounds in which each of the timers armed for one tick interrupted once", name), complete, ROUNDS);
  expect_value(text("%s: none was early", name), early, 0);
}
static void test_storm(const char *name, unsigned count, u32 ticks, u32 apart) {
  clear();
  set_hook(VECTOR, again);
  each = ticks, interval = apart;
  prepare();
  smp_start(other_storm);
  storm_loop(0);
  for (u64 end = rdtsc() + 60000000000ull; finished < count && rdtsc() < end;) pause();
  u32 sum = 0;
  for (unsigned i = 0; i < count; i++) sum += fired[i];
  expect_value(text("%s: ticks re-armed from their handlers", name), sum, ticks * count);
  expect_value(text("%s: none of them was early", name), early, 0);
}

void test_main(void) {
  unsigned count = cpu_count();
  out8(0x21, 0xff), out8(0xa1, 0xff);
  for (use_deadline = 0; use_deadline <= has_deadline(); use_deadline++) {
    const char *name = use_deadline ? "deadline" : "one-shot";
    test_together(name, count);
    test_storm(name, count, TICKS / 2 / count, 1000);
  }
}
