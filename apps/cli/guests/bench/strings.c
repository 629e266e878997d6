// The processor's string instructions as compilers and C libraries use them: REP MOVS and STOS of short and long pieces, aligned and not,
// REPNE SCASB to find the end of a string, REPE CMPSB to compare.
#include "runtime.h"

enum { SIZE = 1 << 16 };

static u8 from[SIZE + 64], to[SIZE + 64];

static void fill_text(void) {
  u32 state = 23;
  for (u32 i = 0; i < SIZE; i++) from[i] = (u8)(' ' + next_random(&state) % 64);
}

static inline void rep_movsb(u8 *target, const u8 *source, size_t length) {
  asm volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(length) : : "memory");
}

static inline void rep_movs_words(u8 *target, const u8 *source, size_t length) {
#ifdef __x86_64__
  length /= 8;
  asm volatile("rep movsq" : "+D"(target), "+S"(source), "+c"(length) : : "memory");
#else
  length /= 4;
  asm volatile("rep movsl" : "+D"(target), "+S"(source), "+c"(length) : : "memory");
#endif
}

static inline void rep_stosb(u8 *target, int value, size_t length) {
  asm volatile("rep stosb" : "+D"(target), "+c"(length) : "a"(value) : "memory");
}

static inline void rep_stos_words(u8 *target, long value, size_t length) {
#ifdef __x86_64__
  length /= 8;
  asm volatile("rep stosq" : "+D"(target), "+c"(length) : "a"(value) : "memory");
#else
  length /= 4;
  asm volatile("rep stosl" : "+D"(target), "+c"(length) : "a"(value) : "memory");
#endif
}

static inline size_t scan(const u8 *text, u8 wanted, size_t most) {
  size_t left = most;
  asm volatile("repne scasb" : "+D"(text), "+c"(left) : "a"(wanted) : "memory", "cc");
  return most - left;
}

static inline size_t same_length(const u8 *a, const u8 *b, size_t most) {
  size_t left = most;
  asm volatile("repe cmpsb" : "+S"(a), "+D"(b), "+c"(left) : : "memory", "cc");
  return most - left;
}

/** A page, 64 KiB, and 100 unaligned pieces of 16 to 143 bytes. */
static u32 copying(u32 count) {
  fill_text();
  u32 sum = 0;
  while (count--) {
    rep_movs_words(to, from, 4096);
    rep_movs_words(to, from, SIZE);
    rep_movsb(to + 3, from + 1, 5000);
    for (u32 i = 0; i < 100; i++) rep_movsb(to + i * 160 + (i & 7), from + i * 96, 16 + (i * 37 & 127));
    sum = mix(sum, to[count & (SIZE - 1)] + to[5003]);
    from[count & (SIZE - 1)]++;
  }
  return sum;
}

static u32 filling(u32 count) {
  u32 sum = 0;
  while (count--) {
    rep_stos_words(to, (long)(count * 0x01010101u), SIZE);
    rep_stosb(to + 5, (int)count + 1, 3000);
    for (u32 i = 0; i < 100; i++) rep_stosb(to + i * 200 + (i & 3), (int)i, 8 + (i * 29 & 63));
    sum = mix(sum, to[6] + to[4001] + to[200]);
  }
  return sum;
}

/** Lengths of 256 strings of up to 127 characters, then one search through 8 KiB. */
static u32 scanning(u32 count) {
  fill_text();
  for (u32 i = 0; i < 256; i++) from[i * 128 + (i * 53 & 127)] = 0;
  from[SIZE / 2 + 8191] = 1;
  u32 sum = 0;
  while (count--) {
    for (u32 i = 0; i < 256; i++) sum += (u32)scan(from + i * 128, 0, 200);
    sum = mix(sum, (u32)scan(from + SIZE / 2, 1, 10000));
  }
  return sum;
}

static u32 comparing(u32 count) {
  fill_text();
  rep_movsb(to, from, SIZE);
  for (u32 i = 0; i < 256; i++) to[i * 128 + (i * 71 & 127)] ^= 1;
  u32 sum = 0;
  while (count--) {
    for (u32 i = 0; i < 256; i++) sum += (u32)same_length(from + i * 128, to + i * 128, 128);
    sum = mix(sum, (u32)same_length(from + SIZE / 2, to + SIZE / 2, 8192));
  }
  return sum;
}

const struct entry string_programs[] = {
  { "copying", copying }, { "filling", filling }, { "scanning", scanning }, { "comparing", comparing }, { 0, 0 },
};
