// Far transfers between levels: call gates, conforming code, RETF and IRET outwards (SDM vol. 3, 5.8; vol. 2, CALL, JMP, RET, IRET).
#include "system.h"

#define SEL_CALL SEL_FREE // the gate, two entries in long mode
#define SEL_TARGET (SEL_FREE + 0x10)
#define SEL_OTHER_SS (SEL_FREE + 0x18)
#define SEL_CODE1 (SEL_FREE + 0x20) // code and data of DPL 1
#define SEL_DATA1 (SEL_FREE + 0x28)
#define CODE_FLAGS (LONG ? 10 : 12)
#define CALL_LENGTH (LONG ? 7 : 6)
#define GATE 0x8c
#define GATE3 0xec

struct { u32 offset; u16 selector; } far_pointer;
word return_frame[6];
CODE(call_far, "lcall *far_pointer\nint $0x30")
CODE(jump_far, "ljmp *far_pointer\nint $0x30")
CODE(call_two, "push $0x11\npush $0x22\nlcall *far_pointer\nint $0x30")
CODE(stop, "int $0x30")
#if LONG
CODE(come_back, "lretq")
CODE(call_wide, "rex.W lcall *far_pointer\nint $0x30")
CODE(retf, "mov $return_frame, %rsp\nlretq\nint $0x30")
CODE(iretw, "mov $return_frame, %rsp\niretq\nint $0x30")
#else
CODE(come_back, "lret")
CODE(come_back_two, "lret $8")
CODE(retf, "mov $return_frame, %esp\nlret\nint $0x30")
CODE(iretw, "mov $return_frame, %esp\niret\nint $0x30")
#endif

static void set_call_gate(const void *target, u16 selector, u8 access, unsigned parameters) {
  word offset = (word)target;
  gdt[SEL_CALL / 8] = (offset & 0xffff) | (u64)selector << 16 | (u64)parameters << 32 | (u64)access << 40 | (u64)(offset >> 16 & 0xffff) << 48;
#if LONG
  gdt[SEL_CALL / 8 + 1] = offset >> 32;
#endif
}
static struct fault run(const u8 *code, unsigned cpl, u16 selector) {
  far_pointer.selector = selector;
  struct frame start = start_frame(code, cpl);
  return attempt_at(&start);
}
/** Word `n` of the stack that an attempt ended on. */
static word stacked(const struct fault *got, unsigned n) { return ((word *)got->frame.sp)[n]; }

static void through_gates(void) {
  const word user_sp = start_frame(0, 3).sp;
  set_gate(RETURN_VECTOR, default_handler(RETURN_VECTOR), SEL_CODE, 0xee, 0);
  set_call_gate(stop, SEL_CODE, GATE3, 0);
  struct fault got = run(call_far, 3, SEL_CALL | 3);
  expect_fault("CALL to an inner level", got, RETURNED, 0);
  expect_value("inner CS", got.frame.cs, SEL_CODE);
  expect_value("inner SS", LONG ? got.frame.ss : read_ss(), LONG ? 0 : SEL_DATA);
  expect_value("inner stack: CS and IP", stacked(&got, 1) << 16 ^ stacked(&got, 0), SEL_USER_CODE << 16 ^ ((word)call_far + CALL_LENGTH));
  expect_value("inner stack: SS", stacked(&got, 3), SEL_USER_DATA);
  expect_value("inner stack: SP", stacked(&got, 2), user_sp);
  expect_value("inner stack begins at the TSS's", got.frame.sp + 4 * sizeof(word), LONG ? *(word *)((u8 *)&this_cpu()->tss + 4) : ((u32 *)&this_cpu()->tss)[1]);
  set_call_gate(come_back, SEL_CODE, GATE3, 0);
  got = run(call_far, 3, SEL_CALL | 3);
  expect_fault("CALL in and RET out", got, RETURNED, 0);
  expect_value("SP after it", got.frame.sp, user_sp);
  expect_value("CS and SS after it", got.frame.cs << 16 | got.frame.ss, SEL_USER_CODE << 16 | SEL_USER_DATA);
  set_call_gate(stop, SEL_CODE, GATE, 0);
  got = run(call_far, 0, SEL_CALL);
  expect_fault("CALL on the same level", got, RETURNED, 0);
  expect_value("its stack", stacked(&got, 1) << 16 ^ stacked(&got, 0), SEL_CODE << 16 ^ ((word)call_far + CALL_LENGTH));
  gdt[SEL_TARGET / 8] = descriptor(0, 0xfffff, 0x9f, CODE_FLAGS);
  set_call_gate(stop, SEL_TARGET, GATE3, 0);
  got = run(call_far, 3, SEL_CALL | 3);
  expect_fault("CALL of conforming code", got, RETURNED, 0);
  expect_value("CS of conforming code has CPL", got.frame.cs, SEL_TARGET | 3);
  got = run(jump_far, 3, SEL_CALL | 3);
  expect_fault("JMP to conforming code", got, RETURNED, 0);
  expect_value("SP after JMP", got.frame.sp, user_sp);
  set_call_gate(stop, SEL_CODE, GATE, 0);
  expect_fault("JMP on the same level", run(jump_far, 0, SEL_CALL), RETURNED, 0);
#if LONG
  got = run(call_wide, 0, SEL_CALL);
  expect_fault("a wide CALL takes the selector from its own place", got, GP, 0);
#else
  set_call_gate(come_back_two, SEL_CODE, GATE3, 2);
  got = run(call_two, 3, SEL_CALL | 3);
  expect_value("SP after RET n out", got.frame.sp, user_sp);
  set_call_gate(stop, SEL_CODE, GATE3, 2);
  got = run(call_two, 3, SEL_CALL | 3);
  expect_value("parameters", stacked(&got, 3) << 8 | stacked(&got, 2), 0x1122);
  expect_value("SP above parameters", stacked(&got, 4), user_sp - 8);
  set_call_gate(stop, SEL_CODE, 0xe4, 1);
  got = run(call_two, 3, SEL_CALL | 3); // a 16-bit gate, whose target is below 64 KiB or not there
  expect_value("CS of a 16-bit gate", got.frame.cs, SEL_CODE);
  u16 *narrow = (u16 *)((u32 *)&this_cpu()->tss)[1] - 5;
  expect_value("16-bit frame: IP and CS", narrow[0] << 16 | narrow[1], ((word)call_two + 4 + CALL_LENGTH) << 16 | SEL_USER_CODE);
  expect_value("16-bit frame: parameter and SP", narrow[2] << 16 | narrow[3], 0x220000 | ((user_sp - 8) & 0xffff));
#endif
}

static void bad(const char *name, const u8 *code, unsigned cpl, u16 selector, unsigned vector, word error) {
  struct fault got = run(code, cpl, selector);
  expect_fault(name, got, vector, error);
  expect_value(text("IP after %s", name), got.frame.ip, (word)code);
}
static void bad_gate(const char *name, u8 access, u16 target, unsigned cpl, u16 selector, unsigned vector, word error) {
  set_call_gate(stop, target, access, 0);
  bad(name, call_far, cpl, selector, vector, error);
}

static void refused(void) {
  bad_gate("a gate of DPL 0 at CPL 3", GATE, SEL_CODE, 3, SEL_CALL | 3, GP, SEL_CALL);
  bad_gate("a gate of DPL 0 with RPL 3", GATE, SEL_CODE, 0, SEL_CALL | 3, GP, SEL_CALL);
  bad_gate("an absent gate", 0x6c, SEL_CODE, 3, SEL_CALL | 3, NP, SEL_CALL);
  bad_gate("an absent gate of DPL 0", 0x0c, SEL_CODE, 3, SEL_CALL | 3, GP, SEL_CALL);
  bad_gate("a gate to null", GATE3, 0, 3, SEL_CALL | 3, GP, 0);
  bad_gate("a gate to data", GATE3, SEL_DATA, 3, SEL_CALL | 3, GP, SEL_DATA);
  bad_gate("a gate beyond the GDT", GATE3, 0x200, 3, SEL_CALL | 3, GP, 0x200);
  bad_gate("a gate to an outer level", GATE, SEL_USER_CODE, 0, SEL_CALL, GP, SEL_USER_CODE & ~3u);
  gdt[SEL_TARGET / 8] = descriptor(0, 0xfffff, 0x1b, CODE_FLAGS);
  bad_gate("a gate to absent code", GATE3, SEL_TARGET, 3, SEL_CALL | 3, NP, SEL_TARGET);
  bad_gate("an interrupt gate", 0xee, SEL_CODE, 3, SEL_CALL | 3, GP, SEL_CALL);
  set_call_gate(stop, SEL_CODE, GATE3, 0);
  bad("JMP to an inner level", jump_far, 3, SEL_CALL | 3, GP, SEL_CODE);
  bad("CALL of kernel code", call_far, 3, SEL_CODE, GP, SEL_CODE);
  bad("CALL of user code at CPL 0", call_far, 0, SEL_USER_CODE, GP, SEL_USER_CODE & ~3u);
  bad("CALL of null", call_far, 0, 3, GP, 0);
  bad("CALL of data", call_far, 0, SEL_DATA, GP, SEL_DATA);
  bad("JMP with RPL 3 at CPL 0", jump_far, 0, SEL_CODE | 3, GP, SEL_CODE);
#if LONG
  bad_gate("a 16-bit gate", 0xe4, SEL_CODE, 3, SEL_CALL | 3, GP, SEL_CALL);
  bad_gate("a gate to 32-bit code", GATE3, SEL_CODE32, 3, SEL_CALL | 3, GP, SEL_CODE32);
  set_call_gate(stop, SEL_CODE, GATE3, 0);
  gdt[SEL_CALL / 8 + 1] |= (u64)0x0c << 40;
  bad("a gate with a type in its upper half", call_far, 3, SEL_CALL | 3, GP, SEL_CALL);
  set_call_gate(stop, SEL_CODE, GATE3, 0);
  bad("CALL to a TSS", call_far, 0, SEL_TSS, GP, SEL_TSS);
#else
  struct tss *tss = &this_cpu()->tss;
  // Interrupts need SS0 as well: the target is on level 1.
  gdt[SEL_CODE1 / 8] = descriptor(0, 0xfffff, 0xbb, 12);
  gdt[SEL_DATA1 / 8] = descriptor(0, 0xfffff, 0xb3, 12);
  static const struct { const char *name; u16 ss; u8 access; unsigned vector; } stacks[] = {
      {"null", 0, 0, TS}, {"with RPL 0", SEL_DATA1, 0, TS}, {"of DPL 0", SEL_DATA | 1, 0, TS}, {"of code", SEL_CODE1 | 1, 0, TS},
      {"beyond the GDT", 0x201, 0, TS}, {"absent", SEL_OTHER_SS | 1, 0x33, SS}, {"read-only", SEL_OTHER_SS | 1, 0xb1, TS},
  };
  tss->sp1 = tss->sp0 - 0x800;
  for (unsigned i = 0; i < sizeof stacks / sizeof *stacks; i++) {
    gdt[SEL_OTHER_SS / 8] = descriptor(0, 0xfffff, stacks[i].access, 12);
    tss->ss1 = stacks[i].ss;
    bad_gate(text("SS1 %s", stacks[i].name), GATE3, SEL_CODE1, 3, SEL_CALL | 3, stacks[i].vector, stacks[i].ss & ~3u);
  }
  tss->ss1 = SEL_DATA1 | 1;
  set_call_gate(stop, SEL_CODE1, GATE3, 0);
  struct fault got = run(call_far, 3, SEL_CALL | 3);
  expect_fault("CALL to level 1", got, RETURNED, 0);
  expect_value("CS and SS of level 1", got.frame.cs << 16 | got.frame.ss, (SEL_CODE1 | 1) << 16 | SEL_DATA1 | 1);
  expect_value("SP of level 1", got.frame.sp, tss->sp1 - 16);
#endif
}

/** A far return to `cs` with `ss`. */
static void back(const char *name, bool interrupt, u16 cs, u16 ss, unsigned vector, word error) {
  unsigned i = 0;
  return_frame[i++] = (word)stop;
  return_frame[i++] = cs;
  if (interrupt) return_frame[i++] = FLAG_FIXED;
  return_frame[i++] = (word)user_stack_top - 64;
  return_frame[i] = ss;
  struct frame start = start_frame(interrupt ? iretw : retf, 0);
  struct fault got = attempt_at(&start);
  const char *full = text("%s %s", interrupt ? "IRET to" : "RETF to", name);
  expect_fault(full, got, vector, error);
  if (vector != RETURNED) {
    expect_value(text("CS after %s", full), got.frame.cs, SEL_CODE);
    return;
  }
  expect_value(text("CS and SS after %s", full), got.frame.cs << 16 | got.frame.ss, (u32)cs << 16 | ss);
#if !LONG
  expect_value(text("data segments after %s", full), got.frame.ds | got.frame.es | got.frame.fs | got.frame.gs, 0);
#endif
}

void returns(void) {
  gdt[SEL_TARGET / 8] = descriptor(0, 0xfffff, 0x7b, CODE_FLAGS);
  gdt[SEL_OTHER_SS / 8] = descriptor(0, 0xfffff, 0x73, 12);
  gdt[SEL_CODE1 / 8] = descriptor(0, 0xfffff, 0x9f, CODE_FLAGS);
  for (unsigned i = 0; i < 2; i++) {
    back("CPL 3", i, SEL_USER_CODE, SEL_USER_DATA, RETURNED, 0);
    back("conforming code at CPL 3", i, SEL_CODE1 | 3, SEL_USER_DATA, RETURNED, 0);
    back("null", i, 0, SEL_USER_DATA, GP, 0);
    back("data", i, SEL_USER_DATA, SEL_USER_DATA, GP, SEL_USER_DATA & ~3u);
    back("user code with RPL 0", i, SEL_USER_CODE & ~3u, SEL_USER_DATA, GP, SEL_USER_CODE & ~3u);
    back("kernel code with RPL 3", i, SEL_CODE | 3, SEL_USER_DATA, GP, SEL_CODE);
    back("absent code", i, SEL_TARGET | 3, SEL_USER_DATA, NP, SEL_TARGET);
    back("CPL 3 with a null SS", i, SEL_USER_CODE, 0, GP, 0);
    back("CPL 3 with a null SS of RPL 3", i, SEL_USER_CODE, 3, GP, 0);
    back("CPL 3 with a kernel SS", i, SEL_USER_CODE, SEL_DATA | 3, GP, SEL_DATA);
    back("CPL 3 with SS of RPL 0", i, SEL_USER_CODE, SEL_USER_DATA & ~3u, GP, SEL_USER_DATA & ~3u);
    back("CPL 3 with SS of code", i, SEL_USER_CODE, SEL_USER_CODE, GP, SEL_USER_CODE & ~3u);
    back("CPL 3 with an absent SS", i, SEL_USER_CODE, SEL_OTHER_SS | 3, SS, SEL_OTHER_SS);
  }
}

#if LONG
CODE(load_gs_word, "mov %gs:0, %rax\nmov %gs, %ebx\nint $0x30")
/** GS of DPL 0 becomes null on the way to CPL 3; its base stays. */
static void null_base(void) {
  static const word value = 0x1122334455667788;
  write_gs(SEL_DATA);
  wrmsr(MSR_GS_BASE, (word)&value);
  struct frame start = start_frame(load_gs_word, 3);
  struct fault got = attempt_at(&start);
  expect_fault("GS at CPL 3", got, RETURNED, 0);
  expect_value("GS is null", got.frame.bx, 0);
  expect_value("its base is as before", got.frame.ax, value);
}
#endif

void test_main(void) {
#if LONG
  null_base();
#endif
  far_pointer.offset = (word)stop;
  through_gates();
  refused();
  returns();
}
