// A small kernel that lives as one: it says what it was given, builds an address space of its own beside the first one and works in it, is told of
// the time by events, and runs user code that calls it. Loaders start it too, so it asks for nothing that only a test's builder does.
#include "kit.h"

static u64 l1[512] PAGED, l2[512] PAGED;
static u8 page[4096] PAGED;
static volatile int ticks, services;

static long read_only(void *linear) { return map_entry(linear, entry_for(linear, P | U | AD), 2); }

static int on_trap(struct frame *frame) {
  if (frame->vector == EVENT) {
    shared_info[0] = 0;
    for (int n = 0; n < (LONG ? 64 : 32); n++) {
      volatile word *pending = (volatile word *)(shared_info + 0x800) + n;
      if (*pending) ticks++;
      *pending = 0;
    }
    *(volatile word *)(shared_info + (LONG ? 8 : 4)) = 0;
    return 1;
  }
  if (frame->vector != 128) return 0;
  services++;
  frame->ax = frame->ax * 2;
  return 1;
}

static word ask(word value) {
  asm volatile("int $0x80" : "+a"(value));
  return value;
}

static u64 now(void) { return *(volatile u64 *)(shared_info + 0x30); }

static void time_passes(void) {
  struct { u32 virq, vcpu, port; } virq = {0, 0, 0};
  expect("the timer's event", call2(event_channel_op, 1, &virq), 0);
  for (int n = 0; n < 3; n++) {
    int before = ticks;
    u64 deadline = now() + 2000000 * (n + 1);
#if LONG
    call1(set_timer_op, deadline);
#else
    call2(set_timer_op, (u32)deadline, (u32)(deadline >> 32));
#endif
    while (ticks == before) call2(sched_op, 1, 0);
  }
  expect("it told of the time", ticks >= 3, 1);
}

static void own_tables(void) {
  l1[5] = entry_for(page, P | W | U | AD);
  l2[3] = entry_for(l1, P | W | U | AD);
  read_only(l1);
  read_only(l2);
  word top = (word)table_at(3, 0);
  expect("a table of one's own", set_entry(machine_of((void *)top) + 8, entry_for(l2, P | (LONG ? W | U | AD : 0))), 0);
  volatile word *there = (volatile word *)((1ul << 30) | (3ul << 21) | (5ul << 12));
  there[7] = 0x600d;
  expect("shows the page", ((word *)page)[7], 0x600d);
}

static word user_work(word value) {
  for (int n = 0; n < 10; n++) value = ask(value);
  return value;
}

void test_main(void) {
  extern u8 trap_128[];
  print((char *)start_info);
  print("\n");
  print(" command line: ");
  print((char *)start_info + (LONG ? 0x80 : 0x50));
  print("\n");
  trap_hook = on_trap;
  set_trap(128, 7, trap_128);
  own_tables();
  time_passes();
  struct outcome user = attempt_user(user_work, 1);
  expect("user code calls its kernel", user.value, 1024);
  expect("ten times", services, 10);
  trap_hook = 0;
}
