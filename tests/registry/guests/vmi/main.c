// A guest of VMI: finds the ROM, initialises it, says so, and powers off by a ROM call.
#include "../../../vmi/calls/rom.c"

void test_main(void) {
  rom = find_rom();
  expect_true("there is a ROM", rom != 0);
  if (rom == 0 || rom_init() != 0) return;
  print("hello from VMI\n");
  CALL(Shutdown);
}
