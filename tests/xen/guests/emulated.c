// What emulation of single instructions must not lose: steps, watched ports, a forbidden counter, registers that have two names.
#include "kit.h"

#define CODE(name, text) word name(word); asm(".text\n" #name ":\n" text "\nret")
#if LONG
#define ARGUMENT "mov %rdi, %rax\n"
#define A "%rax"
#else
#define ARGUMENT "mov 4(%esp), %eax\n"
#define A "%eax"
#endif

CODE(read_cr4, "mov %cr4, " A);
CODE(write_cr4, ARGUMENT "mov " A ", %cr4");
CODE(write_dr0, ARGUMENT "mov " A ", %dr0");
CODE(read_dr4, "mov %dr4, " A);
CODE(write_dr4, ARGUMENT "mov " A ", %dr4");
CODE(read_dr6, "mov %dr6, " A);
CODE(write_dr6, ARGUMENT "mov " A ", %dr6");
CODE(write_dr7, ARGUMENT "mov " A ", %dr7");
CODE(do_rdtsc, "rdtsc");
CODE(do_out, "outb %al, $0x80\nout_over: nop");
CODE(do_outw, "outw %ax, $0x7f\noutw_over: nop");
CODE(read_efer, "mov $0xc0000080, %ecx\nrdmsr");
CODE(stepped, "pushf\norl $0x100, (" SP_NAME ")\npopf\nstep_0: mov %cr4, " A "\nstep_1: nop\nstep_2: clts\nstep_3: mov %dr7, " A "\nstep_4: pushf\nandl $~0x100, (" SP_NAME ")\npopf\nstep_5: nop");
#if LONG
CODE(out_string, "mov %rdi, %rsi\nmov $4, %ecx\nmov $0x80, %edx\ncld\nout_string_at: rep outsb\nmov %rcx, %rax");
#else
CODE(out_string, "push %esi\nmov 8(%esp), %esi\nmov $4, %ecx\nmov $0x80, %edx\ncld\nout_string_at: rep outsb\nmov %ecx, %eax\npop %esi");
#endif

static word at[64];
static int steps;
static int on_step(struct frame *frame) {
  if (frame->vector != DB) return 0;
  if (steps < 64) at[steps] = frame->ip;
  steps++;
  return 1;
}

static int came(const u8 *where) {
  for (int n = 0; n < steps && n < 64; n++)
    if (at[n] == (word)where) return 1;
  return 0;
}

static void stepping(void) {
  extern u8 step_1[], step_2[], step_3[], step_4[];
  trap_hook = on_step;
  stepped(0);
  trap_hook = 0;
  expect("a step over a read of CR4", came(step_1), 1);
  expect("over a NOP", came(step_2), 1);
  expect("over CLTS", came(step_3), 1);
  expect("over a read of DR7", came(step_4), 1);
  expect("DR6 says that they were steps", read_dr6(0) & 0x4000, 0x4000);
  write_dr6(0xffff0ff0);
}

static void watched_ports(void) {
  extern u8 out_over[], outw_over[], out_string_at[];
  u32 level = 1;
  call2(physdev_op, 6, &level);
  word cr4 = read_cr4(0);
  write_cr4(cr4 | 8);
  write_dr0(0x80);
  write_dr7(0x20402);
  struct outcome hit = attempt(do_out, 0);
  expect_fault("a watched port", hit, DB, 0);
  expect("after the access", hit.ip, (word)out_over);
  expect("DR6 says which", read_dr6(0) & 15, 1);
  write_dr6(0xffff0ff0);
  hit = attempt(do_outw, 0);
  expect_fault("a wider access to it", hit, DB, 0);
  expect("after the access", hit.ip, (word)outw_over);
  write_dr6(0xffff0ff0);
  trap_hook = on_step;
  steps = 0;
  expect("a string of accesses", out_string((word)at), 0);
  trap_hook = 0;
  expect("is told of one by one", steps, 4);
  expect("while it goes on", at[0], (word)out_string_at);
  write_dr0(0x90);
  expect_fault("another port", attempt(do_out, 0), RETURNED, 0);
  write_dr0(0x80);
  write_dr7(0x20400);
  expect_fault("one that is off", attempt(do_out, 0), RETURNED, 0);
  write_dr7(0x400);
  write_cr4(cr4);
  level = 0;
  call2(physdev_op, 6, &level);
}

static void the_counter(void) {
  word cr4 = read_cr4(0);
  write_cr4(cr4 | 4);
  expect("CR4.TSD", read_cr4(0), cr4 | 4);
  expect_fault("RDTSC of the kernel", attempt(do_rdtsc, 0), RETURNED, 0);
  expect_fault("RDTSC of the user", attempt_user(do_rdtsc, 0), GP, 0);
  write_cr4(cr4);
  expect_fault("RDTSC of the user again", attempt_user(do_rdtsc, 0), RETURNED, 0);
}

static void two_names(void) {
  word cr4 = read_cr4(0);
  expect("DR4 is DR6", read_dr4(0), read_dr6(0));
  write_cr4(cr4 | 8);
  expect_fault("DR4 under CR4.DE", attempt(read_dr4, 0), UD, 0);
  expect_fault("a write to it", attempt(write_dr4, 0xffff0ff0), UD, 0);
  write_cr4(cr4);
  expect("DR8 by the call", call2(set_debugreg, 8, 0), -ENODEV);
  expect("and its value", call1(get_debugreg, 8), -ENODEV);
  expect("EFER without long mode for those who have none", read_efer(0) & 0x500, LONG ? 0x500 : 0);
}

static word user_in(word unused) {
  word value = 0;
  asm volatile("in $0x80, %%al" : "+a"(value));
  return unused + value;
}

static void the_bitmap(void) {
  static u8 bitmap[32];
  bitmap[16] = 0xfe;
  struct { word bitmap; u32 ports; } grant = {(word)bitmap, 0x82};
  expect("set_iobitmap", call2(physdev_op, 7, &grant), 0);
  expect_fault("a port within", attempt_user(user_in, 0), RETURNED, 0);
  grant.ports = 0x81;
  call2(physdev_op, 7, &grant);
  expect_fault("the last port of the bitmap is not", attempt_user(user_in, 0), GP, 0);
  grant.ports = 0;
  call2(physdev_op, 7, &grant);
}

static void odd_calls(void) {
#if LONG
  struct { u8 vector, flags; u16 cs; word address; } far[2] = {{0x30, 7, KERNEL_CS, 0x800000000000}, {0}};
  expect("a handler that is not canonical", call1(set_trap_table, far), -EINVAL);
#endif
  struct { u16 domain, pad; u32 index; u64 value; } parameter = {DOMID_SELF, 0, 0, 0};
  expect("a PV guest has no HVM parameters", call2(hvm_op, 1, &parameter), -EINVAL);
  expect("nor sets them", call2(hvm_op, 0, &parameter), -EINVAL);
  expect("an hvm_op that there is not", call2(hvm_op, 99, &parameter), -ENOSYS);
  expect("machine checks are not its affair", call1(48, &parameter), -EPERM);
  expect("nor is kexec", call2(37, 0, &parameter), -EPERM);
  expect("nor what the hypervisor is set to", call1(42, 0), -EPERM);
  struct { u32 command, port, rest[6]; } old = {7, 0, {0}};
  expect("an event channel by the old call", call1(16, &old), 0);
  expect("is one", old.rest[0] > 0, 1);
  old.port = old.rest[0];
  old.command = 3;
  expect("which closes", call1(16, &old), 0);
  old.command = 11;
  expect("and knows nothing new", call1(16, &old), -ENOSYS);
}

void test_main(void) {
  stepping();
  watched_ports();
  the_counter();
  two_names();
  the_bitmap();
  odd_calls();
}
