// Single steps as a program sees them: TF set by POPF, over system calls of each kind, MOV SS, string instructions, CPUID and faults; and
// PTRACE_SINGLESTEP through the same code. Each trap is a line with the offset from the code's start.
#include "lib/userland.h"
#include <sys/ptrace.h>
#include <sys/user.h>

static unsigned long traps[64];
static volatile int count;

static void note(int signal, siginfo_t *info, void *context_) {
  ucontext_t *context = context_;
  (void)signal;
  if (count < 64) traps[count++] = (unsigned long)CONTEXT_IP(context);
  if (info->si_code != TRAP_TRACE) traps[63] = info->si_code;
}

#if BITS == 64
#define ACC "rax"
#define CLOBBERS "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r11", "memory", "cc"
#else
#define ACC "eax"
#define CLOBBERS "eax", "ecx", "edx", "esi", "edi", "memory", "cc"
#endif
// From the POPF that sets TF to the one that clears it; NAME_code is where the first stepped instruction lies.
#define STEPPED(name, text)                                                                                              \
  extern char name##_code[];                                                                                             \
  static void name(void) {                                                                                               \
    __asm__ volatile("pushf\n orl $0x100, (%%" SP ")\n popf\n .globl " #name "_code\n" #name "_code:\n" text             \
                     "\n pushf\n andl $~0x100, (%%" SP ")\n popf\n nop" ::: CLOBBERS);                                   \
  }
#if BITS == 64
#define SP "rsp"
#else
#define SP "esp"
#endif
char buffer[16];
STEPPED(plain, "nop\n nop\n xor %%eax, %%eax")
STEPPED(strings, "lea buffer, %%edi\n mov $3, %%ecx\n cld\n rep stosb\n nop")
STEPPED(stack_segment, "mov %%ss, %%eax\n mov %%eax, %%ss\n nop\n nop")
STEPPED(stack_segment_pushf, "mov %%ss, %%eax\n mov %%eax, %%ss\n pushf\n pop %%" ACC)
STEPPED(cpuid_, "mov %%ebx, %%esi\n xor %%eax, %%eax\n cpuid\n mov %%esi, %%ebx\n nop")
STEPPED(interrupt_call, "mov $20, %%eax\n int $0x80\n nop\n nop")
STEPPED(push_flags, "pushf\n pop %%" ACC "\n nop")
STEPPED(branches, "jmp 1f\n nop\n 1: call 2f\n jmp 3f\n 2: ret\n 3: nop")
STEPPED(loops, "mov $2, %%ecx\n 1: loop 1b\n nop")
#if BITS == 64
STEPPED(fast_call, "mov $39, %%eax\n syscall\n nop\n nop")
#endif

static void run(const char *name, void (*body)(void), char *code) {
  char line[400] = "";
  count = 0;
  memset(traps, 0, sizeof traps);
  handle(SIGTRAP, note);
  body();
  signal(SIGTRAP, SIG_DFL);
  for (int i = 0; i < count; i++) snprintf(line + strlen(line), sizeof line - strlen(line), " %lx", traps[i] - (unsigned long)code);
  report(name, "%d traps at%s%s", count, line, traps[63] ? ", one of another kind" : "");
}

// The same under a tracer, which sees each stop's offset.
static void traced(const char *name, void (*body)(void), char *code) {
  char line[700] = "";
  int status;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    signal(SIGTRAP, SIG_DFL);
    raise(SIGSTOP);
    body();
    _exit(0);
  }
  waitpid(child, &status, 0);
  int inside = 0, steps = 0;
  while (ptrace(PTRACE_SINGLESTEP, child, 0, 0) == 0 && waitpid(child, &status, 0) == child && WIFSTOPPED(status) && steps++ < 3000) {
    struct user_regs_struct registers;
    ptrace(PTRACE_GETREGS, child, 0, &registers);
#if BITS == 64
    unsigned long at = registers.rip - (unsigned long)code;
#else
    unsigned long at = registers.eip - (unsigned long)code;
#endif
    if (at < 40) {
      if (inside++ < 40) snprintf(line + strlen(line), sizeof line - strlen(line), " %lx", at);
    } else if (inside) break;
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  report(name, "traced, stops at%s", line);
}

void test(void) {
  memset(buffer, 0, sizeof buffer);
#define RUN(id) run(#id, id, id##_code), traced(#id, id, id##_code);
  RUN(plain) RUN(strings) RUN(stack_segment) RUN(stack_segment_pushf) RUN(cpuid_) RUN(push_flags) RUN(branches) RUN(loops)
  RUN(interrupt_call)
#if BITS == 64
  RUN(fast_call)
#endif
}
