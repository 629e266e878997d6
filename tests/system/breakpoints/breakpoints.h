#ifndef BREAKPOINTS_H
#define BREAKPOINTS_H
#include "trace.h"

enum { WATCH_CODE, WATCH_WRITE, WATCH_PORT, WATCH_ACCESS };
/** DR7 with breakpoint `n` enabled (Ln) for `length` bytes. */
static inline word breakpoint(unsigned n, unsigned kind, unsigned length) {
  unsigned size = length == 8 ? 2 : length - 1;
  return DR7_FIXED | 1ul << (2 * n) | (word)(kind | size << 2) << (16 + 4 * n);
}
void test_data(void);
void test_code(void);
void test_registers(void);
#endif
