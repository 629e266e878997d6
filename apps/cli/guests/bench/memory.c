// Memory: arrays in order, lists whose nodes lie in random order (in the first cache, and over five hundred pages), scattered counters.
#include "runtime.h"

/** 256 KiB, and three pages so that no three arrays lie a power of two apart, where they would fight for one entry of a direct-mapped TLB. */
enum { STREAM_WORDS = 1 << 16, STREAM_ROOM = STREAM_WORDS + 3 * 1024 };

/** Copy, scale, add and triad of McCalpin's STREAM, on 32-bit integers. */
static u32 stream(u32 count) {
  static u32 a[STREAM_ROOM], b[STREAM_ROOM], c[STREAM_ROOM];
  for (u32 i = 0; i < STREAM_WORDS; i++) a[i] = i, b[i] = 2, c[i] = 0;
  u32 factor = 3;
  while (count--) {
    for (u32 i = 0; i < STREAM_WORDS; i++) c[i] = a[i];
    for (u32 i = 0; i < STREAM_WORDS; i++) b[i] = factor * c[i];
    for (u32 i = 0; i < STREAM_WORDS; i++) c[i] = a[i] + b[i];
    for (u32 i = 0; i < STREAM_WORDS; i++) a[i] = b[i] + factor * c[i];
    factor += 2;
  }
  return a[1] ^ b[STREAM_WORDS / 2] ^ c[STREAM_WORDS - 1];
}

struct node {
  struct node *next;
  u32 value;
  u8 padding[64 - sizeof(struct node *) - 4];
};

/** Links all nodes into one ring in random order. Sattolo's algorithm. */
static void make_ring(struct node *nodes, u32 *order, u32 length) {
  u32 state = 11;
  for (u32 i = 0; i < length; i++) order[i] = i;
  for (u32 i = length - 1; i > 0; i--) {
    const u32 j = next_random(&state) % i, value = order[i];
    order[i] = order[j];
    order[j] = value;
  }
  for (u32 i = 0; i < length; i++) {
    nodes[order[i]].next = &nodes[order[(i + 1) % length]];
    nodes[order[i]].value = order[i];
  }
}

static u32 walk(struct node *node, u32 steps) {
  u32 sum = 0;
  while (steps--) {
    sum += node->value;
    node = node->next;
  }
  return sum;
}

enum { NEAR_NODES = 512, FAR_NODES = 32768, STEPS = 65536 };

/** 32 KiB: the cost of a load that depends on the one before. */
static u32 chase_near(u32 count) {
  static struct node nodes[NEAR_NODES];
  static u32 order[NEAR_NODES];
  make_ring(nodes, order, NEAR_NODES);
  return walk(nodes, count * STEPS);
}

/** 2 MiB, five hundred pages: address translation counts as well. The ring is made once. */
static u32 chase_far(u32 count) {
  static struct node nodes[FAR_NODES];
  static u32 order[FAR_NODES];
  if (!nodes[0].next) make_ring(nodes, order, FAR_NODES);
  return walk(nodes, count * STEPS);
}

/** Read, add and write of bytes, 16-bit and 32-bit words at random places in 256 KiB. */
static u32 scatter(u32 count) {
  static u8 table[1 << 18];
  u32 state = 17, sum = 0;
  for (u32 i = 0; i < sizeof table; i++) table[i] = 0;
  while (count--) {
    for (u32 i = 0; i < 8192; i++) {
      const u32 place = next_random(&state);
      table[place >> 14] += 3;
      ((u16 *)table)[(place & 0x1ffff)] ^= (u16)place;
      ((u32 *)table)[(place >> 16)] += place;
      sum += table[(place * 5) >> 14];
    }
  }
  return mix(sum, hash_bytes(table, 4096));
}

const struct entry memory_programs[] = {
  { "stream", stream }, { "chase-near", chase_near }, { "chase-far", chase_far }, { "scatter", scatter }, { 0, 0 },
};
