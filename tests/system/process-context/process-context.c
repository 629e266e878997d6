// CR3 and process-context identifiers: what a load of CR3 refuses and drops, bit 63, INVPCID's four types and its #GP rules (SDM vol. 2,
// MOV to CR, INVPCID; vol. 3, 4.10.1 and 4.10.4.1). Entries of other identifiers may be dropped at any time, so only drops are asked for.
#include "system.h"

#define WINDOW 0xc040000000ul // in a PML4E of its own
#define NO_DROP (1ull << 63)
static u32 *one, *two;
static word root;
static volatile u32 *const window = (volatile u32 *)WINDOW;

struct descriptor128 { u64 pcid, address; };
struct call { u64 type; const struct descriptor128 *descriptor; };
static void invpcid(void *at) {
  const struct call *call = at;
  asm volatile("invpcid %0, %1" : : "m"(*call->descriptor), "r"(call->type) : "memory");
}
static void load_cr3(void *value) { write_cr3((word)value); }
static void set_pcide(void *unused) { (void)unused; write_cr4(read_cr4() | CR4_PCIDE); }
static void set(u32 *page, pte flags) { *entry_of(WINDOW, 1) = (word)page | PTE_P | PTE_W | flags; }

static void refusals(void) {
  unsigned width = cpuid(0x80000008, 0).a & 0xff;
  for (unsigned bit = width; bit < 64; bit++) {
    word cr3 = read_cr3();
    expect_fault(text("CR3 with bit %u, without PCIDE", bit), attempt(load_cr3, (void *)(root | 1ul << bit)), GP, 0);
    expect_value(text("CR3 after bit %u was refused", bit), read_cr3(), cr3);
  }
  expect_no_fault("CR3 with all low bits, without PCIDE", attempt(load_cr3, (void *)(root | 0xfff)));
  write_cr3(root);
}

static void no_drop_bit(void) {
  write_cr4(read_cr4() | CR4_PCIDE);
  expect_no_fault("CR3 with bit 63, with PCIDE", attempt(load_cr3, (void *)(root | 5 | NO_DROP)));
  expect_value("bit 63 is not kept", read_cr3(), root | 5);
  expect_fault("CR3 with bit 62, with PCIDE", attempt(load_cr3, (void *)(root | 1ul << 62)), GP, 0);
  set(one, 0);
  write_cr3(root | 5);
  u32 before = *window;
  set(two, 0);
  write_cr3(root | 6 | NO_DROP);
  expect_value("an identifier that was never used sees the new PTE", *window, 2);
  write_cr3(root | 5);
  expect_value("a load of CR3 drops the entries of its own identifier", before * 16 + *window, 0x12);
  set(one, PTE_G);
  write_cr3(root | 5);
  write_cr4(read_cr4() | CR4_PGE);
  before = *window;
  set(two, PTE_G);
  write_cr4(read_cr4() & ~CR4_PGE);
  expect_value("a change of CR4.PGE drops the entries of all identifiers", before * 16 + *window, 0x12);
  write_cr3(root | 6);
  set(one, 0);
  before = *window;
  write_cr3(root);
  set(two, 0);
  write_cr4(read_cr4() & ~CR4_PCIDE);
  expect_value("clearing CR4.PCIDE drops the entries of all identifiers", *window, 2);
  (void)before;
}

/** Identifier 6 has read the window as 1; the PTE says 2 by now; `type` is carried out under identifier 5, or 6 itself. */
static void drops(u64 type, u64 named, bool global, bool from_itself) {
  pte flags = global ? PTE_G : 0;
  write_cr3(root | 6);
  set(one, flags);
  invlpg(WINDOW);
  u32 before = *window;
  set(two, flags);
  write_cr3(root | (from_itself ? 6 : 5) | NO_DROP);
  struct descriptor128 descriptor = {named, WINDOW};
  invpcid(&(struct call){type, &descriptor});
  write_cr3(root | 6 | NO_DROP);
  expect_value(text("INVPCID type %u of identifier %u%s under identifier %u", (unsigned)type, (unsigned)named, global ? ", page with G" : "", from_itself ? 6 : 5),
               before * 16 + *window, 0x12);
}

static void invalidations(void) {
  write_cr4(read_cr4() | CR4_PCIDE | CR4_PGE);
  for (unsigned itself = 0; itself < 2; itself++) {
    drops(0, 6, false, itself);
    drops(1, 6, false, itself);
    drops(2, 0, false, itself);
    drops(2, 0, true, itself);
    drops(3, 0, false, itself);
  }
  write_cr3(root);
  write_cr4(read_cr4() & ~(CR4_PCIDE | CR4_PGE));
}

static void invpcid_faults(void) {
  struct descriptor128 plain = {0, WINDOW}, named = {1, WINDOW}, reserved = {0x1000, WINDOW}, high = {1ull << 63, WINDOW}, far = {0, 0x800000000000};
  for (u64 type = 0; type < 4; type++) {
    unsigned t = type;
    expect_no_fault(text("INVPCID type %u", t), attempt(invpcid, &(struct call){type, &plain}));
    struct fault got = attempt(invpcid, &(struct call){type, &named});
    if (type < 2) expect_fault(text("INVPCID type %u of an identifier, without PCIDE", t), got, GP, 0);
    else expect_no_fault(text("INVPCID type %u of an identifier, without PCIDE", t), got);
    expect_fault(text("INVPCID type %u with bit 12", t), attempt(invpcid, &(struct call){type, &reserved}), GP, 0);
    expect_fault(text("INVPCID type %u with bit 63", t), attempt(invpcid, &(struct call){type, &high}), GP, 0);
    got = attempt(invpcid, &(struct call){type, &far});
    if (type == 0) expect_fault("INVPCID type 0 of an address that is not canonical", got, GP, 0);
    else expect_no_fault(text("INVPCID type %u with an address that is not canonical", t), got);
  }
  expect_fault("INVPCID type 4", attempt(invpcid, &(struct call){4, &plain}), GP, 0);
  expect_fault("INVPCID with a high type", attempt(invpcid, &(struct call){1ull << 32, &plain}), GP, 0);
  expect_fault("INVPCID with its descriptor at an address that is not canonical", attempt(invpcid, &(struct call){2, (void *)0x800000000000}), GP, 0);
  map_page(WINDOW + 0x1000, (word)one, PTE_P);
  *entry_of(WINDOW + 0x2000, 1) = 0;
  struct fault got = attempt(invpcid, &(struct call){2, (void *)(WINDOW + 0x1ff8)});
  expect_true("INVPCID with half of its descriptor in an absent page", got.vector == PF && got.error == 0 && got.cr2 == WINDOW + 0x2000);
  expect_fault("INVPCID at CPL 3", attempt_user(invpcid, &(struct call){2, &plain}), GP, 0);
}

void test_main(void) {
  one = alloc_pages(1);
  two = alloc_pages(1);
  *one = 1;
  *two = 2;
  root = read_cr3();
  map_page(WINDOW, (word)one, PTE_P | PTE_W);
  refusals();
  bool pcid = cpuid(1, 0).c & 1 << 17, has_invpcid = cpuid(7, 0).b & 1 << 10;
  if (pcid) no_drop_bit();
  else expect_fault("CR4.PCIDE on a processor without it", attempt(set_pcide, 0), GP, 0);
  if (pcid && has_invpcid) invalidations();
  if (has_invpcid) invpcid_faults();
}
