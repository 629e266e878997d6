// A bare machine's guest: says so on COM1 and powers off by ACPI's fixed hardware (PM1 control; SLP_TYP of \_S5 is 5).
#include "system.h"

void test_main(void) {
  print("hello from the bare machine\n");
  asm volatile("outw %w0, %w1" : : "a"(5 << 10 | 1 << 13), "d"(0x404));
}
