// A branch whose target lies beyond the segment's limit, or is not canonical, faults itself: RIP at the branch, stack and counter untouched.
// A page fault of the target is the target's.
#include "system.h"

CODE(jump, "jmp *%" AX)
CODE(jump_memory, "jmp *(%" REG(bx) ")")
CODE(call, "call *%" AX)
CODE(ret, "ret")
CODE(ret_n, "ret $16")
CODE(lock_register, ".byte 0xf0\naddl %eax, %eax")
CODE(lock_load, ".byte 0xf0\nmovl (%" REG(bx) "), %eax")
CODE(lock_mov, ".byte 0xf0\nmovl %eax, (%" REG(bx) ")")
CODE(lock_nop, ".byte 0xf0\nnop")
CODE(lock_cmp, ".byte 0xf0\ncmpl %eax, (%" REG(bx) ")")
CODE(lock_ok, ".byte 0xf0\naddl %eax, (%" REG(bx) ")\n" END)
CODE(fifteen, ".fill 14, 1, 0x3e\nnop\n" END)
CODE(sixteen, ".fill 15, 1, 0x3e\nnop\n" END)
CODE(sixteen_ud, ".fill 15, 1, 0x66\n.byte 0x0f, 0x0b\n" END)

static word target;
static word before_sp, before_cx;

static struct fault run(const u8 *code, unsigned cpl, word to) {
  struct frame start = start_frame(code, cpl);
  start.ax = target = to;
  start.bx = (word)&target;
  start.cx = before_cx = 5;
  start.sp -= 64;
  *(word *)start.sp = to;
  before_sp = start.sp;
  return attempt_at(&start);
}

#if LONG
static void expect_at_branch(const char *name, const u8 *code, unsigned cpl, word to) {
  struct fault got = run(code, cpl, to);
  expect_fault(name, got, GP, 0);
  expect_value(text("RIP of %s", name), got.frame.ip - (word)code, 0);
  expect_value(text("stack of %s", name), got.frame.sp - before_sp, 0);
}

#define EDGE 0x800000000000ul
static void relative(const char *name, const u8 *bytes, unsigned length, word distance) {
  u8 *code = (u8 *)(EDGE - distance);
  for (unsigned i = 0; i < length; i++) code[i] = bytes[i];
  struct fault got = run(code, 3, 0);
  expect_fault(name, got, GP, 0);
  expect_value(text("RIP of %s", name), got.frame.ip, (word)code);
  expect_value(text("stack of %s", name), got.frame.sp, before_sp);
  expect_value(text("counter of %s", name), got.frame.cx, before_cx);
}
#define RELATIVE(name, distance, ...) relative(name, (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}), distance)

static void test_long(void) {
  for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
    expect_at_branch(text("JMP at CPL %u", cpl), jump, cpl, EDGE);
    expect_at_branch(text("JMP m at CPL %u", cpl), jump_memory, cpl, 0x1111111111111111);
    expect_at_branch(text("CALL at CPL %u", cpl), call, cpl, EDGE);
    expect_at_branch(text("RET at CPL %u", cpl), ret, cpl, ~EDGE);
    expect_at_branch(text("RET n at CPL %u", cpl), ret_n, cpl, EDGE);
  }
  map_page(EDGE - 4096, (word)alloc_pages(1), PTE_P | PTE_W | PTE_U);
  RELATIVE("JMP rel8", 16, 0xeb, 0x0e);
  RELATIVE("JMP rel32", 16, 0xe9, 0x0b, 0x00, 0x00, 0x00);
  RELATIVE("JNZ rel32", 16, 0x0f, 0x85, 0x0a, 0x00, 0x00, 0x00);
  RELATIVE("CALL rel32", 16, 0xe8, 0x40, 0x00, 0x00, 0x00);
  RELATIVE("LOOP", 16, 0xe2, 0x0e);
  // Running on past the edge is a fault there, of an instruction that never was.
  u8 *code = (u8 *)(EDGE - 3);
  code[0] = code[1] = code[2] = 0x90;
  struct fault got = run(code, 0, 0);
  expect_fault("past the edge", got, GP, 0);
  expect_value("RIP past the edge", got.frame.ip, EDGE);
  code[1] = 0x0f; // an instruction that begins before the edge and goes on behind it
  code[2] = 0x1f;
  got = run(code, 0, 0);
  expect_fault("across the edge", got, GP, 0);
  expect_value("RIP across the edge", got.frame.ip, EDGE - 2);
}
#else
static void test_limits(void) {
  extern const u8 image_end[];
  // Code segments that end behind the image, so that only the targets lie outside.
  word limit = ((word)image_end | 0xfff) + 0x1000;
  gdt[SEL_FREE / 8] = descriptor(0, limit >> 12, 0xfb, 0xc);
  gdt[SEL_FREE / 8 + 1] = descriptor(0, limit >> 12, 0x9b, 0xc);
  word beyond = (limit | 0xfff) + 1;
  static const struct {
    const char *name;
    const u8 *code;
  } list[] = {{"JMP", jump}, {"JMP m", jump_memory}, {"CALL", call}, {"RET", ret}, {"RET n", ret_n}};
  for (unsigned i = 0; i < sizeof list / sizeof *list; i++) {
    for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
      struct frame start = start_frame(list[i].code, cpl);
      start.cs = cpl ? SEL_FREE | 3 : SEL_FREE + 8;
      start.ax = target = beyond;
      start.bx = (word)&target;
      if (cpl) *(word *)(start.sp -= 64) = beyond;
      else if (list[i].code == ret || list[i].code == ret_n) continue; // IRET to the same level leaves the stack as it is
      const char *name = text("%s beyond the limit at CPL %u", list[i].name, cpl);
      struct fault got = attempt_at(&start);
      expect_fault(name, got, GP, 0);
      expect_value(text("RIP of %s", name), got.frame.ip - (word)list[i].code, 0);
      if (cpl) expect_value(text("stack of %s", name), got.frame.sp, start.sp);
    }
  }
}
#endif

void test_main(void) {
#if LONG
  test_long();
#else
  test_limits();
#endif
  static const struct {
    const char *name;
    const u8 *code;
    unsigned vector;
  } list[] = {{"LOCK ADD with a register", lock_register, UD}, {"LOCK on a load", lock_load, UD}, {"LOCK MOV", lock_mov, UD}, {"LOCK NOP", lock_nop, UD},
              {"LOCK CMP", lock_cmp, UD}, {"LOCK ADD", lock_ok, RETURNED}, {"15 bytes", fifteen, RETURNED}, {"16 bytes", sixteen, GP}, {"16 bytes of UD2", sixteen_ud, GP}};
  for (unsigned i = 0; i < sizeof list / sizeof *list; i++) {
    for (unsigned cpl = 0; cpl <= 3; cpl += 3) expect_fault(text("%s at CPL %u", list[i].name, cpl), run(list[i].code, cpl, 0), list[i].vector, 0);
  }
}
