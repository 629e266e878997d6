// Floating-point programs written once and compiled twice: for the x87 and for SSE2. NAME(x) gives each its name.
// Only what IEEE 754 defines to the bit is used (+ - * / and square root), so every correct emulator gets the same checksum.
#include "runtime.h"

static inline double NAME(square_root)(double value) {
#ifdef X87
  asm("fsqrt" : "+t"(value));
#else
  asm("sqrtsd %1, %0" : "=x"(value) : "xm"(value));
#endif
  return value;
}

static inline u32 NAME(bits)(double value) {
  union { double value; u32 words[2]; } both = { .value = value };
  return both.words[0] ^ both.words[1];
}

struct NAME(body) { double x, y, z, vx, vy, vz, mass; };

/** Five bodies under gravity, a hundred steps of which each takes ten square roots and divisions. */
static u32 NAME(nbody)(u32 count) {
  struct NAME(body) bodies[5] = {
    { 0, 0, 0, 0, 0, 0, 39.5 },
    { 4.8, -1.2, -0.1, 0.6, 2.8, -0.02, 0.04 },
    { 8.3, 4.1, -0.4, -1.0, 1.8, 0.008, 0.01 },
    { 12.9, -15.1, -0.2, 1.1, 0.9, -0.01, 0.002 },
    { 15.4, -25.9, 0.2, 1.0, 0.6, -0.03, 0.002 },
  };
  while (count--) {
    for (int step = 0; step < 100; step++) {
      for (int i = 0; i < 5; i++) {
        struct NAME(body) *a = bodies + i;
        for (int j = i + 1; j < 5; j++) {
          struct NAME(body) *b = bodies + j;
          const double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
          const double square = dx * dx + dy * dy + dz * dz;
          const double force = 0.001 / (square * NAME(square_root)(square));
          a->vx -= dx * b->mass * force, a->vy -= dy * b->mass * force, a->vz -= dz * b->mass * force;
          b->vx += dx * a->mass * force, b->vy += dy * a->mass * force, b->vz += dz * a->mass * force;
        }
      }
      for (int i = 0; i < 5; i++) {
        struct NAME(body) *body = bodies + i;
        body->x += 0.001 * body->vx, body->y += 0.001 * body->vy, body->z += 0.001 * body->vz;
      }
    }
  }
  return NAME(bits)(bodies[0].x) ^ NAME(bits)(bodies[3].vy);
}

/** Product of two matrices of 24 by 24. */
static u32 NAME(matrix)(u32 count) {
  enum { N = 24 };
  static double a[N][N], b[N][N], c[N][N];
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) a[i][j] = (i * 7 + j) % 13 * 0.25, b[i][j] = (i + j * 5) % 11 * 0.125 - 0.5;
  while (count--) {
    for (int i = 0; i < N; i++) {
      for (int j = 0; j < N; j++) {
        double sum = 0;
        for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];
        c[i][j] = sum;
      }
    }
    a[count % N][3] = c[3][count % N] * 0.03125;
  }
  return NAME(bits)(c[1][2]) ^ NAME(bits)(c[N - 1][N - 1]);
}

/** Iterations of z * z + c over 24 by 16 points: compares and conversions between integers and floating point as well. */
static u32 NAME(mandelbrot)(u32 count) {
  u32 sum = 0;
  while (count--) {
    for (int row = 0; row < 16; row++) {
      for (int column = 0; column < 24; column++) {
        const double cx = column * (3.0 / 24) - 2.25, cy = row * (2.5 / 16) - 1.25 + (double)(int)(count & 7) * 0.015625;
        double x = 0, y = 0;
        u32 steps = 0;
        for (; steps < 60; steps++) {
          const double xx = x * x, yy = y * y;
          if (xx + yy > 4) break;
          y = 2 * x * y + cy;
          x = xx - yy + cx;
        }
        sum = mix(sum, steps + (u32)(int)(x * 16));
      }
    }
  }
  return sum;
}
