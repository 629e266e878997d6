// The kit itself: traps come and go, user code runs and comes back.
#include "kit.h"

static word add_one(word value) { return value + 1; }
static word undefined(word value) {
  asm volatile("ud2");
  return value;
}

void test_main(void) {
  expect("a function returns", attempt(add_one, 41).value, 42);
  expect_fault("UD2 of the kernel", attempt(undefined, 0), UD, 0);
  struct outcome user = attempt_user(add_one, 1);
  expect("user code came back", user.vector, RETURNED);
  expect("with its value", user.value, 2);
  expect("from the user's selector", user.cs, FLAT_USER_CS);
  expect_fault("UD2 of the user", attempt_user(undefined, 0), UD, 0);
}
