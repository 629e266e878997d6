// Segments: what may be loaded where, limits of every kind, and the instructions that ask about descriptors (SDM vol. 3, 5.2 to 5.5; vol. 2,
// MOV, LAR, LSL, VERR, VERW, ARPL). Limits are compatibility mode's and protected mode's; the rest is in 64-bit code as well.
#include "system.h"

#define SEL_A SEL_FREE
#define SEL_LDT (SEL_FREE + 16)
CODE(load_es, "mov %eax, %es\nmov %es, %ebx\nint $0x30")
CODE(load_ss, "mov %eax, %ss\nmov %ss, %ebx\nint $0x30")
CODE(ask, "mov $0x5a5a5a5a, %ebx\nmov $0x5a5a5a5a, %ecx\nlar %ax, %ebx\nsetz %dl\nlsl %ax, %ecx\nsetz %dh\nint $0x30")

CODE(verify, "xor %esi, %esi\nxor %edi, %edi\nverr %ax\njnz 1f\ninc %esi\n1: verw %ax\njnz 2f\ninc %edi\n2: int $0x30")

static u64 ldt[4] __attribute__((aligned(16)));

static struct fault run(const u8 *code, unsigned cpl, word ax) {
  struct frame start = start_frame(code, cpl);
  start.ax = ax;
  return attempt_at(&start);
}

static void loads(void) {
  static const struct { const char *name; u8 access; unsigned rpl, cpl, vector, stack; } list[] = {
      {"writable data", 0x92, 0, 0, RETURNED, RETURNED}, {"read-only data", 0x90, 0, 0, RETURNED, GP},
      {"expand-down data", 0x96, 0, 0, RETURNED, RETURNED}, {"readable code", 0x9a, 0, 0, RETURNED, GP},
      {"execute-only code", 0x98, 0, 0, GP, GP}, {"conforming code", 0x9e, 0, 0, RETURNED, GP},
      {"execute-only conforming code", 0x9c, 0, 0, GP, GP}, {"absent data", 0x12, 0, 0, NP, SS}, {"absent code", 0x1a, 0, 0, NP, GP},
      {"an LDT", 0x82, 0, 0, GP, GP}, {"a call gate", 0x8c, 0, 0, GP, GP}, {"an empty descriptor", 0, 0, 0, GP, GP},
      {"data of DPL 3", 0xf2, 0, 0, RETURNED, GP}, {"data of DPL 3 by RPL 3", 0xf2, 3, 0, RETURNED, GP},
      {"data of DPL 0 by RPL 3", 0x92, 3, 0, GP, GP}, {"data of DPL 0 at CPL 3", 0x92, 3, 3, GP, GP},
      {"data of DPL 3 at CPL 3", 0xf2, 3, 3, RETURNED, RETURNED}, {"data of DPL 3 at CPL 3 by RPL 0", 0xf2, 0, 3, RETURNED, GP},
      {"code of DPL 0 at CPL 3", 0x9a, 3, 3, GP, GP}, {"conforming code of DPL 0 at CPL 3", 0x9e, 3, 3, RETURNED, GP},
      {"absent data of DPL 0 at CPL 3", 0x12, 3, 3, GP, GP},
  };
  for (unsigned i = 0; i < sizeof list / sizeof *list; i++) {
    for (unsigned stack = 0; stack < 2; stack++) {
      gdt[SEL_A / 8] = descriptor(0, list[i].access == 0x96 ? 0 : 0xfffff, list[i].access, 12); // expand-down: all above 4 KiB
      unsigned vector = stack ? list[i].stack : list[i].vector;
      struct fault got = run(stack ? load_ss : load_es, list[i].cpl, SEL_A | list[i].rpl);
      const char *name = text("%s in %s", list[i].name, stack ? "SS" : "ES");
      expect_fault(name, got, vector, SEL_A);
      if (vector == RETURNED) expect_value(text("selector of %s", name), got.frame.bx & 0xffff, SEL_A | list[i].rpl);
      expect_value(text("accessed bit of %s", name), gdt[SEL_A / 8] >> 40 & 0xff, list[i].access | (vector == RETURNED));
    }
  }
  expect_fault("null in ES", run(load_es, 3, 3), RETURNED, 0);
  expect_fault("null in SS", run(load_ss, 0, 0), LONG ? RETURNED : GP, 0);
  expect_fault("null in SS with RPL 3", run(load_ss, 0, 3), GP, 0);
  expect_fault("null in SS at CPL 3", run(load_ss, 3, 3), GP, 0);
  expect_fault("beyond the GDT", run(load_es, 0, 0x200), GP, 0x200);
  expect_fault("without LDT", run(load_es, 0, 0x0c), GP, 0x0c);
  ldt[1] = descriptor(0, 0xfffff, 0x92, 12);
  set_system_descriptor(SEL_LDT, (word)ldt, 15, 0x82);
  asm volatile("lldt %0" : : "r"((u16)SEL_LDT));
  expect_fault("in the LDT", run(load_es, 0, 0x0c), RETURNED, 0);
  expect_fault("entry 0 of the LDT is no null selector", run(load_es, 0, 0x04), GP, 0x04);
  expect_fault("beyond the LDT", run(load_es, 0, 0x14), GP, 0x14);
  asm volatile("lldt %0" : : "r"((u16)0));
}

/** LAR and LSL of a descriptor: what they give, or that they leave the register and clear ZF. */
static void describe(const char *name, u64 value, unsigned cpl, unsigned rpl, bool access, bool limit, u32 bytes) {
  gdt[SEL_A / 8] = value;
  gdt[SEL_A / 8 + 1] = 0;
  struct fault got = run(ask, cpl, SEL_A | rpl);
  expect_value(text("LAR of %s", name), (got.frame.dx & 0xff) << 32 / 2 | (u16)(got.frame.bx & 0xffff), access ? 1 << 16 | (value >> 32 & 0xff00) : 0x5a5a);
  if (access) expect_value(text("flags by LAR of %s", name), got.frame.bx & 0xf00000, value >> 32 & 0xf00000);
  expect_value(text("LSL of %s", name), (u64)(got.frame.dx >> 8 & 0xff) << 32 | (u32)got.frame.cx, limit ? (u64)1 << 32 | bytes : 0x5a5a5a5a);
}
static void check(const char *name, u8 access, unsigned cpl, unsigned rpl, bool readable, bool writable) {
  gdt[SEL_A / 8] = descriptor(0, 0xfffff, access, 12);
  struct fault got = run(verify, cpl, SEL_A | rpl);
  expect_value(text("VERR and VERW of %s", name), got.frame.si << 4 | got.frame.di, readable << 4 | writable);
}

static void questions(void) {
  describe("data", descriptor(0, 0x12345, 0x92, 4), 0, 0, true, true, 0x12345);
  describe("data with G", descriptor(0, 0x12345, 0x93, 8), 0, 0, true, true, 0x12345fff);
  describe("absent data", descriptor(0, 1, 0x12, 0), 0, 0, true, true, 1);
  describe("execute-only code", descriptor(0, 1, 0x98, 0), 0, 0, true, true, 1);
  describe("data of DPL 0 at CPL 3", descriptor(0, 1, 0x92, 0), 3, 0, false, false, 0);
  describe("data of DPL 0 by RPL 3", descriptor(0, 1, 0x92, 0), 0, 3, false, false, 0);
  describe("conforming code of DPL 0 at CPL 3", descriptor(0, 1, 0x9e, 0), 3, 3, true, true, 1);
  for (unsigned type = 0; type < 16; type++) {
    static const u16 with_access = 0x1a3e, with_limit = 0x0a0e, long_access = 0x1a04, long_limit = 0x0a04;
    describe(text("system type %u", type), descriptor(0, 0x67, 0x80 | type, 0), 0, 0, (LONG ? long_access : with_access) >> type & 1,
             (LONG ? long_limit : with_limit) >> type & 1, 0x67);
  }
  check("writable data", 0x92, 0, 0, true, true);
  check("read-only data", 0x90, 0, 0, true, false);
  check("readable code", 0x9a, 0, 0, true, false);
  check("execute-only code", 0x98, 0, 0, false, false);
  check("data of DPL 0 at CPL 3", 0x92, 3, 3, false, false);
  check("data of DPL 3 at CPL 3", 0xf2, 3, 3, true, true);
  check("data of DPL 0 by RPL 3", 0x92, 0, 3, false, false);
  check("conforming code of DPL 0 at CPL 3", 0x9e, 3, 3, true, false);
  check("a TSS", 0x89, 0, 0, false, false);
  expect_value("VERR and VERW of null", run(verify, 0, 3).frame.si, 0);
  expect_value("VERR beyond the GDT", run(verify, 0, 0x200).frame.si, 0);
  gdt[SEL_A / 8] = 0;
}

#if !LONG
CODE(read8, "mov %es:(%ebx), %al\nint $0x30")
CODE(read32, "mov %es:(%ebx), %eax\nint $0x30")
CODE(write32, "mov %eax, %es:(%ebx)\nint $0x30")
CODE(narrow_push, "mov %ecx, %ss\nmov %ebx, %esp\npush %eax\nmov %esp, %ebx\npush %ds\npop %ss\nmov %edx, %esp\nint $0x30")
static u8 area[0x2000] __attribute__((aligned(4096)));

static void limit(const char *name, u32 bound, u8 access, u8 flags, const u8 *code, u32 offset, bool good) {
  gdt[SEL_A / 8] = descriptor((word)area, bound, access, flags);
  struct frame start = start_frame(code, 0);
  start.es = SEL_A, start.bx = offset, start.ax = 0;
  expect_fault(name, attempt_at(&start), good ? RETURNED : GP, 0);
}

static void limits(void) {
  limit("the last dword", 0xfff, 0x93, 4, read32, 0xffc, true);
  limit("a dword over the limit", 0xfff, 0x93, 4, read32, 0xffd, false);
  limit("the last byte", 0xfff, 0x93, 4, read8, 0xfff, true);
  limit("the byte behind it", 0xfff, 0x93, 4, read8, 0x1000, false);
  limit("a dword that wraps", 0xfff, 0x93, 4, read32, 0xfffffffe, false);
  limit("limit 0 has one byte", 0, 0x93, 4, read8, 0, true);
  limit("limit 0 has no dword", 0, 0x93, 4, read32, 0, false);
  limit("G: the last dword of a page", 0, 0x93, 12, read32, 0xffc, true);
  limit("G: over the page", 0, 0x93, 12, read32, 0xffd, false);
  limit("expand-down: above the limit", 0xfff, 0x97, 4, read32, 0x1000, true);
  limit("expand-down: at the limit", 0xfff, 0x97, 4, read8, 0xfff, false);
  limit("expand-down: over the limit", 0xfff, 0x97, 4, read32, 0xffe, false);
  limit("expand-down, 16 bits: below FFFF", 0xfff, 0x97, 0, read32, 0xfffc, true);
  limit("expand-down, 16 bits: over FFFF", 0xfff, 0x97, 0, read32, 0xfffd, false);
  limit("expand-down, 16 bits: above FFFF", 0xfff, 0x97, 0, read8, 0x10000, false);
  limit("writing read-only data", 0xfff, 0x91, 4, write32, 0, false);
  limit("writing code", 0xfff, 0x9b, 4, write32, 0, false);
  limit("reading code", 0xfff, 0x9b, 4, read32, 0, true);
  struct frame start = start_frame(read8, 0);
  start.es = 0;
  expect_fault("reading through null", attempt_at(&start), GP, 0);
  // 32-bit code on a 16-bit stack: SP wraps, the upper half of ESP stays
  gdt[SEL_A / 8] = descriptor(0x20000, 0xffff, 0x93, 0);
  start = start_frame(narrow_push, 0);
  start.cx = SEL_A, start.bx = 0x12340000, start.dx = start.sp;
  struct fault got = attempt_at(&start);
  expect_fault("a push on a 16-bit stack", got, RETURNED, 0);
  expect_value("ESP after it", got.frame.bx, 0x1234fffc);
}
#endif

void test_main(void) {
  loads();
  questions();
#if !LONG
  limits();
#endif
}
