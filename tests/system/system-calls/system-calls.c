// SYSCALL, SYSRET, SYSENTER, SYSEXIT in long and protected mode as each vendor has them (SDM vol. 2; APM vol. 3): where they exist, what
// they load, what they refuse, and what becomes of TF. Entry points and return points are INT 0x30, which ends an attempt.
#include "system.h"

#define STAR(kernel, user) ((u64)(user) << 48 | (u64)(kernel) << 32)
#define MASKED (FLAG_TF | FLAG_DF | FLAG_IF | FLAG_NT)
static bool amd;

CODE(entry, "int $0x30")
CODE(call_fast, "syscall\nafter_syscall: int $0x30")
CODE(call_enter, "sysenter\nint $0x30")
CODE(call_stepped, "pushf\norl $0x100, (%" SP ")\npopf\nsyscall\nint $0x30")
CODE32(call_fast32, "syscall\nint $0x30")
CODE32(call_enter32, "sysenter\nint $0x30")
#if LONG
CODE(return_wide, "sysretq")
CODE(exit_wide, "sysexitq")
CODE(return_without_ss, "xor %edx, %edx\nmov %edx, %ss\nsysretl")
CODE32(use_stack, "push %eax\nint $0x30")
#endif
CODE(return_narrow, "sysret")
CODE(exit_narrow, "sysexit")
CODE32(back32, "int $0x30")
extern const u8 after_syscall[];

static struct fault at(const u8 *code, u16 cs, word flags) {
  struct frame start = start_frame(code, cs & 3);
  start.cs = cs;
  start.flags |= flags;
  start.dx = start.cx = (word)back32;
#if LONG
  start.r11 = FLAG_FIXED | FLAG_OF;
#endif
  return attempt_at(&start);
}

static void arrived(const char *name, struct fault got, const u8 *ip, u16 cs, u16 ss) {
  expect_value(text("%s: how it ended", name), got.vector, RETURNED);
  if (got.vector != RETURNED) return;
  expect_value(text("%s: RIP", name), got.frame.ip, (word)ip + 2);
  expect_value(text("%s: CS", name), got.frame.cs, cs);
  if (LONG || cs & 3) expect_value(text("%s: SS", name), got.frame.ss, ss);
}

static void fast_calls(void) {
  u16 kernel = LONG ? SEL_CODE64 : SEL_CODE32;
  u64 efer = rdmsr(MSR_EFER);
  wrmsr(MSR_EFER, efer & ~(u64)EFER_SCE);
  expect_fault("SYSCALL without EFER.SCE", at(call_fast, SEL_USER_CODE, 0), UD, 0);
  expect_fault("SYSRET without EFER.SCE", at(return_narrow, SEL_CODE, 0), UD, 0);
  wrmsr(MSR_EFER, efer | EFER_SCE);
  wrmsr(MSR_STAR, STAR(kernel, SEL_USER_CODE32) | (LONG ? 0 : (word)entry));
#if LONG
  wrmsr(MSR_LSTAR, (word)entry);
  wrmsr(MSR_CSTAR, (word)entry);
  wrmsr(MSR_SFMASK, MASKED);
#else
  if (!amd) {
    expect_fault("SYSCALL in protected mode", at(call_fast, SEL_USER_CODE, 0), UD, 0);
    expect_fault("SYSRET in protected mode", at(return_narrow, SEL_CODE, 0), UD, 0);
    return;
  }
#endif
  struct fault got = at(call_fast, SEL_USER_CODE, FLAG_DF | FLAG_OF | FLAG_AC);
  arrived("SYSCALL", got, entry, kernel, kernel + 8);
  expect_value("SYSCALL: RCX", got.frame.cx, (word)after_syscall);
#if LONG
  expect_value("SYSCALL: R11", got.frame.r11, FLAG_FIXED | FLAG_DF | FLAG_OF | FLAG_AC);
  expect_value("SYSCALL: RFLAGS", got.frame.flags, FLAG_FIXED | FLAG_OF | FLAG_AC);
  arrived("SYSCALL at CPL 0", at(call_fast, SEL_CODE64, 0), entry, SEL_CODE64, SEL_CODE64 + 8);
  got = at(call_fast32, SEL_USER_CODE32, 0);
  if (amd) arrived("SYSCALL in compatibility mode", got, entry, SEL_CODE64, SEL_CODE64 + 8);
  else expect_fault("SYSCALL in compatibility mode", got, UD, 0);

  got = at(return_wide, SEL_CODE64, 0);
  arrived("SYSRET to 64-bit code", got, back32, SEL_USER_CODE64, SEL_USER_DATA);
  expect_value("SYSRET: RFLAGS", got.frame.flags, FLAG_FIXED | FLAG_OF);
  struct frame start = start_frame(return_wide, 0);
  start.cx = (word)back32;
  start.r11 = FLAG_FIXED | FLAG_RF | FLAG_VM;
  got = attempt_at(&start);
  expect_true("SYSRET takes no RF and no VM from R11", got.vector == RETURNED && got.frame.flags == FLAG_FIXED);
  start.cx = 0x800000000000ull;
  start.r11 = FLAG_FIXED;
  got = attempt_at(&start);
  expect_fault("SYSRET to an address that is not canonical", got, GP, 0);
  expect_value("CPL of that fault", got.frame.cs & 3, amd ? 3 : 0);
  got = at(return_without_ss, SEL_CODE64, 0);
  expect_true("SYSRET after SS was null", got.vector == RETURNED);
  start = start_frame(return_without_ss, 0);
  start.cx = (word)use_stack;
  start.r11 = FLAG_FIXED;
  got = attempt_at(&start);
  expect_true("a 32-bit program's stack after that", amd ? got.vector == SS && got.error == 0 : got.vector == RETURNED);
#endif
  arrived("SYSRET to 32-bit code", at(return_narrow, SEL_CODE, 0), back32, SEL_USER_CODE32, SEL_USER_DATA);
  expect_fault("SYSRET at CPL 3", at(return_narrow, SEL_USER_CODE, 0), GP, 0);
#if LONG
  got = at(call_stepped, SEL_USER_CODE64, 0);
  expect_true("SYSCALL with TF, masked: no trap", got.vector == RETURNED && (got.frame.cs & 3) == 0);
  wrmsr(MSR_SFMASK, MASKED & ~FLAG_TF);
  got = at(call_stepped, SEL_USER_CODE64, 0);
  expect_true("SYSCALL with TF, not masked: trap at the entry", got.vector == DB && got.frame.cs == SEL_CODE64 && got.frame.ip == (word)entry && got.dr6 & DR6_BS);
  write_dr6(DR6_FIXED);
  start = start_frame(return_wide, 0);
  start.cx = (word)back32;
  start.r11 = FLAG_FIXED | FLAG_TF;
  got = attempt_at(&start);
  expect_true("SYSRET to a program with TF: trap before its first instruction", got.vector == DB && got.frame.cs == SEL_USER_CODE64 && got.frame.ip == (word)back32);
  write_dr6(DR6_FIXED);
#endif
  wrmsr(MSR_EFER, efer);
}

static void entered(const char *name, struct fault got, u16 kernel) {
  arrived(name, got, entry, kernel, kernel + 8);
  expect_value(text("%s: rSP", name), got.frame.sp, (word)user_stack_top - 0x800);
  expect_value(text("%s: IF", name), got.frame.flags & FLAG_IF, 0);
}

static void fast_entries(void) {
  bool exists = !(amd && LONG);
  wrmsr(MSR_SYSENTER_CS, 0);
  expect_fault("SYSENTER without a selector", at(call_enter, SEL_USER_CODE, 0), exists ? GP : UD, 0);
  expect_fault("SYSEXIT without a selector", at(exit_narrow, SEL_CODE, 0), exists ? GP : UD, 0);
  wrmsr(MSR_SYSENTER_CS, SEL_CODE);
  wrmsr(MSR_SYSENTER_ESP, (word)user_stack_top - 0x800);
  wrmsr(MSR_SYSENTER_EIP, (word)entry);
  if (!exists) {
    expect_fault("SYSENTER in long mode", at(call_enter, SEL_USER_CODE, 0), UD, 0);
    expect_fault("SYSENTER in compatibility mode", at(call_enter32, SEL_USER_CODE32, 0), UD, 0);
    expect_fault("SYSEXIT in long mode", at(exit_narrow, SEL_CODE, 0), UD, 0);
    return;
  }
  entered("SYSENTER", at(call_enter, SEL_USER_CODE, 0), SEL_CODE);
  u16 base = SEL_CODE + 16;
  struct frame start = start_frame(exit_narrow, 0);
  start.dx = (word)back32;
  start.cx = (word)user_stack_top - 0x900;
  struct fault got = attempt_at(&start);
  arrived("SYSEXIT to 32-bit code", got, back32, base | 3, (base + 8) | 3);
  expect_value("SYSEXIT: rSP", got.frame.sp, (word)user_stack_top - 0x900);
  expect_fault("SYSEXIT at CPL 3", at(exit_narrow, SEL_USER_CODE, 0), GP, 0);
#if LONG
  entered("SYSENTER in compatibility mode", at(call_enter32, SEL_USER_CODE32, 0), SEL_CODE64);
  arrived("SYSEXIT to 64-bit code", at(exit_wide, SEL_CODE64, 0), back32, (SEL_CODE64 + 32) | 3, (SEL_CODE64 + 40) | 3);
  start = start_frame(exit_wide, 0);
  start.dx = 0x800000000000ull;
  expect_fault("SYSEXIT to an address that is not canonical", attempt_at(&start), GP, 0);
  start.dx = (word)back32;
  start.cx = 0x800000000000ull;
  expect_fault("SYSEXIT to a stack that is not canonical", attempt_at(&start), GP, 0);
#endif
}

void test_main(void) {
  out8(0x21, 0xff); // SYSRET in protected mode sets IF
  out8(0xa1, 0xff);
  amd = cpuid(0, 0).b == 0x68747541;
  fast_calls();
  fast_entries();
#if LONG
  bool clears = !amd || (cpuid(0x80000000, 0).a >= 0x80000021 && cpuid(0x80000021, 0).a & 1 << 6);
  wrmsr(MSR_FS_BASE, 0x123456789000);
  write_fs(0);
  expect_value("FS's base after a null selector", rdmsr(MSR_FS_BASE), clears ? 0 : 0x123456789000);
#endif
}
