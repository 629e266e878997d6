// What a PVH guest lends and places: grants copied and mapped, a table where it has no RAM, its memory map, a vCPU that halts for good.
#include "kit.h"

static u8 table[4096] PAGED, lent[4096] PAGED, taken[4096] PAGED;
static u16 own;
#define BEYOND 0x40000000 // where there is no RAM, and nothing else
struct grant { u16 flags, domain; u32 frame; };

static void lend(u32 reference, void *page, int flags) {
  volatile struct grant *entry = (struct grant *)table + reference;
  entry->domain = own;
  entry->frame = (u32)((word)page >> 12);
  entry->flags = 1 | flags;
}

static void copies(void) {
  struct end { word frame; u16 domain, offset; };
  struct { struct end source, dest; u16 length, flags; short status; } __attribute__((aligned(sizeof(word)))) copy = {{10, own, 4}, {(word)taken >> 12, DOMID_SELF, 8}, 6, 1, 9};
  for (int n = 0; n < 16; n++) lent[n] = n;
  lend(10, lent, 4);
  expect("a copy from a grant", call3(grant_table_op, 5, &copy, 1), 0);
  expect("is done", copy.status, 0);
  expect("to its place", taken[8] == 4 && taken[13] == 9 && taken[14] == 0, 1);
  copy.source = (struct end){(word)taken >> 12, DOMID_SELF, 0};
  copy.dest = (struct end){10, own, 0};
  copy.flags = 2;
  call3(grant_table_op, 5, &copy, 1);
  expect("a copy to a grant for reading", copy.status, -1);
}

struct mapping { u64 address; u32 flags, reference; u16 domain; short status; u32 handle; u64 bus; };
struct unmapping { u64 address, bus; u32 handle; short status; };

static struct mapping map(u32 reference, u64 address, u32 flags) {
  struct mapping mapping = {address, flags, reference, own, 9, 99, 0};
  call3(grant_table_op, 0, &mapping, 1);
  return mapping;
}

static int unmap(u32 handle, u64 address) {
  struct unmapping unmapping = {address, 0, handle, 9};
  call3(grant_table_op, 1, &unmapping, 1);
  return unmapping.status;
}

static void mappings(void) {
  volatile u32 *there = (u32 *)BEYOND;
  expect("nothing is there", *there, (long)(word)(u32)-1);
  lend(11, taken, 0);
  *(volatile u32 *)taken = 0x12345678;
  struct mapping mapped = map(11, BEYOND, 2);
  expect("a grant is mapped", mapped.status, 0);
  expect("and seen", *there, 0x12345678);
  *there = 0x9abc;
  expect("and written", *(volatile u32 *)taken, 0x9abc);
  expect("the entry says so", ((volatile struct grant *)table)[11].flags & 0x18, 0x18);
  expect("the same place again", map(11, BEYOND, 2).status, -1);
  expect("ended at another place", unmap(mapped.handle, BEYOND + 4096), -1);
  expect("ended", unmap(mapped.handle, BEYOND), 0);
  expect("twice", unmap(mapped.handle, BEYOND), -4);
  expect("it is gone", *there, (long)(word)(u32)-1);
  expect("the entry says so", ((volatile struct grant *)table)[11].flags & 0x18, 0);
  lend(12, lent, 4);
  expect("a grant for reading is not mapped for writing", map(12, BEYOND, 2).status, -1);
  mapped = map(12, BEYOND, 2 | 4);
  expect("but for reading", mapped.status, 0);
  *there = 7;
  expect("where stores do nothing", lent[0], 0);
  unmap(mapped.handle, BEYOND);
  expect("an address within a page", map(11, BEYOND + 8, 2).status, -1);
  expect("entries of page tables are none of its", map(11, BEYOND, 2 | 16).status, -1);
  expect("a reference beyond all", map(1 << 20, BEYOND, 2).status, -3);
  static u64 nothing[8];
  expect("transfers are not for it", call3(grant_table_op, 4, nothing, 1), -ENOSYS);
  expect("nor replacements", call3(grant_table_op, 7, nothing, 1), -ENOSYS);
}

static void the_map(void) {
  struct { u64 base, size; u32 type; } __attribute__((packed)) list[2] = {{0, 0x9f000, 1}, {0x100000, 0x100000, 1}};
  struct { u16 domain; struct { u32 count; word buffer; } map; } new = {DOMID_SELF, {2, (word)list}};
  expect("a new memory map", call2(memory_op, 13, &new), 0);
  static u8 text[400];
  struct { u32 count; word buffer; } map = {16, (word)text};
  expect("is asked for", call2(memory_op, 9, &map), 0);
  expect("and is this one", map.count, 2);
  expect("to its types", *(u32 *)(text + 36), 1);
  new.map.count = 5000;
  expect("one that is too long", call2(memory_op, 13, &new), -EINVAL);
  u16 self = DOMID_SELF;
  expect("the last frame", call2(memory_op, 14, &self) >= 8191, 1);
}

extern u8 second_start[];
asm(".text\n.globl second_start\nsecond_start:\n"
    "cli\nlock incl woken_at\nhlt\nlock incl woken_at\n1: hlt\njmp 1b\n.data\n.balign 4\n.globl woken_at\nwoken_at: .long 0\n.text");
extern volatile u32 woken_at;

static void wait_for(u32 value) {
  for (int n = 0; n < 1000000 && woken_at != value; n++) call2(sched_op, 0, 0);
}

static void second_vcpu(void) {
  static struct { u32 mode, pad; u32 regs[10]; u32 control[4]; u64 efer; u32 bases[5], limits[5]; u16 access[5]; } __attribute__((packed)) context;
  context.regs[8] = (u32)(word)second_start;
  context.regs[9] = 2;
  context.control[0] = 0x11;
  for (int n = 0; n < 4; n++) {
    context.limits[n] = 0xffffffff;
    context.access[n] = n == 0 ? 0xc9b : 0xc93;
  }
  context.limits[4] = 0x67;
  context.access[4] = 0x8b;
  expect("a second vCPU is made", call3(vcpu_op, 0, 1, &context), 0);
  expect("it is not up", call3(vcpu_op, 3, 1, 0), 0);
  expect("it is brought up", call3(vcpu_op, 1, 1, 0), 0);
  wait_for(1);
  expect("it runs", woken_at, 1);
  for (int n = 0; n < 1000; n++) call2(sched_op, 0, 0);
  expect("halted with interrupts off it is down", call3(vcpu_op, 3, 1, 0), 0);
  expect("it is brought up again", call3(vcpu_op, 1, 1, 0), 0);
  wait_for(2);
  expect("and goes on behind its HLT", woken_at, 2);
}

void test_main(void) {
  u32 found[4];
  cpuid(xen_leaves + 4, 0, found);
  own = (u16)found[2];
  expect("a grant table in RAM", place(1, 0, (word)table >> 12), 0);
  copies();
  mappings();
  the_map();
  second_vcpu();
  expect("mmuext_op", call3(mmuext_op, found, 1, 0), -EINVAL);
}
