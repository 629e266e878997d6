// Lines, by the platform's way to a console; verdicts.
#include <stdarg.h>
#include "pv.h"

unsigned passed, failed;
static const char *group = "kit";
static bool quiet;

static void put_number(u64 value, unsigned base) {
  char digits[24];
  unsigned count = 0;
  if (base == 16) {
    do digits[count++] = "0123456789abcdef"[value & 15];
    while (value >>= 4);
  } else {
    do digits[count++] = '0' + (u32)value % 10;
    while ((value = (u32)value / 10));
  }
  while (count) pv.platform.put(digits[--count]);
}

void print(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  for (; *format; format++) {
    if (*format != '%') {
      pv.platform.put(*format);
      continue;
    }
    unsigned longs = 0;
    while (*++format == 'l') longs++;
    if (*format == 's')
      for (const char *s = va_arg(arguments, const char *); *s; s++) pv.platform.put(*s);
    else
      put_number(longs == 2 ? va_arg(arguments, u64) : longs == 1 ? va_arg(arguments, word) : va_arg(arguments, unsigned), *format == 'x' ? 16 : 10);
  }
  va_end(arguments);
}

bool has_option(const char *name) {
  for (const char *at = command_line; *at; at++) {
    const char *a = at, *b = name;
    while (*b && *a == *b) a++, b++;
    if (*b == 0 && (at == command_line || at[-1] == ' ') && (*a == 0 || *a == ' ')) return true;
  }
  return false;
}

void begin_group(const char *name) {
  group = name;
  quiet = has_option("quiet");
}

void expect(const char *name, u64 got, u64 wanted) {
  if (got == wanted) {
    passed++;
    if (!quiet) print("ok %s: %s\n", group, name);
  } else {
    failed++;
    print("not ok %s: %s: expected 0x%llx, got 0x%llx\n", group, name, wanted, got);
  }
}

void expect_true(const char *name, bool holds) { expect(name, holds, true); }

void expect_trap(const char *name, struct outcome got, int vector, word error) {
  if (got.vector == vector && got.error == error) expect(name, 0, 0);
  else {
    failed++;
    print("not ok %s: %s: expected vector 0x%x error 0x%lx, got 0x%x error 0x%lx at 0x%lx, cr2 0x%lx\n", group, name, vector, error, got.vector, got.error, got.ip, got.cr2);
  }
}

void without(const char *name) {
  if (!quiet) print("-- %s: %s: %s has none\n", group, name, pv.platform.name);
}
