// Instructions that a kernel at CPL 1 or 3 may use all the same, and what of the machine it finds by them.
#include "kit.h"

#define CODE(name, text) word name(word); asm(".text\n" #name ":\n" text "\nret")
#if LONG
#define ARGUMENT "mov %rdi, %rax\n"
#define A "%rax"
#define C "%rcx"
#else
#define ARGUMENT "mov 4(%esp), %eax\n"
#define A "%eax"
#define C "%ecx"
#endif

CODE(do_cli, "cli");
CODE(do_out, "xor %eax, %eax\noutb %al, $0x80");
CODE(do_in, "mov $0, %eax\ninb $0x80, %al\nmovzbl %al, %eax");
CODE(do_lgdt, "lgdt (" SP_NAME ")");
CODE(do_invlpg, "invlpg (" SP_NAME ")");
CODE(read_cr0, "mov %cr0, " A);
CODE(write_cr0, ARGUMENT "mov " A ", %cr0");
CODE(read_cr3, "mov %cr3, " A);
CODE(write_cr3, ARGUMENT "mov " A ", %cr3");
CODE(read_cr4, "mov %cr4, " A);
CODE(write_cr4, ARGUMENT "mov " A ", %cr4");
CODE(read_dr0, "mov %dr0, " A);
CODE(write_dr0, ARGUMENT "mov " A ", %dr0");
CODE(read_dr6, "mov %dr6, " A);
CODE(write_dr6, ARGUMENT "mov " A ", %dr6");
CODE(read_dr7, "mov %dr7, " A);
CODE(write_dr7, ARGUMENT "mov " A ", %dr7");
CODE(use_fpu, "fldz\nfstp %st(0)");
CODE(do_clts, "clts");
CODE(do_wbinvd, "wbinvd");
CODE(set_ss, ARGUMENT "mov (" A "), %ss\nnop\nset_ss_over: nop");
CODE(store_word, ARGUMENT "movl $0, (" A ")\nstore_word_over: nop");
#if LONG
CODE(cpuid_plain, "push %rbx\nmov %edi, %eax\nxor %ecx, %ecx\ncpuid\nmov %ebx, %eax\npop %rbx");
CODE(cpuid_forced, "push %rbx\nmov %edi, %eax\nxor %ecx, %ecx\nud2\n.ascii \"xen\"\ncpuid\nmov %ebx, %eax\npop %rbx");
CODE(read_msr, "mov %edi, %ecx\nrdmsr\nshl $32, %rdx\nor %rdx, %rax");
word msr_value;
CODE(write_msr, "mov %edi, %ecx\nmov msr_value, %eax\nmov msr_value + 4, %edx\nwrmsr");
CODE(read_fs_base, "rdfsbase %rax");
CODE(write_fs_base, "wrfsbase %rdi");
CODE(read_gs_base, "rdgsbase %rax");
CODE(write_gs_base, "wrgsbase %rdi");
CODE(out_string, "mov %rdi, %rsi\nmov $4, %ecx\nmov $0x80, %edx\nrep outsb\nmov %rcx, %rax");
CODE(in_string, "mov %rdi, %rdi\nmov $4, %ecx\nmov $0x80, %edx\ncld\nrep insb\nmov %rdi, %rax");
#else
CODE(cpuid_plain, "push %ebx\nmov 8(%esp), %eax\nxor %ecx, %ecx\ncpuid\nmov %ebx, %eax\npop %ebx");
CODE(cpuid_forced, "push %ebx\nmov 8(%esp), %eax\nxor %ecx, %ecx\nud2\n.ascii \"xen\"\ncpuid\nmov %ebx, %eax\npop %ebx");
CODE(read_msr, "mov 4(%esp), %ecx\nrdmsr");
word msr_value;
CODE(write_msr, "mov 4(%esp), %ecx\nmov msr_value, %eax\nxor %edx, %edx\nwrmsr");
CODE(out_string, "push %esi\nmov 8(%esp), %esi\nmov $4, %ecx\nmov $0x80, %edx\nrep outsb\nmov %ecx, %eax\npop %esi");
CODE(in_string, "push %edi\nmov 8(%esp), %edi\nmov $4, %ecx\nmov $0x80, %edx\ncld\nrep insb\nmov %edi, %eax\npop %edi");
#endif

static long set_iopl(u32 level) { return call2(physdev_op, 6, &level); }

static void expect_ports(const char *name, int kernel_may, int user_may) {
  print(name);
  print(":\n");
  expect_fault("  CLI of the kernel", attempt(do_cli, 0), kernel_may ? RETURNED : GP, 0);
  expect_fault("  CLI of the user", attempt_user(do_cli, 0), user_may ? RETURNED : GP, 0);
  expect_fault("  OUT of the kernel", attempt(do_out, 0), kernel_may ? RETURNED : GP, 0);
  expect_fault("  OUT of the user", attempt_user(do_out, 0), user_may ? RETURNED : GP, 0);
  expect_fault("  IN of the user", attempt_user(do_in, 0), user_may ? RETURNED : GP, 0);
  static u8 text[4];
  expect_fault("  OUTS of the user", attempt_user(out_string, (word)text), user_may ? RETURNED : GP, 0);
  expect_fault("  INS of the kernel", attempt(in_string, (word)text), kernel_may ? RETURNED : GP, 0);
}

static word nothing(word value) { return value; }

static void ports(void) {
  expect_ports("no privilege", 0, 0);
  set_iopl(1);
  expect_ports("privilege 1", 1, 0);
  expect("a port that nobody answers", attempt(do_in, 0).value, 0xff);
  static u8 text[8];
  expect("INS fills what it is given", attempt(in_string, (word)text).value, (word)text + 4);
  expect("with ones", *(int *)text, -1);
  expect("and no more", text[4], 0);
  expect_fault("INS to nowhere", attempt(in_string, 0x400000), PF, 2);
  expect_fault("OUTS from nowhere", attempt(out_string, 0x400000), PF, 0);
  set_iopl(3);
  expect_ports("privilege 3", 1, 1);
  expect("privilege 4", set_iopl(4), -EINVAL);
  set_iopl(0);
  static u8 bitmap[32];
  bitmap[16] = 0xfe;
  struct { word bitmap; u32 ports; } grant = {(word)bitmap, 0x88};
  expect("set_iobitmap", call2(physdev_op, 7, &grant), 0);
  expect_fault("a port that the bitmap opens to the user", attempt_user(do_out, 0), RETURNED, 0);
  grant.ports = 0;
  call2(physdev_op, 7, &grant);
  expect("vm_assist", call2(vm_assist, 0, 4), 0);
  expect_ports("architectural, privilege 0", 1, 0);
  user_flags = 0x3002;
  attempt_user(nothing, 0);
  expect_ports("architectural, privilege 3 by iret", 1, 1);
  user_flags = 2;
  attempt_user(nothing, 0);
  expect("vm_assist, off again", call2(vm_assist, 1, 4), 0);
}

static void control(void) {
  word cr0 = read_cr0(0), cr4 = read_cr4(0);
  expect("CR0", cr0, (long)0x80050033);
  expect("CR4", cr4, 0x660);
  expect_fault("CR0 without PE", attempt(write_cr0, cr0 & ~1), GP, 0);
  expect_fault("CR0 with TS", attempt(write_cr0, cr0 | 8), RETURNED, 0);
  expect_fault("so the FPU is not there", attempt(use_fpu, 0), NM, 0);
  expect("and TS is clear before anybody asks", read_cr0(0), cr0);
  call1(fpu_taskswitch, 1);
  expect("fpu_taskswitch sets it too", read_cr0(0), cr0 | 8);
  expect_fault("CLTS", attempt(do_clts, 0), RETURNED, 0);
  expect_fault("and the FPU is there", attempt(use_fpu, 0), RETURNED, 0);
  expect_fault("CR4 takes what it is given", attempt(write_cr4, cr4 | 0x2008), RETURNED, 0);
  expect("and keeps what a guest may have", read_cr4(0), cr4 | 8);
  write_cr4(cr4);
  expect_fault("CR0 of the user", attempt_user(read_cr0, 0), GP, 0);
  expect_fault("CR3 that is no table", attempt(write_cr3, 0x1000), GP, 0);
  expect_fault("CR3 as it is", attempt(write_cr3, read_cr3(0)), RETURNED, 0);
  expect_fault("LGDT", attempt(do_lgdt, 0), GP, 0);
  expect_fault("INVLPG", attempt(do_invlpg, 0), GP, 0);
  expect_fault("WBINVD", attempt(do_wbinvd, 0), RETURNED, 0);
  expect_fault("WBINVD of the user", attempt_user(do_wbinvd, 0), GP, 0);
}

static void debug_registers(void) {
  expect("DR0 at the start", read_dr0(0), 0);
  expect("DR6 at the start", read_dr6(0), (long)0xffff0ff0);
  expect("DR7 at the start", read_dr7(0), 0x400);
  static u32 watched;
  write_dr0((word)&watched);
  extern u8 store_word_over[];
  write_dr7(0xd0602); // a store of four bytes to DR0's address, LE would be bit 8
  struct outcome hit = attempt(store_word, (word)&watched);
  expect_fault("a watched store", hit, DB, 0);
  expect("is over when it is told", hit.ip, (word)store_word_over);
  expect("DR6 tells which", read_dr6(0) & 15, 1);
  write_dr6(0xffff0ff0);
  write_dr7(0);
  static u32 selector = KERNEL_SS;
  extern u8 set_ss_over[];
  write_dr0((word)&selector);
  write_dr7(0xf0303);
  hit = attempt(set_ss, (word)&selector);
  expect_fault("a watched load of SS", hit, DB, 0);
  expect("waits for the next instruction", hit.ip, (word)set_ss_over);
  write_dr7(0);
  write_dr6(0xffff0ff0);
  word cr4 = read_cr4(0);
  write_cr4(cr4 | 8);
  write_dr7(0xe0602);
  expect("a watched port", read_dr7(0), 0xe0602);
  write_dr7(0x200408);
  expect("one that is off", read_dr7(0), 0x200408);
  write_dr7(0xe0602);
  write_cr4(cr4);
  expect_fault("a watched port without CR4.DE", attempt(write_dr7, 0xe0602), GP, 0);
  expect("changes nothing", read_dr7(0), 0xe0602);
  write_dr7(0);
  expect("a breakpoint on Xen", call2(set_debugreg, 0, LONG ? (word)0xffff820000000000ull : 0xf6000000), -EPERM);
  expect_fault("by the instruction", attempt(write_dr0, LONG ? (word)0xffff820000000000ull : 0xf6000000), GP, 0);
  expect("general detect", call2(set_debugreg, 7, 0x2000), -EPERM);
  expect("DR7's upper half", LONG ? call2(set_debugreg, 7, 1ull << 32) : (word)-EINVAL, -EINVAL);
  expect("DR8", call2(set_debugreg, 8, 0), -ENODEV);
  expect("DR4 is DR6", call1(get_debugreg, 4), (long)0xffff0ff0);
  expect("DR5 is DR7", call2(set_debugreg, 5, 0x400), 0);
  write_cr4(cr4 | 8);
  expect("DR4 with CR4.DE", call1(get_debugreg, 4), -ENODEV);
  write_cr4(cr4);
}

static void identification(void) {
  expect("CPUID of Xen", attempt(cpuid_plain, 0x40000000).value, 0x566e6558);
  expect("by the forced way", attempt(cpuid_forced, 0x40000000).value, 0x566e6558);
  expect("by the user", attempt_user(cpuid_forced, 0x40000000).value, 0x566e6558);
  msr_value = 1;
  expect_fault("the processor can fault on CPUID", attempt(read_msr, 0xce), RETURNED, 0);
  expect("and says so", attempt(read_msr, 0xce).value & 0x80000000, 0x80000000);
  expect_fault("it is told to", attempt(write_msr, 0x140), RETURNED, 0);
  expect("it remembers", attempt(read_msr, 0x140).value, 1);
  expect_fault("CPUID of the kernel works", attempt(cpuid_plain, 0), RETURNED, 0);
  expect_fault("forced, too", attempt(cpuid_forced, 0), RETURNED, 0);
  expect_fault("CPUID of the user", attempt_user(cpuid_plain, 0), GP, 0);
  expect_fault("forced, too", attempt_user(cpuid_forced, 0), GP, 0);
  msr_value = 0;
  attempt(write_msr, 0x140);
  expect_fault("CPUID of the user again", attempt_user(cpuid_plain, 0), RETURNED, 0);
  expect("DEBUGCTL", attempt(read_msr, 0x1d9).value, 0);
  msr_value = 0x40;
  expect_fault("branch traces", attempt(write_msr, 0x1d9), GP, 0);
  expect_fault("an MSR that there is not", attempt(read_msr, 0xdead), GP, 0);
  expect_fault("a write to it", attempt(write_msr, 0xdead), GP, 0);
  expect_fault("MISC_ENABLE does not end the world", attempt(read_msr, 0x1a0), RETURNED, 0);
  expect_fault("RDMSR of the user", attempt_user(read_msr, 0x1a0), GP, 0);
#if LONG
  msr_value = 1ull << 63;
  expect_fault("FS base that is not canonical", attempt(write_msr, 0xc0000100), GP, 0);
  expect_fault("GS base that is not canonical", attempt(write_msr, 0xc0000101), GP, 0);
  expect_fault("the other GS base that is not canonical", attempt(write_msr, 0xc0000102), GP, 0);
  word cr4 = read_cr4(0);
  expect_fault("RDFSBASE without CR4", attempt(read_fs_base, 0), UD, 0);
  expect_fault("WRGSBASE without CR4", attempt(write_gs_base, 0), UD, 0);
  write_cr4(cr4 | 1 << 16);
  expect("CR4.FSGSBASE", read_cr4(0), cr4 | 1 << 16);
  expect_fault("RDFSBASE", attempt(read_fs_base, 0), RETURNED, 0);
  expect_fault("RDGSBASE", attempt(read_gs_base, 0), RETURNED, 0);
  expect_fault("WRFSBASE to the last of the lower half", attempt(write_fs_base, 0x7fffffffffff), RETURNED, 0);
  expect_fault("WRFSBASE beyond it", attempt(write_fs_base, 0x800000000000), GP, 0);
  expect_fault("WRFSBASE before the upper half", attempt(write_fs_base, 0xffff7fffffffffff), GP, 0);
  expect_fault("WRFSBASE to its first", attempt(write_fs_base, 0xffff800000000000), RETURNED, 0);
  expect_fault("WRGSBASE", attempt(write_gs_base, 0), RETURNED, 0);
  write_cr4(cr4);
  expect_fault("RDFSBASE without CR4 again", attempt(read_fs_base, 0), UD, 0);
#endif
}

void test_main(void) {
  ports();
  control();
  debug_registers();
  identification();
}
