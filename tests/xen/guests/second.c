// A second vCPU, made while an event is pending: its tables are looked at, and the event comes after the call, in the flat segments.
#include "kit.h"

static u64 lower[512] PAGED, upper[512] PAGED;
static u8 context[0x1430] PAGED;
#if LONG
static struct { u32 low, high; } gdt[512] PAGED;
#endif
static int events;
static word event_cs;

static int on_event(struct frame *frame) {
  if (frame->vector != EVENT) return 0;
  events++;
  event_cs = frame->cs;
  shared_info[0] = 0;
  frame->flags &= ~0x200ul;
  return 1;
}

static void put(int wide, int narrow, word value) { *(word *)(context + (LONG ? wide : narrow)) = value; }

void test_main(void) {
  u64 top = machine_of(upper) >> 12;
  upper[3] = entry_for(lower, P);
  map_entry(lower, entry_for(lower, P | AD), 2);
  map_entry(upper, entry_for(upper, P | AD), 2);
  put(0x200, 0x200, 4);
  put(0x1378 + 24, 0xa9c + 12, LONG ? top << 12 : (word)((top << 12) | (top >> 20)));
  trap_hook = on_event;
  // What was pending before may come at once; an event of our own making comes when the hypervisor looks, which is after a call.
  shared_info[0] = 1;
  shared_info[1] = 0;
  call2(sched_op, 0, 0);
  events = 0;
#if LONG
  map_entry(gdt, entry_for(gdt, P | U | AD), 2);
  word frame = machine_of(gdt) >> 12;
  call2(set_gdt, &frame, 512);
  call2(update_descriptor, machine_of(&gdt[9]), 0x00affa000000ffff);
  long result;
  asm volatile("push $0x4b\nlea 1f(%%rip), %%rax\npush %%rax\nlretq\n1: movb $1, shared_info\nmovb $0, shared_info + 1\nmov $24, %%eax\nsyscall"
               : "=a"(result) : "D"(0), "S"(1), "d"(context) : "rcx", "r11", "memory");
#else
  *(volatile u8 *)shared_info = 1;
  *(volatile u8 *)(shared_info + 1) = 0;
  long result = call3(vcpu_op, 0, 1, context);
#endif
  shared_info[1] = 1;
  expect("a second vCPU is made", result, 0);
  expect("once", call3(vcpu_op, 0, 1, context), -17);
  expect("its tables are in use", map_entry(lower, entry_for(lower, P | W | AD), 2), -EBUSY);
  expect("the event came", events, 1);
  expect("after the call, in the flat segment", event_cs, SHOWN_CS);
  expect("it is not up", call3(vcpu_op, 3, 1, 0), 0);
  expect("a third there is not", call3(vcpu_op, 0, 2, context), -ENOENT);
}
