// Three ways to leave nothing that could handle a double fault.
#include "system.h"

void test_main(void) {
  expect_true("so far", true);
#if defined(NO_IDT)
  struct table_register none = {0, 0};
  asm volatile("lidt %0\nud2" : : "m"(none));
#elif defined(NO_GATES)
  idt[GP].type = idt[DF].type = 0;
  asm volatile("mov %0, %%ds" : : "r"(0x1f8));
#else
  idt[DF].ist = 0;
  asm volatile("mov %0, %%rsp\npush %%rax" : : "r"(0x800000000000));
#endif
  expect_true("a triple fault", false);
}
