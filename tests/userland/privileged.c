// What a program at CPL 3 may not do, may do, or is answered by the kernel: privileged instructions, descriptor-table stores under UMIP,
// port I/O, invalid opcodes, non-canonical addresses, LOCK where it does not belong, breakpoints and divisions.
#include "lib/userland.h"

#define CODE(id, text) static void id(void) { __asm__ volatile(text ::: "memory", "eax", "ebx", "ecx", "edx"); }
CODE(cli_, "cli") CODE(sti_, "sti") CODE(hlt_, "hlt") CODE(in_, "in $0x80, %%al") CODE(out_, "out %%al, $0x80") CODE(rdmsr_, "rdmsr")
CODE(wrmsr_, "wrmsr") CODE(invd_, "invd") CODE(wbinvd_, "wbinvd") CODE(clts_, "clts") CODE(lmsw_, "lmsw %%ax") CODE(ltr_, "ltr %%ax")
CODE(lldt_, "lldt %%ax") CODE(swapgs_, ".byte 0x0f, 0x01, 0xf8") CODE(sysret_, ".byte 0x0f, 0x07") CODE(sysexit_, ".byte 0x0f, 0x35")
CODE(xsetbv_, ".byte 0x0f, 0x01, 0xd1") CODE(monitor_, ".byte 0x0f, 0x01, 0xc8") CODE(clac_, ".byte 0x0f, 0x01, 0xca")
CODE(rdpmc_, "mov $0x7fffffff, %%ecx\n rdpmc") CODE(int1_, "int $1") CODE(int3_, "int3") CODE(int4_, "int $4") CODE(int13_, "int $13")
CODE(int255_, "int $255") CODE(ud2_, "ud2") CODE(ud1_, ".byte 0x0f, 0xb9, 0xc0") CODE(ud0_, ".byte 0x0f, 0xff, 0xc0")
CODE(lock_mov, ".byte 0xf0, 0x89, 0xc0") CODE(lock_add_register, ".byte 0xf0, 0x01, 0xc0") CODE(divide_zero, "xor %%ecx, %%ecx\n div %%ecx")
CODE(divide_overflow, "mov $0x80000000, %%eax\n cltd\n mov $-1, %%ecx\n idiv %%ecx")
CODE(too_long, ".byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x90")
CODE(longest, ".byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x90")
CODE(far_return_null, "push $0\n push $0\n .byte 0xcb")
#if BITS == 64
CODE(cr0_, "mov %%cr0, %%rax") CODE(cr8_, "mov %%cr8, %%rax") CODE(dr7_, "mov %%rax, %%dr7") CODE(into_, ".byte 0xce")
CODE(canonical_data, "mov $0x8000000000000000, %%rax\n mov (%%rax), %%al") CODE(canonical_edge, "mov $0x7fffffffffff, %%rax\n mov (%%rax), %%ax")
CODE(canonical_stack, "mov %%rsp, %%rbx\n mov $0x900000000000, %%rsp\n push %%rax\n mov %%rbx, %%rsp")
CODE(canonical_jump, "mov $0x800000000000, %%rax\n jmp *%%rax") CODE(kernel_read, "mov $0xffff800000000000, %%rax\n mov (%%rax), %%al")
CODE(kernel_jump, "mov $0xffff800000000000, %%rax\n jmp *%%rax")
#else
CODE(cr0_, "mov %%cr0, %%eax") CODE(cr8_, "mov %%cr4, %%eax") CODE(dr7_, "mov %%eax, %%dr7") CODE(into_, "mov $0x7fffffff, %%eax\n inc %%eax\n into")
CODE(canonical_data, "mov %%ss:0xfffffff0, %%al") CODE(canonical_edge, ".pushsection .rodata\n 1: .long 4, 8\n .popsection\n mov $9, %%eax\n bound %%eax, 1b")
CODE(canonical_stack, "mov %%esp, %%ebx\n xor %%esp, %%esp\n push %%eax\n mov %%ebx, %%esp") CODE(canonical_jump, "mov $0xfffffff0, %%eax\n jmp *%%eax")
CODE(kernel_read, "mov 0xfffffffc, %%ax") CODE(kernel_jump, "mov $0xff000000, %%eax\n jmp *%%eax")
#endif
CODE(read_null, "mov 0x10, %%eax")
static void write_null(void) { __asm__ volatile("movb $1, 0x20"); }
static void add_null(void) { __asm__ volatile("addl $1, 0x30"); }
static void exchange_null(void) { __asm__ volatile("lock cmpxchg %%eax, 0x40" ::: "eax"); }
static void execute_data(void) {
  unsigned char *at = pages(4096, PROT_READ | PROT_WRITE);
  at[0] = 0xc3;
  ((void (*)(void))at)();
}
static void misaligned_sse(void) {
  static char bytes[48] __attribute__((aligned(16)));
  __asm__ volatile("movaps %%xmm0, %0" : "=m"(bytes[1]));
}

#define RUN(id) report_trouble(#id, attempt(id), NULL);
#define RUN_KERNEL(id) report_trouble("kernel " #id, attempt(id), NULL); // what is mapped there, or enabled, differs between kernels
void test(void) {
  RUN(cli_) RUN(sti_) RUN(hlt_) RUN(in_) RUN(out_) RUN(rdmsr_) RUN(wrmsr_) RUN(invd_) RUN(wbinvd_) RUN(clts_) RUN(lmsw_) RUN(ltr_) RUN(lldt_)
  RUN(swapgs_) RUN_KERNEL(sysret_) RUN(sysexit_) RUN(xsetbv_) RUN(monitor_) RUN(clac_) RUN(rdpmc_) RUN(int1_) RUN(int3_) RUN(int4_) RUN(int13_)
  RUN(int255_) RUN(ud2_) RUN(ud1_) RUN(ud0_) RUN(lock_mov) RUN(lock_add_register) RUN(divide_zero) RUN(divide_overflow) RUN(too_long)
  RUN(longest) RUN(far_return_null) RUN(cr0_) RUN(cr8_) RUN(dr7_) RUN(into_) RUN_KERNEL(canonical_data) RUN(canonical_edge) RUN_KERNEL(canonical_stack)
  RUN_KERNEL(kernel_read) RUN(read_null) RUN(write_null) RUN(add_null) RUN(exchange_null) RUN(misaligned_sse)
  struct trouble jump = attempt(canonical_jump);
  report("kernel canonical_jump", "signal %d trap %d error 0x%lx", jump.signal, jump.trap, jump.error);
  jump = attempt(kernel_jump);
  report("kernel kernel_jump", "signal %d trap %d error 0x%lx", jump.signal, jump.trap, jump.error);
  jump = attempt(execute_data);
  report("kernel execute_data", "signal %d code %d trap %d error 0x%lx", jump.signal, jump.code, jump.trap, jump.error);
  // UMIP: the kernel answers SMSW, SGDT and SIDT for 32-bit and, where it does, 64-bit programs with fixed values; SLDT and STR likewise.
  unsigned char table[10] = {0};
  unsigned long word = 0;
  __asm__ volatile("sgdt %0" : "=m"(table));
  report("sgdt", "%02x%02x %02x%02x%02x%02x", table[1], table[0], table[5], table[4], table[3], table[2]);
  __asm__ volatile("sidt %0" : "=m"(table));
  report("sidt", "%02x%02x %02x%02x%02x%02x", table[1], table[0], table[5], table[4], table[3], table[2]);
  __asm__ volatile("smsw %0" : "=r"(word));
  report("smsw", "0x%lx", word);
  word = 0;
  __asm__ volatile("sldt %0" : "=r"(word));
  report("kernel sldt", "0x%lx", word);
  word = 0;
  __asm__ volatile("str %0" : "=r"(word));
  report("kernel str", "0x%lx", word);
  // POPF at CPL 3 leaves IF and IOPL alone; PUSHF shows neither RF nor VM.
  unsigned long before = flags();
  __asm__ volatile("push %0\n popf\n pushf\n pop %0" : "+r"(before) : : "memory", "cc");
  report("popf", "0x%lx", (before ^ 0x3200) & 0x3f7200);
  unsigned long all = 0x3e7ed5;
  __asm__ volatile("pushf\n push %0\n popf\n pushf\n pop %0\n popf" : "+r"(all) : : "memory", "cc");
  report("popf of everything", "0x%lx", all);
}
