// User code: into it, system calls out of it, what it may not do, returns that fail, and a storm of alarms over all of this.
#include "pv.h"

static volatile unsigned services, alarms;
static volatile word service_flags, service_sp;
static bool on_service(struct frame *frame) {
  services++;
  service_flags = frame->flags;
  service_sp = (word)frame;
  frame->ax *= 2;
  return true;
}
static bool on_alarm(struct frame *frame) {
  (void)frame;
  alarms++;
  return true;
}

// ---- user code ----
static word user_int(word times) {
  word value = 1;
  for (word n = 0; n < times; n++) asm volatile("int %1" : "+a"(value) : "i"(SYSCALL_INT) : "memory");
  return value;
}
static word user_fast(word times) {
  word value = 1;
  for (word n = 0; n < times; n++) {
#if LONG
    asm volatile("syscall" : "+a"(value) : : "rcx", "r11", "memory");
#else
    asm volatile("mov %%esp, %%ecx\nmov $1f, %%edx\nsysenter\n1:" : "+a"(value) : : "ecx", "edx", "memory");
#endif
  }
  return value;
}
static word user_cli(word unused) {
  asm volatile("cli");
  return unused;
}
static word user_hlt(word unused) {
  asm volatile("hlt");
  return unused;
}
static word user_out(word unused) {
  out8(0x80, 0);
  return unused;
}
static word user_rdtsc(word unused) { return (word)rdtsc() | 1 | unused; }

// ---- the kernel's ----
__attribute__((noreturn)) void go(word *frame);
#if LONG
asm("go: push 32(%rdi)\npush 24(%rdi)\npush 16(%rdi)\npush 8(%rdi)\npush (%rdi)\njmp *pv_iret\n");
#else
asm("go: mov 4(%esp), %eax\npush 16(%eax)\npush 12(%eax)\npush 8(%eax)\npush 4(%eax)\npush (%eax)\njmp *pv_iret\n");
#endif
static word return_to(word frame) { go((word *)frame); }

void test_user(void) {
  begin_group("user");
  handlers[SYSCALL_INT] = on_service;
  handlers[FAST_SYSCALL] = on_service;
  handlers[TIMER_VECTOR] = on_alarm;
  struct outcome got = attempt_user(user_int, 10);
  expect_trap("it comes back", got, NOTHING, 0);
  expect("ten system calls by INT", got.value, 1024);
  expect("each reached the kernel", services, 10);
  expect("with interrupts enabled in user code", service_flags & FLAG_IF, FLAG_IF);
  expect_true("on the kernel's stack", service_sp < STACK_TOP(0, 1) && service_sp > STACK_TOP(0, 1) - 512);
  pv.cpu.load_kernel_stack(STACK_TOP(0, 1) - 4096);
  attempt_user(user_int, 1);
  expect_true("load_kernel_stack moves it", service_sp < STACK_TOP(0, 1) - 4096 && service_sp > STACK_TOP(0, 1) - 4608);
  pv.cpu.load_kernel_stack(STACK_TOP(0, 1));
  if (pv_fast_return) {
    services = 0;
    got = attempt_user(user_fast, 10);
    expect_trap("the faster way comes back too", got, NOTHING, 0);
    expect("ten faster system calls", got.value, 1024);
    expect("each reached the kernel", services, 10);
    expect("with interrupts enabled after the return", service_flags & FLAG_IF, FLAG_IF);
  } else without("a faster system call");

  expect_trap("CLI in user code", attempt_user(user_cli, 0), GP, 0);
  expect_trap("HLT in user code", attempt_user(user_hlt, 0), GP, 0);
  expect_trap("OUT in user code", attempt_user(user_out, 0), GP, 0);
  expect_trap("RDTSC in user code", attempt_user(user_rdtsc, 0), NOTHING, 0);
  pv.cpu.set_iopl(3);
  user_flags |= FLAG_IOPL; // bare metal takes it from here
  expect_trap("OUT after set_iopl 3", attempt_user(user_out, 0), NOTHING, 0);
  user_flags &= ~FLAG_IOPL;
  pv.cpu.set_iopl(0);
  expect_trap("OUT after set_iopl 0", attempt_user(user_out, 0), GP, 0);

  // A frame that cannot be returned to: the trap is at the kernel's own return.
  if (pv.platform.user_bit || !LONG) {
    word frame[5] = {(word)user_rdtsc, USER_CS, FLAG_IF | 2, (word)user_stack + 4096, 0x7ffb};
    got = attempt(return_to, (word)frame);
    if (got.vector == FAILSAFE) expect("a return with a wild stack segment comes to the failsafe callback", got.vector, FAILSAFE);
    else {
      expect_trap("a return with a wild stack segment", got, GP, 0x7ff8);
      expect("is a trap of the kernel's return", got.ip, (word)pv_iret);
    }
  }

  alarms = 0;
  u32 hz = pv.time.frequency();
  u64 start = pv.time.counter(REAL);
  pv.time.set_alarm(start, hz / 1000);
  unsigned rounds = 0, right = 0;
  while (alarms < 20 && pv.time.counter(REAL) - start < 2ull * hz) {
    rounds++;
    got = attempt_user(user_int, 8);
    right += got.vector == NOTHING && got.value == 256;
  }
  pv.time.cancel_alarm();
  expect_true("alarms come in user code", alarms >= 20);
  expect("every return under them was right", right, rounds);
}
