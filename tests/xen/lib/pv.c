// What a PV guest of the tests has of its own: calls by SYSCALL or INT 0x82, a trap table, page-table entries with machine addresses.
#include "kit.h"

extern u8 trap_stack_top[], image_end[];
extern u8 trap_0[], trap_1[], trap_2[], trap_3[], trap_4[], trap_5[], trap_6[], trap_7[], trap_8[], trap_10[], trap_11[], trap_12[];
extern u8 trap_13[], trap_14[], trap_16[], trap_17[], trap_18[], trap_19[], trap_48[], trap_256[], trap_258[], trap_261[], failsafe[];

word failsafe_selectors[4];

word call(int number, word a, word b, word c, word d, word e) {
  word result = number;
#if LONG
  register word r10 asm("r10") = d;
  register word r8 asm("r8") = e;
  asm volatile("syscall" : "+a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8) : : "rcx", "r11", "memory");
#else
  asm volatile("int $0x82" : "+a"(result), "+b"(a), "+c"(b), "+d"(c), "+S"(d), "+D"(e) : : "memory");
#endif
  return result;
}

static word word_at(const u8 *base, int offset) { return *(const word *)(base + offset); }

u8 *console(u32 *port) {
  *port = *(u32 *)(start_info + FIELD(0x50, 0x38));
  return (u8 *)(M2P[word_at(start_info, FIELD(0x48, 0x34))] << 12);
}

word fault_address(void) { return word_at(shared_info, FIELD(0x10, 8)); }

u64 machine_of(const void *linear) {
  word *list = (word *)word_at(start_info, FIELD(0x68, 0x44));
  return ((u64)list[(word)linear >> 12] << 12) | ((word)linear & 4095);
}

u64 entry_for(const void *linear, u64 flags) { return (machine_of(linear) & ~4095ull) | flags; }

long map_entry(const void *linear, u64 entry, word flags) {
#if LONG
  return call3(update_va_mapping, linear, entry, flags);
#else
  return call4(update_va_mapping, linear, (u32)entry, (u32)(entry >> 32), flags);
#endif
}

long set_entry(u64 machine, u64 value) {
  u64 request[2] = {machine, value};
  return call4(mmu_update, request, 1, 0, DOMID_SELF);
}

long extended(u32 command, u64 arg1, word arg2) {
  word operation[3] = {command, (word)arg1, arg2};
  return call4(mmuext_op, operation, 1, 0, DOMID_SELF);
}

/** Linear address of the table of `level` that translates `linear`: pseudo-physical memory is mapped to itself. */
word *table_at(int level, word linear) {
  u64 *table = (u64 *)word_at(start_info, FIELD(0x58, 0x3c));
  for (int at = FIELD(4, 3); at > level; at--) {
    u64 entry = table[(linear >> (12 + 9 * (at - 1))) & (LONG || at < 3 ? 511 : 3)];
    table = (u64 *)((word)M2P[(entry & 0xffffffffff000ull) >> 12] << 12);
  }
  return (word *)table;
}

u64 entry_at(int level, word linear) {
  return ((u64 *)table_at(level, linear))[(linear >> (12 + 9 * (level - 1))) & (LONG || level < 3 ? 511 : 3)];
}

struct trap_info {
  u8 vector, flags;
  u16 cs;
  word address;
};

void set_trap(int vector, int flags, void *address) {
  struct trap_info traps[2] = {{vector, flags, KERNEL_CS, (word)address}, {0}};
  call1(set_trap_table, traps);
}

static void set_callback(int type, void *address) {
#if LONG
  struct { u16 type, flags; word address; } callback = {type, 1, (word)address};
#else
  struct { u16 type, flags; word cs, address; } callback = {type, 1, KERNEL_CS, (word)address};
#endif
  call2(callback_op, 0, &callback);
}

/** Traps, callbacks and the stack that they come to. */
void set_entries(void) {
  u8 *handlers[] = {trap_0, trap_1, trap_2, trap_3, trap_4, trap_5, trap_6, trap_7, trap_8, 0, trap_10, trap_11, trap_12, trap_13, trap_14, 0, trap_16, trap_17, trap_18, trap_19};
  static struct trap_info traps[24];
  int count = 0;
  for (int vector = 0; vector < 20; vector++)
    if (handlers[vector]) traps[count++] = (struct trap_info){vector, vector == BP || vector == OF ? 7 : 4, KERNEL_CS, (word)handlers[vector]};
  traps[count] = (struct trap_info){USER_DONE, 7, KERNEL_CS, (word)trap_48};
  call1(set_trap_table, traps);
  set_callback(0, trap_256);
  set_callback(1, failsafe);
  set_callback(2, trap_258);
  set_callback(5, trap_261);
  call2(stack_switch, KERNEL_SS, trap_stack_top);
}

/** Kernel and user share one address space: 64-bit guests name its table twice, 32-bit ones open every page that they have, and the way to it. */
static void open_to_user(void) {
#if LONG
  extended(15, machine_of((void *)word_at(start_info, 0x58)) >> 12, 0);
#else
  u64 slot = machine_of(table_at(2, 0x100000)) & ~4095ull;
  set_entry(slot, entry_at(2, 0x100000) | U);
  for (word page = 0x100000; page < (word)image_end; page += 4096) map_entry((void *)page, entry_for((void *)page, P | W | U | AD), 2);
#endif
}

void guest_main(u8 *info) {
  start_info = info;
  set_entries();
  open_to_user();
  expect("shared_info can be mapped", map_entry(shared_info, word_at(info, FIELD(0x28, 0x24)) | P | W | AD, 2), 0);
  run_tests();
}
