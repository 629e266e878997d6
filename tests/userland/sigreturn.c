// Returning from a signal with selectors of the program's choice in CS and SS: each kind of segment that Linux offers, LDT segments that
// are absent, read-only or of the wrong kind. Which exception IRET raises, with which error code, and which values arrive when it does not.
// A program enters the other word size as well. Kernels with espfix report #GP(0) for some, those without 16-bit segments the rest;
// 32-bit kernels report them all in a way of their own.
#include "lib/userland.h"
#include <asm/ldt.h>

static volatile unsigned short want_cs, want_ss;
static volatile int stage;
static struct trouble trouble;
static unsigned long good_cs, good_ss, good_ip, good_sp;
extern char landing[];

#if BITS == 64
#define CS_OF(context) ((unsigned short *)&(context)->uc_mcontext.gregs[REG_CSGSFS])[0]
#define SS_OF(context) ((unsigned short *)&(context)->uc_mcontext.gregs[REG_CSGSFS])[3]
#else
#define CS_OF(context) (*(unsigned short *)&(context)->uc_mcontext.gregs[REG_CS])
#define SS_OF(context) (*(unsigned short *)&(context)->uc_mcontext.gregs[REG_SS])
#endif
// INT3 at a place that any word size and stack can reach: 'landing' lies below 4 GiB, the program is not position independent.
__asm__(".pushsection .text\n landing: int3\n nop\n .popsection");

static unsigned seen_cs, seen_ss, seen_dx;
static void on_signal(int signal, siginfo_t *info, void *context_) {
  ucontext_t *context = context_;
  if (stage == 0) {
    good_cs = CS_OF(context), good_ss = SS_OF(context), good_ip = CONTEXT_IP(context), good_sp = CONTEXT_SP(context);
    stage = 1;
    CS_OF(context) = want_cs;
    SS_OF(context) = want_ss;
    CONTEXT_IP(context) = (unsigned long)landing;
    CONTEXT_SP(context) &= 0xffffffff;
    return;
  }
  trouble = (struct trouble){.signal = signal, .code = info->si_code, .trap = context->uc_mcontext.gregs[REG_TRAPNO],
                             .error = context->uc_mcontext.gregs[REG_ERR], .ip = CONTEXT_IP(context)};
  seen_cs = CS_OF(context), seen_ss = SS_OF(context), seen_dx = 0;
  stage = 2;
  CS_OF(context) = good_cs;
  SS_OF(context) = good_ss;
  CONTEXT_IP(context) = good_ip;
  CONTEXT_SP(context) = good_sp;
}

static long set(int index, int contents, int wide, int absent) {
  struct user_desc desc = {.entry_number = index, .limit = 0xfffff, .seg_32bit = wide, .contents = contents, .limit_in_pages = 1,
                           .seg_not_present = absent, .useable = 1};
  return syscall(SYS_modify_ldt, 0x11, &desc, sizeof desc);
}

static void attempt_return(const char *name, unsigned cs, unsigned ss) {
  want_cs = cs, want_ss = ss, stage = 0;
  raise(SIGUSR1);
  if (trouble.trap == 3)
    report(name, "arrives at +%ld with cs 0x%x ss 0x%x", (long)trouble.ip - (long)landing, seen_cs, seen_ss);
  else report(name, "signal %d code %d trap %d error 0x%lx", trouble.signal, trouble.code, trouble.trap, trouble.error);
}

void test(void) {
  static const int signals[] = {SIGUSR1, SIGSEGV, SIGBUS, SIGTRAP, SIGILL};
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) handle(signals[i], on_signal);
  unsigned cs, ss;
  __asm__ volatile("mov %%cs, %0\n mov %%ss, %1" : "=r"(cs), "=r"(ss));
  if (set(0, 2, 1, 0) || set(1, 0, 1, 0) || set(2, 2, 1, 1) || set(3, 0, 1, 1) || set(4, 3, 1, 1)) {
    skip("kernel return", "no modify_ldt");
    return;
  }
  attempt_return("kernel return own", cs, ss);
  attempt_return("kernel return null code", 0, ss);
  attempt_return("kernel return null code 3", 3, ss);
  attempt_return("kernel return data as code", ss, ss);
  attempt_return("kernel return outside as code", 0xfff7, ss);
  attempt_return("kernel return absent code", 0x17, ss);
  attempt_return("kernel return absent conforming", 0x27, ss);
  attempt_return("kernel return kernel code", 0x10 | 3, ss);
  attempt_return("kernel return LDT code", 0x07, ss);
  attempt_return("kernel return null stack", cs, 0);
  attempt_return("kernel return null stack 3", cs, 3);
  attempt_return("kernel return code as stack", cs, cs);
  attempt_return("kernel return to the other size", cs == 0x33 ? 0x23 : 0x33, ss);
  attempt_return("kernel return to the other size, null stack", cs == 0x33 ? 0x23 : 0x33, 3);
  // Selectors of the LDT in SS: the answer depends on espfix.
  if (syscall(SYS_modify_ldt, 0x11, &(struct user_desc){.entry_number = 5, .limit = 0xffff, .useable = 1}, sizeof(struct user_desc))) {
    skip("kernel espfix", "no 16-bit segments");
    return;
  }
  attempt_return("kernel espfix: LDT code with code as stack", 0x07, 0x07);
  attempt_return("kernel espfix: LDT stack", cs, 0x0f);
  attempt_return("kernel espfix: absent stack", cs, 0x1f);
  attempt_return("kernel espfix: outside stack", cs, 0xfff7);
  attempt_return("kernel espfix: 16-bit stack", cs, 0x2f);
}
