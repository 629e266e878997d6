// What must drop cached translations, and what the processor may never cache (SDM vol. 3, 4.10). Stale entries are allowed where nothing
// has invalidated them, so each check asks only for what must be seen.
#include "system.h"

#define WINDOW 0x40000000ul
#if defined(MODE_32P)
#define LARGE_BYTES 0x400000ul
#else
#define LARGE_BYTES 0x200000ul
#endif
#define FRAMES 0x1000000ul // RAM that nobody uses, two large pages

static volatile u32 *const window = (volatile u32 *)WINDOW;
static u32 *one, *two;

static void page(void) { invlpg(WINDOW + 0x123); }
static void cr3(void) { write_cr3(read_cr3()); }
static void pge(void) {
  write_cr4(read_cr4() ^ CR4_PGE);
  write_cr4(read_cr4() ^ CR4_PGE);
}
static void pse(void) { // PAE and four-level paging ignore PSE, but a change of it drops everything as well
  word cr4 = read_cr4();
#if defined(MODE_32P)
  write_cr4(cr4); // without PSE the image's own pages would be gone
  pge();
#else
  write_cr4(cr4 ^ CR4_PSE);
#endif
  write_cr4(cr4);
}
static void paging_off(void) {
#if !LONG
  write_cr0(read_cr0() & ~CR0_PG);
  write_cr0(read_cr0() | CR0_PG);
#else
  pge();
#endif
}

static void seen_after(const char *name, void (*drop)(void), pte flags) {
  map_page(WINDOW, (word)one, PTE_P | PTE_W | flags);
  u32 before = *window;
  *entry_of(WINDOW, 1) = (word)two | PTE_P | PTE_W | flags;
  drop();
  expect_value(text("a changed PTE%s after %s", flags & PTE_G ? " with G" : "", name), before * 16 + *window, 0x12);
}

/** A large page is entered in pieces here and there; one INVLPG anywhere in it drops them all. */
static void large_page(word at) {
  pte *pde = entry_of(WINDOW, 2), old = *pde;
  *pde = FRAMES | PTE_P | PTE_W | PTE_PS;
  invlpg(WINDOW);
  u32 sum = 0, expected = 0;
  for (word i = 0; i < LARGE_BYTES; i += 0x1f000) {
    *(volatile u32 *)(FRAMES + i) = 1;
    *(volatile u32 *)(FRAMES + LARGE_BYTES + i) = 2;
    sum += *(volatile u32 *)(WINDOW + i);
    expected += 2;
  }
  expect_value(text("a large page read in pieces (%lx)", at), sum, expected / 2);
  *pde = (FRAMES + LARGE_BYTES) | PTE_P | PTE_W | PTE_PS;
  invlpg(WINDOW + at);
  sum = 0;
  for (word i = 0; i < LARGE_BYTES; i += 0x1f000) sum += *(volatile u32 *)(WINDOW + i);
  expect_value(text("all pieces of a changed large page after one INVLPG at %lx", at), sum, expected);
  *pde = old;
  invlpg(WINDOW);
}

static void read_window(void *at) { (void)*(volatile u32 *)at; }
static void write_window(void *at) { *(volatile u32 *)at = 1; }
static void jump(void *at) { ((void (*)(void))at)(); }

/** More rights need no invalidation: the access that the old entry forbids looks again. */
static void more_rights(void) {
  pte *entry = entry_of(WINDOW, 1);
  map_page(WINDOW, (word)one, 0);
  expect_fault("a page that is not present", attempt(read_window, (void *)WINDOW), PF, 0);
  *entry |= PTE_P;
  expect_no_fault("the same page, present now", attempt(read_window, (void *)WINDOW));
  expect_fault("a store to a read-only page", attempt(write_window, (void *)WINDOW), PF, PF_P | PF_W);
  *entry |= PTE_W;
  expect_no_fault("the same page, writable now", attempt(write_window, (void *)WINDOW));
  expect_fault("user code reads a supervisor page", attempt_user(read_window, (void *)WINDOW), PF, PF_P | PF_U);
  *entry |= PTE_U;
  expect_no_fault("the same page, a user page now", attempt_user(read_window, (void *)WINDOW));
#if !defined(MODE_32P)
  *(u8 *)one = 0xc3;
  *entry |= PTE_NX;
  invlpg(WINDOW);
  expect_fault("a fetch from a page with NX", attempt(jump, (void *)WINDOW), PF, PF_P | PF_I);
  *entry &= ~PTE_NX;
  expect_no_fault("the same page without NX", attempt(jump, (void *)WINDOW));
  *one = 1;
#endif
}

/** Switches that change what cached rights mean act on the next access. */
static void switches(void) {
  map_page(WINDOW, (word)one, PTE_P | PTE_U);
  read_window((void *)WINDOW);
  write_cr0(read_cr0() & ~CR0_WP);
  expect_no_fault("a supervisor's store to a read-only page without CR0.WP", attempt(write_window, (void *)WINDOW));
  write_cr0(read_cr0() | CR0_WP);
  expect_fault("the same store with CR0.WP", attempt(write_window, (void *)WINDOW), PF, PF_P | PF_W);
  u32 features = cpuid(0, 0).a >= 7 ? cpuid(7, 0).b : 0;
  *(u8 *)one = 0xc3;
  expect_no_fault("a supervisor's fetch from a user page", attempt(jump, (void *)WINDOW));
  for (word at = 0; at < 0x800000; at += 0x200000) *entry_of(at, 2) &= ~(pte)PTE_U;
  cr3();
  if (features & 1 << 7) {
    write_cr4(read_cr4() | CR4_SMEP);
    expect_fault("the same fetch with CR4.SMEP", attempt(jump, (void *)WINDOW), PF, PF_P | PF_I);
    write_cr4(read_cr4() & ~CR4_SMEP);
    expect_no_fault("and without it again", attempt(jump, (void *)WINDOW));
  }
  if (features & 1 << 20) {
    read_window((void *)WINDOW);
    write_cr4(read_cr4() | CR4_SMAP);
    expect_fault("a supervisor's read of a user page with CR4.SMAP", attempt(read_window, (void *)WINDOW), PF, PF_P);
    asm volatile("stac" : : : "memory");
    u32 value = *window;
    asm volatile("clac" : : : "memory");
    expect_value("the same read between STAC and CLAC", value & 0xff, 0xc3);
    expect_fault("and after CLAC", attempt(read_window, (void *)WINDOW), PF, PF_P);
    expect_no_fault("SMAP does not concern fetches", attempt(jump, (void *)WINDOW));
    write_cr4(read_cr4() & ~CR4_SMAP);
  }
  for (word at = 0; at < 0x800000; at += 0x200000) *entry_of(at, 2) |= PTE_U;
  cr3();
#if !defined(MODE_32P)
  map_page(WINDOW, (word)one, PTE_P | PTE_NX);
  expect_fault("a fetch under EFER.NXE", attempt(jump, (void *)WINDOW), PF, PF_P | PF_I);
  map_page(WINDOW, (word)one, PTE_P);
  read_window((void *)WINDOW);
  *entry_of(WINDOW, 1) |= PTE_NX;
  wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~(u64)EFER_NXE);
  invlpg(WINDOW);
  expect_true("NX without EFER.NXE is a reserved bit", attempt(read_window, (void *)WINDOW).error & PF_RSVD);
  wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
#endif
  *one = 1;
}

static void dirty(void) {
  pte *entry = entry_of(WINDOW, 1);
  map_page(WINDOW, (word)one, PTE_P | PTE_W);
  expect_value("A and D of an untouched page", *entry & (PTE_A | PTE_D), 0);
  read_window((void *)WINDOW);
  expect_value("A and D after a read", *entry & (PTE_A | PTE_D), PTE_A);
  write_window((void *)WINDOW);
  expect_value("A and D after a write", *entry & (PTE_A | PTE_D), PTE_A | PTE_D);
  *entry &= ~(pte)(PTE_A | PTE_D);
  invlpg(WINDOW);
  write_window((void *)WINDOW);
  expect_value("A and D after another write, when they were cleared and invalidated", *entry & (PTE_A | PTE_D), PTE_A | PTE_D);
}

void test_main(void) {
  one = alloc_pages(1);
  two = alloc_pages(1);
  *one = 1;
  *two = 2;
  seen_after("INVLPG", page, 0);
  seen_after("a load of CR3", cr3, 0);
  seen_after("a load of CR3 while CR4.PGE is clear", cr3, PTE_G);
  write_cr4(read_cr4() | CR4_PGE);
  seen_after("INVLPG", page, PTE_G);
  seen_after("a change of CR4.PGE", pge, PTE_G);
  seen_after("a change of CR4.PSE", pse, PTE_G);
  seen_after("CR0.PG off and on", paging_off, PTE_G);
  large_page(0);
  large_page(0x1ff000);
  large_page(0x100010);
  more_rights();
  switches();
  dirty();
}
