// Address spaces: entries set, changed, taken away, by each way of telling of it; batches; a whole address space beside the first.
#include "pv.h"

/** Far from everything that is mapped: the tables for it are this test's own. */
static const word window = 0x50000000;
static const pte kernel_page = P | W | AD, user_page = P | W | U | AD;
static u32 first[1024] PAGED, second[1024] PAGED, many[16][1024] PAGED;
static pte tables[4][4096 / sizeof(pte)] PAGED;

static u32 look(word linear) { return *(volatile u32 *)linear; }
static word look_there(word linear) { return look(linear); }
static word store_there(word linear) {
  *(volatile u32 *)linear = 7;
  return 7;
}
static pte *window_entry(word linear) { return entry_of(pv.mmu.read_root(), 1, linear); }
static void set_page(word linear, const void *page, pte flags) { pv.mmu.set(window_entry(linear), pv.mmu.make(page, flags), 1, linear); }

/** Gives the address its tables; those above the page's own table may be there. Returns how many were made. */
int make_tables(pte *top, word linear) {
  int made = 0;
  for (int level = TOP_LEVEL; level > 1; level--) {
    pte *entry = entry_of(top, level, linear);
    if ((*entry & P) && !(*entry & LARGE)) continue;
    pte *table = tables[made++];
    for (unsigned n = 0; n < 4096 / sizeof(pte); n++) table[n] = 0;
    pv.mmu.allocate(table, level - 1);
    bool root_of_four = !LONG && WIDE_ENTRIES && level == 3;
    pv.mmu.set(entry, pv.mmu.make(table, root_of_four ? P : user_page), level, linear);
  }
  pv.mmu.flush_all();
  return made;
}

/** From the lowest upwards. */
void drop_tables(pte *top, word linear, int made) {
  for (int level = 2; level < 2 + made; level++) pv.mmu.set(entry_of(top, level, linear), 0, level, linear);
  pv.mmu.flush_all();
  for (int n = 0; n < made; n++) pv.mmu.release(tables[n], made - n);
}

static void entries(void) {
  set_page(window, first, kernel_page);
  expect("set: the page is there", look(window), first[0]);
  set_page(window, second, kernel_page);
  pv.mmu.flush_one(window);
  expect("set again: the other one is", look(window), second[0]);
  pte *entry = window_entry(window);
  *(volatile pte *)entry = pv.mmu.make(first, kernel_page);
  pv.mmu.update(entry, 1, window);
  pv.mmu.flush_one(window);
  expect("a plain store, and update", look(window), first[0]);
  set_page(window, first, P | AD);
  pv.mmu.flush_one(window);
  struct outcome got = attempt(store_there, window);
  expect_trap("a store to a page for reading", got, PF, 3);
  expect("its address", got.cr2, window);
  set_page(window, first, kernel_page);
  pv.mmu.flush_one(window);
  expect_trap("a store to a page for writing", attempt(store_there, window), NOTHING, 0);
  expect("has arrived", first[0], 7);
  first[0] = 0x11111111;
  if (pv.platform.user_bit) {
    expect_trap("user code and the kernel's page", attempt_user(look_there, window), PF, 5);
    set_page(window, first, user_page);
    pv.mmu.flush_one(window);
  }
  got = attempt_user(look_there, window);
  expect_trap("user code and its own page", got, NOTHING, 0);
  expect("shows what is there", (u32)got.value, first[0]);
  pv.mmu.set(entry, 0, 1, window);
  pv.mmu.flush_one(window);
  expect_trap("a page taken away", attempt(look_there, window), PF, 0);
  expect_trap("from user code too", attempt_user(look_there, window), PF, 4);
}

static void flushes(void) {
  set_page(window, first, kernel_page);
  look(window);
  set_page(window, second, kernel_page);
  pv.mmu.flush_user();
  expect("flush_user: nothing old is used", look(window), second[0]);
  set_page(window, first, kernel_page | G);
  pv.mmu.flush_all();
  look(window);
  set_page(window, second, kernel_page | G);
  pv.mmu.flush_all();
  expect("flush_all: nor of what is global", look(window), second[0]);
}

static void batches(void) {
  const word there = window + 0x20000;
  bool right = true;
  pv.mmu.enter_lazy();
  for (word n = 0; n < 16; n++) set_page(there + n * 4096, many[n], kernel_page);
  pv.mmu.leave_lazy();
  for (word n = 0; n < 16; n++) right = right && look(there + n * 4096) == many[n][0];
  expect_true("a batch of entries is in force by its end", right);
  pv.mmu.enter_lazy();
  for (word n = 0; n < 16; n++) set_page(there + n * 4096, many[15 - n], kernel_page);
  pv.mmu.leave_lazy();
  for (word n = 0; n < 16; n++) pv.mmu.flush_one(there + n * 4096);
  right = true;
  for (word n = 0; n < 16; n++) right = right && look(there + n * 4096) == many[15 - n][0];
  expect_true("one that changes entries too", right);
  for (word n = 0; n < 16; n++) pv.mmu.set(window_entry(there + n * 4096), 0, 1, there + n * 4096);
  pv.mmu.flush_user();
}

/** A root like the kernel's, but for the page in the window: the tables on the way to it are copies. */
static void address_space(pte *kernel) {
  static pte copies[TOP_LEVEL][4096 / sizeof(pte)] PAGED; // by level; the root is the last
  set_page(window, first, kernel_page);
  for (int level = TOP_LEVEL; level >= 1; level--) {
    const pte *old = entry_of(kernel, level, window), *table = (const pte *)((word)old & ~4095ul);
    bool four = !LONG && WIDE_ENTRIES && level == 3; // a PAE root
    for (unsigned n = 0; n < (four ? 4 : 4096 / sizeof(pte)); n++) copies[level - 1][n] = table[n];
    copies[level - 1][old - table] = level == 1 ? pv.mmu.make(second, kernel_page) : pv.mmu.make(copies[level - 2], four ? P : user_page);
  }
  pte *root = copies[TOP_LEVEL - 1];
  for (int level = 1; level <= TOP_LEVEL; level++) pv.mmu.allocate(copies[level - 1], level);
  pv.mmu.write_root(root);
  expect("another root is in force", (word)pv.mmu.read_root(), (word)root);
  expect("and its page in the window", look(window), second[0]);
  pv.mmu.write_root(kernel);
  expect("the first root again", (word)pv.mmu.read_root(), (word)kernel);
  expect("and its page", look(window), first[0]);
  for (int level = TOP_LEVEL; level >= 1; level--) {
    pv.mmu.release(copies[level - 1], level);
    copies[level - 1][4096 / sizeof(pte) - 1] = 0;
  }
  expect_true("its tables are plain memory again", true);
}

void test_mmu(void) {
  begin_group("mmu");
  for (unsigned n = 0; n < 16; n++) many[n][0] = 0xabc00 + n;
  first[0] = 0x11111111;
  second[0] = 0x22222222;
  pte *kernel = pv.mmu.read_root();
  int made = make_tables(kernel, window);
  expect_trap("tables with nothing in them", attempt(look_there, window), PF, 0);
  entries();
  flushes();
  batches();
  address_space(kernel);
  drop_tables(kernel, window, made);
  expect_trap("without its tables", attempt(look_there, window), PF, 0);
  tables[0][0] = 1;
  expect_true("they are plain memory again", true);
}
