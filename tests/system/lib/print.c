// Polled COM1, verdict lines, and the end by the debug exit.
#include <stdarg.h>
#include "system.h"

#define COM1 0x3f8
static unsigned passed, failed;

static void put(char c) {
  while (!(in8(COM1 + 5) & 0x20)) {}
  out8(COM1, c);
}

/** Formats into `buffer`; what does not fit is dropped. */
static void format_into(char *buffer, size_t size, const char *format, va_list arguments) {
  size_t at = 0;
#define ADD(c) do { char c_ = (c); if (at + 1 < size) buffer[at++] = c_; } while (0)
  for (; *format; format++) {
    if (*format != '%') {
      ADD(*format);
      continue;
    }
    unsigned longs = 0;
    while (*++format == 'l') longs++;
    if (*format == '%') ADD('%');
    else if (*format == 's') for (const char *s = va_arg(arguments, const char *); *s; s++) ADD(*s);
    else if (*format == 'c') ADD((char)va_arg(arguments, int));
    else {
      u64 value = longs == 2 ? va_arg(arguments, u64) : longs == 1 ? va_arg(arguments, word) : va_arg(arguments, unsigned);
      char digits[24];
      unsigned count = 0;
      if (*format == 'x') {
        do digits[count++] = "0123456789abcdef"[value & 15]; while (value >>= 4);
      } else {
        u32 number = value;
        if (*format == 'd' && (int)number < 0) {
          ADD('-');
          number = -number;
        }
        do digits[count++] = '0' + number % 10; while (number /= 10);
      }
      while (count) ADD(digits[--count]);
    }
  }
#undef ADD
  buffer[at] = 0;
}

void print(const char *format, ...) {
  char line[256];
  va_list arguments;
  va_start(arguments, format);
  format_into(line, sizeof line, format, arguments);
  va_end(arguments);
  for (const char *c = line; *c; c++) put(*c);
}

const char *text(const char *format, ...) {
  static char buffers[8][160];
  static unsigned next;
  char *buffer = buffers[next++ % 8];
  va_list arguments;
  va_start(arguments, format);
  format_into(buffer, sizeof buffers[0], format, arguments);
  va_end(arguments);
  return buffer;
}

void verdict(const char *name, bool ok, const char *expected, const char *got) {
  if (ok) {
    passed++;
    print("ok %s\n", name);
  } else {
    failed++;
    print("not ok %s: expected %s, got %s\n", name, expected, got);
  }
}

void expect_value(const char *name, u64 got, u64 expected) {
  verdict(name, got == expected, text("0x%llx", expected), text("0x%llx", got));
}

void expect_true(const char *name, bool holds) { verdict(name, holds, "true", "false"); }

void finish(void) {
  print("%u passed, %u failed\n", passed, failed);
  out32(0xf4, failed != 0 || passed == 0);
  for (;;) {
    cli();
    hlt();
  }
}

void panic(const char *format, ...) {
  char line[256];
  va_list arguments;
  va_start(arguments, format);
  format_into(line, sizeof line, format, arguments);
  va_end(arguments);
  failed++;
  print("not ok run to the end: %s\n", line);
  finish();
}
