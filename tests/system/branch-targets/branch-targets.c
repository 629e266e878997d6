// Where a branch may not go: the fault is the branch's own, with the stack as it was (SDM vol. 2, CALL, JMP, RET); and where a code segment
// ends, in the middle of an instruction.
#include "system.h"

#if LONG
#define HOLE 0x1111111111111110
CODE(jump, "jmp *%rax\nint $0x30")
CODE(jump_memory, "jmp *target\nint $0x30")
CODE(call, "call *%rax\nint $0x30")
CODE(call_memory, "call *target\nint $0x30")
CODE(ret, "ret\nint $0x30")
CODE(ret_n, "ret $16\nint $0x30")
CODE(far_ret, "lretq\nint $0x30")
word target = HOLE;

static void hole(const char *name, const u8 *code) {
  static word stack[64];
  for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
    struct frame start = start_frame(code, cpl);
    start.ax = HOLE;
    start.sp = (word)&stack[32];
    stack[32] = HOLE, stack[33] = start.cs;
    stack[31] = 0x77;
    struct fault got = attempt_at(&start);
    expect_fault(text("%s at CPL %u", name, cpl), got, GP, 0);
    expect_value(text("RIP of %s at CPL %u", name, cpl), got.frame.ip, (word)code);
    expect_value(text("RSP of %s at CPL %u", name, cpl), got.frame.sp, start.sp);
    if (cpl) expect_value(text("stack below %s", name), stack[31], 0x77);
  }
}

void test_main(void) {
  hole("JMP r", jump);
  hole("JMP m", jump_memory);
  hole("CALL r", call);
  hole("CALL m", call_memory);
  hole("RET", ret);
  hole("RET n", ret_n);
  hole("RETF", far_ret);
}
#else
static u8 page[0x2000] __attribute__((aligned(4096)));
CODE(jump, "jmp .+0x1000\nint $0x30")
CODE(jcc, "jns .+0x1000\nint $0x30")
CODE(jump_register, "jmp *%eax\nint $0x30")
CODE(call, "call .+0x1000\nint $0x30")
CODE(call_register, "call *%eax\nint $0x30")
CODE(ret, "ret\nint $0x30")
CODE(far_jump, "ljmp $0x103, $0x1000\nint $0x30")
CODE(loop, "loop .-0x30\nint $0x30") // backwards from 0x10: below the segment, which is far above its limit
CODE(crossing, ".byte 0x40, 0x40, 0x40, 0x05, 1, 0, 0, 0")
CODE(fitting, ".byte 0x40, 0x05, 1, 0, 0, 0")

/** Runs 16 bytes of `code` at `at` of a segment whose last byte is 0xfff. */
static void limited(const char *name, const u8 *code, u32 at, u32 fault_ip, word ax) {
  for (unsigned i = 0; i < 16; i++) page[at + i] = code[i];
  gdt[SEL_FREE / 8] = descriptor((word)page, 0xfff, 0xfb, 4);
  struct frame start = start_frame((const void *)(word)at, 3);
  start.cs = SEL_FREE | 3;
  start.ax = 0x1000, start.cx = 5;
  *(u32 *)start.sp = 0x1000;
  struct fault got = attempt_at(&start);
  expect_fault(name, got, GP, 0);
  expect_value(text("EIP of %s", name), got.frame.ip, fault_ip);
  expect_value(text("ESP of %s", name), got.frame.sp, start.sp);
  expect_value(text("ECX of %s", name), got.frame.cx, 5);
  expect_value(text("EAX of %s", name), got.frame.ax, ax);
}

void test_main(void) {
  limited("JMP rel", jump, 0, 0, 0x1000);
  limited("Jcc rel", jcc, 0, 0, 0x1000);
  limited("JMP r", jump_register, 0, 0, 0x1000);
  limited("CALL rel", call, 0, 0, 0x1000);
  limited("CALL r", call_register, 0, 0, 0x1000);
  limited("RET", ret, 0, 0, 0x1000);
  limited("JMP far", far_jump, 0, 0, 0x1000);
  limited("LOOP", loop, 0x10, 0x10, 0x1000);
  limited("an instruction over the limit", crossing, 0xff9, 0xffc, 0x1003);
  limited("what follows the last instruction", fitting, 0xffa, 0x1000, 0x1002);
}
#endif
