// MOV to CR0, CR4, CR8 and EFER: each bit flipped alone, and the combinations that the manual forbids (SDM vol. 2, MOV to CR; vol. 3, 2.5,
// 4.1, 9.8.5). LMSW, SMSW and CLTS with them.
#include "system.h"

#define BIT(n) (1ull << (n))
static struct cpuid one, seven, extended;

static void load_cr0(void *value) { write_cr0((word)value); }
static void load_cr4(void *value) { write_cr4((word)value); }
static void load_efer(void *value) { wrmsr(MSR_EFER, (word)value); }
static void lmsw(void *value) { asm volatile("lmsw %w0" : : "r"((word)value) : "memory"); }
static void clts(void *unused) { (void)unused; asm volatile("clts" : : : "memory"); }

/** Flips each bit of `bits` alone, by `load`, from `good`, and goes back: those for which it is #GP(0). */
static u64 refused(void (*load)(void *), word good, u64 bits) {
  u64 result = 0;
  for (unsigned n = 0; n < sizeof(word) * 8; n++) {
    if (!(bits & BIT(n))) continue;
    struct fault got = attempt(load, (void *)(good ^ (word)BIT(n)));
    if (got.vector == GP && got.error == 0) result |= BIT(n);
    else if (got.vector != NO_EXCEPTION) print("# bit %u: %s(%lx)\n", n, vector_name(got.vector), got.error);
    load((void *)good);
  }
  return result;
}

static void cr0(void) {
  word good = read_cr0();
  u64 bits = ~(u64)(PAGED ? CR0_PE | CR0_PG : CR0_PE | CR0_PG | CR0_NW);
  expect_value("bits of CR0 that cannot be flipped", refused(load_cr0, good, bits),
               (PAGED ? CR0_NW : 0) | (LONG ? 0xffffffff00000000ull : 0));
  write_cr0(good | 0x1ffaffc0ul);
  expect_value("reserved bits of CR0 are ignored", read_cr0(), good);
  write_cr0(good & ~0x10ul);
  expect_value("CR0.ET stays", read_cr0() & 0x10, 0x10);
  expect_fault("NW without CD", attempt(load_cr0, (void *)(good | CR0_NW)), GP, 0);
  expect_no_fault("NW with CD", attempt(load_cr0, (void *)(good | CR0_NW | CR0_CD)));
  write_cr0(good);
  expect_fault("PG without PE", attempt(load_cr0, (void *)((good | CR0_PG) & ~CR0_PE)), GP, 0);
#if LONG
  expect_fault("clearing PG in 64-bit code", attempt(load_cr0, (void *)(good & ~CR0_PG)), GP, 0);
#endif
  expect_value("CR0 after all of that", read_cr0(), good);
}

/** What CPUID allows in CR4. */
static u64 cr4_bits(void) {
  static const struct { u8 leaf, word, bit, cr4; } list[] = {
      {1, 3, 1, 0}, {1, 3, 1, 1}, {1, 3, 4, 2}, {1, 3, 2, 3}, {1, 3, 3, 4}, {1, 3, 6, 5}, {1, 3, 7, 6}, {1, 3, 13, 7}, {1, 3, 24, 9},
      {1, 3, 25, 10}, {7, 2, 2, 11}, {7, 2, 16, 12}, {1, 2, 5, 13}, {1, 2, 6, 14}, {7, 1, 0, 16}, {1, 2, 17, 17}, {1, 2, 26, 18},
      {7, 1, 7, 20}, {7, 1, 20, 21}, {7, 2, 3, 22}, {7, 2, 7, 23}, {7, 2, 31, 24}};
  u64 result = BIT(8); // PCE has no bit of its own
  for (unsigned i = 0; i < sizeof list / sizeof *list; i++) {
    const struct cpuid *leaf = list[i].leaf == 1 ? &one : &seven;
    u32 value = list[i].word == 1 ? leaf->b : list[i].word == 2 ? leaf->c : leaf->d;
    if (value & BIT(list[i].bit)) result |= BIT(list[i].cr4);
  }
  return result;
}

static void cr4(void) {
  word good = read_cr4();
  u64 allowed = cr4_bits(), tried = ~(u64)(CR4_PSE | CR4_PAE);
  tried &= ~(allowed & (CR4_SMEP | CR4_SMAP | BIT(12) | BIT(23))); // LA57 and CET have conditions, and the image lies in user pages
  if (!LONG) tried &= ~(u64)CR4_PCIDE;
  expect_value("bits of CR4 that CPUID does not announce, and no others, are refused", refused(load_cr4, good, tried), ~allowed & tried & (word)-1);
  expect_value("CR4 after that", read_cr4(), good);
#if LONG
  expect_fault("clearing PAE in long mode", attempt(load_cr4, (void *)(good & ~CR4_PAE)), GP, 0);
  if (allowed & CR4_PCIDE) {
    word cr3 = read_cr3();
    write_cr3(cr3 | 0x18);
    expect_fault("PCIDE while CR3 has low bits", attempt(load_cr4, (void *)(good | CR4_PCIDE)), GP, 0);
    write_cr3(cr3);
    write_cr4(good | CR4_PCIDE);
    write_cr3(cr3 | 0x18);
    expect_no_fault("another change of CR4 while PCIDE is set and CR3 has low bits", attempt(load_cr4, (void *)(good | CR4_PCIDE | CR4_TSD)));
    expect_fault("clearing PG with PCIDE", attempt(load_cr0, (void *)(read_cr0() & ~CR0_PG)), GP, 0);
    write_cr3(cr3);
    write_cr4(good);
  }
#else
  if (allowed & CR4_PCIDE || extended.d & BIT(29)) expect_fault("PCIDE outside long mode", attempt(load_cr4, (void *)(good | CR4_PCIDE)), GP, 0);
#endif
}

static void efer(void) {
  if (!(extended.d & (BIT(11) | BIT(20) | BIT(29)))) return;
  word good = rdmsr(MSR_EFER);
  u64 allowed = (extended.d & BIT(11) ? EFER_SCE : 0) | (extended.d & BIT(20) ? EFER_NXE : 0) | (PAGED ? 0 : EFER_LME);
  u64 tried = BIT(0) | BIT(8) | BIT(11) | 0xfe | BIT(9) | 0xfff90000; // not those with which processors add to it
  expect_value("bits of EFER that are refused", refused(load_efer, good, tried & ~BIT(21)), tried & ~BIT(21) & ~allowed & (PAGED ? ~0ull : ~0ull));
  expect_value("EFER after that", rdmsr(MSR_EFER), good);
#if LONG
  expect_fault("clearing LME while paging", attempt(load_efer, (void *)(good & ~EFER_LME)), GP, 0);
#elif PAGED
  if (extended.d & BIT(29)) expect_fault("setting LME while paging", attempt(load_efer, (void *)(good | EFER_LME)), GP, 0);
#endif
}

static void machine_status(void) {
  word good = read_cr0(), word_read;
  lmsw((void *)0xfffe);
  expect_value("LMSW sets MP, EM and TS, and cannot clear PE", (read_cr0() ^ good) & ~(CR0_MP | CR0_EM | CR0_TS), 0);
  expect_value("LMSW with ones", read_cr0() & 0xf, 0xf);
  asm volatile("smsw %0" : "=r"(word_read));
  expect_value("SMSW", word_read & 0xffff, (read_cr0()) & 0xffff);
  clts(0);
  expect_value("CLTS", read_cr0() & 0xf, 7);
  lmsw(0);
  expect_value("LMSW with zeros keeps PE", read_cr0() & 0xf, 1);
  write_cr0(good);
}

#if LONG
static void load_cr8(void *value) { asm volatile("mov %0, %%cr8" : : "r"(value) : "memory"); }
static void cr8(void) {
  word value;
  expect_value("bits of CR8 that are refused", refused(load_cr8, 0, ~0ull), ~0xfull);
  load_cr8((void *)11);
  asm volatile("mov %%cr8, %0" : "=r"(value));
  expect_value("CR8", value, 11);
  load_cr8(0);
}
#endif

#define NO_REGISTER(n) CODE(read_cr##n, ".byte 0x0f, 0x20, 0xc0 + 8 * " #n "\nint $0x30") CODE(write_cr##n, ".byte 0x0f, 0x22, 0xc0 + 8 * " #n "\nint $0x30")
NO_REGISTER(1) NO_REGISTER(5) NO_REGISTER(6) NO_REGISTER(7)
CODE(user_cr0, "mov %cr0, %" AX "\nint $0x30")
CODE(user_cr2, "mov %" AX ", %cr2\nint $0x30")
CODE(user_clts, "clts\nint $0x30")
CODE(user_lmsw, "lmsw %ax\nint $0x30")
CODE(memory_form, ".byte 0x0f, 0x20, 0x00\nint $0x30") // MOV from CR0 with mod 0: mod is ignored

void test_main(void) {
  one = cpuid(1, 0);
  if (cpuid(0, 0).a >= 7) seven = cpuid(7, 0);
  if (cpuid(0x80000000, 0).a >= 0x80000001) extended = cpuid(0x80000001, 0);
  cr0();
  cr4();
  efer();
  machine_status();
#if LONG
  cr8();
#endif
  const u8 *const absent[] = {read_cr1, write_cr1, read_cr5, write_cr5, read_cr6, write_cr6, read_cr7, write_cr7};
  for (unsigned i = 0; i < 8; i++)
    for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
      struct frame start = start_frame(absent[i], cpl);
      expect_fault(text("%s CR%u at CPL %u", i & 1 ? "writing" : "reading", i < 2 ? 1 : i / 2 + 4, cpl), attempt_at(&start), UD, 0);
    }
  const u8 *const user[] = {user_cr0, user_cr2, user_clts, user_lmsw};
  for (unsigned i = 0; i < 4; i++) {
    struct frame start = start_frame(user[i], 3);
    expect_fault(text("control register instruction %u at CPL 3", i), attempt_at(&start), GP, 0);
  }
  struct frame start = start_frame(memory_form, 0);
  struct fault got = attempt_at(&start);
  expect_value("MOV from CR0 ignores mod", got.vector == RETURNED ? got.frame.ax : 0, read_cr0());
}
