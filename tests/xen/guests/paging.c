// Page tables that a guest builds itself: what may be changed, what may not, and by which error each refusal is told.
#include "kit.h"

#define CODE(name, text) word name(word); asm(".text\n" #name ":\n" text "\nret")
#if LONG
CODE(write_at, "movb $0x5a, (%rdi)");
CODE(read_at, "movzbl (%rdi), %eax");
#define TOP 4
#else
CODE(write_at, "mov 4(%esp), %eax\nmovb $0x5a, (%eax)");
CODE(read_at, "mov 4(%esp), %eax\nmovzbl (%eax), %eax");
#define TOP 3
#endif

static u8 page[4096] PAGED, other[4096] PAGED;
static u64 l1[512] PAGED, l1b[512] PAGED, l2[512] PAGED, l2b[512] PAGED, top[512] PAGED;

static u64 entry_machine(int level, word linear) {
  word *table = table_at(level, linear);
  return machine_of(table) + ((linear >> (12 + 9 * (level - 1))) & (LONG || level < 3 ? 511 : 3)) * 8;
}
static long read_only(void *linear) { return map_entry(linear, entry_for(linear, P | U | AD), 2); }
static long writable(void *linear) { return map_entry(linear, entry_for(linear, P | W | U | AD), 2); }
static word frame_of(void *linear) { return machine_of(linear) >> 12; }

static void leaves(void) {
  expect("a leaf can be made read-only", read_only(page), 0);
  expect_fault("and is", attempt(write_at, (word)page), PF, 3);
  expect("and writable again", writable(page), 0);
  expect_fault("and is", attempt(write_at, (word)page), RETURNED, 0);
  expect("and can go", map_entry(page, 0, 2), 0);
  expect_fault("and does", attempt(read_at, (word)page), PF, 0);
  writable(page);
  expect("write-through is refused", map_entry(page, entry_for(page, P | W | 8), 2), -EINVAL);
  expect("no caching is refused", map_entry(page, entry_for(page, P | W | 16), 2), -EINVAL);
  expect("PAT is refused", map_entry(page, entry_for(page, P | W | 128), 2), -EINVAL);
  expect("an address outside of the machine is refused", map_entry(page, (0xfffff00000ull << 12) | P, 2), -EINVAL);
  expect("a frame of somebody else is refused", map_entry(page, (200ull << 12) | P, 2), -EBUSY);
  expect("a table cannot be mapped writable", map_entry(page, (machine_of(table_at(1, 0x100000)) & ~4095ull) | P | W, 2), -EBUSY);
  expect("but to be read", map_entry(page, (machine_of(table_at(1, 0x100000)) & ~4095ull) | P, 2), 0);
  writable(page);
  expect("an address without a table is refused", map_entry((void *)0x60000000, entry_for(page, P), 2), -EINVAL);
#if LONG
  expect("an address that is not canonical is refused", map_entry((void *)(1ull << 63), 0, 2 | 4), -EINVAL);
  expect("an address of Xen is refused", map_entry((void *)0xffff800000000000, 0, 2), -EINVAL);
#else
  expect("an address of Xen is refused", map_entry((void *)0xf6000000, 0, 2), -EINVAL);
#endif
  expect("an unknown kind of flush is told after the change", map_entry(page, entry_for(page, P | W | U | AD), 3), -ENOSYS);
#if LONG
  long self = call4(update_va_mapping_otherdomain, page, entry_for(page, P | W | U | AD), 2, DOMID_SELF);
  long foreign = call4(update_va_mapping_otherdomain, page, entry_for(page, P), 2, 55);
#else
  u64 entry = entry_for(page, P | W | U | AD);
  long self = call(update_va_mapping_otherdomain, (word)page, (word)entry, (word)(entry >> 32), 2, DOMID_SELF);
  long foreign = call(update_va_mapping_otherdomain, (word)page, (word)entry, (word)(entry >> 32), 2, 55);
#endif
  expect("one's own frames, by the long way", self, 0);
  expect("another domain's frames", foreign, -ESRCH);
}

static void requests(void) {
  u64 machine = entry_machine(1, (word)page);
  expect("mmu_update sets a leaf", set_entry(machine, entry_for(other, P | W | U | AD)), 0);
  extended(7, (word)page, 0);
  attempt(write_at, (word)page);
  expect("the other page is there", other[0], 0x5a);
  set_entry(machine, entry_for(page, P | W | U | AD));
  extended(7, (word)page, 0);
  expect("an entry out of line is refused", set_entry(machine + 4, 0), -EINVAL);
  expect("a frame of nobody is refused", set_entry(200ull << 12, 0), -EINVAL);
  expect("an unknown command is refused", set_entry(machine | 3, entry_for(page, P | W | U | AD)) <= 0, 1);
  expect("a plain page is plainly stored to", set_entry(machine_of(other), 0x1122334455667788), 0);
  expect("and has it", *(u32 *)other, 0x55667788);
  word number = M2P[frame_of(other)];
  expect("the list of frames knows pages", number, (word)other >> 12);
  expect("it can be changed for one's own frame", set_entry((machine_of(other) & ~4095ull) | 1, 0x1234), 0);
  expect("and says so", M2P[frame_of(other)], 0x1234);
  set_entry((machine_of(other) & ~4095ull) | 1, number);
  expect("not for another's", set_entry((200ull << 12) | 1, 0), -EINVAL);
  u64 list[4] = {machine_of(other), 1, 200ull << 12, 2};
  u32 done = 77;
  expect("a list stops at the first refusal", call4(mmu_update, list, 2, &done, DOMID_SELF), -EINVAL);
  expect("and says how far it came", done, 1);
  expect("another domain", call4(mmu_update, list, 1, 0, 99), -ESRCH);
}

static void tables(void) {
  l1[0] = entry_for(page, P | W | U | AD);
  l1[1] = entry_for(other, P | U | AD);
  l2[0] = entry_for(l1, P | W | U | AD);
  expect("a table that is mapped writable cannot be pinned", extended(0, frame_of(l1), 0), -EINVAL);
  read_only(l1);
  expect("one that is not can", extended(0, frame_of(l1), 0), 0);
  expect("but once", extended(0, frame_of(l1), 0), -EINVAL);
  expect("nor as another level", extended(1, frame_of(l1), 0), -EINVAL);
  expect("it cannot be mapped writable", writable(l1), -EBUSY);
  expect("nor cleared", extended(16, frame_of(l1), 0), -EINVAL);
  expect("nor copied to", extended(17, frame_of(l1), frame_of(page)), -EINVAL);
  expect("but copied from", extended(17, frame_of(other), frame_of(l1)), 0);
  expect("unpinned", extended(4, frame_of(l1), 0), 0);
  expect("but once", extended(4, frame_of(l1), 0), -EINVAL);
  expect("and is a page again", writable(l1), 0);
  l1[2] = (machine_of(l1) & ~4095ull) | P | W;
  read_only(l1);
  expect("a table that maps itself writable is none", extended(0, frame_of(l1), 0) < 0, 1);
  writable(l1);
  l1[2] = 0;
  read_only(l1);
  read_only(l2);
  expect("the second level takes the first along", extended(1, frame_of(l2), 0), 0);
  expect("so that one is guarded too", writable(l1), -EBUSY);
  word slot = 1ul << 30;
  u64 third = entry_machine(3, slot);
  expect("it is hung in", set_entry(third, entry_for(l2, P | W | U | AD)), 0);
  expect_fault("and translates", attempt(write_at, slot), RETURNED, 0);
  expect("to the page", page[0], 0x5a);
  expect_fault("as far as it does", attempt(write_at, slot + 4096), PF, 3);
  expect("a superpage is refused", set_entry(entry_machine(2, slot) + 8, entry_for(page, P | W | 128)), -EINVAL);
  expect("a page as a table is refused", set_entry(entry_machine(2, slot) + 8, entry_for(page, P | W | U)), -EINVAL);
  expect("a table in the second level by another level", set_entry(entry_machine(2, slot) + 8, entry_for(l2, P | W | U)), -EINVAL);
  set_entry(third, 0);
  extended(6, 0, 0);
  expect("it is taken out", attempt(read_at, slot).vector, PF);
  expect("and unpinned", extended(4, frame_of(l2), 0), 0);
  writable(l2);
  writable(l1);
  l1[0] = l1[1] = 0;
}

/** A table under a slot is exchanged between two changes of the leaf under it: the second change belongs to the second table. */
static void exchanged_between_changes(void) {
  word slot = 1ul << 30;
  u64 third = entry_machine(3, slot);
  l2[0] = entry_for(l1, P | W | AD);
  l2b[0] = entry_for(l1b, P | W | AD);
  read_only(l1);
  read_only(l1b);
  read_only(l2);
  read_only(l2b);
  expect("two tables are pinned", extended(1, frame_of(l2), 0) | extended(1, frame_of(l2b), 0), 0);
  set_entry(third, entry_for(l2, P | W | AD));
  u64 request[2] = {third, entry_for(l2b, P | W | AD)};
  u64 leaf = entry_for(page, P | W | AD);
#if LONG
  struct { word op, result, args[6]; } calls[3] = {
    {update_va_mapping, 1, {slot, 0, 2}}, {mmu_update, 1, {(word)request, 1, 0, DOMID_SELF}}, {update_va_mapping, 1, {slot, leaf, 2}}};
#else
  struct { word op, result, args[6]; } calls[3] = {
    {update_va_mapping, 1, {slot, 0, 0, 2}}, {mmu_update, 1, {(word)request, 1, 0, DOMID_SELF}}, {update_va_mapping, 1, {slot, (word)leaf, (word)(leaf >> 32), 2}}};
#endif
  expect("the calls are made", call2(multicall, calls, 3), 0);
  expect("and succeed", calls[0].result | calls[1].result | calls[2].result, 0);
  expect("the first table is as it was", l1[0] != 0, 0);
  expect("the second has the leaf", l1b[0] != 0, 1);
  calls[0].op = multicall;
  call2(multicall, calls, 1);
  expect("calls in calls are refused", calls[0].result, -EINVAL);
  set_entry(third, 0);
  extended(4, frame_of(l2), 0);
  extended(4, frame_of(l2b), 0);
  writable(l1);
  writable(l1b);
  writable(l2);
  writable(l2b);
  l1b[0] = 0;
}

/** Tables that name their own level are seen where pages would be. */
static void linear_tables(void) {
  word slot = 1ul << 30, self = slot + (5ul << 21), further = slot + (6ul << 21);
  u64 third = entry_machine(3, slot);
  l1[0] = entry_for(page, P | W | U | AD);
  l2[0] = entry_for(l1, P | W | U | AD);
  l2[5] = entry_for(l2, P | W | U | AD);
  l2b[0] = 0;
  read_only(l1);
  read_only(l2);
  read_only(l2b);
  expect("a table that names itself for writing is none", extended(1, frame_of(l2), 0), -EINVAL);
  writable(l2);
  l2[5] = entry_for(l2, P | U | AD);
  read_only(l2);
  expect("one that names itself for reading is one", extended(1, frame_of(l2), 0), 0);
  expect("hung in", set_entry(third, entry_for(l2, P | W | U | AD)), 0);
  expect("it is a page of itself", *(u64 *)(self + (5 << 12)) == l2[0], 1);
  expect("in which the table below is one too", *(u64 *)self == l1[0], 1);
  expect_fault("to be read", attempt(write_at, self), PF, 3);
  expect("another of its level", extended(1, frame_of(l2b), 0), 0);
  expect("can be hung in to be read", set_entry(entry_machine(2, slot) + 48, entry_for(l2b, P | U | AD)), 0);
  expect("but not to be written", set_entry(entry_machine(2, slot) + 48, entry_for(l2b, P | W | U | AD)), -EINVAL);
  expect("it is without pages", attempt(read_at, further).vector, PF);
  expect("it names none that names it", set_entry(machine_of(l2b) & ~4095ull, entry_for(l2, P | U | AD)), -EINVAL);
  expect("but itself", set_entry(machine_of(l2b) & ~4095ull, entry_for(l2b, P | U | AD)), 0);
  expect("which is seen", *(u64 *)further == l2b[0], 1);
  expect("unpinned it stays a table", extended(4, frame_of(l2b), 0) == 0 && writable(l2b) == -EBUSY, 1);
  expect("until it is taken out", set_entry(entry_machine(2, slot) + 48, 0), 0);
  expect("and is a page again", writable(l2b), 0);
  set_entry(third, 0);
  extended(6, 0, 0);
  expect("as is the first", extended(4, frame_of(l2), 0) == 0 && writable(l2) == 0 && writable(l1) == 0, 1);
  l2[5] = l2b[0] = l1[0] = 0;
}

static void tops(void) {
  u64 root = machine_of(table_at(TOP, 0)) & ~4095ull;
#if LONG
  expect("a top level may name itself to be read", set_entry(root + 8 * 300, root | P | U | AD), 0);
  expect("but not with a right to write", set_entry(root + 8 * 300, root | P | W | U | AD) < 0, 1);
  word linear = (0xffffull << 48) | (300ull << 39) | (300ull << 30) | (300ull << 21) | (300ull << 12);
  expect_fault("so its entries are seen", attempt(read_at, linear), RETURNED, 0);
  expect_fault("and not changed", attempt(write_at, linear), PF, 3);
  expect("it is taken out", set_entry(root + 8 * 300, 0), 0);
  expect("Xen's slots are refused", set_entry(root + 8 * 256, 0), -EINVAL);
  read_only(top);
  expect("an empty top level can be a user's", extended(15, frame_of(top), 0), 0);
  expect("none, too", extended(15, 0, 0), 0);
  writable(top);
  extended(15, root >> 12, 0);
#else
  expect("a top level cannot name itself", set_entry(root + 16, root | P | U | AD) < 0, 1);
  expect("its last slot is in use", set_entry(root + 24, 0), -EINVAL);
  read_only(top);
  expect("a top level without a last slot", extended(2, frame_of(top), 0), -EINVAL);
  writable(top);
  expect("a user's table", extended(15, root >> 12, 0), -ENOSYS);
#endif
  expect("a page as a base", extended(5, frame_of(page), 0) < 0, 1);
  expect("the base again", extended(5, root >> 12, 0), 0);
  expect("superpages, marked", extended(19, ~0ull << 21, 0) < 0, 1);
  expect("caches", extended(12, 0, 0) < 0, 1);
  expect("an operation that there is not", extended(99, 0, 0), -ENOSYS);
  expect("a local table out of line", extended(13, 0x1001, 1), -EINVAL);
  expect("one that is too long", extended(13, 0x1000, 8193), -EINVAL);
}

/** With the assist a plain store to a leaf table is a change of an entry. */
static void plain_stores(void) {
  volatile u32 *entry = (volatile u32 *)(table_at(1, (word)page) + (LONG ? ((word)page >> 12) % 512 : ((word)page >> 12) % 512 * 2));
  expect_fault("without the assist a table is read-only", attempt(write_at, (word)entry), PF, 3);
  expect("vm_assist", call2(vm_assist, 0, 2), 0);
  u32 low = *entry;
  *entry = low & ~2;
  extended(7, (word)page, 0);
  expect_fault("with it a store changes an entry", attempt(write_at, (word)page), PF, 3);
  *entry = low;
  extended(7, (word)page, 0);
  expect_fault("and back", attempt(write_at, (word)page), RETURNED, 0);
  expect_fault("but only to what may be", attempt_user(write_at, (word)entry), PF, 7);
  expect("vm_assist, off", call2(vm_assist, 1, 2), 0);
  expect("an assist that there is not", call2(vm_assist, 0, 31), -EINVAL);
  expect("nor a command", call2(vm_assist, 9, 2), -ENOSYS);
}

void test_main(void) {
  leaves();
  requests();
  tables();
  exchanged_between_changes();
  linear_tables();
  tops();
  plain_stores();
}
