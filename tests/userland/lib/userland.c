// The test's frame: main, lines, signals. A line of a check that fails ends with "not ok", and so does the program's status.
#include "userland.h"
#include <stdarg.h>
#include <sched.h>

static int failures;
static sigjmp_buf back;
static volatile struct trouble seen;

void report(const char *name, const char *format, ...) {
  va_list values;
  va_start(values, format);
  printf("%s: ", name);
  vprintf(format, values);
  printf("\n");
  va_end(values);
}

void expect(const char *name, int holds) {
  if (!holds) failures++;
  report(name, "%s", holds ? "ok" : "not ok");
}

void expect_value(const char *name, unsigned long got, unsigned long wanted) {
  if (got == wanted) report(name, "0x%lx", got);
  else {
    failures++;
    report(name, "not ok, 0x%lx and not 0x%lx", got, wanted);
  }
}

void skip(const char *name, const char *reason) { printf("skip %s: %s\n", name, reason); }

static void take(int signal, siginfo_t *info, void *context_) {
  unsigned long plain = flags() & ~FLAG_AC; // a handler starts with the AC of whom it interrupts
  __asm__ volatile("push %0\n popf" : : "r"(plain) : "memory", "cc");
  ucontext_t *context = context_;
  seen.signal = signal;
  seen.code = info->si_code;
  seen.address = (unsigned long)info->si_addr;
  seen.ip = CONTEXT_IP(context);
  seen.trap = context->uc_mcontext.gregs[REG_TRAPNO];
  seen.error = context->uc_mcontext.gregs[REG_ERR];
  seen.flags = context->uc_mcontext.gregs[REG_EFL];
  siglongjmp(back, 1);
}

void handle(int signal, void (*handler)(int, siginfo_t *, void *)) {
  static char stack[65536] __attribute__((aligned(64)));
  stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  if (sigaltstack(&other, NULL) || sigaction(signal, &action, NULL)) {
    perror("sigaction");
    exit(2);
  }
}

struct trouble attempt(void (*body)(void)) {
  static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
  memset((void *)&seen, 0, sizeof seen);
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) handle(signals[i], take);
  if (!sigsetjmp(back, 1)) body();
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) signal(signals[i], SIG_DFL);
  return seen;
}

void report_trouble(const char *name, struct trouble t, const void *base) {
  if (!t.signal) report(name, "nothing");
  else if (t.trap == 14) report(name, "signal %d code %d trap 14 error 0x%lx at +0x%lx", t.signal, t.code, t.error, t.address - (unsigned long)base);
  else report(name, "signal %d code %d trap %d error 0x%lx", t.signal, t.code, t.trap, t.error);
}

void *pages(unsigned long bytes, int rights) {
  void *at = mmap(NULL, bytes, rights, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) {
    perror("mmap");
    exit(2);
  }
  return at;
}

int in_child(void (*body)(void)) {
  int status;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    body();
    fflush(stdout);
    _exit(failures ? 1 : 0);
  }
  if (child < 0 || waitpid(child, &status, 0) != child) {
    perror("fork");
    exit(2);
  }
  if (status != 0) failures++;
  return status;
}

unsigned long flags(void) {
  unsigned long value;
  __asm__ volatile("pushf\n pop %0" : "=r"(value));
  return value;
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 4096);
  test();
  printf("end: %s\n", failures ? "not ok" : "ok");
  return failures ? 1 : 0;
}
