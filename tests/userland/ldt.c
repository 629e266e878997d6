// Segments of one's own: modify_ldt and set_thread_area, what loads them, LAR, LSL, VERR and VERW on all selectors there are, and code and
// data reached through 16- and 32-bit segments. Kernels without 16-bit segments (CONFIG_X86_16BIT) say so.
#include "lib/userland.h"
#include <asm/ldt.h>

static unsigned selector, *data;

static long set(int index, unsigned base, unsigned limit, int contents, int wide, int read_only, int in_pages, int absent) {
  struct user_desc desc = {.entry_number = index, .base_addr = base, .limit = limit, .seg_32bit = wide, .contents = contents,
                           .read_exec_only = read_only, .limit_in_pages = in_pages, .seg_not_present = absent, .useable = 1};
  return syscall(SYS_modify_ldt, 0x11, &desc, sizeof desc);
}

#if BITS == 64
#define SEGMENT "gs" // the one that the C library leaves alone
#else
#define SEGMENT "fs"
#endif
static unsigned far_read(unsigned sel, unsigned long offset) {
  unsigned value;
  __asm__ volatile("mov %1, %%" SEGMENT "\n mov %%" SEGMENT ":(%2), %0" : "=r"(value) : "r"(sel), "r"(offset) : "memory");
  return value;
}
static void load_it(void) { __asm__ volatile("mov %%es, %%eax\n mov %0, %%es\n mov %%eax, %%es" : : "r"(selector) : "eax"); }
static void read_last(void) { far_read(0x07, 0xffc); }
static void read_past(void) { far_read(0x07, 0x1000); }
static void read_across(void) { far_read(0x07, 0xffd); }
static void write_read_only(void) { __asm__ volatile("mov %0, %%" SEGMENT "\n movl $1, %%" SEGMENT ":0" : : "r"(0x0f)); }
static void read_below(void) { far_read(0x2f, 0xfff); }
static void read_above(void) { far_read(0x2f, 0x1000); }
static void into_ss(void) { __asm__ volatile("mov %%ss, %%eax\n mov %0, %%ss\n mov %%eax, %%ss" : : "r"(selector) : "eax"); }

static void describe(const char *table, unsigned first, unsigned last) {
  for (unsigned sel = first; sel <= last; sel++) {
    unsigned rights = 0, limit = 0;
    unsigned char lar, lsl, verr, verw;
    char name[40];
    __asm__ volatile("lar %2, %0\n setz %1" : "+r"(rights), "=qm"(lar) : "r"(sel));
    __asm__ volatile("lsl %2, %0\n setz %1" : "+r"(limit), "=qm"(lsl) : "r"(sel));
    __asm__ volatile("verr %w1\n setz %0" : "=qm"(verr) : "r"(sel));
    __asm__ volatile("verw %w1\n setz %0" : "=qm"(verw) : "r"(sel));
    snprintf(name, sizeof name, "%s 0x%x", table, sel);
    // The limit of 0x7b is the number of the processor and its node.
    report(name, "lar %d 0x%x lsl %d 0x%x verr %d verw %d", lar, rights, lsl, sel >= 0x78 && sel < 0x80 ? 0 : limit, verr, verw);
  }
}

void test(void) {
  data = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  unsigned base = (unsigned)(unsigned long)data;
  for (int i = 0; i < 2048; i++) data[i] = 0x1000 + i;
  if (set(0, base, 0xfff, 0, 1, 0, 0, 0) != 0) {
    skip("ldt", "no modify_ldt");
    return;
  }
  report("ldt read-only", "%ld", set(1, base, 0xfff, 0, 1, 1, 0, 0));
  report("ldt absent", "%ld", set(2, base, 0xfff, 0, 1, 0, 0, 1));
  report("ldt code", "%ld", set(3, base, 1, 2, 1, 0, 1, 0));
  report("ldt execute-only", "%ld", set(4, base, 1, 2, 1, 1, 1, 0));
  report("ldt expand-down", "%ld", set(5, base, 0xfff, 1, 1, 0, 0, 0));
  report("ldt conforming", "%ld", set(6, base, 1, 3, 1, 0, 1, 0) == 0 ? 0L : (long)errno);
  long small = set(7, base, 0xfff, 0, 0, 0, 0, 0);
  if (small) skip("ldt 0x3", "no 16-bit segments"), skip("gdt 0x3", "no 16-bit segments");
  describe("ldt", 0x04, 0x07);
  describe("ldt", 0x0f, 0x0f);
  describe("ldt", 0x17, 0x17);
  describe("ldt", 0x1f, 0x1f);
  describe("ldt", 0x27, 0x27);
  describe("ldt", 0x2f, 0x2f);
  describe("ldt", 0x37, 0x37);
  describe("ldt", 0x3f, 0x4f);
#if BITS == 64
  describe("gdt", 0x00, 0x3f);
  describe("gdt", 0x78, 0x8f);
#endif
  expect_value("first word", far_read(0x07, 0), 0x1000);
  report_trouble("last word", attempt(read_last), data);
  report_trouble("past the limit", attempt(read_past), data);
  report_trouble("across the limit", attempt(read_across), data);
  report_trouble("write to a read-only segment", attempt(write_read_only), data);
  report_trouble("below an expand-down limit", attempt(read_below), data);
  report_trouble("above an expand-down limit", attempt(read_above), data);
  static const unsigned loads[] = {0x00, 0x03, 0x0f, 0x17, 0x1f, 0x27, 0x2f, 0x47, 0x87, 0x07, 0x04, 0x10, 0x13, 0x2b, 0xfff7, 0x80};
  for (unsigned i = 0; i < sizeof loads / sizeof *loads; i++) {
    char name[40];
    selector = loads[i];
    if (BITS == 32 && selector && !(selector & 4)) continue; // another kernel, another GDT
    snprintf(name, sizeof name, "load 0x%x", selector);
    report_trouble(name, attempt(load_it), data);
    snprintf(name, sizeof name, "stack 0x%x", selector);
    if (selector != 0x07) report_trouble(name, attempt(into_ss), data);
  }
  // Clearing the entry of a loaded segment takes it away at the next return from the kernel.
  unsigned left, own;
  struct user_desc none = {.entry_number = 0};
  __asm__ volatile("mov %%es, %0\n mov %1, %%es" : "=&r"(own) : "r"(0x07));
  long cleared = syscall(SYS_modify_ldt, 1, &none, sizeof none);
  __asm__ volatile("mov %%es, %0\n mov %1, %%es" : "=&r"(left) : "r"(own));
  report("kernel cleared", "%ld, selector 0x%x", cleared, left & ~3);
}
