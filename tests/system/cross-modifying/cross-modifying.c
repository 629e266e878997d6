// CPU 0 writes, the others wait for its flag, serialise and run the new code; then they run code whose first byte is changed under them.
#include "system.h"

#define ROUNDS 200
#define OTHERS 3
static u8 *code;
static volatile u32 round_number, wrong, answers, done;

static u32 call_code(void) {
  u32 result;
  asm volatile("call *%1" : "=a"(result) : "r"(code) : "memory", "cc");
  return result;
}

static void add(volatile u32 *to) { asm volatile("lock incl %0" : "+m"(*to)); }

/** Waits for each round's code; then loops in code that turns from JMP to itself into RET. */
static void other(unsigned index) {
  (void)index;
  for (u32 round = 1; round <= ROUNDS; round++) {
    while (round_number < round) pause();
    cpuid(0, 0);
    if (call_code() != round * 3) add(&wrong);
    add(&answers);
  }
  while (round_number == ROUNDS) pause();
  cpuid(0, 0);
  asm volatile("call *%0" : : "r"(code) : "memory");
  add(&done);
}

void test_main(void) {
  code = alloc_pages(1);
  expect_value("CPUs started", smp_start(other), OTHERS);
  for (u32 round = 1; round <= ROUNDS; round++) {
    code[0] = 0xb8;
    *(u32 *)(code + 1) = round * 3;
    code[5] = 0xc3;
    round_number = round;
    while (answers < round * OTHERS) pause();
  }
  expect_value("stale code", wrong, 0);
  code[0] = 0xf3; // PAUSE, JMP back: a loop without an end
  code[1] = 0x90;
  code[2] = 0xeb;
  code[3] = 0xfc;
  code[4] = 0xc3;
  round_number = ROUNDS + 1;
  for (u64 until = rdtsc() + 100000000; rdtsc() < until;) pause();
  expect_value("CPUs that left an endless loop", done, 0);
  *(volatile u8 *)(code + 3) = 0x00; // JMP to the RET behind it
  for (u64 until = rdtsc() + 20000000000ull; done < OTHERS && rdtsc() < until;) pause();
  expect_value("CPUs that saw one byte change", done, OTHERS);
}
