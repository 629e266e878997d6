// Instruction breakpoints: faults before the instruction, RF, and what shadows and #DB of other kinds make of them (SDM vol. 3, 17.3.1.1, 6.8.3).
#include "breakpoints.h"

static u16 selector_word;

CODE(two_nops, "nop\n" MARK(two_nops_1) "nop\n" END)
CODE(rf_each_time, "mov $2, %ecx\n1:\n" MARK(rf_each_time_0) "nop\ndec %ecx\njnz 1b\n" END)
CODE(behind_mov_ss, "mov %ss, %ebx\nmov %ebx, %ss\n" MARK(behind_mov_ss_1) "nop\n" END)
CODE(behind_sti, "cli\nsti\n" MARK(behind_sti_1) "cli\n" END)
CODE(on_fault, MARK(on_fault_0) "ud2\n" END)
CODE(on_prefix, "nop\n" MARK(on_prefix_0) ".byte 0x3e\n" MARK(on_prefix_1) "nop\n" END)
CODE(stepped, SET_TF "nop\n" MARK(stepped_1) "nop\n" MARK(stepped_2) CLEAR_TF END)
CODE(repeated, "mov $3, %ecx\nlea -64(%" SP "), %" REG(di) "\n" MARK(repeated_0) "rep stosb\n" END)
CODE(shadow_icebp, "mov (%" REG(bx) "), %ss\n.byte 0x3e, 0xf1\n" MARK(shadow_icebp_1) END)
CODE(shadow_int1, "mov (%" REG(bx) "), %ss\nint $1\n" MARK(shadow_int1_1) END)
CODE(shadow_int3, "mov (%" REG(bx) "), %ss\nint3\n" MARK(shadow_int3_1) END)
LABEL(two_nops_1) LABEL(rf_each_time_0) LABEL(behind_mov_ss_1) LABEL(behind_sti_1) LABEL(on_fault_0) LABEL(on_prefix_0) LABEL(on_prefix_1) LABEL(stepped_1)
LABEL(stepped_2) LABEL(repeated_0) LABEL(shadow_icebp_1) LABEL(shadow_int1_1) LABEL(shadow_int3_1)

static void run(const char *name, const u8 *code, const u8 *at, unsigned vector, const struct event *events, unsigned count) {
  for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
    struct frame start = start_frame(code, cpl);
    start.flags |= FLAG_IOPL;
    write_dr2((word)at);
    struct fault got = run_traced(&start, breakpoint(2, WATCH_CODE, 1));
    expect_fault(text("%s at CPL %u ends", name, cpl), got, vector, 0);
    expect_events(text("%s at CPL %u", name, cpl), code, events, count);
  }
}
#define RUN(name, code, at, ...) \
  do { \
    static const struct event events[] = {__VA_ARGS__}; \
    run(name, code, at, RETURNED, events, sizeof events / sizeof *events); \
  } while (0)

static const u8 *int3_ip;
static bool note_int3(struct frame *frame) {
  int3_ip = (const u8 *)frame->ip;
  return true;
}

/** MOV SS with a watched operand, then an instruction that calls a vector. */
static void run_shadow(const char *name, const u8 *code, unsigned cpl) {
  struct frame start = start_frame(code, cpl);
  selector_word = cpl ? SEL_USER_DATA : SEL_DATA;
  start.bx = (word)&selector_word;
  write_dr1(start.bx);
  struct fault got = run_traced(&start, breakpoint(1, WATCH_ACCESS, 2));
  expect_fault(text("%s at CPL %u ends", name, cpl), got, RETURNED, 0);
}

static unsigned rf_calls;
static bool resume_with_rf(struct frame *frame) {
  rf_calls++;
  frame->flags |= FLAG_RF;
  write_dr6(DR6_FIXED);
  return true;
}

void test_code(void) {
  RUN("a breakpoint", two_nops, two_nops_1, {two_nops_1, 4});
  RUN("RF holds for one instruction", rf_each_time, rf_each_time_0, {rf_each_time_0, 4}, {rf_each_time_0, 4});
  run("behind MOV SS", behind_mov_ss, behind_mov_ss_1, RETURNED, 0, 0);
  RUN("behind STI", behind_sti, behind_sti_1, {behind_sti_1, 4});
  RUN("on a prefix", on_prefix, on_prefix_0, {on_prefix_0, 4});
  run("inside of an instruction", on_prefix, on_prefix_1, RETURNED, 0, 0);
  static const struct event before_fault[] = {{on_fault_0, 4}};
  run("before a fault", on_fault, on_fault_0, UD, before_fault, 1);
  expect_true("RF in the frame of an instruction breakpoint", (seen_flags & FLAG_RF) == 0);

  // RF stays set through all iterations of a repeated instruction.
  struct frame start = start_frame(repeated, 0);
  write_dr2((word)repeated_0);
  write_dr7(breakpoint(2, WATCH_CODE, 1));
  rf_calls = 0;
  set_hook(DB, resume_with_rf);
  struct fault got = attempt_at(&start);
  set_hook(DB, 0);
  write_dr7(DR7_FIXED);
  expect_fault("RF through REP ends", got, RETURNED, 0);
  expect_value("RF through REP", rf_calls, 1);

  set_hook(BP, note_int3);
  set_gate(1, default_handler(1), SEL_CODE, 0xee, 0);
  for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
    // One #DB that says both; its address is behind the instruction.
    run_shadow("MOV SS, ICEBP", shadow_icebp, cpl);
    expect_value(text("#DB of MOV SS, ICEBP at CPL %u", cpl), seen_count, 1);
    expect_true(text("address of MOV SS, ICEBP at CPL %u", cpl), seen[0].at == shadow_icebp_1);
    // The data breakpoint comes when the shadow is over: at the first instruction of the other handler.
    run_shadow("MOV SS, INT 1", shadow_int1, cpl);
    expect_value(text("#DB of MOV SS, INT 1 at CPL %u", cpl), seen_count, 2);
    expect_true(text("address of MOV SS, INT 1 at CPL %u", cpl), seen[0].at == (const u8 *)default_handler(1) && seen[1].at == shadow_int1_1);
    run_shadow("MOV SS, INT3", shadow_int3, cpl);
    expect_value(text("#DB of MOV SS, INT3 at CPL %u", cpl), seen_count, 1);
    expect_true(text("addresses of MOV SS, INT3 at CPL %u", cpl), seen[0].at == (const u8 *)default_handler(BP) && int3_ip == shadow_int3_1);
  }
  set_gate(1, default_handler(1), SEL_CODE, 0x8e, 0);
  set_hook(BP, 0);
}
