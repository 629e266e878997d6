// IRET and SYSEXIT, to user code and into the wrong.
#include "rom.h"

extern const u8 site[], after_site[];
// Pushes a frame and goes through the ROM's IRET as a patched kernel does, by a relative call at `site`.
asm(".text\nreturn_by_rom:\n"
    "mov 4(%esp), %eax\npush 16(%eax)\npush 12(%eax)\npush 8(%eax)\npush 4(%eax)\npush (%eax)\n"
    ".global site, after_site\nsite: .byte 0xe8, 0, 0, 0, 0\nafter_site: ud2\n");
void return_by_rom(const u32 frame[5]);
CODE(user_landing, "mov $0x1234, %ebx\nint $0x30")
CODE(user_landing_by_sysexit, "mov %esp, %edi\nint $0x30")

static void go(void *frame) { return_by_rom(frame); }
static void sysexit(void *unused) {
  (void)unused;
  asm volatile("jmp *%0" : : "r"(target[SYSEXIT]), "d"(user_landing_by_sysexit), "c"(user_stack_top - 128));
}

static volatile unsigned storms;
static bool storm(struct frame *frame) {
  (void)frame;
  storms++;
  CALL(APICWrite, 0xb0, 0);
  return true;
}

/** Returns to user code under a timer that fires every 20 us: none is lost, and no stack grows. */
static void test_storm(const u32 frame[5]) {
  enum { PERIODIC = 0x100, LVTT = 0x10000, ROUNDS = 3000 };
  set_hook(0x43, storm);
  lapic_write(0xf0, 0x1ff);
  lapic_write(0x320, 0x43);
  CALL(SetAlarm, LVTT | PERIODIC, 1, 0, 20000, 0);
  unsigned right = 0;
  for (unsigned i = 0; i < ROUNDS || (storms < 100 && i < 1000000); i++) {
    struct fault got = attempt(go, (void *)frame);
    if (got.vector == RETURNED && got.frame.bx == 0x1234 && (got.frame.flags & FLAG_IF)) right++;
    else if (right == i) print("round %d: %s at %lx\n", i, vector_name(got.vector), got.frame.ip);
    if (right != i + 1) break;
    CALL(EnableInterrupts);
    CALL(DisableInterrupts);
  }
  CALL(CancelAlarm, LVTT);
  lapic_write(0x320, 0x10000);
  CALL(EnableInterrupts);
  CALL(DisableInterrupts);
  expect_true("returns under a storm of interrupts", right >= ROUNDS);
  expect_true("of which there were many", storms >= 100);
}

void test_returns(void) {
  *(u32 *)(site + 1) = target[IRET] - (word)after_site;
  u32 frame[5] = {(word)user_landing, SEL_USER_CODE, FLAG_FIXED | FLAG_IF, (word)user_stack_top - 64, SEL_USER_DATA};
  struct fault got = attempt(go, frame);
  expect_fault("IRET to user code", got, RETURNED, 0);
  expect_value("it runs there", got.frame.bx, 0x1234);
  expect_true("with interrupts enabled", got.frame.flags & FLAG_IF);

  test_storm(frame);

  frame[4] = 0x7ff8;
  got = attempt(go, frame);
  expect_fault("IRET with a wild stack selector", got, GP, 0x7ff8);
  expect_value("is a fault of the guest's own return", got.frame.ip, (word)site);
  frame[1] = SEL_CODE + 2;
  frame[4] = SEL_USER_DATA;
  got = attempt(go, frame);
  expect_value("IRET to a code segment of another level too", got.frame.ip, (word)site);

  // SYSEXIT counts its segments from SYSENTER_CS: the entries of code 64, then user code.
  wrmsr(MSR_SYSENTER_CS, SEL_CODE32);
  got = attempt(sysexit, 0);
  expect_fault("SYSEXIT", got, RETURNED, 0);
  expect_value("its stack", got.frame.di, (word)user_stack_top - 128);
  expect_true("interrupts are enabled", got.frame.flags & FLAG_IF);
}
