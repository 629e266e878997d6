// A loop that adds up an array, made hot first, then disturbed in every way there is.
#include "system.h"

#define COUNT 20000u
static u32 numbers[4] __attribute__((aligned(16)));
static u32 steps;

// EDX = count, BX = what is read. The immediate of `hot_add` and the loads are what gets changed, watched and unmapped.
CODE(hot_loop, "xor %eax, %eax\n" MARK(hot_top) "add (%" REG(bx) "), %eax\n" MARK(hot_add) "add $0x01000000, %eax\nsub $0x01000000, %eax\n" MARK(hot_dec) "dec %edx\njnz hot_top\n" END)
LABEL(hot_top) LABEL(hot_add) LABEL(hot_dec)
// At count 10000 the loop turns its own INC into DEC.
CODE(patches_itself, "xor %eax, %eax\n1:\n.global patched\npatched:\n.byte 0xfe, 0xc0\ncmp $10000, %edx\njne 2f\nmovb $0xc8, 1(%" REG(bx) ")\n2: dec %edx\njnz 1b\n" END)
LABEL(patched)

static struct fault run(const u8 *code, unsigned cpl, u32 count, const void *bx) {
  struct frame start = start_frame(code, cpl);
  start.dx = count;
  start.bx = (word)bx;
  return attempt_at(&start);
}

static bool count_step(struct frame *frame) {
  steps++;
  write_dr6(DR6_FIXED);
  if (read_dr7() & 0xf0000) return true; // a data breakpoint
  frame->flags |= FLAG_RF;
  return true;
}

static void test_disturbed(unsigned cpl) {
  numbers[0] = 3;
  for (unsigned i = 0; i < 3; i++) {
    struct fault got = run(hot_loop, cpl, COUNT, numbers);
    expect_value(text("a hot loop at CPL %u, run %u", cpl, i), got.frame.ax, 3 * COUNT);
  }
  set_hook(DB, count_step);
  struct frame start = start_frame(hot_loop, cpl);
  start.dx = 1000;
  start.bx = (word)numbers;
  start.flags |= FLAG_TF;
  steps = 0;
  struct fault got = attempt_at(&start);
  expect_value(text("steps over a hot loop at CPL %u", cpl), steps, 5001);
  expect_value(text("its sum at CPL %u", cpl), got.frame.ax, 3000);

  steps = 0;
  write_dr0((word)numbers + 2);
  write_dr7(DR7_FIXED | 1 | 0xf0000);
  got = run(hot_loop, cpl, 1000, numbers);
  write_dr7(DR7_FIXED);
  expect_value(text("data breakpoints in a hot loop at CPL %u", cpl), steps, 1000);

  steps = 0;
  write_dr0((word)hot_dec);
  write_dr7(DR7_FIXED | 1);
  got = run(hot_loop, cpl, 1000, numbers);
  write_dr7(DR7_FIXED);
  set_hook(DB, 0);
  expect_value(text("instruction breakpoints in a hot loop at CPL %u", cpl), steps, 1000);

  // Changed from outside: the operand of two instructions.
  *(u8 *)(hot_add + 4) = 2;
  got = run(hot_loop, cpl, 1000, numbers);
  expect_value(text("a hot loop that was changed at CPL %u", cpl), got.frame.ax, 3000 + 0x01000000u * 1000);
  *(u8 *)(hot_add + 4) = 1;
  got = run(hot_loop, cpl, 1000, numbers);
  expect_value(text("and changed back at CPL %u", cpl), got.frame.ax, 3000);

  *(u8 *)(patched + 1) = 0xc0;
  for (unsigned i = 0; i < 3; i++) {
    *(u8 *)(patched + 1) = 0xc0;
    got = run(patches_itself, cpl, COUNT, patched);
    expect_value(text("a hot loop that changes itself at CPL %u, run %u", cpl, i), got.frame.ax & 0xff, (10001 - 9999) & 0xff);
  }
}

#if PAGED
static unsigned left;
static u8 *remote;

/** Maps the page again after each of the faults, and takes it away from under the loop once more. */
static bool map_again(struct frame *frame) {
  steps += frame->ip == (word)hot_top && frame->dx == left;
  left -= 1;
  map_page((word)remote, (word)remote, PTE_P | PTE_W | PTE_U);
  frame->flags |= FLAG_TF;
  return true;
}

static bool take_away(struct frame *frame) {
  frame->flags &= ~FLAG_TF;
  write_dr6(DR6_FIXED);
  map_page((word)remote, (word)remote, 0);
  return true;
}

static void test_faults(unsigned cpl) {
  remote = alloc_pages(1);
  map_page((word)remote, (word)remote, PTE_P | PTE_W | PTE_U);
  *(u32 *)remote = 3;
  struct fault got = run(hot_loop, cpl, COUNT, remote);
  expect_value(text("a hot loop on its page at CPL %u", cpl), got.frame.ax, 3 * COUNT);
  map_page((word)remote, (word)remote, 0);
  set_hook(PF, map_again);
  set_hook(DB, take_away);
  steps = 0;
  left = 500;
  got = run(hot_loop, cpl, 500, remote);
  set_hook(PF, 0);
  set_hook(DB, 0);
  map_page((word)remote, (word)remote, PTE_P | PTE_W | PTE_U);
  expect_value(text("faults of a hot loop at the right place at CPL %u", cpl), steps, 500);
  expect_value(text("its sum in spite of faults at CPL %u", cpl), got.frame.ax, 1500);
}
#endif

void test_main(void) {
  for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
    test_disturbed(cpl);
#if PAGED
    test_faults(cpl);
#endif
  }
}
