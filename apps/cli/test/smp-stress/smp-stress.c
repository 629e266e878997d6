/*
 * Work on every processor of a Linux guest at once, without a C library: gcc -m64|-m32 -static -nostdlib.
 *
 *   smp-stress SECONDS    on each processor: processes are made and waited for, a byte goes back and forth through pipes to a process on
 *                         the next processor, and two threads of one address space, on two processors, check that a page which one maps
 *                         anew is new for the other one as well. Prints a line for each processor, and "smp-stress: ok" at the end.
 *   smp-stress tsc MS     reads the time-stamp counter on every processor in turn; prints how often it went back.
 */
typedef unsigned long ulong;
typedef unsigned char byte;

#ifdef __x86_64__
enum { READ = 0, WRITE = 1, MUNMAP = 11, YIELD = 24, PIPE = 22, CLONE = 56, FORK = 57, EXIT = 60, WAIT4 = 61, KILL = 62,
       SETAFFINITY = 203, GETAFFINITY = 204, CLOCK = 228, MMAP = 9 };
static long sys(long n, long a, long b, long c, long d) {
  long r;
  register long r10 asm("r10") = d;
  asm volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return r;
}
static long map(void *at, long length, long protection, long flags) {
  long r;
  register long r10 asm("r10") = flags;
  register long r8 asm("r8") = -1;
  register long r9 asm("r9") = 0;
  asm volatile("syscall" : "=a"(r) : "a"(MMAP), "D"(at), "S"(length), "d"(protection), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return r;
}
asm(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call start\n");
/* clone(flags, stack); the child finds its function on its stack */
asm("spawn: mov $56, %eax\n syscall\n test %rax, %rax\n jnz 1f\n pop %rax\n call *%rax\n mov $60, %eax\n xor %edi, %edi\n syscall\n 1: ret\n");
#else
enum { EXIT = 1, FORK = 2, READ = 3, WRITE = 4, KILL = 37, PIPE = 42, MMAP = 90, MUNMAP = 91, WAIT4 = 114, CLONE = 120, YIELD = 158,
       SETAFFINITY = 241, GETAFFINITY = 242, CLOCK = 265 };
static long sys(long n, long a, long b, long c, long d) {
  long r;
  asm volatile("int $0x80" : "=a"(r) : "a"(n), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
  return r;
}
static long map(void *at, long length, long protection, long flags) {
  long arguments[6] = {(long)at, length, protection, flags, -1, 0};
  return sys(MMAP, (long)arguments, 0, 0, 0);
}
asm(".globl _start\n_start: mov %esp, %eax\n and $-16, %esp\n sub $12, %esp\n push %eax\n call start\n");
asm("spawn: push %ebx\n mov 8(%esp), %ebx\n mov 12(%esp), %ecx\n mov $120, %eax\n int $0x80\n test %eax, %eax\n jnz 1f\n"
    " pop %eax\n call *%eax\n mov $1, %eax\n xor %ebx, %ebx\n int $0x80\n 1: pop %ebx\n ret\n");
#endif
long spawn(long flags, void *stack);

#define PAGE 4096
#define SHARED_ANONYMOUS 0x21
#define PRIVATE_ANONYMOUS 0x22
#define FIXED 0x10
#define SIGCHLD 17
#define SIGKILL 9
#define CLONE_VM 0x100
#define RELAX() asm volatile("pause" ::: "memory")

struct counts { volatile ulong forks, trips, maps, stale, done; };
static struct counts *counts; /* one for each processor, shared by all processes */
static ulong cpus;

static void print(const char *text) {
  long length = 0;
  while (text[length]) length++;
  sys(WRITE, 1, (long)text, length, 0);
}
static void number(ulong value) {
  char text[24], *at = text + 23;
  *at = 0;
  do *--at = '0' + value % 10; while (value /= 10);
  print(at);
}
static ulong parse(const char *text) {
  ulong value = 0;
  while (*text >= '0' && *text <= '9') value = value * 10 + *text++ - '0';
  return value;
}
static long seconds(void) {
  long now[2];
  sys(CLOCK, 1, (long)now, 0, 0);
  return now[0];
}
static void pin(ulong cpu) {
  ulong mask[16] = {0};
  mask[0] = 1ul << cpu % cpus;
  if (sys(SETAFFINITY, 0, sizeof mask, (long)mask, 0) < 0) print("smp-stress: cannot be pinned\n");
}

/* -- processes and pipes --------------------------------------------------------------------------------------------------------- */
static void forks(struct counts *mine) {
  long child = sys(FORK, 0, 0, 0, 0);
  if (child == 0) sys(EXIT, 0, 0, 0, 0);
  if (child > 0 && sys(WAIT4, child, 0, 0, 0) == child) mine->forks++;
}
static void trips(struct counts *mine, int to, int from) {
  byte sent = mine->trips, got = ~sent;
  if (sys(WRITE, to, (long)&sent, 1, 0) == 1 && sys(READ, from, (long)&got, 1, 0) == 1 && got == (byte)(sent + 1)) mine->trips++;
}
static void echo(int from, int to) {
  for (byte value; sys(READ, from, (long)&value, 1, 0) == 1;) {
    value++;
    sys(WRITE, to, (long)&value, 1, 0);
  }
}

/* -- one address space on two processors ------------------------------------------------------------------------------------------ */
static struct { volatile ulong ask, answer, seen; volatile ulong *page; ulong cpu; } other;
static void looker(void) {
  pin(other.cpu);
  for (ulong last = 0;;) {
    while (other.ask == last) RELAX();
    last = other.ask;
    other.seen = *other.page;
    other.answer = last;
  }
}
static void maps(struct counts *mine) {
  ulong turn = other.ask + 1;
  map((void *)other.page, PAGE, 3, PRIVATE_ANONYMOUS | FIXED); /* the other one has the old page in its TLB */
  if (turn & 1) *other.page = turn;
  other.ask = turn;
  while (other.answer != turn) RELAX();
  if (other.seen != (turn & 1 ? turn : 0)) mine->stale++;
  mine->maps++;
}

static void worker(ulong cpu, long until) {
  struct counts *mine = &counts[cpu];
  int out[2], back[2];
  static byte stack[16384] __attribute__((aligned(16)));
  sys(PIPE, (long)out, 0, 0, 0);
  sys(PIPE, (long)back, 0, 0, 0);
  long echoing = sys(FORK, 0, 0, 0, 0);
  if (echoing == 0) {
    pin(cpu + 1);
    echo(out[0], back[1]);
    sys(EXIT, 0, 0, 0, 0);
  }
  pin(cpu);
  other.cpu = cpu + 1;
  other.page = (ulong *)map(0, PAGE, 3, PRIVATE_ANONYMOUS);
  ulong *top = (ulong *)(stack + sizeof stack - 16);
  *top = (ulong)looker;
  long looking = spawn(CLONE_VM | SIGCHLD, top);
  while (seconds() < until) {
    for (int i = 0; i < 4; i++) forks(mine);
    for (int i = 0; i < 64; i++) trips(mine, out[1], back[0]);
    for (int i = 0; i < 64; i++) maps(mine);
  }
  sys(KILL, looking, SIGKILL, 0, 0);
  sys(KILL, echoing, SIGKILL, 0, 0);
  sys(WAIT4, looking, 0, 0, 0);
  sys(WAIT4, echoing, 0, 0, 0);
  mine->done = 1;
  sys(EXIT, 0, 0, 0, 0);
}

static int stress(long duration) {
  long until = seconds() + duration;
  int failed = 0;
  for (ulong cpu = 0; cpu < cpus; cpu++) {
    if (sys(FORK, 0, 0, 0, 0) == 0) worker(cpu, until);
  }
  while (sys(WAIT4, -1, 0, 0, 0) > 0) continue;
  for (ulong cpu = 0; cpu < cpus; cpu++) {
    struct counts *c = &counts[cpu];
    print("cpu "), number(cpu), print(": forks "), number(c->forks), print(", round trips "), number(c->trips);
    print(", maps "), number(c->maps), print(", stale "), number(c->stale), print("\n");
    failed |= !c->done || c->stale || !c->forks || !c->trips || !c->maps;
  }
  return failed;
}

/* -- the time-stamp counter --------------------------------------------------------------------------------------------------------- */
static unsigned long long tsc(void) {
  unsigned low, high;
  asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
  return (unsigned long long)high << 32 | low;
}
static struct { volatile ulong lock; volatile unsigned long long last; volatile ulong back, reads[64]; } *shared;
static int warp(ulong ms) {
  shared = (void *)map(0, PAGE, 3, SHARED_ANONYMOUS);
  for (ulong cpu = 0; cpu < cpus; cpu++) {
    if (sys(FORK, 0, 0, 0, 0) != 0) continue;
    pin(cpu);
    for (unsigned long long end = tsc() + ms * 1000000ull, now = 0; now < end;) {
      while (__sync_lock_test_and_set(&shared->lock, 1)) RELAX();
      now = tsc();
      if (now < shared->last) shared->back++;
      shared->last = now;
      shared->reads[cpu]++;
      __sync_lock_release(&shared->lock);
    }
    sys(EXIT, 0, 0, 0, 0);
  }
  while (sys(WAIT4, -1, 0, 0, 0) > 0) continue;
  int failed = shared->back != 0;
  for (ulong cpu = 0; cpu < cpus; cpu++) failed |= shared->reads[cpu] == 0;
  print("time-stamp counter went back "), number(shared->back), print(" times\n");
  return failed;
}

__attribute__((used)) void start(ulong *stack) {
  ulong mask[16] = {0};
  char **arguments = (char **)(stack + 1);
  sys(GETAFFINITY, 0, sizeof mask, (long)mask, 0);
  while (mask[0] >> cpus & 1) cpus++;
  counts = (void *)map(0, PAGE, 3, SHARED_ANONYMOUS);
  int failed = stack[0] == 3 ? warp(parse(arguments[2])) : stack[0] == 2 ? stress(parse(arguments[1])) : 1;
  print(failed ? "smp-stress: failed\n" : "smp-stress: ok\n");
  sys(EXIT, failed, 0, 0, 0);
}
