// A hostile kernel: random calls with random arguments, from a seed. Unless WILD it keeps off what would end it: its own text, stack, tables
// and vectors, and calls that do not come back; what it is told goes into a hash. With WILD it keeps off nothing.
#include "../calls/rom.h"

#ifndef SEED
#define SEED 1
#endif
#ifndef CALLS_MADE
#define CALLS_MADE 20000
#endif
#ifndef WILD
#define WILD false
#endif
#define QUARTER (CALLS_MADE / 4)
#define ARENA_PAGES 64
/** Mapped by a table of its own, whose entries are played with. */
#define WINDOW 0x70800000ul
/** Frames, descriptors and pointers from here on are no memory. */
#define BEYOND 0x10000000u

static struct { u32 state, hash, storm; u64 answer; } own = {.state = SEED * 2654435769u + 1};
static u32 random(void) {
  own.state ^= own.state << 13;
  own.state ^= own.state >> 17;
  return own.state ^= own.state << 5;
}
static u32 below(u32 limit) { return random() % limit; }
static u32 pick(const u32 *values, unsigned count) { return values[below(count)]; }
#define PICK(...) ({ const u32 values_[] = {__VA_ARGS__}; pick(values_, sizeof values_ / sizeof *values_); })

static u8 *arena;
static pte *window;
static u64 *own_gdt;
static struct table_register good_gdt, good_idt;

/** Any number, mostly one at some edge. */
static u32 number(void) {
  return PICK(0, 1, below(256), below(0x1000), 1u << below(32), ~(1u << below(32)), 0x7fffffff, 0x80000000, 0xffffffff, random(), random());
}
/** Where an answer may go without harm, or is refused. */
static u32 pointer(void) {
  if (WILD && below(3) == 0) return random() & 0x1ffffff;
  return PICK((u32)arena + below(ARENA_PAGES * 2048), (u32)arena + below(ARENA_PAGES * 2048), NOWHERE + below(8192), NOWHERE - below(16), 0xc8000 + below(4096),
              0xfee00000 + below(4096), 0xfc000000 + below(0x40000), 0xfffffff0 + below(16), BEYOND + (random() >> 1), WINDOW + below(0x10000));
}
static u32 frame(void) {
  if (WILD && below(3) == 0) return below(0x2000);
  return PICK(((u32)arena >> 12) + below(ARENA_PAGES), (BEYOND >> 12) + below(0x80000), 0xfee00, 0xc8, random() | 0x80000000, ~0u);
}
/** A descriptor of any type, whose segment is played with or is no memory. */
static u64 any_descriptor(void) {
  u32 base = below(2) ? (u32)arena : BEYOND | random();
  return descriptor(base, below(2) ? 0xfff : random() & 0xfffff, random(), random() & 15);
}

struct call { u32 number, eax, edx, ecx, stack[2]; };
static void make(void *argument) {
  struct call *call = argument;
  own.answer = rom_call(call->number, call->eax, call->edx, call->ecx, call->stack[0], call->stack[1]);
}

/** Makes a call's arguments such that whoever makes it lives on. */
static bool tame(struct call *call) {
  switch (call->number) {
    case CPUID: case RDTSC: case IODelay: return target[call->number] != 0;
    case Halt: case IRET: case SYSEXIT: case Reboot: case Shutdown: return false;
    case SetCR0: call->eax = 0x80010033 ^ (random() & 0x4002c); return true;
    case SetCR3: call->eax = read_cr3() | (random() & 0x18); return true;
    case SetCR4: call->eax = read_cr4() ^ PICK(0, 4, 8, 0x80, 0x40, 0x100, 1u << 31, 1u << 13); return true;
    case SetGDT: call->eax = below(2) ? (u32)&good_gdt : NOWHERE - below(6); return true;
    case SetIDT: call->eax = below(2) ? (u32)&good_idt : NOWHERE - below(6); return true;
    case SetDR: call->edx &= ~0x20ffu; return true;
    case WriteGDTEntry: case WriteLDTEntry: case WriteIDTEntry: {
      u64 value = any_descriptor();
      call->ecx = value, call->stack[0] = value >> 32;
      call->edx = PICK(below(512), 8192 + below(8192), random() | 0x80000000, below(256));
      if (below(3) != 0) return call->eax = PICK((u32)arena, BEYOND | random(), NOWHERE - 8 * below(8)), call->edx & 0x80000000 ? true : (call->edx %= 16384, true);
      if (call->number == WriteIDTEntry) call->eax = (u32)idt, call->edx = 0x90 + below(0x70);
      else call->eax = (u32)own_gdt, call->edx = SEL_FREE / 8 + below(32);
      return true;
    }
    case SetTR: case SetLDT: call->eax = PICK(0, SEL_TSS, SEL_FREE + 8 * below(32), random(), SEL_FREE + 4 + 8 * below(16)); return true;
    case WRMSR: {
      call->ecx = PICK(0x10, 0x174, 0x175, 0x176, 0x277, 0x2ff, 0x200 + below(16), 0x6e0, 0x800 + below(64), random(), 0xc0000081 + below(4), below(0x1000));
      return call->ecx != 0x1b; // the local APIC stays where it is
    }
    case APICWrite: {
      u32 offset = call->eax & 0xff0;
      if (offset >= 0x320 && offset <= 0x370) call->edx = (call->edx & 0x300ff) | 0x80 | (below(8) == 0 ? 0x400 : 0);
      if (offset == 0x300) call->edx = 0x4080 | below(0x70) | below(4) << 18;
      return true;
    }
    case SetPxE: case SetPxELong: {
      pte *entry = below(4) ? window + below(16) : (pte *)pointer();
      u32 flags = PICK(1, 2, 4, 8, 0x11, 0x31, 0x10, 0x20, random()) | (below(2) ? WINDOW : 0);
      if (call->number == SetPxE) call->edx = (u32)entry, call->ecx = flags;
      else call->ecx = (u32)entry, call->stack[0] = flags;
      if (below(2)) call->eax = (frame() << 12) | (random() & 0xfff), call->edx = call->number == SetPxE ? call->edx : 0;
      return true;
    }
    case AllocatePage:
      call->eax = frame(), call->ecx = frame();
      call->edx = PICK(0x41, 0x51, 0x42, 0x52, 0x62, 0x72, random());
      call->stack[0] = PICK(0, 3, 768, below(1024), random()), call->stack[1] = PICK(1, 256, below(1024), random());
      return true;
    case SetAlarm: // a storm of ticks is one of the things to try, and not what most calls are made in
      if (below(16) != 0 && call->stack[1] == 0) call->stack[0] |= 0x40000;
      return true;
    case GetGDT: case GetIDT: case SetInitialAPState: call->eax = pointer(); return true;
    default: return true;
  }
}

/** Ticks faster than they can be taken are the guest's own fault, and its to end. */
static bool ignore(struct frame *frame) {
  own.hash = own.hash * 31 + frame->vector;
  lapic_write(0xb0, 0);
  if (++own.storm % 256 == 0) {
    CALL(CancelAlarm, 0);
    lapic_write(0x320, 0x10000);
  }
  return true;
}

static void look(void *address) { own.hash += *(volatile u32 *)address; }

/** What tame calls change of the kernel's own is put back. */
static void mend(void) {
  CALL(SetGDT, &good_gdt);
  CALL(SetIDT, &good_idt);
  CALL(SetCR0, 0x80010033);
  CALL(SetLDT, 0);
  CALL(SetLazyMode, 0);
  CALL(CancelAlarm, 0);
  CALL(DisableInterrupts);
}

void test_main(void) {
  rom = find_rom();
  arena = alloc_pages(ARENA_PAGES);
  *entry_of(NOWHERE, 1) = 0;
  *entry_of(NOWHERE + 4096, 1) = 0;
  *entry_of(NOWHERE - 4096, 1) |= 0;
  invlpg(NOWHERE), invlpg(NOWHERE + 4096);
  window = entry_of(WINDOW, 1);
  for (unsigned i = 0; i < 16; i++) window[i] = 0;
  // A page of its own: each store beside descriptors comes to the hypervisor.
  own_gdt = alloc_pages(1);
  for (unsigned i = 0; i < 64; i++) own_gdt[i] = gdt[i];
  good_gdt = (struct table_register){0x1ff, (word)own_gdt};
  good_idt = (struct table_register){256 * 8 - 1, (word)idt};
  for (unsigned vector = 0x20; vector < 0x100; vector++)
    if (vector != RETURN_VECTOR) set_hook(vector, ignore);
  set_hook(2, ignore);
  expect_value("VMI_Init", rom_init(), 0);
  mend();

  for (unsigned made = 1; made <= CALLS_MADE; made++) {
    struct call call = {below(CALLS), number(), number(), number(), {number(), number()}};
    if (below(2)) call.eax = pointer();
    if (below(2)) call.edx = PICK(pointer(), below(32));
    while (target[call.number] == 0 || !(WILD || tame(&call))) call.number = below(CALLS);
    struct fault got = attempt(make, &call);
    own.hash = own.hash * 31 + got.vector + (got.vector == NO_EXCEPTION ? (u32)own.answer : (u32)got.error);
    if (got.vector != NO_EXCEPTION && got.vector != UD && got.vector != GP && got.vector != PF && got.vector != NP && got.vector != SS && got.vector != TS) {
      print("unexpected: %s of call %u\n", vector_name(got.vector), call.number);
    }
    if (made % 64 == 0) {
      attempt(look, (void *)(WINDOW + 4096 * below(16)));
      if (!WILD) mend();
    }
    if (made % QUARTER == 0) print("calls %u hash %x\n", made, own.hash);
  }
}
