// Integer code of several kinds: straight arithmetic, an interpreter with a switch, calls, calls through pointers, hashes, sorting,
// multi-precision multiplication. One unit is some 100,000 to 500,000 instructions.
#include "runtime.h"

static u32 integer(u32 count) {
  u32 sum = 1, a = 12345, b = 6789;
  while (count--) {
    for (u32 i = 1; i <= 10000; i++) {
      a = a * 1664525u + 1013904223u;
      b ^= (a >> 7) + (b << 3);
      sum += (a > b) ? a - b : b / (i | 1);
      sum = (sum << 9) | (sum >> 23);
      b += (sum & 0xff) * i;
    }
  }
  return sum ^ b;
}

// A machine with an accumulator, eight registers and byte code; it counts the primes below a bound by trial division.
enum { LOAD, STORE, ADD, SUB, MOD, LIMIT, JUMP_ZERO, JUMP_LESS, JUMP, INCREMENT, STOP };

static const u8 primes[] = {
  LIMIT, 2, STORE, 0,                                       // candidate = 2
  /* 4 */ LIMIT, 2, STORE, 1,                               // divisor = 2
  /* 8 */ LOAD, 0, SUB, 1, JUMP_ZERO, 28,                   // divisor = candidate: prime
  /* 14 */ LOAD, 0, MOD, 1, JUMP_ZERO, 30,                  // divides: not prime
  /* 20 */ INCREMENT, 1, JUMP, 8, STOP, STOP, STOP, STOP,
  /* 28 */ INCREMENT, 2,
  /* 30 */ INCREMENT, 0, LOAD, 0, SUB, 3, JUMP_LESS, 4, STOP,
};

static NOINLINE u32 interpret(const u8 *code, u32 *registers) {
  u32 accumulator = 0, steps = 0;
  for (const u8 *at = code;; steps++) {
    const u8 operation = at[0], operand = at[1];
    at += 2;
    switch (operation) {
      case LOAD: accumulator = registers[operand]; break;
      case STORE: registers[operand] = accumulator; break;
      case ADD: accumulator += registers[operand]; break;
      case SUB: accumulator -= registers[operand]; break;
      case MOD: accumulator %= registers[operand]; break;
      case LIMIT: accumulator = operand; break;
      case JUMP_ZERO: if (accumulator == 0) at = code + operand; break;
      case JUMP_LESS: if ((int32_t)accumulator < 0) at = code + operand; break;
      case JUMP: at = code + operand; break;
      case INCREMENT: registers[operand]++; break;
      default: return steps;
    }
  }
}

static u32 interpreter(u32 count) {
  u32 sum = 0;
  while (count--) {
    u32 registers[8] = { 0, 0, 0, 200 };
    sum = mix(sum, interpret(primes, registers));
    sum = mix(sum, registers[2]);
  }
  return sum;
}

static NOINLINE u32 fibonacci(u32 n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

static NOINLINE u32 ackermann(u32 m, u32 n) { return m == 0 ? n + 1 : ackermann(m - 1, n == 0 ? 1 : ackermann(m, n - 1)); }

static u32 calls(u32 count) {
  u32 sum = 0;
  while (count--) sum = mix(mix(sum, fibonacci(18)), ackermann(2, 20));
  return sum;
}

static NOINLINE u32 shape_square(u32 a, u32 b) { return a * a + b; }
static NOINLINE u32 shape_sum(u32 a, u32 b) { return a + b * 3; }
static NOINLINE u32 shape_turn(u32 a, u32 b) { return ((a << 7) | (a >> 25)) ^ b; }
static NOINLINE u32 shape_least(u32 a, u32 b) { return a < b ? a : b + 1; }
static NOINLINE u32 shape_swap(u32 a, u32 b) { return (b << 16) | (a & 0xffff); }
static NOINLINE u32 shape_half(u32 a, u32 b) { return (a >> 1) + (b >> 1); }
static NOINLINE u32 shape_not(u32 a, u32 b) { return ~a - b; }
static NOINLINE u32 shape_bits(u32 a, u32 b) { return (a & 0x55555555) + (b & 0xaaaaaaaa); }

typedef u32 shape(u32, u32);
static shape *volatile const shapes[] = { shape_square, shape_sum, shape_turn, shape_least, shape_swap, shape_half, shape_not, shape_bits };

/** Half of the calls follow a short pattern, as most calls of real programs do; half depend on data. */
static u32 indirect(u32 count) {
  u32 sum = 1, state = 99;
  while (count--) {
    for (u32 i = 0; i < 5000; i++) {
      sum = shapes[i & 3](sum, i);
      sum = shapes[next_random(&state) >> 29](sum, state);
    }
  }
  return sum;
}

static const u32 sha256_constants[64] = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
  0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
  0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
  0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
  0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
  0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline u32 turn(u32 x, int by) { return (x >> by) | (x << (32 - by)); }

/** FIPS 180-4, 6.2.2, on one block. */
static NOINLINE void sha256_block(u32 state[8], const u8 *block) {
  u32 w[64];
  for (int i = 0; i < 16; i++) w[i] = (u32)block[4 * i] << 24 | block[4 * i + 1] << 16 | block[4 * i + 2] << 8 | block[4 * i + 3];
  for (int i = 16; i < 64; i++) {
    const u32 small0 = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ (w[i - 15] >> 3);
    const u32 small1 = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + small0 + w[i - 7] + small1;
  }
  u32 a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
  for (int i = 0; i < 64; i++) {
    const u32 first = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + sha256_constants[i] + w[i];
    const u32 second = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + first, d = c, c = b, b = a, a = first + second;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

/** SHA-256, then CRC-32 by a table of 256, then FNV-1a, each over 8 KiB. */
static u32 hashing(u32 count) {
  static u8 bytes[8192];
  static u32 crc_table[256];
  u32 state = 7, sum = 0;
  for (u32 i = 0; i < sizeof bytes; i++) bytes[i] = (u8)next_random(&state);
  for (u32 i = 0; i < 256; i++) {
    u32 crc = i;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320u : 0);
    crc_table[i] = crc;
  }
  while (count--) {
    u32 digest[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    for (u32 at = 0; at < sizeof bytes; at += 64) sha256_block(digest, bytes + at);
    u32 crc = ~0u;
    for (u32 i = 0; i < sizeof bytes; i++) crc = (crc >> 8) ^ crc_table[(u8)(crc ^ bytes[i])];
    sum = mix(mix(mix(sum, digest[0] ^ digest[7]), crc), hash_bytes(bytes, sizeof bytes));
    bytes[sum & 0x1fff]++;
  }
  return sum;
}

static NOINLINE void quicksort(u32 *low, u32 *high) {
  while (low < high) {
    const u32 pivot = low[(high - low) / 2];
    u32 *i = low, *j = high;
    while (i <= j) {
      while (*i < pivot) i++;
      while (*j > pivot) j--;
      if (i > j) break;
      const u32 value = *i;
      *i++ = *j;
      *j-- = value;
    }
    if (j - low < high - i) quicksort(low, j), low = i;
    else quicksort(i, high), high = j;
  }
}

static u32 sorting(u32 count) {
  static u32 values[4096];
  u32 state = 3, sum = 0;
  while (count--) {
    for (u32 i = 0; i < 4096; i++) values[i] = next_random(&state);
    quicksort(values, values + 4095);
    sum = mix(mix(sum, values[0]), values[2048]);
  }
  return sum;
}

/** Schoolbook multiplication of two numbers of 2048 bits in 32-bit digits. */
static u32 bignum(u32 count) {
  enum { DIGITS = 64 };
  static u32 a[DIGITS], b[DIGITS], product[2 * DIGITS];
  u32 state = 5;
  for (u32 i = 0; i < DIGITS; i++) a[i] = next_random(&state), b[i] = next_random(&state);
  while (count--) {
    for (int round = 0; round < 8; round++) {
      for (u32 i = 0; i < 2 * DIGITS; i++) product[i] = 0;
      for (u32 i = 0; i < DIGITS; i++) {
        u64 carry = 0;
        for (u32 j = 0; j < DIGITS; j++) {
          carry += (u64)a[i] * b[j] + product[i + j];
          product[i + j] = (u32)carry;
          carry >>= 32;
        }
        product[i + DIGITS] = (u32)carry;
      }
      for (u32 i = 0; i < DIGITS; i++) a[i] = product[i + DIGITS / 2] | 1;
    }
  }
  return hash_bytes((const u8 *)product, sizeof product);
}

const struct entry compute_programs[] = {
  { "integer", integer }, { "interpreter", interpreter }, { "calls", calls }, { "indirect", indirect },
  { "hashing", hashing }, { "sorting", sorting }, { "bignum", bignum }, { 0, 0 },
};
