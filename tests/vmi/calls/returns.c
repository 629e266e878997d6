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

void test_returns(void) {
  *(u32 *)(site + 1) = target[IRET] - (word)after_site;
  u32 frame[5] = {(word)user_landing, SEL_USER_CODE, FLAG_FIXED | FLAG_IF, (word)user_stack_top - 64, SEL_USER_DATA};
  struct fault got = attempt(go, frame);
  expect_fault("IRET to user code", got, RETURNED, 0);
  expect_value("it runs there", got.frame.bx, 0x1234);
  expect_true("with interrupts enabled", got.frame.flags & FLAG_IF);

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
