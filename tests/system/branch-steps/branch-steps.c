// Branches of every kind among instructions that are none.
#include "trace.h"

CODE(walk, SET_TF "nop\njmp 1f\nnop\n1:\n" MARK(step_jmp) "nop\nxor %eax, %eax\njnz 2f\nnop\njz 2f\nnop\n2:\n" MARK(step_jz) "push %" AX "\npop %" AX
           "\ncall 3f\n" MARK(step_ret) "mov $2, %ecx\n4:\n" MARK(step_loop) "loop 4b\nlea 5f, %" AX "\njmp *%" AX "\nnop\n5:\n" MARK(step_indirect)
           ".byte 0x66, 0x90\njmp 6f\n.skip 200\n6:\n" MARK(step_near) "xor %eax, %eax\n.byte 0x0f, 0x84\n.long 0x10\n.skip 16\n" MARK(step_jz_near) CLEAR_TF END
           "3:\n" MARK(step_call) "nop\nret\n")
LABEL(step_jmp) LABEL(step_jz) LABEL(step_ret) LABEL(step_loop) LABEL(step_indirect) LABEL(step_near) LABEL(step_jz_near) LABEL(step_call)

static unsigned cleared;

static bool record(struct frame *frame) {
  cleared += (rdmsr(MSR_DEBUGCTL) & 2) == 0;
  if (seen_count < TRACE_MAX) seen[seen_count++] = (struct event){(const u8 *)frame->ip, read_dr6() ^ DR6_FIXED};
  write_dr6(DR6_FIXED);
  wrmsr(MSR_DEBUGCTL, 2);
  return true;
}

void test_main(void) {
  static const struct event steps[] = {{step_jmp, DR6_BS},  {step_jz, DR6_BS},       {step_call, DR6_BS}, {step_ret, DR6_BS},
                                       {step_loop, DR6_BS}, {step_indirect, DR6_BS}, {step_near, DR6_BS}, {step_jz_near, DR6_BS}};
  const unsigned count = sizeof steps / sizeof *steps;
  for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
    seen_count = cleared = 0;
    write_dr6(DR6_FIXED);
    set_hook(DB, record);
    wrmsr(MSR_DEBUGCTL, 2);
    expect_value(text("DEBUGCTL at CPL %u", cpl), rdmsr(MSR_DEBUGCTL), 2);
    struct frame start = start_frame(walk, cpl);
    struct fault got = attempt_at(&start);
    wrmsr(MSR_DEBUGCTL, 0);
    set_hook(DB, 0);
    expect_fault(text("steps over branches at CPL %u end", cpl), got, RETURNED, 0);
    expect_events(text("steps over branches at CPL %u", cpl), walk, steps, count);
    expect_value(text("#DB that found BTF clear at CPL %u", cpl), cleared, count);
  }
}
