// Addresses whose bits 63 to 47 differ: #SS(0) through the stack, #GP(0) through everything else, before any page is looked at (SDM vol. 1,
// 3.3.7.1; vol. 3, 6.15). Where a descriptor or a register would take such an address, it is refused.
#include "system.h"

#define HOLE 0x0000800000000000ul
#define UPPER 0xffff7ffffffffff8ul
static word spare[64] __attribute__((used, aligned(64)));
static struct table_register table __attribute__((used));

struct instruction { const char *name; const u8 *code; unsigned vector; word dx; };
#define I(id, body) CODE(code_##id, body "\nint $0x30")
// rDX holds the address
I(load, "mov (%rdx), %rax") I(store, "mov %rax, (%rdx)") I(add, "lock addq $1, (%rdx)") I(byte, "mov (%rdx), %al") I(indexed, "mov spare(,%rdx,1), %rax")
I(sse, "movups (%rdx), %xmm0") I(x87, "fldt (%rdx)") I(clflush, "clflush (%rdx)") I(prefetch, "prefetcht0 (%rdx)") I(invlpg, "invlpg (%rdx)") I(lea, "lea (%rdx), %rax")
I(through_bp, "mov %rdx, %rbp\nmov (%rbp), %rax") I(through_sp, "mov %rdx, %rsp\nmov (%rsp), %rax") I(sp_in_ds, "mov %rdx, %rsp\n.byte 0x3e\nmov (%rsp), %rax")
I(push, "mov %rdx, %rsp\npush %rax") I(pop, "mov %rdx, %rsp\npop %rax") I(call, "mov %rdx, %rsp\ncall .") I(ret, "mov %rdx, %rsp\nret")
I(leave, "mov %rdx, %rbp\nleave") I(pushf, "mov %rdx, %rsp\npushf") I(lods, "mov %rdx, %rsi\nlodsq") I(stos, "mov %rdx, %rdi\nmov $2, %ecx\nrep stosq")
I(jump, "jmp *%rdx") I(call_to, "call *%rdx") I(ret_to, "push %rdx\nret") I(iret_to, "mov %rsp, %rax\npushq $0x23\npush %rax\npushf\npushq $0x2b\npush %rdx\niretq")
I(far_to, "mov %rdx, spare\nmovw $0x2b, spare + 8\nrex.w ljmp *spare") I(fs, "mov %fs:(%rdx), %rax") I(misaligned, "mov %rsp, %rbp\nor $8, %rbp\nmovaps (%rbp), %xmm0")
I(misaligned16, "mov %rsp, %rbp\nor $8, %rbp\nlock cmpxchg16b (%rbp)") I(wrfsbase, ".byte 0xf3\nrex.w\n.byte 0x0f, 0xae, 0xd2") I(cmpxchg8b, "cmpxchg8b (%rdx)")

static const struct instruction list[] = {
    {"a load", code_load, GP, HOLE}, {"a load from the upper edge", code_load, GP, UPPER}, {"a store", code_store, GP, HOLE}, {"LOCK ADD", code_add, GP, HOLE},
    {"a load of a byte", code_byte, GP, HOLE}, {"a load that begins below the hole", code_load, GP, HOLE - 4}, {"a load that ends above the hole", code_load, GP, UPPER + 4},
    {"a sum that is not canonical", code_indexed, GP, HOLE}, {"MOVUPS", code_sse, GP, HOLE}, {"FLD m80", code_x87, GP, HOLE}, {"CLFLUSH", code_clflush, GP, HOLE},
    {"CMPXCHG8B", code_cmpxchg8b, GP, HOLE}, {"PREFETCHT0", code_prefetch, RETURNED, HOLE}, {"LEA", code_lea, RETURNED, HOLE}, {"through RBP", code_through_bp, SS, HOLE},
    {"through RSP", code_through_sp, SS, HOLE}, {"through RSP with a DS prefix", code_sp_in_ds, SS, HOLE}, {"PUSH", code_push, SS, HOLE + 8}, {"POP", code_pop, SS, HOLE},
    {"CALL", code_call, SS, HOLE + 8}, {"RET", code_ret, SS, HOLE}, {"LEAVE", code_leave, SS, HOLE}, {"PUSHF", code_pushf, SS, HOLE + 8}, {"LODS", code_lods, GP, HOLE},
    {"REP STOS", code_stos, GP, HOLE}, {"JMP", code_jump, GP, HOLE}, {"CALL to it", code_call_to, GP, HOLE}, {"RET to it", code_ret_to, GP, HOLE},
    {"IRET to it", code_iret_to, GP, HOLE}, {"a far JMP to it", code_far_to, GP, HOLE}, {"a base in FS", code_fs, GP, 0}, {"MOVAPS through RBP, not aligned", code_misaligned, GP, 0},
    {"CMPXCHG16B through RBP, not aligned", code_misaligned16, GP, 0}};

static void instructions(void) {
  write_fs(0); // IRET to CPL 3 would empty a kernel segment
  wrmsr(MSR_FS_BASE, HOLE - 4);
  for (unsigned i = 0; i < sizeof list / sizeof *list; i++) {
    struct frame start = start_frame(list[i].code, 3);
    start.dx = list[i].dx;
    struct fault got = attempt_at(&start);
    expect_fault(list[i].name, got, list[i].vector, 0);
  }
  struct frame start = start_frame(code_invlpg, 0);
  start.dx = HOLE;
  expect_fault("INVLPG", attempt_at(&start), RETURNED, 0);
  if (cpuid(7, 0).b & 1) {
    write_cr4(read_cr4() | CR4_FSGSBASE);
    start = start_frame(code_wrfsbase, 3);
    start.dx = HOLE;
    expect_fault("WRFSBASE", attempt_at(&start), GP, 0);
  }
}

static void lgdt(void *base) { table = (struct table_register){0xff, (word)base}; asm volatile("lgdt %0" : : "m"(table)); }
static void lidt(void *base) { table = (struct table_register){0xfff, (word)base}; asm volatile("lidt %0" : : "m"(table)); }
static void lldt(void *base) { set_system_descriptor(SEL_FREE, (word)base, 0xff, 0x82); asm volatile("lldt %w0" : : "r"(SEL_FREE)); }
static void ltr(void *base) { set_system_descriptor(SEL_FREE, (word)base, 0xff, 0x89); asm volatile("ltr %w0" : : "r"(SEL_FREE)); }

static void tables(void) {
  expect_fault("LGDT", attempt(lgdt, (void *)HOLE), GP, 0);
  expect_fault("LIDT", attempt(lidt, (void *)HOLE), GP, 0);
  expect_fault("LLDT", attempt(lldt, (void *)HOLE), GP, SEL_FREE);
  expect_fault("LTR", attempt(ltr, (void *)HOLE), GP, SEL_FREE);
  expect_value("LTR that was refused leaves the descriptor available", gdt[SEL_FREE / 8] >> 40 & 0xff, 0x89);
  expect_no_fault("LLDT of a canonical base", attempt(lldt, (void *)0xffff800000000000ul));
  lldt((void *)(word)gdt);
  asm volatile("lldt %w0" : : "r"(0));
}

/** Stacks and handlers of a delivery. */
static void deliveries(void) {
  struct tss *tss = &this_cpu()->tss;
  word stack = tss->sp[0];
  struct frame start = start_frame(code_load, 3);
  start.dx = HOLE;
  tss->sp[0] = HOLE;
  struct fault got = attempt_at(&start);
  tss->sp[0] = stack;
  expect_fault("#GP whose stack is not canonical", got, DF, 0);
  struct gate gate = idt[0x51];
  idt[0x51].type = 0xee;
  idt[0x51].offset2 = 0x8000;
  static const u8 int51[] = {0xcd, 0x51};
  start = start_frame(int51, 0);
  expect_fault("a gate whose handler is not canonical", attempt_at(&start), GP, 0);
  idt[0x51] = gate;
}

void test_main(void) {
  instructions();
  tables();
  deliveries();
}
