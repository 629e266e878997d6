// What every userland test shares: lines that are compared with those of another kernel and machine, and attempts that end in a signal.
// A line is "NAME: VALUE". "skip NAME: reason" says that this kernel cannot do NAME; lines of NAME are then compared with nobody's.
#ifndef USERLAND_H
#define USERLAND_H
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#ifdef __x86_64__
#define BITS 64
#define CONTEXT_IP(context) ((context)->uc_mcontext.gregs[REG_RIP])
#define CONTEXT_SP(context) ((context)->uc_mcontext.gregs[REG_RSP])
#else
#define BITS 32
#define CONTEXT_IP(context) ((context)->uc_mcontext.gregs[REG_EIP])
#define CONTEXT_SP(context) ((context)->uc_mcontext.gregs[REG_ESP])
#endif

#define FLAG_TF 0x100UL
#define FLAG_DF 0x400UL
#define FLAG_NT 0x4000UL
#define FLAG_AC 0x40000UL

/** What the last signal said. */
struct trouble {
  int signal, code, trap;
  unsigned long error, address, ip, flags;
};

/** A line to compare. */
void report(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** A line to compare, and a failure of its own when the condition does not hold on whatever runs it. */
void expect(const char *name, int holds);
/** As expect, with the number seen. */
void expect_value(const char *name, unsigned long got, unsigned long wanted);
void skip(const char *name, const char *reason);
/** Runs `body` until it returns or raises SIGSEGV, SIGBUS, SIGILL, SIGFPE or SIGTRAP. */
struct trouble attempt(void (*body)(void));
/** One line: signal, trap number, error code and si_code; the address, relative to `base`, for page faults. */
void report_trouble(const char *name, struct trouble trouble, const void *base);
/** Installs a handler with SA_SIGINFO | SA_ONSTACK, on a stack of its own. */
void handle(int signal, void (*handler)(int, siginfo_t *, void *));
/** Pages, zero, with the rights given. */
void *pages(unsigned long bytes, int rights);
/** Runs `body` in a child process. @returns its wait status */
int in_child(void (*body)(void));
unsigned long flags(void);

/** The test. */
void test(void);
#endif
