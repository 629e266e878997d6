// Each access aligned and misaligned by one byte, with and without the three conditions.
#include "system.h"

#define ACCESS(id, body) CODE(code_##id, body "\n" END)
ACCESS(load16, "movw (%" REG(bx) "), %ax")
ACCESS(load32, "movl (%" REG(bx) "), %eax")
ACCESS(store16, "movw %ax, (%" REG(bx) ")")
ACCESS(store32, "movl %eax, (%" REG(bx) ")")
ACCESS(modify, "addl $1, (%" REG(bx) ")")
ACCESS(load8, "movb (%" REG(bx) "), %al")
ACCESS(string, "mov %" REG(bx) ", %" REG(si) "\nlodsl")
ACCESS(push, "mov %" REG(bx) ", %" SP "\npush %" AX)
ACCESS(pop, "mov %" REG(bx) ", %" SP "\npop %" AX)
ACCESS(call, "mov %" REG(bx) ", %" SP "\ncall 1f\n1:")
ACCESS(pushf, "mov %" REG(bx) ", %" SP "\npushf")
ACCESS(x87, "fninit\nfldl (%" REG(bx) ")")
ACCESS(selector, "mov (%" REG(bx) "), %fs")
#if LONG
ACCESS(load64, "movq (%rbx), %rax")
#else
ACCESS(pusha, "mov %ebx, %esp\npusha")
ACCESS(enter, "mov %ebx, %esp\nenter $0, $0")
#endif

static u8 bytes[256] __attribute__((aligned(64)));

static void run(const char *name, const u8 *code, bool checked) {
  for (unsigned skew = 0; skew <= 1; skew++) {
    struct frame start = start_frame(code, 3);
    start.bx = (word)&bytes[128 + skew];
    start.flags |= FLAG_AC;
    bool faults = skew && checked;
    expect_fault(text("%s, %s", name, skew ? "misaligned" : "aligned"), attempt_at(&start), faults ? AC : RETURNED, 0);
    if (!faults) continue;
    start.flags &= ~FLAG_AC;
    expect_fault(text("%s without EFLAGS.AC", name), attempt_at(&start), RETURNED, 0);
    start.flags |= FLAG_AC;
    write_cr0(read_cr0() & ~CR0_AM);
    expect_fault(text("%s without CR0.AM", name), attempt_at(&start), RETURNED, 0);
    write_cr0(read_cr0() | CR0_AM);
  }
}

void test_main(void) {
  write_cr0(read_cr0() | CR0_AM);
  run("a byte", code_load8, false);
  run("a word read", code_load16, true);
  run("a doubleword read", code_load32, true);
  run("a word written", code_store16, true);
  run("a doubleword written", code_store32, true);
  run("a doubleword changed", code_modify, true);
  run("LODS", code_string, true);
  run("PUSH", code_push, true);
  run("POP", code_pop, true);
  run("CALL", code_call, true);
  run("PUSHF", code_pushf, true);
  run("FLD of 64 bits", code_x87, true);
#if LONG
  run("a quadword read", code_load64, true);
#else
  run("PUSHA", code_pusha, true);
  run("ENTER", code_enter, true);
  // The same on a stack that is not flat: a base, and 16 bits.
  gdt[SEL_FREE / 8] = descriptor((u32)(word)bytes, 0xff, 0xf3, 0);
  static const struct {
    const char *name;
    const u8 *code;
  } list[] = {{"PUSH", code_push}, {"POP", code_pop}, {"CALL", code_call}, {"PUSHF", code_pushf}, {"PUSHA", code_pusha}, {"ENTER", code_enter}};
  for (unsigned i = 0; i < sizeof list / sizeof *list; i++) {
    for (unsigned skew = 0; skew <= 1; skew++) {
      struct frame start = start_frame(list[i].code, 3);
      start.ss = SEL_FREE | 3;
      start.bx = 128 + skew;
      start.flags |= FLAG_AC;
      expect_fault(text("%s on a 16-bit stack, %s", list[i].name, skew ? "misaligned" : "aligned"), attempt_at(&start), skew ? AC : RETURNED, 0);
    }
  }
#endif
  bytes[129] = 0;
  bytes[130] = 0;
  run("a selector", code_selector, true);
  struct frame start = start_frame(code_load32, 0);
  start.bx = (word)&bytes[129];
  start.flags |= FLAG_AC;
  expect_fault("CPL 0", attempt_at(&start), RETURNED, 0);
  write_flags(read_flags() & ~FLAG_AC);
}
