// Which bits of an entry are reserved, level by level, by MAXPHYADDR and by vendor (SDM vol. 3, tables 4-4 to 4-20; APM vol. 2, 5.3), and
// when PAE's four directory pointers are checked and taken over (SDM vol. 3, 4.4.1). One bit after the other is set in a good entry.
#include "system.h"

#define WINDOW (LONG ? (word)0xc040000000ull : 0x40000000ul) // in long mode in a PML4E of its own
#define BIT(n) (1ull << (n))
#define BITS(low, high) (BIT((high) + 1) - BIT(low)) // inclusive; high < 63

static unsigned physical_bits;
static bool amd, huge;

static void touch(void *at) { (void)*(volatile u8 *)at; }

/** Sets each bit of `bits` in turn in the entry of WINDOW at `level`: those whose access ends in a #PF with RSVD. */
static u64 refused(unsigned level, u64 bits, pte good) {
  pte *entry = entry_of(WINDOW, level);
  pte old = *entry;
  u64 result = 0;
  for (unsigned n = 0; n < sizeof(pte) * 8; n++) {
    if (!(bits & BIT(n))) continue;
    *entry = good | (pte)BIT(n);
    invlpg(WINDOW);
    struct fault got = attempt(touch, (void *)WINDOW);
    if (got.vector == PF && got.error & PF_RSVD) result |= BIT(n);
    else if (got.vector != NO_EXCEPTION) print("# level %u bit %u: %s(%lx)\n", level, n, vector_name(got.vector), got.error);
  }
  *entry = old;
  invlpg(WINDOW);
  return result;
}

#if defined(MODE_PAE)
static void load_cr3(void *value) { write_cr3((word)value); }

/** The bits of directory pointer 1 for which a load of CR3 is #GP. */
static u64 refused_pointer(bool present) {
  word root = new_root();
  pte *pointer = (pte *)root + 1, good = present ? *pointer : 0;
  u64 result = 0;
  for (unsigned n = present ? 1 : 0; n < 64; n++) {
    if (n >= 12 && n < physical_bits) continue;
    if (!present && n == 0) continue;
    *pointer = good | BIT(n);
    struct fault got = attempt(load_cr3, (void *)root);
    if (got.vector == GP && got.error == 0) result |= BIT(n);
  }
  *pointer = good;
  return result;
}

static void invalidate(void *at) { invlpg((word)at); }
static void flip_pge(void *unused) { (void)unused; write_cr4(read_cr4() ^ CR4_PGE); }
static void flip_cd(void *unused) { (void)unused; write_cr0(read_cr0() ^ CR0_CD); }

/** What takes directory pointers over: the same linear page leads to 1 before and to 2 after. */
static void pointers_are_registers(void) {
  static const struct { const char *name; void (*code)(void *); bool reloads; } ways[] = {
      {"INVLPG", invalidate, false}, {"a change of CR4.PGE", flip_pge, true}, {"a change of CR0.CD", flip_cd, true}};
  word old = read_cr3(), root = new_root();
  pte *pointers = (pte *)root, *other = alloc_pages(1);
  u32 *one = alloc_pages(1), *two = alloc_pages(1);
  pte *first_table = alloc_pages(1), *second_table = alloc_pages(1), *first = alloc_pages(1);
  *one = 1;
  *two = 2;
  first_table[0] = (word)one | PTE_P;
  second_table[0] = (word)two | PTE_P;
  first[0] = (word)first_table | PTE_P;
  other[0] = (word)second_table | PTE_P;
  for (unsigned i = 0; i < 3; i++) {
    pointers[1] = (word)first | PTE_P;
    write_cr3(root);
    pointers[1] = (word)other | PTE_P;
    struct fault got = attempt(ways[i].code, (void *)WINDOW);
    expect_no_fault(text("%s with good directory pointers", ways[i].name), got);
    expect_value(text("after %s: directory pointer %s", ways[i].name, ways[i].reloads ? "taken from memory" : "kept"), *(volatile u32 *)WINDOW,
                 ways[i].reloads ? 2 : 1);
    if (!ways[i].reloads) continue;
    pointers[1] = (word)first | PTE_P | PTE_W;
    word cr0 = read_cr0(), cr4 = read_cr4();
    expect_fault(text("%s with reserved bits in a directory pointer", ways[i].name), attempt(ways[i].code, 0), GP, 0);
    expect_true(text("%s that was refused changes nothing", ways[i].name), cr0 == read_cr0() && cr4 == read_cr4() && *(volatile u32 *)WINDOW == 2);
    pointers[1] = (word)first | PTE_P;
    ways[i].code((void *)WINDOW);
  }
  write_cr3(old);
}
#endif

void test_main(void) {
  struct cpuid extended = cpuid(0x80000000, 0);
  physical_bits = extended.a >= 0x80000008 ? cpuid(0x80000008, 0).a & 0xff : 36;
  amd = cpuid(0, 0).b == 0x68747541;
  huge = extended.a >= 0x80000001 && cpuid(0x80000001, 0).d & 1u << 26;
  u8 *page = alloc_pages(1);
  map_page(WINDOW, (word)page, PTE_P | PTE_W);
#if defined(MODE_32P)
  expect_value("reserved bits of a PTE", refused(1, 0xfff & ~1ull, (word)page | PTE_P), 0);
  expect_value("reserved bits of a PDE", refused(2, 0xfff & ~0x81ull, *entry_of(WINDOW, 2)), 0);
  u64 beyond = physical_bits >= 40 ? 0 : BITS(13 + physical_bits - 32, 20);
  expect_value("reserved bits of a 4 MiB PDE", refused(2, beyond | BIT(21) | 0x1f7e, PTE_P | PTE_PS), beyond | BIT(21));
#else
  u64 high = BITS(52, 62), beyond = physical_bits > 51 ? 0 : BITS(physical_bits, 51), all = 0xffe | high | beyond;
  u64 reserved = beyond | (LONG ? 0 : high);
  pte pde = *entry_of(WINDOW, 2);
  expect_value("reserved bits of a PTE", refused(1, all, (word)page | PTE_P), reserved);
  expect_value("reserved bits of a PDE", refused(2, all & ~(u64)PTE_PS, pde), reserved);
  expect_value("reserved bits of a 2 MiB PDE", refused(2, all | BITS(12, 20), PTE_P | PTE_PS), reserved | BITS(13, 20));
  wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~(u64)EFER_NXE);
  expect_value("bit 63 of a PTE without EFER.NXE", refused(1, PTE_NX, (word)page | PTE_P), PTE_NX);
  expect_value("bit 63 of a PDE without EFER.NXE", refused(2, PTE_NX, pde), PTE_NX);
#if LONG
  expect_value("bit 63 of a PDPTE without EFER.NXE", refused(3, PTE_NX, *entry_of(WINDOW, 3)), PTE_NX);
#endif
  wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
#if LONG
  pte pdpte = *entry_of(WINDOW, 3), pml4e = *entry_of(WINDOW, 4);
  expect_value("reserved bits of a PDPTE", refused(3, all & ~(u64)PTE_PS, pdpte), reserved | (amd ? PTE_G : 0));
  expect_value("reserved bits of a 1 GiB PDPTE", refused(3, all | BITS(12, 29), PTE_P | PTE_PS), huge ? reserved | BITS(13, 29) : all | BITS(12, 29));
  expect_value("reserved bits of a PML4E", refused(4, all, pml4e), reserved | PTE_PS | (amd ? PTE_G : 0));
#else
  expect_value("reserved bits of a directory pointer", refused_pointer(true), BIT(1) | BIT(2) | BITS(5, 8) | (BITS(physical_bits, 62) | PTE_NX));
  expect_value("reserved bits of a directory pointer that is not present", refused_pointer(false), 0);
  pointers_are_registers();
#endif
#endif
}
