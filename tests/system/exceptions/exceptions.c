// Faults and traps by class, from CPL 0 and CPL 3: vector, error code, and the RIP that the handler sees (SDM vol. 3, 6.5 and 6.15).
#include "system.h"

struct instruction {
  const char *name;
  const u8 *code;
  unsigned kernel_vector, user_vector; // NO_EXCEPTION: runs on to the INT 0x30 behind it
  word kernel_error, user_error;
  int after; // bytes from the code's start to the reported RIP
};

#define CASE(id, body) CODE(code_##id, body "\nint $0x30")
CASE(divide, "xor %ecx, %ecx\ndiv %ecx")
CASE(int3, "int3")
CASE(int_n, "int $0x50")
CASE(ud2, "ud2")
CASE(hlt, "cli\nhlt")
CASE(in, "in $0x80, %al")
CASE(null_selector, "xor %eax, %eax\nmov %eax, %ss")
CASE(bad_selector, "mov $0x1f8, %eax\nmov %eax, %ds")
CASE(beyond_gdt, "mov $0x200, %eax\nmov %eax, %ds")
CASE(no_ldt, "mov $0x0c, %eax\nmov %eax, %es")

static void run(const struct instruction *instruction, unsigned cpl) {
  struct frame start = start_frame(instruction->code, cpl);
  struct fault got = attempt_at(&start);
  unsigned vector = cpl ? instruction->user_vector : instruction->kernel_vector;
  expect_fault(text("%s at CPL %u", instruction->name, cpl), got, vector, cpl ? instruction->user_error : instruction->kernel_error);
  if (vector == got.vector && vector != RETURNED) {
    expect_value(text("RIP of %s at CPL %u", instruction->name, cpl), got.frame.ip - (word)instruction->code, instruction->after);
    expect_value(text("CS of %s at CPL %u", instruction->name, cpl), got.frame.cs, start.cs);
  }
}

void test_main(void) {
  static const struct instruction list[] = {
      {"DIV by zero", code_divide, DE, DE, 0, 0, 2},
      {"INT3", code_int3, BP, BP, 0, 0, 1},
      {"INT n with a gate of DPL 0", code_int_n, 0x50, GP, 0, 0x50 * 8 + 2, -1},
      {"UD2", code_ud2, UD, UD, 0, 0, 0},
      {"IN", code_in, RETURNED, GP, 0, 0, 0},
      {"a null selector in SS", code_null_selector, LONG ? RETURNED : GP, GP, 0, 0, 2},
      {"an empty descriptor", code_bad_selector, GP, GP, 0x1f8, 0x1f8, 5},
      {"a selector beyond the GDT", code_beyond_gdt, GP, GP, 0x200, 0x200, 5},
      {"a selector in no LDT", code_no_ldt, GP, GP, 0x0c, 0x0c, 5},
  };
  set_gate(0x50, default_handler(0x50), SEL_CODE, 0x8e, 0);
  for (unsigned i = 0; i < sizeof list / sizeof *list; i++) {
    struct instruction one = list[i];
    for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
      if (one.code == code_int_n) one.after = cpl ? 0 : 2; // a trap in the kernel, a fault in user code
      run(&one, cpl);
    }
  }
  struct frame user_hlt = start_frame(code_hlt, 3);
  expect_fault("CLI at CPL 3 with IOPL 0", attempt_at(&user_hlt), GP, 0);
}
