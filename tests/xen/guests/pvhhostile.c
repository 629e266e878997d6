// A hostile PVH kernel: random calls with random arguments, half of them nearly right, from a seed. It keeps off its own text and stack, off
// the local APIC, and off calls that stop it for ever.
#include "kit.h"

#ifndef SEED
#define SEED 1
#endif
#ifndef CALLS
#define CALLS 20000
#endif

/** Frames that are played with, and where RAM ends. */
#define FIRST_FRAME 0x800
#define FRAMES 64
#define RAM_FRAMES 0x2000
#define SCRATCH ((u8 *)0x700000)
#define SCRATCH_BYTES 2048

static u8 table[4096] PAGED;

static u64 frame(void) {
  switch (random_below(8)) {
    case 0: return RAM_FRAMES + random_below(64);
    case 1: return 0x40000 + random_below(16);
    case 2: return 1ull << (40 + random_below(24)) | (0x80000 + random_below(0x100000));
    default: return FIRST_FRAME + random_below(FRAMES);
  }
}

static word pointer(void) {
  switch (random_below(6)) {
    case 0: return 0x40000000 + random_below(1 << 20);
    case 1: return ((word)FIRST_FRAME << 12) + random_below(FRAMES << 12);
    case 2: return (word)SCRATCH + random_below(64);
    default: return (word)SCRATCH + random_below(SCRATCH_BYTES / 8) * 8;
  }
}

static u64 number(void) {
  switch (random_below(7)) {
    case 0: return pointer();
    case 1: return frame();
    case 2: return DOMID_SELF - random_below(3);
    case 3: return (u64)frame() << 12;
    case 4: return (u64)0 - random_below(64) - ((u64)random_below(2) << 60);
    default: return random_below(24);
  }
}

static void fill(void) {
  for (int n = 0; n < SCRATCH_BYTES; n += random_below(3) ? 4 : 8) {
    u64 value = number();
    if (random_below(4) == 0) value = 1;
    // A flag that is on and no pointer to ourselves: any number may be taken for either.
    *(u64 *)(SCRATCH + n) = value < FIRST_FRAME << 12 && value >= 0x100 ? DOMID_SELF : value;
  }
  for (int n = 0; n < 16; n++) ((u64 *)table)[8 + random_below(64)] = 1 | random_below(8) << 2 | (u64)1 << 16 | (u64)(u32)frame() << 32;
}

static const u8 CALLS_TO_MAKE[] = {12, 12, 12, 13, 15, 17, 18, 20, 20, 20, 21, 24, 24, 26, 29, 32, 32, 32, 33, 34, 34, 35, 36, 40, 42, 47};

static int may(u32 number, word *args) {
  if (number == sched_op && args[0] != 0 && args[0] != 3) return 0;
  if (number == sched_op && args[0] == 3) {
    // A wait that ends.
    struct { word ports; u32 count; u64 timeout; } __attribute__((aligned(8))) *poll = (void *)SCRATCH;
    poll->timeout = 1;
    args[1] = (word)SCRATCH;
  }
  if (number == vcpu_op && args[0] == 2) return 0;
  // As many requests as memory holds take their time.
  if (number == grant_table_op && args[2] > 64) return 0;
  // The console's port is the way in which it says that it lives.
  if (number == event_channel_op && (args[0] == 3 || args[0] == 10)) return 0;
  return number != multicall || args[1] < 8;
}

void test_main(void) {
  random_state = SEED;
  place(1, 0, (word)table >> 12);
  word answered = 0, hash = 0;
  for (int n = 0; n < CALLS; n++) {
    if (n % 8 == 0) fill();
    u32 call_number = CALLS_TO_MAKE[random_below(sizeof CALLS_TO_MAKE)];
    word args[5] = {random_below(26), random_below(4) ? pointer() : (word)number(), random_below(4) ? 1 + random_below(3) : (word)number(), (word)number(), (word)number()};
    if (call_number == vcpu_op || call_number == 18) {
      args[1] = random_below(2);
      args[2] = pointer();
    }
    if (call_number == multicall) {
      struct { word op, result, args[6]; } *list = (void *)SCRATCH;
      args[0] = (word)list;
      args[1] = 3;
      for (int at = 0; at < 3; at++) {
        list[at].op = CALLS_TO_MAKE[random_below(sizeof CALLS_TO_MAKE)];
        list[at].args[0] = random_below(26);
        list[at].args[1] = (word)SCRATCH + 512 + random_below(128) * 8;
        list[at].args[2] = random_below(3);
        if (!may(list[at].op, list[at].args) || list[at].op == sched_op || list[at].op == vcpu_op) list[at].op = 63;
      }
    }
    if (!may(call_number, args)) continue;
    word result = call(call_number, args[0], args[1], args[2], args[3], args[4]);
    if ((long)result >= 0) answered++;
    hash = hash * 31 + result;
  }
  place(0, 0, (word)shared_info >> 12);
  print("answered ");
  print_number(answered);
  print(" with ");
  print_number(hash);
  print("\n");
  expect("it lives", 1, 1);
}
