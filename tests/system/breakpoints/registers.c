// The debug registers as registers: fixed bits, DR4 and DR5, privilege, general detect, what is sticky in DR6 (SDM vol. 3, 17.2).
#include "breakpoints.h"

static void read_dr4(void *value) { asm volatile("mov %%dr4, %0" : "=r"(*(word *)value)); }
static void write_dr5(void *value) { asm volatile("mov %0, %%dr5" : : "r"(*(word *)value)); }
static void set_dr6(void *value) { write_dr6(*(word *)value); }
static void set_dr7(void *value) { write_dr7(*(word *)value); }
static void get_dr0(void *value) { *(word *)value = read_dr0(); }

CODE(detect, MARK(detect_0) "mov %dr0, %" AX "\n" MARK(detect_1) END)
CODE(detect_shadow, "mov %ss, %ebx\n" SET_TF "mov %ebx, %ss\n" MARK(detect_shadow_0) "mov %" AX ", %dr3\n" MARK(detect_shadow_1) CLEAR_TF END)
LABEL(detect_0) LABEL(detect_1) LABEL(detect_shadow_0) LABEL(detect_shadow_1)

void test_registers(void) {
  word value = 0;
  write_dr6(0);
  expect_value("DR6 written with 0", read_dr6(), DR6_FIXED);
  write_dr6(0xffffffff);
  expect_value("DR6 written with ones", read_dr6(), 0xffffefff);
  write_dr6(DR6_FIXED);
  write_dr7(0);
  expect_value("DR7 written with 0", read_dr7(), DR7_FIXED);
  expect_no_fault("DR4 without CR4.DE", attempt(read_dr4, &value));
  expect_value("DR4 is DR6", value, DR6_FIXED);
  value = 0x155;
  expect_no_fault("DR5 without CR4.DE", attempt(write_dr5, &value));
  expect_value("DR5 is DR7", read_dr7(), DR7_FIXED | 0x155);
  write_dr7(DR7_FIXED);
  write_cr4(read_cr4() | CR4_DE);
  expect_fault("DR4 with CR4.DE", attempt(read_dr4, &value), UD, 0);
  expect_fault("DR5 with CR4.DE", attempt(write_dr5, &value), UD, 0);
  write_cr4(read_cr4() & ~CR4_DE);
  expect_fault("DR0 at CPL 3", attempt_user(get_dr0, &value), GP, 0);
  expect_fault("DR4 at CPL 3", attempt_user(read_dr4, &value), GP, 0);
#if LONG
  value = 0x100000000;
  expect_fault("DR6 beyond 32 bits", attempt(set_dr6, &value), GP, 0);
  expect_fault("DR7 beyond 32 bits", attempt(set_dr7, &value), GP, 0);
#else
  (void)set_dr6, (void)set_dr7;
#endif

  // General detect: a fault before the access; the handler may touch the registers, and its frame resumes (RF).
  struct frame start = start_frame(detect, 0);
  run_traced(&start, DR7_FIXED | DR7_GD);
  static const struct event detected[] = {{detect_0, DR6_BD}};
  expect_events("general detect", detect, detected, 1);
  expect_true("RF in the frame of general detect", (seen_flags & FLAG_RF) != 0);
  expect_value("DR7.GD after general detect", read_dr7(), DR7_FIXED);
  start = start_frame(detect, 3);
  expect_fault("general detect at CPL 3", run_traced(&start, DR7_FIXED | DR7_GD), GP, 0);
  start = start_frame(detect_shadow, 0);
  run_traced(&start, DR7_FIXED | DR7_GD);
  static const struct event shadowed[] = {{detect_shadow_0, DR6_BD},      {detect_shadow_1, DR6_BS},     {detect_shadow_1 + 1, DR6_BS},
                                          {detect_shadow_1 + 8, DR6_BS}, {detect_shadow_1 + 9, DR6_BS}};
  expect_events("general detect behind MOV SS", detect_shadow, shadowed, 5);

  // Bits other than B0 to B3 are sticky.
  extern const u8 detect_1[];
  start = start_frame(detect, 0);
  write_dr1((word)detect_1);
  write_dr7(breakpoint(1, WATCH_CODE, 1));
  write_dr6(DR6_BS | 4);
  struct fault got = attempt_at(&start);
  write_dr7(DR7_FIXED);
  expect_fault("a breakpoint with old bits in DR6", got, DB, 0);
  expect_value("old bits in DR6", got.dr6, DR6_FIXED | DR6_BS | 2);
  write_dr6(DR6_FIXED);
}

void test_main(void) {
  test_registers();
  test_data();
  test_code();
}
