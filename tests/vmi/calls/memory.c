// Address spaces: calls 38 to 48 and 73.
#include "rom.h"

enum { PT = 1, CURRENT = 0x10, DEFER = 0x20 };
static const word window = 0x70000000;

static void set_entry(pte *entry, pte value, u32 flags) {
#ifdef MODE_PAE
  CALL(SetPxELong, value, value >> 32, entry, flags);
#else
  CALL(SetPxE, value, entry, flags);
#endif
}
static void update(pte *entry, u32 flags) {
#ifdef MODE_PAE
  CALL(UpdatePxELong, entry, flags);
#else
  CALL(UpdatePxE, entry, flags);
#endif
}
static void set_wild(void *entry) { set_entry(entry, 0, PT); }
static void read_window(void *unused) { (void)unused, (void)*(volatile u32 *)window; }
static void rom_kept(const char *what) {
  u8 sum = 0;
  for (unsigned i = 0; i < rom->blocks * 512u; i++) sum += ((const u8 *)rom)[i];
  expect_value(what, sum, 0);
}
static u32 look(void) { return *(volatile u32 *)window; }

void test_memory(void) {
  u32 *first = alloc_pages(1), *second = alloc_pages(1), *table = alloc_pages(1);
  *first = 1;
  *second = 2;
  const pte flags = PTE_P | PTE_W;
  map_page(window, (word)first, flags);
  pte *entry = entry_of(window, 1);
  look();
  set_entry(entry, (word)second | flags, PT | CURRENT | window);
  expect_value("SetPxE is in force", look(), 2);
  *entry = (word)first | flags;
  update(entry, PT | CURRENT | window);
  expect_value("UpdatePxE is in force", look(), 1);
  *entry = (word)second | flags;
  update(entry, PT);
  expect_value("UpdatePxE without an address", look(), 2);
  *entry = (word)first | flags;
  update(entry, PT | CURRENT | DEFER | window);
  CALL(FlushTLB, 1);
  expect_value("a deferred change by FlushTLB", look(), 1);
  CALL(SetLazyMode, 1);
  set_entry(entry, (word)second | flags, PT | CURRENT | window);
  CALL(SetLazyMode, 0);
  expect_value("a change of a batch by its end", look(), 2);
  *entry = (word)first | flags;
  CALL(InvalPage, window);
  expect_value("InvalPage", look(), 1);
  *entry = (word)second | flags | PTE_G;
  CALL(FlushTLB, 3);
  expect_value("FlushTLB of global pages", look(), 2);
  set_entry(entry, 0, PT | CURRENT | window);
  struct fault gone = attempt(read_window, 0);
  expect_fault("an entry taken away", gone, PF, 0);
  expect_true("a fault's frame has RF", gone.frame.flags & FLAG_RF);
  expect_fault("SetPxE nowhere", attempt(set_wild, (void *)NOWHERE), PF, 0);
  CALL(SetLazyMode, 2);
  CALL(SetLazyMode, 0);

  for (unsigned i = 0; i < 1024; i++) first[i] = i;
  CALL(AllocatePage, (word)table >> 12, 0x62, (word)first >> 12, 256, 256);
#ifdef MODE_PAE
  expect_true("AllocatePage clones", table[511] == 0 && table[512] == 512 && table[1023] == 1023);
#else
  expect_true("AllocatePage clones", table[255] == 0 && table[256] == 256 && table[511] == 511 && table[512] == 0);
#endif
  set_entry((pte *)((word)rom + 0xf00), 0x12345, PT);
  rom_kept("SetPxE does not change the ROM");
  CALL(AllocatePage, (word)rom >> 12, 0x62, (word)first >> 12, 0, 256);
  rom_kept("nor does AllocatePage");
  CALL(GetGDT, (word)rom + 0xf00);
  CALL(WriteGDTEntry, (word)rom, 0xf00 / 8, 0x12345, 0x6789);
  rom_kept("nor do GetGDT and WriteGDTEntry");
  CALL(AllocatePage, (word)second >> 12, 0x41, 0, 0, 0);
  CALL(ReleasePage, (word)second >> 12, 0x41);
  expect_value("MachineToPhysical", (u32)CALL(MachineToPhysical, 0x1234), 0x1234);
  expect_value("PhysicalToMachine", (u32)CALL(PhysicalToMachine, 0x1234), 0x1234);
  expect_value("SetLinearMapping", (u32)CALL(SetLinearMapping, 0, 0xc0000000, 0x1000, 0), 0);
}
