// What CR0.EM, CR0.TS, CR0.MP, CR4.OSFXSR, CR4.OSXMMEXCPT and CR4.OSXSAVE do to x87, MMX, SSE and state instructions (SDM vol. 3, 2.5,
// 13.1 to 13.4; vol. 2, tables 2-16 ff.), and what MXCSR and the XSAVE header refuse (SDM vol. 1, 10.2.3 and 13.8).
#include "system.h"

#define I(id, body) CODE(code_##id, body "\nint $0x30")
static u8 area[1024] __attribute__((used, aligned(64)));
static u32 mxcsr __attribute__((used)) = 0x1f80;
I(x87, "fninit") I(fwait, "fwait") I(mmx, "pxor %mm0, %mm0") I(emms, "emms") I(sse, "xorps %xmm0, %xmm0") I(sse2, "paddq %xmm0, %xmm0")
I(load, "movups area, %xmm0") I(ldmxcsr, "ldmxcsr mxcsr") I(stmxcsr, "stmxcsr mxcsr") I(fxsave, "fxsave area") I(fxrstor, "fxsave area\nfxrstor area")
I(sfence, "sfence") I(lfence, "lfence") I(prefetch, "prefetcht0 area") I(movnti, "movnti %eax, area") I(pause, "pause") I(clflush, "clflush area")
I(xsave, "mov $3, %eax\nxor %edx, %edx\nxsave area") I(xrstor, "mov $3, %eax\nxor %edx, %edx\nxrstor area")
I(divide, "ldmxcsr mxcsr\nxorps %xmm0, %xmm0\ndivps %xmm0, %xmm0") I(unaligned, "fxsave area + 8") I(xsave_unaligned, "mov $3, %eax\nxor %edx, %edx\nxsave area + 32")
I(only_fxrstor, "fxrstor area") I(aligned_operand, "addps area + 8, %xmm0")
I(pending, "fninit\nmov $0x303, %eax\npush %" AX "\nfldcw (%" SP ")\nfldz\nfld1\nfdiv %st(1), %st\nfwait")

enum unit { X87, WAIT, MMX, SSE, FENCE, FX, XSAVE };
static const struct { const char *name; const u8 *code; enum unit unit; } list[] = {
    {"FNINIT", code_x87, X87}, {"FWAIT", code_fwait, WAIT}, {"PXOR mm", code_mmx, MMX}, {"EMMS", code_emms, MMX}, {"XORPS", code_sse, SSE},
    {"PADDQ xmm", code_sse2, SSE}, {"MOVUPS", code_load, SSE}, {"LDMXCSR", code_ldmxcsr, SSE}, {"STMXCSR", code_stmxcsr, SSE}, {"FXSAVE", code_fxsave, FX},
    {"FXRSTOR", code_fxrstor, FX}, {"SFENCE", code_sfence, FENCE}, {"LFENCE", code_lfence, FENCE}, {"PREFETCHT0", code_prefetch, FENCE}, {"MOVNTI", code_movnti, FENCE},
    {"PAUSE", code_pause, FENCE}, {"CLFLUSH", code_clflush, FENCE}, {"XSAVE", code_xsave, XSAVE}, {"XRSTOR", code_xrstor, XSAVE}};

static unsigned expected(enum unit unit, word cr0, word cr4) {
  bool em = cr0 & CR0_EM, ts = cr0 & CR0_TS;
  switch (unit) {
  case X87: return em || ts ? NM : RETURNED;
  case WAIT: return cr0 & CR0_MP && ts ? NM : RETURNED;
  case MMX: return em ? UD : ts ? NM : RETURNED;
  case SSE: return em || !(cr4 & CR4_OSFXSR) ? UD : ts ? NM : RETURNED;
  case FX: return em ? UD : ts ? NM : RETURNED;
  case XSAVE: return !(cr4 & CR4_OSXSAVE) ? UD : ts ? NM : RETURNED;
  default: return RETURNED;
  }
}

static struct fault run(const u8 *code) {
  struct frame start = start_frame(code, 3);
  return attempt_at(&start);
}

static void gates(void) {
  word cr0 = read_cr0() & ~(CR0_EM | CR0_TS | CR0_MP), cr4 = read_cr4() & ~(CR4_OSFXSR | CR4_OSXSAVE);
  bool has_xsave = cpuid(1, 0).c & 1 << 26;
  for (unsigned n = 0; n < 32; n++) {
    word new_cr0 = cr0 | (n & 1 ? CR0_EM : 0) | (n & 2 ? CR0_TS : 0) | (n & 4 ? CR0_MP : 0);
    word new_cr4 = cr4 | (n & 8 ? CR4_OSFXSR : 0) | (n & 16 && has_xsave ? CR4_OSXSAVE : 0);
    if (n & 16 && !has_xsave) continue;
    for (unsigned i = 0; i < sizeof list / sizeof *list; i++) {
      write_cr0(new_cr0);
      write_cr4(new_cr4);
      struct fault got = run(list[i].code);
      write_cr0(cr0);
      expect_fault(text("%s with EM %u TS %u MP %u OSFXSR %u OSXSAVE %u", list[i].name, n & 1, n >> 1 & 1, n >> 2 & 1, n >> 3 & 1, n >> 4), got,
                   expected(list[i].unit, new_cr0, new_cr4), 0);
    }
  }
  write_cr4(read_cr4() | CR4_OSFXSR);
}

static void mxcsr_bits(void) {
  asm volatile("fxsave area" : : : "memory");
  u32 mask = *(u32 *)(area + 28) ? *(u32 *)(area + 28) : 0xffbf;
  for (unsigned bit = 0; bit < 32; bit++) {
    mxcsr = 0x1f80 ^ 1u << bit;
    expect_fault(text("LDMXCSR with bit %u", bit), run(code_ldmxcsr), mask >> bit & 1 ? RETURNED : GP, 0);
  }
  *(u32 *)(area + 24) = 0x1f80 | 1u << 16;
  expect_fault("FXRSTOR with a reserved bit of MXCSR", run(code_only_fxrstor), GP, 0);
  mxcsr = 0x1f80;
  asm volatile("ldmxcsr mxcsr");
  expect_fault("FXSAVE to an address that is not aligned to 16", run(code_unaligned), GP, 0);
  expect_fault("ADDPS of an operand that is not aligned to 16", run(code_aligned_operand), GP, 0);
}

static void exceptions(void) {
  mxcsr = 0x1f80 & ~0x80u; // invalid operations trap
  write_cr4(read_cr4() | 0x400);
  expect_fault("a SIMD exception with CR4.OSXMMEXCPT", run(code_divide), XM, 0);
  write_cr4(read_cr4() & ~0x400ul);
  expect_fault("a SIMD exception without it", run(code_divide), UD, 0);
  write_cr4(read_cr4() | 0x400);
  mxcsr = 0x1f80;
  asm volatile("ldmxcsr mxcsr");
  write_cr0(read_cr0() | CR0_NE | CR0_MP);
  expect_fault("a pending x87 exception with CR0.NE", run(code_pending), MF, 0);
  asm volatile("fninit");
}

/** XRSTOR of an image whose header has `value` in its word `i` (0 XSTATE_BV, 1 XCOMP_BV, 2 to 7 reserved). */
static void header(const char *name, unsigned i, u64 value, unsigned vector) {
  for (unsigned n = 0; n < sizeof area; n++) area[n] = 0;
  *(u32 *)(area + 24) = 0x1f80;
  ((u64 *)(area + 512))[i] = value;
  expect_fault(name, run(code_xrstor), vector, 0);
}

static void headers(void) {
  if (!(cpuid(1, 0).c & 1 << 26)) return;
  write_cr4(read_cr4() | CR4_OSXSAVE);
  asm volatile("xsetbv" : : "a"(3), "d"(0), "c"(0));
  header("XRSTOR of an empty image", 0, 0, RETURNED);
  header("XRSTOR of x87 and SSE", 0, 3, RETURNED);
  header("XRSTOR of a component that XCR0 lacks", 0, 4, GP);
  header("XRSTOR of bit 62", 0, 1ull << 62, GP);
  header("XRSTOR with XCOMP_BV 1", 1, 1, GP);
  header("XRSTOR with a reserved word", 2, 1, GP);
  header("XRSTOR with a later word of the header", 3, 1, RETURNED);
  bool compact = cpuid(0xd, 1).a & 2;
  header("XRSTOR of a compacted image", 1, 1ull << 63 | 3, compact ? RETURNED : GP);
  header("XRSTOR of a compacted image with a component that XCR0 lacks", 1, 1ull << 63 | 4, GP);
  expect_fault("XSAVE to an address that is not aligned to 64", run(code_xsave_unaligned), GP, 0);
  expect_value("bytes for what XCR0 has", cpuid(0xd, 0).b, 576);
}

void test_main(void) {
  gates();
  mxcsr_bits();
  exceptions();
  headers();
}
