// Other processors: through real-address mode, and by call 62; then alarms of all of them in the same instant, and time that others take.
#include "rom.h"

enum { PERIODIC = 0x100, LVTT = 0x10000, PER_CPU = 0x4000 };
struct ap_state {
  u32 cr0, cr2, cr3, cr4;
  u64 efer;
  u32 eip, eflags, eax, ebx, ecx, edx, esp, ebp, esi, edi;
  u16 cs, ss, ds, es, fs, gs, ldtr, gdt_limit;
  u32 gdt_base, idt_base;
  u16 idt_limit;
} __attribute__((packed));

void load_tables(unsigned index);
static volatile u32 levels[MAX_CPUS], arrived, ticked, rearmed[MAX_CPUS];
static volatile bool go;
static u8 stacks[MAX_CPUS][PER_CPU] __attribute__((aligned(16)));
static u64 instant;

static u64 now(u32 which) { return CALL(GetCycleCounter, which); }
static void alarm(u64 expiry) { CALL(SetAlarm, LVTT, expiry, expiry >> 32, 0, 0); }

static bool tick(struct frame *frame) {
  (void)frame;
  unsigned index = cpu_index();
  CALL(APICWrite, 0xb0, 0);
  asm volatile("lock btsl %1, %0" : "+m"(ticked) : "r"(index));
  if (rearmed[index] < 3) {
    rearmed[index]++;
    alarm(now(0) + 100000);
  }
  return true;
}

static void work(unsigned index) {
  CALL(SetLinearMapping, 0, 0xc0000000, 1, 0);
  levels[index] = read_ss() & 3;
  lapic_write(0xf0, 0x1ff);
  asm volatile("lock incl %0" : "+m"(arrived));
  while (!go) pause();
  alarm(instant);
  lapic_write(0x320, 0x55);
  for (;;) CALL(Halt);
}

static void start(void) {
  unsigned index = cpu_index();
  load_tables(index);
  work(index);
}

static u32 wait(volatile u32 *count, u32 wanted) {
  for (u64 until = rdtsc() + 3000000000ull; *count != wanted && rdtsc() < until;) pause();
  return *count;
}

static void parked(unsigned index) {
  CALL(SetLinearMapping, 0, 0xc0000000, 1, 0);
  levels[index] = read_ss() & 3;
  asm volatile("lock incl %0" : "+m"(arrived));
}

void test_smp(void) {
  unsigned others = cpu_count() - 1;
  expect_value("started through real-address mode", smp_start(parked), others);
  expect_value("and all there", wait(&arrived, others), others);
  bool right = true;
  for (unsigned i = 1; i <= others; i++) right = right && levels[i] == LEVEL;
  expect_true("at the kernel's level after a call", right);

  arrived = 0;
  for (unsigned id = 1; id <= others; id++) {
    levels[id] = 9;
    struct ap_state state = {.cr0 = read_cr0(), .cr3 = read_cr3(), .cr4 = read_cr4(), .eip = (word)start, .esp = (word)stacks[id] + PER_CPU - 16};
#ifdef MODE_PAE
    state.efer = rdmsr(MSR_EFER);
#endif
    state.cs = SEL_CODE, state.ss = state.ds = state.es = SEL_DATA;
    state.gdt_base = (word)gdt, state.gdt_limit = sizeof gdt - 1, state.idt_base = (word)idt, state.idt_limit = sizeof idt - 1;
    send_ipi(id, 0x4500);
    CALL(SetInitialAPState, &state, id);
    send_ipi(id, 0x4608);
    send_ipi(id, 0x4608);
  }
  expect_value("started by SetInitialAPState", wait(&arrived, others), others);
  right = true;
  for (unsigned i = 1; i <= others; i++) right = right && levels[i] == LEVEL;
  expect_true("at the kernel's level", right);
  CALL(SetInitialAPState, stacks, 0x12345);

  set_hook(0x55, tick);
  instant = now(0) + 20000000;
  go = true;
  alarm(instant);
  lapic_write(0x320, 0x55);
  CALL(EnableInterrupts);
  expect_value("an alarm of each processor in the same instant", wait(&ticked, (2u << others) - 1), (2u << others) - 1);
  for (unsigned i = 0; i <= others; i++) wait(&rearmed[i], 3);
  CALL(DisableInterrupts);
  right = true;
  for (unsigned i = 0; i <= others; i++) right = right && rearmed[i] == 3;
  expect_true("armed again from each handler", right);
  CALL(CancelAlarm, LVTT);
  u64 stolen = now(2), available = now(1), real = now(0);
  expect_true("time was stolen", stolen > 0 && stolen < real);
  expect_true("the rest was available", real - (available + stolen) < 1000000000);
}
