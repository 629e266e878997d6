// A hostile kernel: random calls with random arguments, half of them nearly right, from a seed. It keeps off only what would end it: its own
// text, stack and first tables, and calls that sleep or stop for ever. Everything else is for the hypervisor to survive.
#include "kit.h"

#ifndef SEED
#define SEED 1
#endif
#ifndef CALLS
#define CALLS 20000
#endif

/** Pages that are played with: frames, and the linear addresses that they have at the start. The last one holds arguments. */
#define FIRST_PAGE 0x3a0
#define LAST_PAGE 0x3fe
#define SCRATCH ((u8 *)0x3ff000)
/** Behind the first mapping: there may be pages by tables that we built. */
#define BEYOND 0x400000
/** Xen's, so that no list of requests is ever found there. */
#define NOWHERE (LONG ? (word)0xffff820000000000ull : 0xfff00000)
#define PLAY(n) ((void *)((word)(FIRST_PAGE + (n)) << 12))

static u64 frames[LAST_PAGE - FIRST_PAGE + 1];
static u64 tables[4];
/** Linear addresses of the first tables, by level: of our own text, and of the pages to play with. */
static word *text_tables[5], *play_tables[5];
/** Lists of requests, one for each call of a multicall and one for a call alone: what one call asks is not another's to change. */
static u64 lists[16][64] PAGED; // with room behind them for answers that are longer than the question
static int list;
static word answered, hash;

static u32 chance(u32 of) { return random_below(of) == 0; }
static word play_page(void) { return (word)PLAY(random_below(LAST_PAGE - FIRST_PAGE + 1)); }
static u64 play_frame(void) { return frames[random_below(LAST_PAGE - FIRST_PAGE + 1)]; }

/** A frame: mostly one to play with, sometimes a table in force, nobody's, or none at all. */
static u64 some_frame(void) {
  switch (random_below(12)) {
    case 0: return tables[random_below(4)];
    case 1: return random_below(0x100);
    case 2: return random_below(0x10000) + 0x8000;
    case 3: return ((u64)random_below(~0u) << 32) | random_below(~0u);
    default: return play_frame();
  }
}

/** Where an answer may go without harm to ourselves, or is refused. */
static word pointer(void) {
  switch (random_below(10)) {
    case 0: return 0;
    case 1: return BEYOND + random_below(1 << 20);
    case 2: return LONG ? (word)0xffff800000000000ull + random_below(1 << 24) : 0xf5800000 + random_below(1 << 20);
    case 3: return (word)text_tables[1 + random_below(LONG ? 4 : 3)] + random_below(4096);
    case 4: return (word)0 - random_below(8192);
    case 5: return LONG ? (word)1 << (47 + random_below(17)) : (word)0xffe00000 + random_below(1 << 20);
    case 6: return play_page() + random_below(2048);
    default: return (word)SCRATCH + (random_below(256) << 3);
  }
}

static const u16 FLAGS[] = {0, 1, 3, 5, 7, 0x61, 0x63, 0x67, 0x83, 0x101, 0xe07, 9, 17, 0x25};

/** An entry. One that named a table in force would open another way to our own leaves, so such are only ever asked to be writable leaves. */
static u64 entry(void) {
  u64 frame = some_frame(), flags = FLAGS[random_below(sizeof FLAGS / 2)];
  for (int table = 0; table < 4; table++)
    if (frame == tables[table]) flags |= P | W | 8;
  u64 value = (frame << 12) | flags;
  return chance(10) ? value | 1ull << (52 + random_below(12)) : value;
}

/** Ours, from the kernel's start to the pages to play with: where nothing may be written, since any number may be taken for an address. */
static int is_ours(u64 value) { return value >= 0x100000 && value < (u64)FIRST_PAGE << 12; }

static u64 number(void) {
  switch (random_below(9)) {
    case 0: return random_below(16);
    case 1: return pointer();
    case 2: return some_frame();
    case 3: return entry();
    case 4: return DOMID_SELF + random_below(5);
    case 5: return random_below(~0u);
    case 6: return (u64)0 - random_below(4096);
    case 7: return (u64)random_below(~0u) << 32;
    default: return 0;
  }
}

/** Any value at all. */
static u64 value(void) {
  u64 any = number();
  return is_ours((word)any) ? any | 0x40000000 : any;
}

/** An entry of a table in force that does not carry us: leaves of the pages to play with, or upper slots behind the first. */
static u64 live_slot(void) {
  int level = 1 + random_below(LONG ? 4 : 3);
  u64 table = machine_of(play_tables[level]) & ~4095ull;
  if (level == 1) return table + 8 * (((FIRST_PAGE + random_below(LAST_PAGE - FIRST_PAGE + 1)) & 511));
  if (!LONG && level == 3) return table + 8 * (1 + random_below(3));
  return table + 8 * (2 + random_below(LONG || level < 3 ? 510 : 1));
}

static u64 *fill_scratch(void) {
  u64 *words = (u64 *)SCRATCH;
  for (int n = 0; n < 16; n++) words[random_below(380)] = value();
  return words + random_below(200);
}

/** Arrays of requests, none of which reaches for what we stand on. */
static word update_requests(u32 *count) {
  u64 *request = lists[list];
  *count = random_below(6);
  for (u32 n = 0; n < *count; n++) {
    u32 command = random_below(4);
    u64 target = command == 1 ? play_frame() << 12 : chance(3) ? live_slot() : (some_frame() << 12) | (random_below(512) << 3);
    // A table in force, hit anywhere: only by what is refused.
    int risky = 0;
    for (int table = 0; table < 4; table++) risky |= target >> 12 == tables[table];
    request[2 * n] = target | command;
    request[2 * n + 1] = risky && command != 1 ? (value() << 12) | 0x81 | 8 : command == 1 ? value() : entry();
    if (risky && command != 1) request[2 * n] = live_slot() | command, request[2 * n + 1] = entry();
  }
  return (word)request;
}

static word extended_requests(u32 *count) {
  word *request = (word *)lists[list];
  *count = random_below(5);
  for (u32 n = 0; n < *count; n++, request += 3) {
    u32 command = random_below(22);
    request[0] = command;
    request[1] = chance(4) ? value() : some_frame();
    request[2] = chance(2) ? some_frame() : value();
    // An empty table without ourselves in it would be a good base, and our last.
    if (command == 5) request[1] = chance(3) ? tables[0] : chance(2) ? tables[1] : 0x100000 + random_below(0x10000);
    if (command == 4 || command == 16 || command == 17) request[1] = chance(8) ? random_below(0x10000) + 0x8000 : play_frame();
  }
  return (word)lists[list];
}

struct request {
  int number;
  word args[5];
};

static void any_arguments(struct request *r) {
  for (int n = 0; n < 5; n++) r->args[n] = chance(2) ? (word)fill_scratch() : (word)value();
}

static void make_request(struct request *r, int depth) {
  static const u8 NUMBERS[] = {0, 1, 1, 1, 2, 3, 4, 5, 8, 9, 10, 12, 12, 13, 14, 14, 14, 15, 17, 18, 20, 20, 20, 21, 22, 24, 24, 25, 26, 26, 26, 28, 29, 30, 32, 32, 33};
  u32 count;
  // Nothing that one call left there is an address to another.
  if (depth == 0) {
    list = 3;
    for (int n = 0; n < 512; n++) ((u64 *)SCRATCH)[n] = 0;
  }
  for (int n = 0; n < 64; n++) lists[list][n] = 0;
  r->number = chance(10) ? (int)random_below(64) : NUMBERS[random_below(sizeof NUMBERS)];
  any_arguments(r);
  switch (r->number) {
    case mmu_update:
      if (chance(10)) r->args[0] = NOWHERE;
      else r->args[0] = update_requests(&count), r->args[1] = count;
      r->args[2] = chance(3) ? pointer() : 0;
      r->args[3] = chance(8) ? (word)value() : DOMID_SELF;
      break;
    case mmuext_op:
      if (chance(10)) r->args[0] = NOWHERE;
      else r->args[0] = extended_requests(&count), r->args[1] = count;
      r->args[2] = chance(3) ? pointer() : 0;
      r->args[3] = chance(8) ? (word)value() : DOMID_SELF;
      break;
    case update_va_mapping:
    case update_va_mapping_otherdomain: {
      u64 leaf = entry();
      r->args[0] = chance(6) ? BEYOND + random_below(~0u >> 2) : play_page();
      r->args[1] = leaf;
#if LONG
      r->args[2] = random_below(8);
      r->args[3] = DOMID_SELF;
#else
      r->args[2] = leaf >> 32;
      r->args[3] = random_below(8);
      r->args[4] = DOMID_SELF;
#endif
      break;
    }
    case multicall: {
      word *calls = (word *)(SCRATCH + 3072);
      count = depth > 0 ? 0 : random_below(4);
      for (u32 n = 0; n < count; n++) {
        struct request inner;
        list = n;
        make_request(&inner, depth + 1);
        calls[8 * n] = inner.number;
        for (int a = 0; a < 5; a++) calls[8 * n + 2 + a] = inner.args[a];
      }
      r->args[0] = chance(12) ? NOWHERE : (word)calls;
      r->args[1] = chance(12) ? (word)-1 : count;
      if (r->args[1] != count) r->args[0] = NOWHERE;
      break;
    }
    case update_descriptor:
      r->args[0] = (play_frame() << 12) | (random_below(512) << 3);
#if !LONG
      r->args[1] = 0;
#endif
      break;
    case set_gdt: {
      word *frame = (word *)lists[list];
      for (int n = 0; n < 14; n++) frame[n] = some_frame();
      r->args[0] = (word)frame;
      r->args[1] = random_below(chance(4) ? 8000 : 600);
      break;
    }
    case sched_op:
      r->args[0] = random_below(10);
      if (r->args[0] == 1 || r->args[0] == 2 || r->args[0] == 5) r->args[0] = 0;
      if (r->args[0] == 2 || r->args[0] == 6) r->args[1] = NOWHERE;
      if (r->args[0] == 3) {
        word *poll = (word *)SCRATCH;
        r->args[1] = (word)poll;
        poll[0] = (word)SCRATCH + 512;
        poll[1] = random_below(130);
        *(u64 *)&poll[2] = 1 + random_below(1000);
        for (u32 n = 0; n < 130; n++) ((u32 *)(SCRATCH + 512))[n] = random_below(200);
      }
      break;
    case 6: // sched_op_compat
      r->args[0] = 0;
      break;
    case vcpu_op:
      r->args[0] = random_below(16);
      r->args[1] = chance(3) ? random_below(9000) : 0;
      if (r->args[0] == 2 && r->args[1] == 0) r->args[0] = 3;
      if (chance(3)) r->args[2] = pointer();
      // An area that is written to ever after is one that we can miss.
      if (r->args[0] == 5 || r->args[0] == 13) {
        r->args[2] = (word)SCRATCH + 3600;
        *(word *)r->args[2] = pointer();
      }
      break;
    case event_channel_op: {
      u32 *words = (u32 *)lists[list];
      r->args[0] = random_below(15);
      r->args[1] = (word)words;
      for (int n = 0; n < 6; n++) words[n] = chance(3) ? (u32)value() : random_below(40);
      // The console's port is how we are heard.
      if (r->args[0] == 10) words[0] = 77;
      if (r->args[0] == 3 && words[0] < 3) words[0] = 9;
      break;
    }
    case grant_table_op: {
      r->args[0] = random_below(14);
      u64 *words = lists[list];
      r->args[1] = (word)words;
      for (int n = 0; n < 16; n++) words[n] = value();
      words[0] = chance(3) ? live_slot() : chance(2) ? play_page() : value();
      if (is_ours(words[0])) words[0] = play_page();
      r->args[2] = chance(4) ? random_below(5) : 1;
      if (chance(2)) ((u32 *)words)[2] = random_below(32), ((u32 *)words)[3] = random_below(12), ((u16 *)words)[8] = chance(2) ? DOMID_SELF : random_below(3);
      if (r->args[0] == 2 || r->args[0] == 9) {
        ((u16 *)words)[0] = DOMID_SELF;
        ((u32 *)words)[1] = random_below(70);
        *(word *)((u8 *)words + (LONG ? 16 : 12)) = (word)SCRATCH + 2048;
      }
      // What a copy writes to is a page of ours to play with.
      if (r->args[0] == 5 || r->args[0] == 4 || r->args[0] == 7 || r->args[0] == 1) for (int n = 0; n < 16; n++) words[n] = chance(2) ? play_frame() : play_page();
      break;
    }
    case memory_op: {
      static const u8 COMMANDS[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 26, 28};
      r->args[0] = COMMANDS[random_below(sizeof COMMANDS)] | (chance(20) ? random_below(64) << 6 : 0);
      word *reservation = (word *)(r->args[1] = (word)lists[list]), *extents = (word *)(lists[list] + 40);
      reservation[0] = (word)extents;
      reservation[1] = random_below(4);
      ((u32 *)(reservation + 2))[0] = chance(6) ? random_below(40) : 0;
      ((u32 *)(reservation + 2))[1] = 0;
      ((u32 *)(reservation + 2))[2] = chance(8) ? random_below(~0u) : DOMID_SELF;
      for (int n = 0; n < 8; n++) extents[n] = r->args[0] == 6 ? FIRST_PAGE + random_below(64) : play_frame();
      break;
    }
    case fpu_taskswitch:
    case console_io:
    case xen_version:
      if (chance(2)) r->args[0] = random_below(12);
      r->args[1] = pointer();
      break;
    case iret:
      r->number = nmi_op;
      break;
    case set_segment_base:
      r->args[0] = random_below(5);
      break;
    default:
      if (chance(2)) r->args[0] = random_below(34);
  }
}

static word one_call(word packed) {
  struct request *r = (struct request *)packed;
  return call(r->number, r->args[0], r->args[1], r->args[2], r->args[3], r->args[4]);
}

/** The iret call with a frame that is right in no more than where it leads. */
static word random_iret(word unused) {
  word cs = chance(2) ? user_cs : value() & 0xffff, ss = chance(2) ? user_ss : value() & 0xffff, flags = value() & 0x277fd5 & ~0x100ul;
  if (!LONG && (cs & 3) == 0) cs |= 1;
#if LONG
  asm volatile("push %0\npush $user_stack_top - 64\npush %1\npush %2\npush $hostile_back\npush %3\njmp iret_call\nhostile_back: int $0x30" : : "r"(ss), "r"(flags), "r"(cs), "r"(value() & 0x100));
#else
  asm volatile("push %0\npush $user_stack_top - 64\npush %1\npush %2\npush $hostile_back\njmp iret_call\nhostile_back: int $0x30" : : "r"(ss), "r"(flags), "r"(cs));
#endif
  return unused;
}

static word touch(word linear) { return *(volatile word *)linear; }
static word scribble(word linear) { return *(volatile word *)linear = (word)entry(); }

static int quiet(struct frame *frame) {
  if (frame->vector != EVENT) return 0;
  frame->flags &= ~0x200ul;
  return 1;
}

/** What we cannot do without: traps, callbacks, a stack, segments, one page for arguments. */
static void restore(void) {
  call2(set_debugreg, 7, 0);
  set_entries();
  if (LONG && extended(15, tables[0], 0) != 0) expect("the user's table can be named again", 1, 0);
}

static int changes_entries(int number) {
  return number == set_trap_table || number == stack_switch || number == set_callbacks || number == set_debugreg || number == multicall || number == callback_op || number == mmuext_op;
}

void test_main(void) {
  random_state = SEED * 0x9e3779b9u | 1;
  trap_hook = quiet;
  for (int n = 0; n <= LAST_PAGE - FIRST_PAGE; n++) frames[n] = machine_of(PLAY(n)) >> 12;
  for (int level = 1; level <= (LONG ? 4 : 3); level++) {
    text_tables[level] = table_at(level, 0x100000);
    play_tables[level] = table_at(level, (word)PLAY(0));
    tables[(LONG ? 4 : 3) - level] = machine_of(text_tables[level]) >> 12;
  }
  if (!LONG) tables[3] = machine_of(table_at(2, 0xc0000000)) >> 12;
  for (u32 n = 1; n <= CALLS; n++) {
    struct request r;
    make_request(&r, 0);
    struct outcome got;
    if (chance(40)) got = attempt(random_iret, 0);
    else got = attempt(one_call, (word)&r);
    if (got.vector == RETURNED && (long)got.value >= 0) answered++;
    hash = (hash << 5) + hash + got.vector * 31 + (got.vector == RETURNED ? got.value : got.ip);
    if (got.vector != RETURNED || changes_entries(r.number)) restore();
    if (chance(4)) attempt(chance(2) ? touch : scribble, play_page() + 8 * random_below(512));
    if (chance(50)) attempt_user(touch, play_page());
    if (n % (CALLS / 4) == 0) {
      print("calls ");
      print_number(n);
      print(" answered ");
      print_number(answered);
      print(" hash ");
      print_number(hash);
      print("\n");
    }
  }
  trap_hook = 0;
}
