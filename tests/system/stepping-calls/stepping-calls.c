// SYSENTER leaves TF alone, so the kernel's first instruction is preceded by the trap. SYSCALL clears what SFMASK says in long mode, and not TF
// outside; the trap depends on the TF that it leaves.
#include "trace.h"

CODE(user_syscall, SET_TF MARK(at_syscall) "syscall\n" END)
CODE(user_sysenter, SET_TF MARK(at_sysenter) "sysenter\n" END)
CODE(kernel, MARK(kernel_entry) CLEAR_TF MARK(kernel_cleared) "nop\n" END)
LABEL(kernel_entry) LABEL(kernel_cleared)

static u8 kernel_stack[4096] __attribute__((aligned(16)));

static bool is_amd(void) { return cpuid(0, 0).b == 0x68747541; }

static void run(const char *name, const u8 *code, bool exists, bool stepped) {
  struct frame start = start_frame(code, 3);
  struct fault got = run_traced(&start, DR7_FIXED);
  if (!exists) {
    expect_fault(name, got, UD, 0);
    return;
  }
  expect_fault(text("%s ends", name), got, RETURNED, 0);
  static const struct event steps[] = {{kernel_entry, DR6_BS}, {kernel_entry + 1, DR6_BS}, {kernel_entry + 8, DR6_BS}, {kernel_entry + 9, DR6_BS}};
  expect_events(name, kernel_entry, steps, stepped ? 4 : 0);
}

void test_main(void) {
  bool amd = is_amd();
  wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
#if LONG
  wrmsr(MSR_STAR, (u64)SEL_CODE64 << 32 | (u64)0x1b << 48);
  wrmsr(MSR_LSTAR, (word)kernel);
  wrmsr(MSR_SFMASK, FLAG_TF);
  run("SYSCALL that masks TF", user_syscall, true, false);
  wrmsr(MSR_SFMASK, 0);
  run("SYSCALL that keeps TF", user_syscall, true, true);
#else
  wrmsr(MSR_STAR, (u64)SEL_CODE32 << 32 | (u64)0x1b << 48 | (word)kernel);
  run("SYSCALL", user_syscall, amd, true);
#endif
  wrmsr(MSR_SYSENTER_CS, SEL_CODE);
  wrmsr(MSR_SYSENTER_ESP, (word)kernel_stack + sizeof kernel_stack);
  wrmsr(MSR_SYSENTER_EIP, (word)kernel);
  run("SYSENTER", user_sysenter, !(LONG && amd), true);
}
