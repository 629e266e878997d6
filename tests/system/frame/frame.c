// What other tests lean on: starting CPUs, splitting and changing mappings, user calls with arguments, hooks, 16-bit code.
#include "system.h"

static volatile u32 seen;
static void other_cpu(unsigned index) { asm volatile("lock btsl %1, %0" : "+m"(seen) : "r"(index)); }

static volatile word from_user;
static void user_code(void *argument) { from_user = (word)argument + (read_ss() & 3); }

static void divide(void *divisor) { asm volatile("divl %0" : : "m"(*(u32 *)divisor), "a"(7), "d"(0)); }
static bool skip_two_bytes(struct frame *frame) {
  frame->ip += 3;
  return true;
}

static void write_word(void *at) { *(volatile word *)at = 1; }

#if !LONG
LOW_CODE16(real_code, "mov %cs, %bx\nmovl $0x12345678, %eax\nadd $0x100, %ax\nret")
#endif
CODE(three_bytes, "movl $5, %eax\nxor %ecx, %ecx\n.byte 0x0f, 0x0b, 0x90\nint $0x30")

void test_main(void) {
  expect_value("CPU count", cpu_count(), 4);
  expect_value("CPUs started", smp_start(other_cpu), 3);
  for (u64 until = rdtsc() + 4000000000ull; seen != 0xe && rdtsc() < until;) pause();
  expect_value("CPUs that ran", seen, 0xe);

  expect_no_fault("user call", attempt_user(user_code, (void *)0x1000));
  expect_value("user call's argument and CPL", from_user, 0x1003);

  static u32 zero;
  expect_fault("attempt", attempt(divide, &zero), DE, 0);
  set_hook(UD, skip_two_bytes);
  struct frame start = start_frame(three_bytes, 3);
  struct fault got = attempt_at(&start);
  set_hook(UD, 0);
  expect_fault("a hook resumes", got, RETURNED, 0);
  expect_value("registers of a frame", got.frame.ax, 5);

#if PAGED
  word page = (word)alloc_pages(1);
  *entry_of(page, 1) &= ~(pte)PTE_W;
  invlpg(page);
  got = attempt(write_word, (void *)page);
  expect_fault("a page without W", got, PF, PF_P | PF_W);
  expect_value("CR2", got.cr2, page);
  word elsewhere = 0x70000000;
  map_page(elsewhere, page, PTE_P | PTE_W | PTE_U);
  expect_no_fault("a page mapped elsewhere", attempt(write_word, (void *)elsewhere));
  expect_value("the page mapped elsewhere", *(volatile word *)page, 1);
#else
  (void)write_word;
#endif
#if !LONG
  struct real_registers registers = {.flags = 2, .bx = 0xffff};
  real_call(real_code, &registers);
  expect_value("EAX of 16-bit code", registers.ax, 0x12345778);
  expect_value("CS of 16-bit code", registers.bx, 0);
#endif
}
