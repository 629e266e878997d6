// Port I/O by a program: iopl and ioperm, with CLI and STI, over fork and for ports beside those allowed. Kernels without either say so.
#include "lib/userland.h"
#include <sys/io.h>

static void out_80(void) { __asm__ volatile("outb %al, $0x80"); }
static void out_ed(void) { __asm__ volatile("outb %al, $0xed"); }
static void out_81(void) { __asm__ volatile("outb %al, $0x81"); }
static void out_wide(void) { __asm__ volatile("outw %ax, $0x80"); }
static void out_last(void) { __asm__ volatile("mov $0xffff, %%edx\n outb %%al, %%dx" ::: "edx"); }
static void out_last_wide(void) { __asm__ volatile("mov $0xffff, %%edx\n outw %%ax, %%dx" ::: "edx"); }
static void cli_sti(void) { __asm__ volatile("cli\n sti"); }
static char byte;
static void ins_80(void) { __asm__ volatile("cld\n insb" : : "d"(0x80), "D"(&byte) : "memory"); }

static void all(const char *when) {
  struct { const char *name; void (*body)(void); } tries[] = {{"out 0x80", out_80}, {"out 0x81", out_81}, {"out 0xed", out_ed}, {"out 16 bits to 0x80", out_wide},
      {"out 0xffff", out_last}, {"out 16 bits to 0xffff", out_last_wide}, {"cli and sti", cli_sti}, {"ins 0x80", ins_80}};
  for (unsigned i = 0; i < sizeof tries / sizeof *tries; i++) {
    char name[80];
    snprintf(name, sizeof name, "ports %s: %s", when, tries[i].name);
    report_trouble(name, attempt(tries[i].body), NULL);
  }
}
static void child(void) { all("in a child"); }

void test(void) {
  all("at first");
  if (ioperm(0x80, 1, 1)) {
    skip("ports", "no ioperm");
    return;
  }
  all("with 0x80");
  in_child(child);
  ioperm(0xffff, 1, 1);
  all("with 0x80 and 0xffff");
  ioperm(0x80, 1, 0);
  ioperm(0xffff, 1, 0);
  all("with none");
  iopl(3);
  // Linux emulates IOPL by the bitmap since 5.5: all ports; CLI and STI do nothing.
  all("with iopl 3");
  iopl(0);
  all("with iopl 0");
}
