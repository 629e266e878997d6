// Every VMI call from a kernel, its effect checked; LEVEL is where the kernel runs after VMI_Init.
#include "rom.h"

static void test_rom(void) {
  const u8 *bytes = (const u8 *)rom;
  u8 sum = 0;
  for (unsigned i = 0; i < rom->blocks * 512u; i++) sum += bytes[i];
  expect_value("the ROM's bytes sum up to 0", sum, 0);
  expect_value("its BIOS entry returns", rom->bios_init[0], 0xcb);
  expect_value("its PCI structure", *(u32 *)(bytes + rom->pci), 0x52494350);
  expect_value("vendor and device", *(u32 *)(bytes + rom->pci + 4), 0x080115ad);
  expect_value("its Plug and Play header", *(u32 *)(bytes + rom->pnp), 0x506e5024);
  u32 before = *(volatile u32 *)(bytes + 0x100);
  *(volatile u32 *)(bytes + 0x100) = ~before;
  expect_value("a store to it is dropped", *(volatile u32 *)(bytes + 0x100), before);
}

extern u8 kernel_return[];

static void test_relocation(void) {
  expect_value("VMI_Init", rom_init(), 0);
  kernel_return[0] = 0xe8;
  *(u32 *)(kernel_return + 1) = target[IRET] - (word)(kernel_return + 5);
  expect_value("IRET is called", relocation(IRET).type, CALL_REL);
  expect_value("SYSEXIT is jumped to", relocation(SYSEXIT).type, JUMP_REL);
#ifdef RAW
  expect_value("everything else is native", relocation(IODelay).type, NONE);
#else
  expect_value("IODelay is nothing", relocation(IODelay).type, NOP);
#endif
  expect_value("a number that is no call", relocation(50).type, NONE);
  expect_value("a wild number", relocation(0xfffffff0).type, NONE);
  expect_value("the kernel's level", read_ss() & 3, LEVEL);
  expect_value("asked twice", relocation(GetCR3).eip, target[GetCR3]);
}

static void outside(void *unused) {
  (void)unused;
  asm volatile("vmcall");
}
static void call_slot(void *unused) {
  (void)unused;
  asm volatile("call *%0" : : "r"(target[GetCR3]) : "eax", "edx", "ecx", "memory");
}

void test_main(void) {
  rom = find_rom();
  expect_true("there is a ROM", rom != 0);
  if (rom == 0) return;
  *entry_of(NOWHERE, 1) = 0;
  invlpg(NOWHERE);
  test_rom();
  test_relocation();
#ifdef RAW
  test_raw();
  return;
#endif
  expect_fault("a call from user code", attempt_user(call_slot, 0), UD, 0);
  expect_fault("VMCALL outside of the ROM", attempt(outside, 0), UD, 0);
  test_state();
  test_flags();
  test_returns();
  test_memory();
  test_time();
  if (cpu_count() > 1) test_smp();
}
