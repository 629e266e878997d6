// The kit itself: traps come and go, user code runs and comes back.
#include "kit.h"

static word add_one(word value) { return value + 1; }
static word undefined(word value) {
  asm volatile("ud2");
  return value;
}

extern u8 hypercall_page[];
#if LONG
word version_by_page(word); asm(".text\nversion_by_page: xor %edi, %edi\nxor %esi, %esi\njmp hypercall_page + 17 * 32");
#else
word version_by_page(word); asm(".text\nversion_by_page: push %ebx\nxor %ebx, %ebx\nxor %ecx, %ecx\ncall hypercall_page + 17 * 32\npop %ebx\nret");
#endif

void test_main(void) {
  expect("the page of calls is filled", hypercall_page[0] == 0xc3, 0);
  expect("and calls", attempt(version_by_page, 0).value, 4 << 16 | 17);
  expect("a function returns", attempt(add_one, 41).value, 42);
  expect_fault("UD2 of the kernel", attempt(undefined, 0), UD, 0);
  struct outcome user = attempt_user(add_one, 1);
  expect("user code came back", user.vector, RETURNED);
  expect("with its value", user.value, 2);
  expect("from the user's selector", user.cs, FLAT_USER_CS);
  expect_fault("UD2 of the user", attempt_user(undefined, 0), UD, 0);
}
