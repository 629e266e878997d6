// The machine that multiboot kernel test suites expect: boot information, fw_cfg, the test device, ports and memory where nothing is,
// ACPI tables, and hypercalls. Multiboot Specification 0.6.96, 3.3; QEMU docs/specs/fw_cfg.rst; ACPI Specification 6.4, 5.2.
#include "system.h"

struct module { u32 start, end, command, reserved; };
static const u32 *mbi(void) { return (const u32 *)(word)multiboot_info; }
static bool same(const char *a, const char *b, unsigned length) {
  for (unsigned i = 0; i < length; i++)
    if (a[i] != b[i]) return false;
  return true;
}

static void test_boot(void) {
  expect_true("memory sizes, command line and map are told", (mbi()[0] & 0x45) == 0x45);
  expect_true("lower memory", mbi()[1] >= 600 && mbi()[1] <= 640);
  expect_true("upper memory is what is left of 32 MiB", mbi()[2] * 1024 > (28 << 20) && mbi()[2] * 1024 <= (31 << 20));
  expect_true("the command line is somewhere", *(const char *)(word)mbi()[4] > ' ');
  u32 usable = 0;
  for (u32 at = mbi()[12]; at < mbi()[12] + mbi()[11]; at += *(u32 *)(word)at + 4)
    if (((u32 *)(word)at)[5] == 1) usable += ((u32 *)(word)at)[3];
  expect_true("the map's usable memory", usable > (29 << 20) && usable <= (32 << 20));
}

static u64 fw_cfg(u16 item, unsigned bytes) {
  u64 value = 0;
  out16(0x510, item);
  for (unsigned i = 0; i < bytes; i++) value |= (u64)in8(0x511) << 8 * i;
  return value;
}
static void test_fw_cfg(void) {
  expect_value("fw_cfg: signature", fw_cfg(0, 4), 0x554d4551);
  expect_value("fw_cfg: interface version", fw_cfg(1, 4) & 1, 1);
  expect_value("fw_cfg: memory size", fw_cfg(3, 8), 32 << 20);
  expect_value("fw_cfg: number of CPUs", fw_cfg(5, 2), 1);
  expect_value("fw_cfg: the most CPUs there can be", fw_cfg(0xf, 2), 1);
}

static void test_device(void) {
  out32(0xe0, 0x12345678);
  expect_value("the latch keeps a doubleword", in32(0xe0), 0x12345678);
  out16(0xe0, 0xabcd);
  expect_value("a word", in16(0xe0), 0xabcd);
  out8(0xe0, 0x5a);
  expect_value("and a byte", in8(0xe0), 0x5a);
  out32(0xe4, (u32)(word)&test_device);
  volatile u32 *memory = (volatile u32 *)0xff000000ul;
  for (unsigned i = 0; i < 0x4000; i += 0x3ff) memory[i] = i * 0x01010101;
  bool kept = true;
  for (unsigned i = 0; i < 0x4000; i += 0x3ff) kept = kept && memory[i] == i * 0x01010101;
  expect_true("its memory holds what is written", kept);
  *(volatile u8 *)0xff000001ul = 0x99;
  expect_value("bytes of it too", memory[0], 0x9900);
}

/** A table by its signature, through the root pointer that is found by scanning. */
static const u8 *table(const char *signature) {
  for (const char *at = (const char *)0xe0000ul; at < (const char *)0x100000ul; at += 16) {
    if (!same(at, "RSD PTR ", 8)) continue;
    const u32 *rsdt = (const u32 *)(word) * (const u32 *)(at + 16);
    for (u32 i = 9; i < rsdt[1] / 4; i++)
      if (same((const char *)(word)rsdt[i], signature, 4)) return (const u8 *)(word)rsdt[i];
  }
  return 0;
}
static void test_acpi(void) {
  const u8 *fadt = table("FACP");
  expect_true("there is a FADT", fadt != 0);
  if (!fadt) return;
  const u32 *fields = (const u32 *)fadt;
  expect_true("it leads to a FACS", same((const char *)(word)fields[9], "FACS", 4));
  u16 timer = fields[19];
  u32 from = in32(timer);
  u64 limit = rdtsc() + 3000000000ull;
  while (((in32(timer) - from) & 0xffffff) < 3580 && rdtsc() < limit) {} // 1 ms
  expect_true("the power management timer counts", rdtsc() < limit);
  expect_value("PCI configuration space answers", (out32(0xcf8, 0x80000000), in32(0xcfc) & 0xffff), 0x8086);
  expect_value("a port where nothing is floats", in32(0x1234), ~0u);
}

#ifdef HYPERCALLS
#define CALL(name, instruction) \
  static sword name(word number, word b, word c, word d, word s) { \
    sword result; \
    asm volatile(instruction : "=a"(result) : "a"(number), "b"(b), "c"(c), "d"(d), "S"(s) : "memory"); \
    return result; \
  }
CALL(vmcall, "vmcall")
CALL(vmmcall, "vmmcall")
static volatile u32 came;
static bool count(struct frame *frame) {
  (void)frame;
  came++;
  lapic_write(0xb0, 0);
  return true;
}
static void user_call(void *argument) { *(sword *)argument = vmcall(0, 0, 0, 0, 0); }
static void write_msr(void *argument) { wrmsr(0x4b564d01, (u64)(word)argument | 1); }
static void test_clock(void) {
  static volatile u64 page[4] __attribute__((aligned(64)));
  expect_no_fault("the paravirtual clock can be enabled", attempt(write_msr, (void *)page));
  expect_true("its page starts now", page[1] != 0 && rdtsc() - page[1] < 1000000000);
}
static void test_hypercalls(void) {
  static sword result __attribute__((aligned(4096)));
  expect_value("an unknown hypercall by VMCALL", -vmcall(-1, 0, 0, 0, 0), 1000);
  expect_value("and by VMMCALL", -vmmcall(-1, 0, 0, 0, 0), 1000);
  attempt_user(user_call, &result);
  expect_value("from user mode", -result, 1);
  set_hook(0x55, count);
  lapic_write(0xf0, 0x1ff);
  expect_value("SEND_IPI to itself and to one that is not there", vmcall(10, 3, 0, 0, 0x55), 1);
  asm volatile("sti\nnop\ncli");
  expect_value("arrives", came, 1);
  expect_value("SEND_IPI to nobody", vmcall(10, 0xffffffff, 0, 0xffffffff, 0), 0);
#if LONG
  u8 *last = alloc_pages(1) + 0xffd;
  *entry_of(0x7ffffffff000, 1) = 0;
  map_page(0x7ffffffff000, (u64)(word)last & ~0xfffull, PTE_P | PTE_W | PTE_U);
  last[0] = 0x0f, last[1] = 0x01, last[2] = 0xd9; // VMMCALL ends where canonical addresses do
  struct frame edge = start_frame((const void *)0x7ffffffffffd, 0);
  edge.ax = -1;
  struct fault got = attempt_at(&edge);
  expect_fault("behind the last canonical address", got, GP, 0);
  expect_value("the fault is at the next one", got.frame.ip, 0x800000000000);
#endif
}
#endif

void test_main(void) {
  test_boot();
  test_fw_cfg();
  test_device();
  test_acpi();
#ifdef HYPERCALLS
  test_hypercalls();
  test_clock();
#endif
}
