// Several threads on several processors: locked increments, futex hand-over, the outcomes that x86's memory order allows and those it
// forbids, and a clock that never runs backwards from one processor to another.
#include "lib/userland.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

static long processors;
static void pin(long number) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(number % processors, &set);
  sched_setaffinity(0, sizeof set, &set);
}

static volatile unsigned counter, wide[2];
static void *increments(void *number) {
  pin((long)number);
  for (int i = 0; i < 5000; i++) {
    __asm__ volatile("lock incl %0" : "+m"(counter));
    unsigned low, high;
    do { // both halves together, by CMPXCHG8B
      low = wide[0], high = wide[1];
    } while (!__sync_bool_compare_and_swap((volatile uint64_t *)wide, (uint64_t)high << 32 | low, (uint64_t)(high + 1) << 32 | (low + 3)));
  }
  return NULL;
}

static volatile int turn;
static void *hand_over(void *number_) {
  int number = (long)number_;
  pin(number);
  for (int i = 0; i < 200; i++) {
    int now;
    while ((now = turn) % 4 != number) syscall(SYS_futex, &turn, FUTEX_WAIT, now, NULL, NULL, 0);
    turn++;
    syscall(SYS_futex, &turn, FUTEX_WAKE, 4, NULL, NULL, 0);
  }
  return NULL;
}

// Two variables on two cache lines, a round number for start and end, and what each side saw.
static struct { volatile unsigned value; char rest[60]; } x, y, round_start, side_done[4] __attribute__((aligned(64)));
static volatile unsigned saw[4];
static int kind;
enum { MESSAGE, LOAD, FENCED, SAME, INDEPENDENT };
#define ROUNDS 60
static void wait_for(volatile unsigned *at, unsigned value) {
  for (unsigned spins = 0; *at != value; spins++) {
    __asm__ volatile("pause");
    if (spins > 200) sched_yield();
  }
}
static void *side(void *number_) {
  long number = (long)number_;
  pin(number);
  for (unsigned i = 1; i <= ROUNDS; i++) {
    wait_for(&round_start.value, i);
    unsigned a = 0, b = 0;
    if (kind == MESSAGE) { // y seen means x seen
      if (number == 0) x.value = i, y.value = i;
      else a = y.value, b = x.value;
      saw[number] = a == i && b != i;
    } else if (kind == LOAD) { // neither load may see the other's later store
      if (number == 0) a = x.value, y.value = i;
      else a = y.value, x.value = i;
      saw[number] = a == i;
    } else if (kind == FENCED) { // with a locked instruction between store and load at least one sees the other
      if (number == 0) {
        x.value = i;
        __asm__ volatile("lock orl $0, %0" : "+m"(side_done[3].value));
        a = y.value;
      } else {
        y.value = i;
        __asm__ volatile("mfence");
        a = x.value;
      }
      saw[number] = a != i;
    } else if (kind == SAME) { // a thread sees its own store
      if (number == 0) x.value = i, a = x.value, saw[0] = a != i;
      else y.value = i, a = y.value, saw[1] = a != i;
    } else { // all readers agree on the order of two writers
      if (number == 0) x.value = i;
      else if (number == 1) y.value = i;
      else if (number == 2) a = x.value, b = y.value;
      else a = y.value, b = x.value;
      saw[number] = number >= 2 && a == i && b != i;
    }
    side_done[number].value = i;
  }
  return NULL;
}
static void litmus(const char *name, int which) {
  pthread_t threads[4];
  int sides = which == INDEPENDENT ? 4 : 2;
  unsigned forbidden = 0;
  kind = which, round_start.value = 0, x.value = y.value = 0;
  for (long i = 0; i < 4; i++) side_done[i].value = 0;
  for (long i = 0; i < sides; i++) pthread_create(&threads[i], NULL, side, (void *)i);
  for (unsigned i = 1; i <= ROUNDS; i++) {
    x.value = y.value = 0;
    __sync_synchronize();
    round_start.value = i;
    for (int j = 0; j < sides; j++) wait_for(&side_done[j].value, i);
    if (which == MESSAGE) forbidden += saw[1];
    else if (which == SAME) forbidden += saw[0] | saw[1];
    else if (which == INDEPENDENT) forbidden += saw[2] & saw[3];
    else forbidden += saw[0] & saw[1];
  }
  for (int i = 0; i < sides; i++) pthread_join(threads[i], NULL);
  expect_value(name, forbidden, 0);
}

// The clock, read by turns on different processors: each reading is not before the one that another processor made first.
static volatile uint64_t latest;
static volatile unsigned backwards;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t tsc(void) {
  unsigned low, high;
  __asm__ volatile("lfence\n rdtsc" : "=a"(low), "=d"(high));
  return (uint64_t)high << 32 | low;
}
static uint64_t monotonic(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1000000000ull + at.tv_nsec;
}
static uint64_t (*clock_read)(void);
static void *clocks(void *number) {
  for (int i = 0; i < 400; i++) {
    if (i % 100 == 0) pin((long)number + i / 100);
    pthread_mutex_lock(&lock);
    uint64_t now = clock_read();
    if (now < latest) backwards++;
    latest = now;
    pthread_mutex_unlock(&lock);
  }
  return NULL;
}

static void run(void *(*body)(void *)) {
  pthread_t threads[4];
  for (long i = 0; i < 4; i++) pthread_create(&threads[i], NULL, body, (void *)i);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
}

void test(void) {
  processors = sysconf(_SC_NPROCESSORS_ONLN);
  run(increments);
  expect_value("locked increments", counter, 20000);
  expect("eight bytes at a time", wide[0] == 60000 && wide[1] == 20000);
  run(hand_over);
  expect_value("futex hand-over", turn, 800);
  litmus("message passing", MESSAGE);
  litmus("load buffering", LOAD);
  litmus("store buffering with fences", FENCED);
  litmus("own stores", SAME);
  litmus("independent readers", INDEPENDENT);
  clock_read = tsc;
  run(clocks);
  expect_value("TSC steps backwards", backwards, 0);
  latest = 0, clock_read = monotonic;
  run(clocks);
  expect_value("clock steps backwards", backwards, 0);
}
