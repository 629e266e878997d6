// HLT with interrupts off: nothing but the debug exception would end it.
#include "trace.h"

static u8 watched[16] __attribute__((aligned(16)));

CODE(stepped, SET_TF "hlt\n" MARK(stepped_1) CLEAR_TF END)
CODE(shadowed, "mov (%" REG(bx) "), %ss\nhlt\n" MARK(shadowed_1) END)
LABEL(stepped_1) LABEL(shadowed_1)

void test_main(void) {
  static const struct event step[] = {{stepped_1, DR6_BS}}, watch[] = {{shadowed_1, 2}};
  expect_steps("HLT", stepped, 0, step, 1);
  struct frame start = start_frame(shadowed, 0);
  *(u16 *)watched = SEL_DATA;
  start.bx = (word)watched;
  write_dr1(start.bx);
  struct fault got = run_traced(&start, DR7_FIXED | 4 | 0x00f00000); // L1, four bytes, read or written
  expect_fault("HLT behind a watched MOV SS ends", got, RETURNED, 0);
  expect_events("HLT behind a watched MOV SS", shadowed, watch, 1);
}
