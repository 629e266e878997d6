// Traps, software interrupts, callbacks and the ways back: what a kernel finds on its stack, and when.
#include "kit.h"

#define CODE(name, text) word name(word); asm(".text\n" #name ":\n" text "\nret")

CODE(int_21, "int $0x21");
CODE(int_80, "int $0x80");
CODE(int_03, "int3");
CODE(int_13, "int $13");
CODE(do_ud2, "ud2");
#if LONG
CODE(read_at, "mov (%rdi), %al");
CODE(write_at, "movb $0, (%rdi)");
CODE(jump_to, "jmp *%rdi");
CODE(div_zero, "xor %ecx, %ecx\nmov $1, %eax\nxor %edx, %edx\ndiv %ecx");
CODE(by_rsp, "mov %rsp, %rcx\nmov %rdi, %rsp\nmovb $0, (%rsp)\nmov %rcx, %rsp");
CODE(by_rbp, "mov %rdi, %rbp\nmovb $0, (%rbp)");
CODE(by_es_rbp, "mov %rdi, %rbp\n.byte 0x26\nmovb $0, (%rbp)");
CODE(by_fs_rbp, "mov %rdi, %rbp\nmovb $0, %fs:(%rbp)");
CODE(by_ss_rax, "mov %rdi, %rax\n.byte 0x36\nmovb $0, (%rax)");
CODE(by_r12, "mov %rdi, %r12\nmovb $0, (%r12)");
CODE(by_r13, "mov %rdi, %r13\nmovb $0, (%r13)");
CODE(by_absolute, "movabsb %al, 0x8000000040000000");
CODE(push_far, "mov %rsp, %rcx\nmov %rdi, %rsp\npush %rax\nmov %rcx, %rsp");
CODE(user_syscall, "mov %rsp, %rbx\nsyscall\nuser_syscall_back: nop");
CODE(user_sysenter, "sysenter");
CODE(far_call, "rex64 lcall *(%rdi)");
CODE(load_ss, "mov %edi, %ss");
CODE(load_ds, "mov %edi, %ds");
CODE(cs_after_call, "mov $17, %eax\nxor %edi, %edi\nxor %esi, %esi\nsyscall\nmov %cs, %eax");
CODE(call_from_other_cs, "push %rdi\nlea 1f(%rip), %rax\npush %rax\nlretq\n1: mov $17, %eax\nxor %edi, %edi\nxor %esi, %esi\nsyscall\nmov %cs, %eax");
#else
CODE(read_at, "mov 4(%esp), %eax\nmov (%eax), %al");
CODE(write_at, "mov 4(%esp), %eax\nmovb $0, (%eax)");
CODE(jump_to, "mov 4(%esp), %eax\njmp *%eax");
CODE(div_zero, "xor %ecx, %ecx\nmov $1, %eax\nxor %edx, %edx\ndiv %ecx");
CODE(into_overflow, "mov $127, %al\nadd $1, %al\ninto");
CODE(user_syscall, "int $0x82\nuser_syscall_back: nop");
CODE(user_sysenter, "sysenter");
CODE(fast_call, "mov %esp, %ebx\nfast_call_at: syscall\nfast_call_back: nop");
CODE(far_call, "mov 4(%esp), %eax\nlcall *(%eax)");
CODE(load_ss, "mov 4(%esp), %eax\nmov %eax, %ss");
CODE(load_ds, "mov 4(%esp), %eax\nmov %eax, %ds");
#endif
CODE(halt, "hlt");
CODE(set_nt, "pushf\norl $0x4000, (" SP_NAME ")\npopf\nsysenter");

static word unmapped = 0x400000; // behind the initial mapping's 4 MiB

static void software_interrupts(void) {
  expect_fault("INT n without a handler, from the kernel", attempt(int_21, 0), GP, 0x21 * 8 + 2);
  expect_fault("INT n without a handler, from the user", attempt_user(int_21, 0), GP, 0x21 * 8 + 2);
  expect_fault("INT 0x80 without a handler", attempt(int_80, 0), GP, 0x402);
  expect("RIP is at the INT", attempt(int_80, 0).ip, (word)int_80);
  expect_fault("INT 0x80 without a handler, from the user", attempt_user(int_80, 0), GP, 0x402);
  extern u8 trap_128[];
  set_trap(128, 4 | 0, trap_128);
  expect_fault("INT 0x80 is open to the user whatever the table says", attempt_user(int_80, 0), 128, 0);
  expect("RIP is behind the INT", attempt_user(int_80, 0).ip, (word)int_80 + 2);
  expect_fault("INT3", attempt(int_03, 0), BP, 0);
  expect("RIP is behind INT3", attempt_user(int_03, 0).ip, (word)int_03 + 1);
  expect_fault("INT 13 is refused by its level", attempt_user(int_13, 0), GP, 13 * 8 + 2);
  expect_fault("INT 13 is refused to a kernel that counts as level 1", attempt(int_13, 0), GP, 13 * 8 + 2);
  expect_fault("DIV by zero", attempt(div_zero, 0), DE, 0);
  expect_fault("DIV by zero, user", attempt_user(div_zero, 0), DE, 0);
#if !LONG
  expect_fault("INTO", attempt_user(into_overflow, 0), OF, 0);
  expect_fault("INT 0x82 of the user", attempt_user(user_syscall, 0), GP, 0x82 * 8 + 2);
#endif
}

static void frames(void) {
  struct outcome kernel = attempt(do_ud2, 0), user = attempt_user(do_ud2, 0);
  expect("CS of the kernel", kernel.cs, SHOWN_CS);
  expect("CS of the user", user.cs, FLAT_USER_CS);
  expect("SS of the user", user.ss, FLAT_USER_SS);
  expect("events were masked in the kernel", kernel.mask, 1);
  expect("so the interrupt flag is shown clear", kernel.flags & 0x200, 0);
  expect_fault("a read of nothing by the kernel", attempt(read_at, unmapped), PF, 0);
  expect("its address", attempt(read_at, unmapped).cr2, unmapped);
  expect_fault("a read of nothing by the user", attempt_user(read_at, unmapped), PF, 4);
  expect_fault("a write to nothing by the kernel", attempt(write_at, unmapped), PF, 2);
  expect_fault("a write to a page table", attempt(write_at, (word)table_at(1, 0x100000)), PF, 3);
  expect_fault("a write to a top level by the user", attempt_user(write_at, (word)table_at(LONG ? 4 : 3, 0)), PF, 7);
  expect_fault("a write to the machine's list of frames", attempt(write_at, (word)M2P), PF, 3);
  expect_fault("a jump to nothing", attempt_user(jump_to, unmapped), PF, 0x14);
  expect_fault("HLT", attempt(halt, 0), GP, 0);
  expect_fault("HLT of the user", attempt_user(halt, 0), GP, 0);
}

#if LONG
static void operands(void) {
  word far = 0x8000000040000000;
  expect_fault("not canonical through DS", attempt_user(read_at, far), GP, 0);
  expect_fault("not canonical by RSP", attempt_user(by_rsp, far), SS, 0);
  expect_fault("not canonical by RBP", attempt_user(by_rbp, far), SS, 0);
  expect_fault("not canonical by ES:RBP, where the prefix means nothing", attempt_user(by_es_rbp, far), SS, 0);
  expect_fault("not canonical by FS:RBP", attempt_user(by_fs_rbp, far), GP, 0);
  expect_fault("not canonical by SS:RAX, where the prefix means nothing", attempt_user(by_ss_rax, far), GP, 0);
  expect_fault("not canonical by R12", attempt_user(by_r12, far), GP, 0);
  expect_fault("not canonical by R13", attempt_user(by_r13, far), GP, 0);
  expect_fault("not canonical, absolute", attempt_user(by_absolute, 0), GP, 0);
  expect_fault("not canonical by PUSH", attempt_user(push_far, far), SS, 0);
}
#endif

static struct { u32 low; u32 high; } gdt[512] PAGED;

static void put_descriptor(int index, u32 low, u32 high) {
#if LONG
  call2(update_descriptor, machine_of(&gdt[index]), ((u64)high << 32) | low);
#else
  call4(update_descriptor, machine_of(&gdt[index]), 0, low, high);
#endif
}

static void segments(void) {
  map_entry(gdt, entry_for(gdt, P | U | AD), 2);
  word frame = machine_of(gdt) >> 12;
  expect("set_gdt", call2(set_gdt, &frame, 512), 0);
  expect_fault("a GDT page cannot be written", attempt(write_at, (word)gdt), PF, 3);
  expect("nor mapped writable", map_entry(gdt, entry_for(gdt, P | W | AD), 2), -EBUSY);
  static struct { word offset; u16 selector; } __attribute__((packed)) target = {0, 0x1007};
  expect_fault("a far call through a local table that there is not", attempt_user(far_call, (word)&target), GP, 0x1004);
  expect_fault("a data segment that is not there", attempt(load_ds, 0x53), GP, 0x50);
  expect_fault("a null stack segment", attempt_user(load_ss, 0), GP, 0);
#if LONG
  put_descriptor(9, 0xffff, 0x00af9a00); // level 0 is raised to the guest's
  expect("descriptors lose the levels of Xen", gdt[9].high, 0x00affa00);
  expect("a call leaves the flat selector behind", attempt(call_from_other_cs, 9 * 8 + 3).value, KERNEL_CS);
#else
  put_descriptor(9, 0xffff, 0x00c7fa00); // 2 GiB of code and data for the user
  put_descriptor(10, 0xffff, 0x00c7f200);
  user_cs = 9 * 8 + 3;
  user_ss = 10 * 8 + 3;
  extern word ds_limited(word), ss_limited(word), fs_limited(word), es_by_esp(word), cs_write(word);
  expect_fault("beyond the limit of DS", attempt_user(ds_limited, 0xc0000000), GP, 0);
  expect_fault("beyond the limit of SS", attempt_user(ss_limited, 0xc0000000), SS, 0);
  expect_fault("beyond the limit of FS", attempt_user(fs_limited, 0xc0000000), GP, 0);
  expect_fault("beyond the limit of ES by ESP", attempt_user(es_by_esp, 0xc0000000), GP, 0);
  expect_fault("a store through CS", attempt_user(cs_write, 0xc0000000), GP, 0);
  put_descriptor(11, 0xffff, 0x00cfda00); // and what is neither the kernel's nor the user's
  put_descriptor(12, 0xffff, 0x00cfd200);
  user_cs = 11 * 8 + 2;
  user_ss = 12 * 8 + 2;
  struct outcome middle = attempt_user(do_ud2, 0);
  expect_fault("ring 2 is user code", middle, UD, 0);
  expect("that the kernel sees where it is", middle.cs, 11 * 8 + 2);
  expect_fault("its page faults are a user's", attempt_user(read_at, unmapped), PF, 4);
  expect_fault("it makes no calls", attempt_user(user_syscall, 0), GP, 0x82 * 8 + 2);
  expect_fault("nor does it halt", attempt_user(halt, 0), GP, 0);
  expect_fault("and comes back", attempt_user(load_ds, 0xe033), RETURNED, 0);
  user_cs = FLAT_USER_CS;
  user_ss = FLAT_USER_SS;
#endif
}
#if !LONG
asm(".text\nds_limited: mov 4(%esp), %eax\npush %ds\npush $0x53\npop %ds\n1: movb $0, (%eax)\npop %ds\nret\n"
    "ss_limited: mov 4(%esp), %ebp\nmovb $0, (%ebp)\nret\n"
    "fs_limited: mov 4(%esp), %eax\npush $0x53\npop %fs\nmovb $0, %fs:(%eax)\nret\n"
    "es_by_esp: mov %esp, %ecx\npush $0x53\npop %es\nmov %ecx, %esp\nmov 4(%esp), %esp\nmovb $0, %es:(%esp)\nret\n"
    "cs_write: mov 4(%esp), %eax\nmovb $0, %cs:(%eax)\nret\n");
#endif

#if LONG
static int seen;
static word seen_ip, seen_flags, seen_cs, seen_cx;
static int on_syscall(struct frame *frame) {
  if (frame->vector != SYSCALLED) return 0;
  seen++;
  seen_ip = frame->ip;
  seen_cs = frame->cs;
  seen_flags = frame->flags;
  seen_cx = frame->cx;
  return 1;
}
#endif

static void ways_in(void) {
#if LONG
  extern u8 user_syscall_back[];
  trap_hook = on_syscall;
  struct outcome back = attempt_user(user_syscall, 7);
  trap_hook = 0;
  expect("SYSCALL of the user comes to the callback", seen, 1);
  expect("behind the instruction", seen_ip, (word)user_syscall_back);
  expect("RCX says the same", seen_cx, seen_ip);
  expect("with the user's selector", seen_cs, FLAT_USER_CS);
  expect("and goes back", back.vector, RETURNED);
#endif
#if !LONG
  extern u8 fast_call_at[], fast_call_back[], trap_258[];
  user_cs = 9 * 8 + 3; // not the flat one
  struct outcome fast = attempt_user(fast_call, 0);
  expect("SYSCALL without a callback is #GP or is not there", fast.vector == GP || fast.vector == UD, 1);
  expect("at the instruction", fast.ip, (word)fast_call_at);
  if (fast.vector == GP) {
    struct { u16 type, flags; word cs, address; } callback = {7, 0, KERNEL_CS, (word)trap_258};
    expect("its callback", call2(callback_op, 0, &callback), 0);
    fast = attempt_user(fast_call, 0);
    expect_fault("is where it leads", fast, SYSCALLED, 0);
    expect("from behind the instruction", fast.ip, (word)fast_call_back);
    expect("in the flat code", fast.cs, FLAT_USER_CS);
    expect("and on the flat stack", fast.ss, FLAT_USER_SS);
  }
  user_cs = FLAT_USER_CS;
#endif
  struct outcome entered = attempt_user(user_sysenter, 0);
  expect("SYSENTER comes to its callback or is not there", entered.vector == SYSENTERED || entered.vector == UD, 1);
  if (entered.vector == SYSENTERED) {
    expect("SYSENTER keeps no RIP", entered.ip, 0);
    expect("nor CS", entered.cs, 3);
    expect("and its stack is shown flat", entered.ss, FLAT_USER_SS);
  }
  int nested = attempt_user(set_nt, 0).vector;
  expect("SYSENTER with NT is one fault at most", nested == SYSENTERED || nested == GP || nested == UD, 1);
}

static struct { word op, result, args[6]; } calls[2];

static word iret_in_multicall(word unused) {
  calls[0].op = iret;
  calls[1].op = xen_version;
  calls[1].result = 0x1234;
  word result = multicall;
#if LONG
  asm volatile("push %[ss]\npush $user_stack_top - 64\npushf\nandl $~0x200, (%%rsp)\npush %[cs]\npush $after_iret\npush $0\npush $0\npush $0\npush $0xdead\nsyscall\nafter_iret: int $0x30"
               : "+a"(result) : "D"(calls), "S"(2), [ss] "r"((word)FLAT_USER_SS), [cs] "r"((word)FLAT_USER_CS) : "rcx", "r11", "memory");
#else
  asm volatile("push %[ss]\npush $user_stack_top - 64\npushf\nandl $~0x200, (%%esp)\npush %[cs]\npush $after_iret\npush $0xdead\nint $0x82\nafter_iret: int $0x30"
               : "+a"(result) : "b"(calls), "c"(2), [ss] "r"((word)FLAT_USER_SS), [cs] "r"((word)FLAT_USER_CS) : "memory");
#endif
  return unused;
}

static word iret_to_bad_selector(word selector) {
#if LONG
  asm volatile("push %[ss]\npush $user_stack_top - 64\npush $2\npush %[cs]\npush $0x100000\npush $0\njmp iret_call" : : [ss] "r"((word)FLAT_USER_SS), [cs] "r"(selector));
#else
  asm volatile("push %[ss]\npush $user_stack_top - 64\npush $2\npush %[cs]\npush $0x100000\njmp iret_call" : : [ss] "r"((word)FLAT_USER_SS), [cs] "r"(selector));
#endif
  __builtin_unreachable();
}

#if !LONG
static word iret_to_vm86(word flags) {
  asm volatile("push $4\npush $3\npush $2\npush $1\npush $0x55\npush $0x1234\npush %[flags]\npush $0x1000\npush $0x5678\njmp iret_call" : : [flags] "r"(flags));
  __builtin_unreachable();
}
#endif

static void ways_back(void) {
  struct outcome left = attempt(iret_in_multicall, 0);
  expect("an iret ends its multicall", left.vector, USER_DONE);
  expect("with RAX from the frame", left.value, 0xdead);
  expect("and nothing behind it runs", calls[1].result, 0x1234);
  struct outcome failed = attempt(iret_to_bad_selector, 0x63);
  expect("a return to a bad selector comes to failsafe", failed.vector, FAILSAFE);
  expect("which sees where it would have led", failed.ip, 0x100000);
  expect("and its selector", failed.cs, 0x63);
#if !LONG
  struct outcome vm86 = attempt(iret_to_vm86, 0x20202);
  expect_fault("a return to virtual-8086 mode is #GP", vm86, GP, 0);
  expect("at its first instruction", vm86.ip, 0x5678);
  expect("in its segment", vm86.cs, 0x1000);
  expect("with its flags", vm86.flags, 0x20202);
#endif
}

static int steps;
static int on_step(struct frame *frame) {
  if (frame->vector != DB) return 0;
  steps++;
  return 1;
}

static void stepping(void) {
  trap_hook = on_step;
  user_flags = 0x102;
  struct outcome end = attempt_user(do_ud2, 0);
  user_flags = 2;
  trap_hook = 0;
  expect("a user that steps comes to its end", end.vector, UD);
  expect("no step was made before UD2", steps, 0);
}

void test_main(void) {
  software_interrupts();
  frames();
#if LONG
  operands();
#endif
  segments();
  ways_in();
  ways_back();
  stepping();
}
