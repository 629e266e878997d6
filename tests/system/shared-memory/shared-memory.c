// What four processors share and what each has for itself: locked counters, a spin lock and the time-stamp counter under it, code that
// another processor changes while it is being run, translations of their own (SDM vol. 3, 4.10.5, 8.1, 8.1.3, 18.17).
#include "apic.h"

#define COUNT 4
#define ROUNDS 1000
static volatile u32 ready, counter, guarded, lock, backwards, turns[COUNT], phase;
static volatile u64 last;
static volatile u32 asked, answered, result;
static u8 *code;            // mov $imm32, %eax; ret
static volatile u32 *window; // a page that is mapped anew

static u32 run_code(void) {
  u32 value;
  asm volatile("call *%1" : "=a"(value) : "r"(code) : "memory", "cc");
  return value;
}
static void count(unsigned index) {
  for (unsigned i = 0; i < ROUNDS; i++) {
    asm volatile("lock incl %0" : "+m"(counter));
    u32 taken = 1;
    for (;;) {
      asm volatile("xchg %0, %1" : "+r"(taken), "+m"(lock) : : "memory");
      if (!taken) break;
      while (lock) pause();
    }
    u64 now = rdtsc();
    if (now < last) backwards++;
    last = now;
    guarded++; // not locked: the spin lock protects it
    turns[index]++;
    lock = 0;
  }
  asm volatile("lock incl %0" : "+m"(ready));
}
/** Answers questions: the value of the code (1), of the window (2), of the window after INVLPG (3). Spins without giving its turn away. */
static void answer(void) {
  for (u32 done = 0;;) {
    while (asked == done) asm volatile("" : : : "memory");
    if (phase == 3) invlpg((word)window);
    result = phase == 1 ? run_code() : *window;
    done = asked;
    answered = done;
  }
}
static void worker(unsigned index) {
  count(index);
  if (index == 1) answer();
}
static u32 ask(u32 kind) {
  phase = kind;
  asked++;
  for (u64 end = rdtsc() + 3000000000ull; answered != asked && rdtsc() < end;) pause();
  return answered == asked ? result : ~0u;
}
static void set_code(u32 value) {
  *(volatile u32 *)(code + 1) = value;
}

void test_main(void) {
  out8(0x21, 0xff), out8(0xa1, 0xff);
  code = alloc_pages(1);
  code[0] = 0xb8, code[5] = 0xc3;
  set_code(1); // this processor has a translation for stores from here on
  expect_value("three processors start", smp_start(worker), 3);
  count(0);
  for (u64 end = rdtsc() + 10000000000ull; ready < COUNT && rdtsc() < end;) pause();
  expect_value("locked increments add up", counter, COUNT * ROUNDS);
  expect_value("increments under a spin lock add up", guarded, COUNT * ROUNDS);
  expect_value("the time-stamp counter never goes back", backwards, 0);
  bool stale = false;
  for (u32 i = 1; i <= 100; i++) {
    set_code(i);
    stale = stale || ask(1) != i;
    stale = stale || (i % 8 == 0 && run_code() != i);
  }
  expect_true("code that another processor changes is run as it is now", !stale);
#if PAGED
  word first = (word)alloc_pages(1), second = (word)alloc_pages(1);
  window = alloc_pages(1);
  *(volatile u32 *)first = 0x11, *(volatile u32 *)second = 0x22;
  map_page((word)window, first, PTE_P | PTE_W);
  expect_value("a page is seen by both", ask(3) << 8 | *window, 0x1111);
  map_page((word)window, second, PTE_P | PTE_W);
  expect_value("mapped anew it is new after INVLPG", *window, 0x22);
  expect_value("and for the other one after its own", ask(3), 0x22);
#endif
}
