// SSE2: scalar doubles, four floats and two doubles at a time, and packed integers.
#define NAME(name) sse_##name
#include "floating.h"

typedef float v4f __attribute__((vector_size(16)));
typedef int v4i __attribute__((vector_size(16)));
typedef double v2d __attribute__((vector_size(16)));
typedef u16 v8u __attribute__((vector_size(16)));

/** Mandelbrot's iteration on four points at once; a mask counts those that stay. */
static u32 sse_packed_single(u32 count) {
  u32 sum = 0;
  while (count--) {
    for (int row = 0; row < 16; row++) {
      for (int column = 0; column < 24; column += 4) {
        const float left = column * (3.0f / 24) - 2.25f, top = row * (2.5f / 16) - 1.25f + (float)(int)(count & 7) * 0.015625f;
        const v4f cx = { left, left + 0.125f, left + 0.25f, left + 0.375f }, cy = { top, top, top, top };
        v4f x = { 0 }, y = { 0 };
        v4i steps = { 0 };
        for (int i = 0; i < 60; i++) {
          const v4f xx = x * x, yy = y * y;
          const v4i inside = (v4i)(xx + yy <= (v4f){ 4, 4, 4, 4 });
          if (!(inside[0] | inside[1] | inside[2] | inside[3])) break;
          steps -= inside;
          y = (v4f)((v4i)((x + x) * y + cy) & inside);
          x = (v4f)((v4i)(xx - yy + cx) & inside);
        }
        sum = mix(sum, (u32)(steps[0] + steps[1] * 3 + steps[2] * 5 + steps[3] * 7));
      }
    }
  }
  return sum;
}

/** Product of two matrices of 24 by 24, two columns at a time. */
static u32 sse_packed_double(u32 count) {
  enum { N = 24 };
  static double a[N][N];
  static v2d b[N][N / 2], c[N][N / 2];
  for (int i = 0; i < N; i++) {
    for (int j = 0; j < N; j++) a[i][j] = (i * 7 + j) % 13 * 0.25;
    for (int j = 0; j < N / 2; j++) b[i][j] = (v2d){ (i + j * 10) % 11 * 0.125 - 0.5, (i + j * 10 + 5) % 11 * 0.125 - 0.5 };
  }
  while (count--) {
    for (int i = 0; i < N; i++) {
      for (int j = 0; j < N / 2; j++) {
        v2d sum = { 0, 0 };
        for (int k = 0; k < N; k++) sum += (v2d){ a[i][k], a[i][k] } * b[k][j];
        c[i][j] = sum;
      }
    }
    a[count % N][3] = c[3][count % (N / 2)][1] * 0.03125;
  }
  return sse_bits(c[1][1][0]) ^ sse_bits(c[N - 1][N / 2 - 1][1]);
}

/** Two pictures of 16-bit channels blended by a varying weight. */
static u32 sse_integer(u32 count) {
  enum { VECTORS = 512 };
  static v8u a[VECTORS], b[VECTORS], c[VECTORS];
  for (int i = 0; i < VECTORS; i++) {
    for (int k = 0; k < 8; k++) a[i][k] = (u16)((i * 8 + k) * 37 & 255), b[i][k] = (u16)((i * 8 + k) * 91 & 255);
  }
  while (count--) {
    const u16 share = (u16)(count & 255);
    const v8u weight = { share, share, share, share, share, share, share, share };
    const v8u rest = 256 - weight;
    for (int i = 0; i < VECTORS; i++) {
      const v8u blended = (a[i] * weight + b[i] * rest) >> 8;
      const v8u brighter = (v8u)(blended > a[i]);
      c[i] = (blended & brighter) | (a[i] & ~brighter);
    }
    a[count % VECTORS] = c[(count * 7) % VECTORS];
  }
  return hash_bytes((const u8 *)c, sizeof c);
}

const struct entry sse_programs[] = {
  { "sse-nbody", sse_nbody }, { "sse-matrix", sse_matrix }, { "sse-mandelbrot", sse_mandelbrot },
  { "sse-packed-single", sse_packed_single }, { "sse-packed-double", sse_packed_double }, { "sse-integer", sse_integer }, { 0, 0 },
};
