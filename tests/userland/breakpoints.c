// The debug registers through ptrace: execution, write and access breakpoints of each length, hits that cross their edge, accesses by the
// kernel and by string instructions, DR6 as the tracer reads it, and what the kernel refuses. With unaligned accesses under EFLAGS.AC.
#include "lib/userland.h"
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#define DR(n) offsetof(struct user, u_debugreg[n])
static struct { char before[16], bytes[32]; } target __attribute__((aligned(32)));
static pid_t child;

static void touch(int kind, int offset) {
  char *at = target.bytes + offset;
  unsigned long count = 3;
  switch (kind) {
    case 0: __asm__ volatile("movb $1, (%0)" : : "r"(at) : "memory"); break;
    case 1: __asm__ volatile("movw $1, (%0)" : : "r"(at) : "memory"); break;
    case 2: __asm__ volatile("movl $1, (%0)" : : "r"(at) : "memory"); break;
    case 3: __asm__ volatile("movb (%0), %%al" : : "r"(at) : "memory", "eax"); break;
    case 4: __asm__ volatile("movups (%0), %%xmm0" : : "r"(at) : "memory", "xmm0"); break;
    case 5: __asm__ volatile("incl (%0)" : : "r"(at) : "memory"); break;
    case 6: __asm__ volatile("cld\n rep stosb" : "+D"(at), "+c"(count) : "a"(0) : "memory"); break;
    case 7: __asm__ volatile("push (%0)\n pop (%0)" : : "r"(at) : "memory"); break;
    case 8: __asm__ volatile("xchg %%eax, (%0)" : : "r"(at) : "memory", "eax"); break;
    case 9: syscall(SYS_getcwd, at, 4); break;
  }
}
static const char *const kinds[] = {"write 1", "write 2", "write 4", "read 1", "read 16", "increment 4", "rep stosb 3", "push and pop", "exchange 4", "the kernel"};

static void tracee(void) {
  ptrace(PTRACE_TRACEME, 0, 0, 0);
  if (chdir("/")) _exit(1);
  raise(SIGSTOP);
  for (unsigned kind = 0; kind < 10; kind++)
    for (int offset = 0; offset < 20; offset += 1) {
      touch(kind, offset);
      raise(SIGUSR1); // the end of one access
    }
}

static void watch(const char *name, int type, int length, int offset) {
  int status;
  char line[200];
  child = fork();
  if (child == 0) {
    tracee();
    _exit(0);
  }
  waitpid(child, &status, 0);
  ptrace(PTRACE_POKEUSER, child, DR(1), target.bytes + offset);
  long set = ptrace(PTRACE_POKEUSER, child, DR(7), (void *)(unsigned long)(4 | (type | (length - 1) << 2) << 20));
  for (unsigned kind = 0; kind < 10 && set == 0; kind++) {
    unsigned hits = 0, dr6 = 0, total = 0;
    for (int at = 0; at < 20; at++) {
      for (;;) {
        ptrace(PTRACE_CONT, child, 0, 0);
        waitpid(child, &status, 0);
        if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) break;
        hits |= 1u << at;
        total++;
        dr6 |= (unsigned)ptrace(PTRACE_PEEKUSER, child, DR(6), 0) & 0xf00f;
        ptrace(PTRACE_POKEUSER, child, DR(6), 0);
      }
    }
    snprintf(line, sizeof line, "%s, %s", name, kinds[kind]);
    report(line, "offsets 0x%x, %u traps, dr6 0x%x", hits, total, dr6);
  }
  if (set) report(name, "refused");
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
}

static void execution(void) {
  extern char mark[];
  int status;
  child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    for (volatile int i = 0; i < 3; i++) __asm__ volatile("nop\n .globl mark\n mark: nop\n nop");
    _exit(7);
  }
  waitpid(child, &status, 0);
  ptrace(PTRACE_POKEUSER, child, DR(0), mark);
  ptrace(PTRACE_POKEUSER, child, DR(7), 1);
  for (int i = 0; i < 5; i++) {
    ptrace(PTRACE_CONT, child, 0, 0);
    waitpid(child, &status, 0);
    if (!WIFSTOPPED(status)) break;
    struct user_regs_struct registers;
    ptrace(PTRACE_GETREGS, child, 0, &registers);
#if BITS == 64
    unsigned long at = registers.rip, flags = registers.eflags;
#else
    unsigned long at = registers.eip, flags = registers.eflags;
#endif
    report("execution breakpoint", "signal %d at +%ld, RF %d, dr6 0x%lx", WSTOPSIG(status), (long)(at - (unsigned long)mark), !!(flags & 0x10000),
           ptrace(PTRACE_PEEKUSER, child, DR(6), 0) & 0xf00f);
  }
  report("execution breakpoint's end", "%d", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static char misaligned[64] __attribute__((aligned(64)));
#define UNDER_AC(id, text)                                                                                                              \
  static void id(void) { __asm__ volatile("pushf\n " OR_AC "\n popf\n" text "\n pushf\n " AND_AC "\n popf" : : "r"(misaligned) : "memory", "eax", "xmm0", "cc"); }
#if BITS == 64
#define OR_AC "orl $0x40000, (%%rsp)"
#define AND_AC "andl $~0x40000, (%%rsp)"
#else
#define OR_AC "orl $0x40000, (%%esp)"
#define AND_AC "andl $~0x40000, (%%esp)"
#endif
UNDER_AC(ac_aligned, "movl 4(%0), %%eax") UNDER_AC(ac_read4, "movl 1(%0), %%eax") UNDER_AC(ac_write2, "movw %%ax, 1(%0)")
UNDER_AC(ac_byte, "movb 3(%0), %%al") UNDER_AC(ac_movups, "movups 4(%0), %%xmm0") UNDER_AC(ac_movsd, "movsd 4(%0), %%xmm0")
UNDER_AC(ac_lock, "lock incl 2(%0)") UNDER_AC(ac_x87, "fldl 4(%0)\n fstp %%st(0)") UNDER_AC(ac_x87_extended, "fldt 2(%0)\n fstp %%st(0)")
UNDER_AC(ac_x87_extended_8, "fldt 8(%0)\n fstp %%st(0)") UNDER_AC(ac_far, "verr 1(%0)") UNDER_AC(ac_cross, "movl 61(%0), %%eax")

void test(void) {
  watch("write 1 at 4", 1, 1, 4);
  watch("write 2 at 4", 1, 2, 4);
  watch("write 4 at 4", 1, 4, 4);
  watch("access 1 at 7", 3, 1, 7);
  watch("access 4 at 8", 3, 4, 8);
#if BITS == 64
  watch("write 8 at 8", 1, 3, 8);
#endif
  watch("write 2 at 5", 1, 2, 5);
  watch("I/O", 2, 1, 0);
  execution();
#define RUN(id) report_trouble(#id, attempt(id), misaligned);
  RUN(ac_aligned) RUN(ac_read4) RUN(ac_write2) RUN(ac_byte) RUN(ac_movups) RUN(ac_movsd) RUN(ac_lock) RUN(ac_x87) RUN(ac_x87_extended)
  RUN(ac_x87_extended_8) RUN(ac_far) RUN(ac_cross)
}
