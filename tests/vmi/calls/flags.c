// The interrupt flag: calls 29 to 32, which the guest's code does not save its registers for.
#include "rom.h"

static bool kept(unsigned call, u32 eax, bool all) {
  u32 r[8] = {eax, 2, 3, 4, 0, 6, 7, 8};
  rom_call_registers(target[call], r);
  return r[1] == 2 && r[3] == 4 && r[5] == 6 && r[6] == 7 && r[7] == 8 && (!all || (r[0] == eax && r[2] == 3));
}
static u32 mask(void) { return (u32)CALL(GetInterruptMask) & FLAG_IF; }

void test_flags(void) {
  expect_true("EnableInterrupts keeps every register", kept(EnableInterrupts, 1, true));
  expect_value("GetInterruptMask, enabled", mask(), FLAG_IF);
  expect_true("DisableInterrupts keeps every register", kept(DisableInterrupts, 1, true));
  expect_value("GetInterruptMask, disabled", mask(), 0);
  expect_true("GetInterruptMask keeps all but EAX and EDX", kept(GetInterruptMask, 1, false));
  expect_true("SetInterruptMask keeps all but EAX and EDX", kept(SetInterruptMask, FLAG_IF, false));
  expect_value("SetInterruptMask on", mask(), FLAG_IF);
  CALL(SetInterruptMask, ~FLAG_IF);
  expect_value("SetInterruptMask off: other bits do not count", mask(), 0);
  CALL(SetInterruptMask, 0);
}
