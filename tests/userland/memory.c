// Code and memory that change under a program: code written, patched and moved while it runs, rights that change, pages that go away and
// come back elsewhere, copy on write, and the page faults that tell of it. Then the same seen by other threads on other processors.
#include "lib/userland.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static unsigned char *area;
static volatile unsigned char *spot;

// mov $value, %eax; ret
static void emit(unsigned char *at, unsigned value) {
  at[0] = 0xb8;
  memcpy(at + 1, &value, 4);
  at[5] = 0xc3;
}
static unsigned call(void *at) { return ((unsigned (*)(void))at)(); }

static void read_spot(void) { (void)*spot; }
static void write_spot(void) { *spot = 1; }
static void run_spot(void) { call((void *)spot); }

static void code(void) {
  area = pages(16384, PROT_READ | PROT_WRITE | PROT_EXEC);
  unsigned sum = 0;
  for (unsigned i = 0; i < 5000; i++) { // the same place, written anew before each call
    emit(area + (i & 7), i);
    sum += call(area + (i & 7));
  }
  expect_value("code written before each call", sum, 5000u * 4999 / 2);
  // A loop that changes its own immediate: add $1, %eax becomes add $2 after the first round. mov $10, %ecx; xor %eax, %eax; L: add $1, %eax;
  // movb $2, imm; dec %ecx; jnz L; ret
#if BITS == 64
  static const unsigned char loop[] = {0xb9, 10, 0, 0, 0, 0x31, 0xc0, 0x83, 0xc0, 1, 0xc6, 0x05, 0xf8, 0xff, 0xff, 0xff, 2, 0xff, 0xc9, 0x75, 0xf2, 0xc3};
  memcpy(area + 100, loop, sizeof loop);
#else
  static const unsigned char loop[] = {0xb9, 10, 0, 0, 0, 0x31, 0xc0, 0x83, 0xc0, 1, 0xc6, 0x05, 0, 0, 0, 0, 2, 0xff, 0xc9, 0x75, 0xf2, 0xc3};
  memcpy(area + 100, loop, sizeof loop);
  unsigned immediate = (unsigned)(area + 100 + 9);
  memcpy(area + 100 + 12, &immediate, 4);
#endif
  expect_value("a loop that changes itself", call(area + 100), 19);
  // The instruction right behind the store: movb $0x5a, 1(next); mov $imm8 …
#if BITS == 64
  static const unsigned char next[] = {0x31, 0xc0, 0xc6, 0x05, 1, 0, 0, 0, 0x5a, 0xb0, 1, 0xc3};
  memcpy(area + 200, next, sizeof next);
#else
  static const unsigned char next[] = {0x31, 0xc0, 0xc6, 0x05, 0, 0, 0, 0, 0x5a, 0xb0, 1, 0xc3};
  memcpy(area + 200, next, sizeof next);
  immediate = (unsigned)(area + 200 + 10);
  memcpy(area + 200 + 4, &immediate, 4);
#endif
  expect_value("the very next instruction", call(area + 200), 0x5a);
  emit(area + 4093, 77); // across two pages, then its second page changes
  unsigned first = call(area + 4093);
  area[4096] = 1;
  expect("code across two pages", first == 77 && call(area + 4093) == (77 & 0xffff) + 0x10000);
  emit(area, 1), emit(area + 8192, 2);
  unsigned before = call(area + 8192);
  if (mremap(area + 8192, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, area) != area) exit(2);
  expect("another page moved over code that ran", before == 2 && call(area) == 2);
  spot = area + 8192;
  report_trouble("code that was moved away", attempt(run_spot), area);
  mprotect(area, 4096, PROT_READ | PROT_WRITE);
  spot = area;
  report_trouble("kernel code that may no longer run", attempt(run_spot), area);
  mprotect(area, 4096, PROT_READ | PROT_EXEC);
  report_trouble("code that may no longer change", attempt(write_spot), area);
  expect_value("it still runs", call(area), 2);
  // Two views of one page: written through one, run through the other.
  int file = syscall(SYS_memfd_create, "code", 0);
  if (file < 0 || ftruncate(file, 4096)) exit(2);
  unsigned char *writable = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  unsigned char *runnable = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
  unsigned wrong = 0;
  for (unsigned i = 0; i < 1000; i++) {
    emit(writable, i * 3);
    wrong += call(runnable) != i * 3;
  }
  expect_value("written through one view, run through another", wrong, 0);
}

static void rights(void) {
  unsigned char *at = pages(8192, PROT_READ | PROT_WRITE);
  spot = at + 8;
  *spot = 7;
  mprotect(at, 4096, PROT_READ);
  report_trouble("write to a page for reading", attempt(write_spot), at);
  mprotect(at, 4096, PROT_NONE);
  report_trouble("read of a page for nothing", attempt(read_spot), at);
  mprotect(at, 4096, PROT_READ | PROT_WRITE);
  report("contents after all this", "%d", *spot);
  munmap(at, 4096);
  report_trouble("read of a page that is gone", attempt(read_spot), at);
  pid_t child = fork();
  if (child == 0) {
    at[4096] = 1;
    _exit(at[4097]);
  }
  int status;
  at[4097] = 9;
  waitpid(child, &status, 0);
  report("copy on write", "child %d, parent %d %d", status, at[4096], at[4097]);
}

// Another thread reads a page all the time while its mapping is replaced: once told of the new one it may never see the old.
static _Atomic unsigned generation, done;
static _Atomic unsigned stale;
static volatile unsigned *watched;
static void *reader(void *number) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((long)number % sysconf(_SC_NPROCESSORS_ONLN), &set);
  sched_setaffinity(0, sizeof set, &set);
  while (!done) {
    unsigned told = generation;
    if (*watched < told) stale++;
    sched_yield();
  }
  return NULL;
}
static void shootdown(void) {
  pthread_t threads[3];
  watched = pages(4096, PROT_READ | PROT_WRITE);
  for (long i = 0; i < 3; i++) pthread_create(&threads[i], NULL, reader, (void *)i);
  for (unsigned i = 1; i <= 100; i++) {
    unsigned *fresh = pages(4096, PROT_READ | PROT_WRITE);
    *fresh = i;
    if (mremap(fresh, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)watched) != (void *)watched) exit(2);
    generation = i;
    if (i % 10 == 0) sched_yield();
  }
  done = 1;
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  expect_value("stale pages seen by other threads", stale, 0);
}

void test(void) {
  code();
  rights();
  shootdown();
}
