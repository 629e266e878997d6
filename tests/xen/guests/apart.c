// A 64-bit kernel whose user code has tables of its own, with nothing of the kernel in them: what the hypervisor reads and writes for either.
#include "kit.h"

#define USER_PAGE 0x40000000ul
static u64 top[512] PAGED, third[512] PAGED, second[512] PAGED, first[512] PAGED;
static u8 code[4096] PAGED, bitmap[8192] PAGED;
static struct { u32 state, pad; u64 since, times[4]; } runstate;

asm(".text\n"
    "user_begin: in $0x80, %al\nint $0x30\n"
    "user_reads: mov (%rdi), %al\nint $0x30\n"
    "user_calls: syscall\nint $0x30\n"
    "user_long: mov $0x10000, %ecx\n1: dec %ecx\njnz 1b\nint $0x30\nuser_end:\n");
extern u8 user_begin[], user_reads[], user_calls[], user_long[], user_end[];
typedef word (*user_code)(word);

static user_code at_user(const u8 *where) { return (user_code)(USER_PAGE + (word)(where - user_begin)); }

static void table(u64 *page) { map_entry(page, entry_for(page, P | AD), 2); }

static void build(void) {
  for (int n = 0; n < user_end - user_begin; n++) code[n] = user_begin[n];
  first[0] = entry_for(code, P | U | AD);
  second[0] = entry_for(first, P | W | U | AD);
  third[1] = entry_for(second, P | W | U | AD);
  top[0] = entry_for(third, P | W | U | AD);
  u64 *tables[] = {top, third, second, first};
  for (int n = 0; n < 4; n++) table(tables[n]);
  expect("tables for the user", extended(15, machine_of(top) >> 12, 0), 0);
}

static int seen;
static int on_syscall(struct frame *frame) {
  if (frame->vector != SYSCALLED) return 0;
  seen++;
  return 1;
}

void test_main(void) {
  build();
  expect_fault("the kernel is not there", attempt_user(at_user(user_reads), (word)code), PF, 4);
  expect("and CR2 says where", attempt_user(at_user(user_reads), (word)code).cr2, (word)code);
  expect_fault("the user's page is", attempt_user(at_user(user_reads), USER_PAGE), RETURNED, 0);
  expect_fault("for the user alone", attempt((user_code)(USER_PAGE), 0), PF, 0x10);
  struct { word bitmap; u32 ports; } grant = {(word)bitmap, 0x100};
  expect("a bitmap that only the kernel can see", call2(physdev_op, 7, &grant), 0);
  expect_fault("opens a port", attempt_user(at_user(user_begin), 0), RETURNED, 0);
  bitmap[16] = 1;
  expect_fault("and closes it", attempt_user(at_user(user_begin), 0), GP, 0);
  grant.bitmap = (word)bitmap + 4096 - 17;
  bitmap[4095] = 0;
  map_entry(bitmap + 4096, 0, 2);
  call2(physdev_op, 7, &grant);
  expect_fault("where its end is missing, the port before it is open", attempt_user(at_user(user_begin), 0), RETURNED, 0);
  trap_hook = on_syscall;
  expect_fault("SYSCALL", attempt_user(at_user(user_calls), 0), RETURNED, 0);
  trap_hook = 0;
  expect("comes to the kernel", seen, 1);
  word area = (word)&runstate;
  expect("a run state that only the kernel can see", call3(vcpu_op, 5, 0, &area), 0);
  u64 before = runstate.times[0];
  attempt_user(at_user(user_long), 0);
  call2(sched_op, 0, 0);
  call3(vcpu_op, 4, 0, &runstate);
  expect("is written", runstate.state == 0 && runstate.times[0] > before, 1);
}
