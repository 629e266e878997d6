// Each list entry is an encoding; those with a CPUID bit are #UD exactly when the bit is clear.
#include "system.h"

enum { NEVER, LEAF1C, LEAF1D, LEAF7B, LEAF7C, EXT1C, EXT8B };

static const struct {
  const char *name;
  u8 bytes[8];
  u8 length, leaf, bit;
} list[] = {
    {"UD0", {0x0f, 0xff, 0xc0}, 3, NEVER, 0},
    {"UD1", {0x0f, 0xb9, 0xc0}, 3, NEVER, 0},
    {"UD2", {0x0f, 0x0b}, 2, NEVER, 0},
    {"LEA with a register", {0x8d, 0xc0}, 2, NEVER, 0},
    {"MOVBE with a register", {0x0f, 0x38, 0xf0, 0xc0}, 4, NEVER, 0},
    {"CMPXCHG8B with a register", {0x0f, 0xc7, 0xc8}, 3, NEVER, 0},
    {"CLWB with a register", {0x66, 0x0f, 0xae, 0xf0}, 4, LEAF7C, 5}, // TPAUSE's encoding
    {"PCOMMIT", {0x66, 0x0f, 0xae, 0xf8}, 4, LEAF7B, 22},
    {"RDPRU", {0x0f, 0x01, 0xfd}, 3, EXT8B, 4},
    {"CLZERO", {0x0f, 0x01, 0xfc}, 3, EXT8B, 0},
    {"MONITOR", {0x0f, 0x01, 0xc8}, 3, LEAF1C, 3},
    {"RDPKRU", {0x0f, 0x01, 0xee}, 3, LEAF7C, 4}, // OSPKE
    {"INCSSP", {0xf3, 0x0f, 0xae, 0xe8}, 4, LEAF7C, 7},
    {"SERIALIZE", {0x0f, 0x01, 0xe8}, 3, NEVER, 0},
    {"CLFLUSH", {0x0f, 0xae, 0x3b}, 3, LEAF1D, 19},
    {"CLFLUSHOPT", {0x66, 0x0f, 0xae, 0x3b}, 4, LEAF7B, 23},
    {"CLWB", {0x66, 0x0f, 0xae, 0x33}, 4, LEAF7B, 24},
    {"SFENCE", {0x0f, 0xae, 0xf8}, 3, LEAF1D, 25},
    {"LFENCE", {0x0f, 0xae, 0xe8}, 3, LEAF1D, 26},
    {"MFENCE", {0x0f, 0xae, 0xf0}, 3, LEAF1D, 26},
    {"RDRAND", {0x0f, 0xc7, 0xf0}, 3, LEAF1C, 30},
    {"RDSEED", {0x0f, 0xc7, 0xf8}, 3, LEAF7B, 18},
    {"POPCNT", {0xf3, 0x0f, 0xb8, 0xc0}, 4, LEAF1C, 23},
    {"MOVBE", {0x0f, 0x38, 0xf0, 0x03}, 4, LEAF1C, 22},
    {"RDTSCP", {0x0f, 0x01, 0xf9}, 3, EXT1C, 27},
};

static bool has(u8 leaf, u8 bit) {
  u32 word = 0;
  if (leaf == LEAF1C) word = cpuid(1, 0).c;
  else if (leaf == LEAF1D) word = cpuid(1, 0).d;
  else if (leaf == LEAF7B) word = cpuid(7, 0).b;
  else if (leaf == LEAF7C) word = cpuid(7, 0).c;
  else if (leaf == EXT1C) word = cpuid(0x80000001, 0).d;
  else if (leaf == EXT8B) word = cpuid(0x80000008, 0).b;
  return word >> bit & 1;
}

void test_main(void) {
  static u8 code[16] __attribute__((aligned(16)));
  static u64 operand[16] __attribute__((aligned(64)));
  for (unsigned i = 0; i < sizeof list / sizeof *list; i++) {
    for (unsigned b = 0; b < list[i].length; b++) code[b] = list[i].bytes[b];
    code[list[i].length] = 0xcd; // INT 0x30
    code[list[i].length + 1] = RETURN_VECTOR;
    bool there = list[i].leaf != NEVER && has(list[i].leaf, list[i].bit);
    struct frame start = start_frame(code, 0);
    start.ax = start.bx = (word)operand;
    struct fault got = attempt_at(&start);
    expect_fault(list[i].name, got, there ? RETURNED : UD, 0);
    if (!there) expect_value(text("RIP of %s", list[i].name), got.frame.ip, (word)code);
  }
}
