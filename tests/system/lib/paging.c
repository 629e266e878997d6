// Page tables beyond the identity map of the start code, and memory for them.
#include "system.h"

extern u8 image_end[];

void *alloc_pages(unsigned count) {
  static word next;
  if (next == 0) next = ((word)image_end + 0xfff) & ~(word)0xfff;
  u8 *pages = (u8 *)next;
  next += count * 4096ul;
  for (word i = 0; i < count * 4096ul; i++) pages[i] = 0;
  return pages;
}

#if PAGED
#if defined(MODE_32P)
#define LEVELS 2
#define INDEX_BITS 10
#define ADDRESS 0xfffff000u
#elif defined(MODE_PAE)
#define LEVELS 3
#define INDEX_BITS 9
#define ADDRESS 0x000ffffffffff000ull
#else
#define LEVELS 4
#define INDEX_BITS 9
#define ADDRESS 0x000ffffffffff000ull
#endif
#define ENTRIES (1u << INDEX_BITS)
#if defined(MODE_PAE)
#define IS_PDPTE(level) ((level) == 3)
#else
#define IS_PDPTE(level) 0
#endif

/** Replaces an entry that is absent or maps a large page by a table with the same meaning. */
static pte *table_below(pte *entry, unsigned level) {
  if ((*entry & PTE_P) && !((*entry & PTE_PS) && level > 1)) return (pte *)(word)(*entry & ADDRESS);
  pte *table = alloc_pages(1);
  if (*entry & PTE_P) {
    pte keep = level > 2 ? *entry : *entry & ~(pte)PTE_PS;
    for (unsigned i = 0; i < ENTRIES; i++) table[i] = keep + ((pte)i << (12 + (level - 2) * INDEX_BITS));
  }
  *entry = (word)table | (IS_PDPTE(level) ? PTE_P : PTE_P | PTE_W | PTE_U);
  write_cr3(read_cr3());
  return table;
}

pte *entry_of(word linear, unsigned level) {
  pte *table = (pte *)(read_cr3() & ~(word)(IS_PDPTE(LEVELS) ? 0x1f : 0xfff));
  for (unsigned at = LEVELS;; at--) {
    pte *entry = &table[linear >> (12 + (at - 1) * INDEX_BITS) & (IS_PDPTE(at) ? 3 : ENTRIES - 1)];
    if (at == level) return entry;
    table = table_below(entry, at);
  }
}

void map_page(word linear, u64 physical, pte flags) {
  *entry_of(linear, 1) = (pte)physical | flags;
  invlpg(linear);
}

/** Copies a table with everything under it. */
static pte copy_table(pte entry, unsigned level) {
  const pte *from = (const pte *)(word)(entry & ADDRESS);
  pte *to = alloc_pages(1);
  for (unsigned i = 0; i < (IS_PDPTE(level) ? 4 : ENTRIES); i++) {
    bool table = (from[i] & PTE_P) && level > 1 && !(from[i] & PTE_PS);
    to[i] = table ? copy_table(from[i], level - 1) : from[i];
  }
  return (word)to | (entry & ~ADDRESS);
}

word new_root(void) { return copy_table(read_cr3() & ~(word)0xfff, LEVELS); }
#endif
