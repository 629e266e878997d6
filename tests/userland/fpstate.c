// The floating-point and vector state: what a new program finds, what a signal frame saves and restores (with the XSAVE header where there
// is one), exceptions of x87 and SSE as signals, state across fork and threads, and that XGETBV, CPUID and /proc/cpuinfo tell one story.
#include "lib/userland.h"
#include <cpuid.h>
#include <pthread.h>

static uint32_t magic;
static unsigned char image[512], vectors[8][16], vectors_after[8][16];
static long double pi_after;

static void keep(int signal, siginfo_t *info, void *context_) {
  ucontext_t *context = context_;
  (void)signal, (void)info;
#if BITS == 64
  unsigned char *state = (void *)context->uc_mcontext.fpregs;
#else
  unsigned char *state = (unsigned char *)context->uc_mcontext.fpregs + 112;
#endif
  memcpy(image, state, 512);
  memcpy(&magic, state + 464, 4);
  state[160] ^= 0xff; // XMM0's first byte: the change arrives
  __asm__ volatile("fninit\n pcmpeqd %%xmm0, %%xmm0\n movdqa %%xmm0, %%xmm1\n movdqa %%xmm0, %%xmm7" ::: "xmm0", "xmm1", "xmm7");
}

static void x87_zero(void) {
  unsigned short control = 0x37f & ~4;
  __asm__ volatile("fninit\n fldcw %0\n fld1\n fldz\n fdivrp\n fwait" : : "m"(control));
}
static void x87_invalid(void) {
  unsigned short control = 0x37f & ~1;
  __asm__ volatile("fninit\n fldcw %0\n fldz\n fldz\n fdivrp\n fwait" : : "m"(control));
}
static void x87_stack(void) {
  unsigned short control = 0x37f & ~1;
  __asm__ volatile("fninit\n fldcw %0\n fstp %%st(0)\n fwait" : : "m"(control));
}
static void sse_with(unsigned mask, float left, float right) {
  unsigned control = 0x1f80 & ~mask;
  __asm__ volatile("ldmxcsr %0\n movss %1, %%xmm0\n divss %2, %%xmm0" : : "m"(control), "m"(left), "m"(right) : "xmm0");
}
static void sse_zero(void) { sse_with(0x200, 1, 0); }
static void sse_invalid(void) { sse_with(0x80, 0, 0); }
static void sse_overflow(void) { sse_with(0x400, 3e38f, 1e-10f); }
static void sse_inexact(void) { sse_with(0x1000, 1, 3); }
static void sse_denormal(void) { sse_with(0x100, 1e-40f, 1); }
static void mxcsr_reserved(void) { __asm__ volatile("ldmxcsr %0" : : "m"((unsigned){0x10000})); }

static void *other_thread(void *nothing) {
  unsigned mxcsr;
  unsigned short control;
  __asm__ volatile("stmxcsr %0\n fnstcw %1" : "=m"(mxcsr), "=m"(control));
  report("state inherited by a thread", "mxcsr 0x%x control 0x%x", mxcsr, control);
  return nothing;
}

static void bits_of(const char *name, const unsigned char *from, int count) {
  char line[100] = "";
  for (int i = 0; i < count; i++) sprintf(line + 2 * i, "%02x", from[i]);
  report(name, "%s", line);
}

void test(void) {
  unsigned mxcsr, a, b, c, d;
  unsigned short control, status;
  __asm__ volatile("stmxcsr %0\n fnstcw %1\n fnstsw %2" : "=m"(mxcsr), "=m"(control), "=m"(status));
  report("state at the start", "mxcsr 0x%x control 0x%x status 0x%x", mxcsr, control, status);
  for (int i = 0; i < 8; i++) for (int j = 0; j < 16; j++) vectors[i][j] = 16 * i + j;
  handle(SIGUSR1, keep);
  pid_t self = getpid();
  long call = SYS_kill;
  __asm__ volatile(
      "fninit\n fldpi\n movdqu (%4), %%xmm0\n movdqu 16(%4), %%xmm1\n movdqu 32(%4), %%xmm7\n"
#if BITS == 64
      "syscall\n"
#else
      "int $0x80\n"
#endif
      "movdqu %%xmm0, (%5)\n movdqu %%xmm1, 16(%5)\n movdqu %%xmm7, 32(%5)\n fstpt %6"
      : "+a"(call)
#if BITS == 64
      : "D"((long)self), "S"((long)SIGUSR1), "d"(0), "r"(vectors), "r"(vectors_after), "m"(pi_after)
      : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm7", "st");
#else
      : "b"(self), "c"(SIGUSR1), "d"(0), "S"(vectors), "D"(vectors_after), "m"(pi_after)
      : "memory", "xmm0", "xmm1", "xmm7", "st");
#endif
  bits_of("frame control, status, tag", image, 5);
  bits_of("frame st0", image + 32, 10);
  bits_of("frame xmm0", image + 160, 16);
  bits_of("frame xmm7", image + 160 + 7 * 16, 16);
  report("frame mxcsr", "0x%x", *(unsigned *)(image + 24));
  bits_of("xmm0 after", vectors_after[0], 16);
  bits_of("xmm1 after", vectors_after[1], 16);
  bits_of("xmm7 after", vectors_after[2], 16);
  bits_of("st0 after", (unsigned char *)&pi_after, 10);
  report("frame has an XSAVE header", "%d", magic == 0x46505853);

  struct { const char *name; void (*body)(void); } faults[] = {
      {"x87 zero divide", x87_zero}, {"x87 invalid", x87_invalid}, {"x87 stack underflow", x87_stack}, {"SSE zero divide", sse_zero},
      {"SSE invalid", sse_invalid}, {"SSE overflow", sse_overflow}, {"SSE inexact", sse_inexact}, {"SSE denormal", sse_denormal},
      {"MXCSR reserved bits", mxcsr_reserved}};
  for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++) {
    report_trouble(faults[i].name, attempt(faults[i].body), NULL);
    __asm__ volatile("fninit\n ldmxcsr %0" : : "m"((unsigned){0x1f80}));
  }
  __asm__ volatile("ldmxcsr %0\n fldcw %1" : : "m"((unsigned){0x5f80}), "m"((unsigned short){0xb7f}));
  pthread_t thread;
  pthread_create(&thread, NULL, other_thread, NULL);
  pthread_join(thread, NULL);
  __asm__ volatile("fninit\n ldmxcsr %0" : : "m"((unsigned){0x1f80}));

  // AVX, if it is said to be there, is there: OSXSAVE, the bits of XCR0, and an instruction that works; if not, the instruction is #UD.
  __cpuid(1, a, b, c, d);
  unsigned xcr0 = 0, high;
  if (c & bit_OSXSAVE) __asm__ volatile("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
  int told = (c & bit_AVX) && (xcr0 & 6) == 6;
  unsigned leaf_a, leaf_b, leaf_c, leaf_d;
  __cpuid_count(13, 0, leaf_a, leaf_b, leaf_c, leaf_d);
  expect("XCR0 within leaf 13", (xcr0 & ~leaf_a) == 0 && (!(c & bit_OSXSAVE) || (xcr0 & 3) == 3));
  pid_t child = fork();
  if (child == 0) {
    __asm__ volatile(".byte 0xc5, 0xfc, 0x57, 0xc0" ::: "xmm0"); // vxorps ymm0, ymm0, ymm0
    _exit(0);
  }
  int wait_status;
  waitpid(child, &wait_status, 0);
  expect("AVX works if and only if CPUID and XGETBV say so", told ? wait_status == 0 : WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGILL);
}
