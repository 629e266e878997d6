// The x87: as 32-bit compilers use it, with doubles in memory, and with its own 80-bit numbers.
#define X87
#define NAME(name) x87_##name
#include "floating.h"

/** A polynomial and a square root in extended precision, with loads and stores of ten bytes. */
static u32 x87_extended(u32 count) {
  static long double terms[16], values[64];
  for (int i = 0; i < 16; i++) terms[i] = 1.0L / (i + 1);
  u32 sum = 0;
  while (count--) {
    for (int i = 0; i < 64; i++) {
      const long double x = (long double)i / 128 + 0.25L;
      long double value = 0;
      for (int k = 0; k < 16; k++) value = value * x + terms[k];
      asm("fsqrt" : "+t"(value));
      values[i] = value / (x + 2);
    }
    sum = mix(sum, hash_bytes((const u8 *)&values[count & 63], 10));
  }
  return sum;
}

const struct entry x87_programs[] = {
  { "x87-nbody", x87_nbody }, { "x87-matrix", x87_matrix }, { "x87-mandelbrot", x87_mandelbrot }, { "x87-extended", x87_extended }, { 0, 0 },
};
