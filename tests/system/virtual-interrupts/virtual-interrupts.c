// Protected-mode virtual interrupts. VIF is seen in the frame of the INT that ends each attempt.
#include "system.h"

CODE(code_sti, "sti\n" END)
CODE(code_cli, "cli\n" END)
CODE(code_popf, "pushf\norl $0x200, (%" SP ")\npopf\n" END)

static struct fault run(const u8 *code, unsigned cpl, word flags) {
  struct frame start = start_frame(code, cpl);
  start.flags |= flags;
  return attempt_at(&start);
}

static void expect_flags(const char *name, struct fault got, word flags) {
  expect_fault(text("%s ends", name), got, RETURNED, 0);
  expect_value(name, got.frame.flags & (FLAG_VIF | FLAG_VIP | FLAG_IF), flags);
}

void test_main(void) {
  expect_true("CPUID says VME", (cpuid(1, 0).d & 2) != 0);
  expect_fault("STI without PVI", run(code_sti, 3, 0), GP, 0);
  write_cr4(read_cr4() | CR4_PVI);
  expect_flags("STI", run(code_sti, 3, 0), FLAG_VIF);
  expect_flags("CLI", run(code_cli, 3, FLAG_VIF), 0);
  expect_flags("CLI with IF", run(code_cli, 3, FLAG_VIF | FLAG_IF), FLAG_IF);
  expect_flags("CLI with VIP", run(code_cli, 3, FLAG_VIF | FLAG_VIP), FLAG_VIP);
  expect_fault("STI with VIP", run(code_sti, 3, FLAG_VIP), GP, 0);
  expect_flags("STI with IOPL 3", run(code_sti, 3, FLAG_IOPL), FLAG_IF);
  expect_flags("CLI with IOPL 3", run(code_cli, 3, FLAG_IOPL | FLAG_VIF | FLAG_IF), FLAG_VIF);
  expect_flags("STI at CPL 0", run(code_sti, 0, 0), FLAG_IF);
  expect_flags("POPF", run(code_popf, 3, 0), 0);
  write_cr4(read_cr4() & ~CR4_PVI);
}
