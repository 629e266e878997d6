// What every PV guest of the tests needs: calls, the console's ring, traps with attempts around them, page-table entries, verdicts.
#include "kit.h"

u8 *start_info;
u8 shared_info[4096] PAGED;
word user_cs = FLAT_USER_CS, user_ss = FLAT_USER_SS, user_flags = 2;
word failsafe_selectors[4];
int (*trap_hook)(struct frame *frame);
u32 random_state = 1;

word attempt_raw(word (*code)(word), word argument, word *context);
__attribute__((noreturn)) void attempt_over(word *context, word value);
__attribute__((noreturn)) void enter_user(word (*code)(word), word argument);
extern u8 trap_stack_top[], image_end[];
extern u8 trap_0[], trap_1[], trap_2[], trap_3[], trap_4[], trap_5[], trap_6[], trap_7[], trap_8[], trap_10[], trap_11[], trap_12[];
extern u8 trap_13[], trap_14[], trap_16[], trap_17[], trap_18[], trap_19[], trap_48[], trap_256[], trap_258[], trap_261[], failsafe[];

static struct outcome last;
static word context;
static int passed, failed;

#if LONG
#define FIELD(wide, narrow) (wide)
#else
#define FIELD(wide, narrow) (narrow)
#endif

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

int text_length(const char *text) {
  int length = 0;
  while (text[length]) length++;
  return length;
}

static word word_at(const u8 *base, int offset) { return *(const word *)(base + offset); }

void print(const char *text) {
  static u8 *ring;
  if (!ring) ring = (u8 *)(M2P[word_at(start_info, FIELD(0x48, 0x34))] << 12);
  volatile u32 *cons = (volatile u32 *)(ring + 0xc08), *prod = (volatile u32 *)(ring + 0xc0c);
  u32 port = *(u32 *)(start_info + FIELD(0x50, 0x38));
  for (; *text; text++) {
    while (*prod - *cons >= 2048) call2(sched_op, 0, 0);
    ring[0x400 + (*prod & 2047)] = *text;
    *prod = *prod + 1;
    if (*text == '\n' || *prod - *cons == 2048) call2(event_channel_op, 4, &port);
  }
}

void print_number(word value) {
  char text[19] = "0x";
  int length = 2;
  for (int shift = sizeof(word) * 8 - 4; shift >= 0; shift -= 4)
    if (length > 2 || (value >> shift) != 0 || shift == 0) text[length++] = "0123456789abcdef"[(value >> shift) & 15];
  text[length] = 0;
  print(text);
}

void expect(const char *name, long got, long wanted) {
  print(got == wanted ? "ok " : "not ok ");
  print(name);
  if (got == wanted) passed++;
  else {
    failed++;
    print(": expected ");
    print_number(wanted);
    print(", got ");
    print_number(got);
  }
  print("\n");
}

void expect_fault(const char *name, struct outcome got, int vector, word error) {
  long value = got.vector * 0x10000L + (long)got.error;
  expect(name, value, vector * 0x10000L + (long)error);
}

u32 random_below(u32 below) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  random_state ^= random_state << 5;
  return random_state % below;
}

void power_off(void) {
  u32 reason = 0;
  for (;;) call2(sched_op, 2, &reason);
}

void handle_trap(struct frame *frame) {
  if (trap_hook && trap_hook(frame)) return;
  last.vector = (int)frame->vector;
  last.error = frame->error;
  last.ip = frame->ip;
  last.cs = frame->cs;
  last.mask = frame->mask;
  last.flags = frame->flags;
  last.value = frame->ax;
  if (LONG || (frame->cs & 3) == 3) {
    last.sp = frame->sp;
    last.ss = frame->ss;
  }
  last.cr2 = word_at(shared_info, FIELD(0x10, 8));
  if (!context) {
    print("a trap that nobody waits for: ");
    print_number(frame->vector);
    print(" at ");
    print_number(frame->ip);
    print(", error ");
    print_number(frame->error);
    print(", cr2 ");
    print_number(last.cr2);
    print("\n");
    u32 crash = 3;
    call2(sched_op, 2, &crash);
  }
  attempt_over(&context, frame->ax);
}

static word in_user(word code) {
  word *parts = (word *)code;
  enter_user((word(*)(word))parts[0], parts[1]);
}

struct outcome attempt(word (*code)(word), word argument) {
  word outer = context;
  last = (struct outcome){.vector = RETURNED};
  word value = attempt_raw(code, argument, &context);
  context = outer;
  struct outcome result = last;
  result.value = value;
  return result;
}

struct outcome attempt_user(word (*code)(word), word argument) {
  word parts[2] = {(word)code, argument};
  struct outcome result = attempt(in_user, (word)parts);
  if (result.vector == USER_DONE) result.vector = RETURNED;
  return result;
}

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
  test_main();
  print_number(passed);
  print(" passed, ");
  print_number(failed);
  print(" failed\n");
  power_off();
}
