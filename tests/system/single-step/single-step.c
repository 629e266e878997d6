// Where single-step traps fall among ordinary and odd instructions.
#include "trace.h"

CODE(plain, SET_TF "nop\n" MARK(plain_1) "push %" AX "\n" MARK(plain_2) "pop %" AX "\n" MARK(plain_3) CLEAR_TF "nop\n" END)
LABEL(plain_1) LABEL(plain_2) LABEL(plain_3)
CODE(emulated, SET_TF "cpuid\n" MARK(emulated_1) "mov $0x3fd, %edx\n" MARK(emulated_2) "in (%dx), %al\n" MARK(emulated_3) CLEAR_TF END)
LABEL(emulated_1) LABEL(emulated_2) LABEL(emulated_3)
// STI's shadow keeps interrupts away, not traps.
CODE(sti_shadow, "cli\n" SET_TF "sti\n" MARK(sti_1) "cli\n" MARK(sti_2) CLEAR_TF END)
LABEL(sti_1) LABEL(sti_2)
// The trap of MOV SS itself is lost, and the second of two in a row has no shadow.
CODE(mov_ss, "mov %ss, %ebx\n" SET_TF "mov %ebx, %ss\nnop\n" MARK(mov_ss_1) "mov %ebx, %ss\nmov %ebx, %ss\n" MARK(mov_ss_2) CLEAR_TF END)
LABEL(mov_ss_1) LABEL(mov_ss_2)
// INT1 is a #DB of its own: no BS, and no single step on top of it.
CODE(icebp, "mov %ss, %ebx\n" SET_TF "mov %ebx, %ss\n.byte 0xf1\n" MARK(icebp_1) ".byte 0xf1\n" MARK(icebp_2) "nop\n" MARK(icebp_3) CLEAR_TF END)
LABEL(icebp_1) LABEL(icebp_2) LABEL(icebp_3)
CODE(branches, SET_TF "jmp 1f\nnop\n1:\n" MARK(branches_1) "call 2f\n" MARK(branches_3) CLEAR_TF END "2:\n" MARK(branches_2) "ret")
LABEL(branches_1) LABEL(branches_2) LABEL(branches_3)
// Each iteration traps; after the last one the address is the next instruction's.
CODE(repeat, "mov $3, %ecx\nlea -64(%" SP "), %" REG(di) "\n" SET_TF MARK(repeat_0) "rep stosb\n" MARK(repeat_1) CLEAR_TF END)
LABEL(repeat_0) LABEL(repeat_1)
CODE(repeat_none, "xor %ecx, %ecx\n" SET_TF "rep stosb\n" MARK(repeat_none_1) CLEAR_TF END)
LABEL(repeat_none_1)
CODE(repeat_out, "mov $2, %ecx\nlea -64(%" SP "), %" REG(si) "\n" SET_TF MARK(repeat_out_0) "rep outsb\n" MARK(repeat_out_1) CLEAR_TF END)
LABEL(repeat_out_0) LABEL(repeat_out_1)
// A handler is entered with TF clear; its IRET brings TF back, for the instruction after.
CODE(software_interrupt, SET_TF "int $0x31\n" MARK(int_1) "nop\n" MARK(int_2) CLEAR_TF END)
LABEL(int_1) LABEL(int_2)
CODE(breakpoint, SET_TF "int3\nnop\n" MARK(int3_1) CLEAR_TF END)
LABEL(int3_1)
// An instruction that faults has not been stepped over.
CODE(faulting, SET_TF "nop\n" MARK(faulting_1) "ud2\nnop\n" MARK(faulting_2) CLEAR_TF END)
LABEL(faulting_1) LABEL(faulting_2)
// IRET that sets TF: the trap follows the instruction after it. IRET that clears TF is stepped itself.
#if LONG
#define IRET_TO_1F "lea 1f(%rip), %rax\nmov %ss, %ebx\nmov %rsp, %rcx\npushq %rbx\npushq %rcx\npushfq\norl $0x100, (%rsp)\nmov %cs, %ebx\npushq %rbx\npushq %rax\niretq\n1:\n"
#else
#define IRET_TO_1F "pushf\norl $0x100, (%esp)\npush %cs\npush $1f\niret\n1:\n"
#endif
CODE(iret_sets, IRET_TO_1F "nop\n" MARK(iret_1) CLEAR_TF END)
LABEL(iret_1)

#define RUN(id, ...) \
  do { \
    static const struct event events[] = {__VA_ARGS__}; \
    for (unsigned cpl = 0; cpl <= 3; cpl += 3) expect_steps(#id, id, cpl, events, sizeof events / sizeof *events); \
  } while (0)
#define STEP(place) {place, DR6_BS}

static bool skip_it(struct frame *frame) {
  frame->ip += 2;
  return true;
}
static bool resume(struct frame *frame) { return frame != 0; }

void test_main(void) {
  RUN(plain, STEP(plain_1), STEP(plain_2), STEP(plain_3));
  RUN(emulated, STEP(emulated_1), STEP(emulated_2), STEP(emulated_3));
  RUN(sti_shadow, STEP(sti_1), STEP(sti_2));
  RUN(mov_ss, STEP(mov_ss_1), STEP(mov_ss_2));
  RUN(icebp, {icebp_1, 0}, {icebp_2, 0}, STEP(icebp_3));
  RUN(branches, STEP(branches_1), STEP(branches_2), STEP(branches_3));
  RUN(repeat, STEP(repeat_0), STEP(repeat_0), STEP(repeat_1));
  RUN(repeat_none, STEP(repeat_none_1));
  RUN(repeat_out, STEP(repeat_out_0), STEP(repeat_out_1));
  RUN(iret_sets, STEP(iret_1));

  set_gate(0x31, default_handler(0x31), SEL_CODE, 0xee, 0);
  set_hook(0x31, resume);
  set_hook(BP, resume);
  set_hook(UD, skip_it);
  RUN(software_interrupt, STEP(int_2));
  RUN(breakpoint, STEP(int3_1));
  RUN(faulting, STEP(faulting_1), STEP(faulting_2));
}
