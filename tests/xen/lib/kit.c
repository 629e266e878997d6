// What every guest of the tests needs, whichever way it is one: the console's ring, traps with attempts around them, verdicts.
#include "kit.h"

u8 *start_info;
u8 shared_info[4096] PAGED;
word user_cs = FLAT_USER_CS, user_ss = FLAT_USER_SS, user_flags = 2;
int (*trap_hook)(struct frame *frame);
u32 random_state = 1;

word attempt_raw(word (*code)(word), word argument, word *context);
__attribute__((noreturn)) void attempt_over(word *context, word value);
__attribute__((noreturn)) void enter_user(word (*code)(word), word argument);

static struct outcome last;
static word context;
static int passed, failed;

int text_length(const char *text) {
  int length = 0;
  while (text[length]) length++;
  return length;
}

void print(const char *text) {
  static u8 *ring;
  static u32 port;
  if (!ring) ring = console(&port);
  volatile u32 *cons = (volatile u32 *)(ring + 0xc08), *prod = (volatile u32 *)(ring + 0xc0c);
  for (; *text; text++) {
    while (*prod - *cons >= 2048) call2(sched_op, 0, 0);
    ring[0x400 + (*prod & 2047)] = *text;
    *prod = *prod + 1;
    if (*text == '\n' || *prod - *cons == 2048) call2(event_channel_op, 4, &port);
  }
}

void print_number(word value) {
  char text[19] = "0x";
  int length = 2;
  for (int shift = sizeof(word) * 8 - 4; shift >= 0; shift -= 4)
    if (length > 2 || (value >> shift) != 0 || shift == 0) text[length++] = "0123456789abcdef"[(value >> shift) & 15];
  text[length] = 0;
  print(text);
}

void expect(const char *name, long got, long wanted) {
  print(got == wanted ? "ok " : "not ok ");
  print(name);
  if (got == wanted) passed++;
  else {
    failed++;
    print(": expected ");
    print_number(wanted);
    print(", got ");
    print_number(got);
  }
  print("\n");
}

void expect_fault(const char *name, struct outcome got, int vector, word error) {
  long value = got.vector * 0x10000L + (long)got.error;
  expect(name, value, vector * 0x10000L + (long)error);
}

u32 random_below(u32 below) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  random_state ^= random_state << 5;
  return random_state % below;
}

void power_off(void) {
  u32 reason = 0;
  for (;;) call2(sched_op, 2, &reason);
}

void handle_trap(struct frame *frame) {
  if (trap_hook && trap_hook(frame)) return;
  last.vector = (int)frame->vector;
  last.error = frame->error;
  last.ip = frame->ip;
  last.cs = frame->cs;
  last.mask = frame->mask;
  last.flags = frame->flags;
  last.value = frame->ax;
  if (LONG || (frame->cs & 3) == 3) {
    last.sp = frame->sp;
    last.ss = frame->ss;
  }
  last.cr2 = fault_address();
  if (!context) {
    print("a trap that nobody waits for: ");
    print_number(frame->vector);
    print(" at ");
    print_number(frame->ip);
    print(", error ");
    print_number(frame->error);
    print(", cr2 ");
    print_number(last.cr2);
    print("\n");
    u32 crash = 3;
    call2(sched_op, 2, &crash);
  }
  attempt_over(&context, frame->ax);
}

static word in_user(word code) {
  word *parts = (word *)code;
  enter_user((word(*)(word))parts[0], parts[1]);
}

struct outcome attempt(word (*code)(word), word argument) {
  word outer = context;
  last = (struct outcome){.vector = RETURNED};
  word value = attempt_raw(code, argument, &context);
  context = outer;
  struct outcome result = last;
  result.value = value;
  return result;
}

struct outcome attempt_user(word (*code)(word), word argument) {
  word parts[2] = {(word)code, argument};
  struct outcome result = attempt(in_user, (word)parts);
  if (result.vector == USER_DONE) result.vector = RETURNED;
  return result;
}

void run_tests(void) {
  test_main();
  print_number(passed);
  print(" passed, ");
  print_number(failed);
  print(" failed\n");
  power_off();
}
