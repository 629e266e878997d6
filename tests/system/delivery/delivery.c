// What can go wrong on the way to a handler, and which exception comes of it.
#include "system.h"

CODE(int_50, "int $0x50\n" END)
CODE(int_20_90, "int $0x90\n" END)
CODE(ud2, "ud2")
CODE(int3, "int3\n" END)
CODE(icebp, ".byte 0xf1\n" END)
CODE(load_bad, "mov $0x1f8, %eax\nmov %eax, %ds")
CODE(divide, "xor %ecx, %ecx\ndiv %ecx")
CODE(flags_set, "pushf\norl $0x4000, (%" SP ")\npopf\nint $0x50\n" END)
CODE(privileged, "cli\n" END)
CODE(touch, "mov (%" REG(bx) "), %eax\n" END)
#if !LONG
CODE(into, "movb $127, %al\nadd $1, %al\ninto\n" END)
CODE(bound_in, "mov $5, %eax\n.byte 0x62, 0x03\n" END)
CODE(bound_out, "mov $9, %eax\n.byte 0x62, 0x03\n" END)
#else
CODE(into, ".byte 0xce\n" END)
CODE(bound_in, ".byte 0x62, 0x03\n" END)
#endif

static struct fault run(const u8 *code, unsigned cpl) {
  struct frame start = start_frame(code, cpl);
  start.bx = (word)&start;
  return attempt_at(&start);
}

static word handler_flags;
static bool note_flags(struct frame *frame) {
  handler_flags = read_flags();
  return frame != 0;
}

static void test_gates(void) {
  set_hook(0x50, note_flags);
  for (unsigned trap = 0; trap <= 1; trap++) {
    set_gate(0x50, default_handler(0x50), SEL_CODE, 0xee + trap, 0);
    struct frame start = start_frame(flags_set, 0);
    start.flags |= FLAG_IF;
    struct fault got = attempt_at(&start);
    const char *kind = trap ? "trap gate" : "interrupt gate";
    expect_fault(text("%s resumes", kind), got, RETURNED, 0);
    expect_value(text("IF behind the %s", kind), handler_flags & FLAG_IF, trap ? FLAG_IF : 0);
    expect_value(text("NT and TF behind the %s", kind), handler_flags & (FLAG_NT | FLAG_TF), 0);
  }
  set_hook(0x50, 0);

  static const struct {
    const char *name;
    u8 type;
    u16 selector;
    unsigned vector;
    word error;
  } list[] = {
      {"a gate that is not present", 0x6e, SEL_CODE, NP, 0x50 * 8 + 2},
      {"a gate of no type", 0xe0, SEL_CODE, GP, 0x50 * 8 + 2},
      {"an LDT descriptor as gate", 0xe2, SEL_CODE, GP, 0x50 * 8 + 2},
      {"a gate to the null selector", 0xee, 0, GP, 0},
      {"a gate to data", 0xee, SEL_DATA, GP, SEL_DATA},
      {"a gate beyond the GDT", 0xee, 0x208, GP, 0x208},
      {"a gate to a segment that is not present", 0xee, SEL_FREE, NP, SEL_FREE},
      {"a gate to a less privileged segment", 0xee, SEL_USER_CODE, GP, SEL_USER_CODE & ~3},
  };
  gdt[SEL_FREE / 8] = gdt[SEL_CODE / 8] & ~(1ull << 47);
  for (unsigned i = 0; i < sizeof list / sizeof *list; i++) {
    set_gate(0x50, default_handler(0x50), list[i].selector, list[i].type, 0);
    for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
      bool lower = list[i].selector == SEL_USER_CODE;
      if (lower && cpl) continue; // from CPL 3 that is a gate to the same level
      expect_fault(text("%s at CPL %u", list[i].name, cpl), run(int_50, cpl), list[i].vector, list[i].error);
    }
    // The same for an exception: EXT is set.
    set_gate(UD, default_handler(UD), list[i].selector, list[i].type & 0x9f, 0);
    word error = list[i].error == 0x50 * 8 + 2 ? UD * 8 + 2 : list[i].error;
    expect_fault(text("%s for #UD", list[i].name), run(ud2, 0), list[i].vector, error | 1);
  }
  set_gate(UD, default_handler(UD), SEL_CODE, 0x8e, 0);

  struct table_register small = {0x80 * sizeof(struct gate) - 1, (word)idt}, whole = {sizeof idt - 1, (word)idt};
  asm volatile("lidt %0" : : "m"(small));
  expect_fault("a vector beyond the IDT", run(int_20_90, 0), GP, 0x90 * 8 + 2);
  asm volatile("lidt %0" : : "m"(whole));
}

static void test_software(void) {
  set_gate(BP, default_handler(BP), SEL_CODE, 0x8e, 0);
  expect_fault("INT3 through a gate of DPL 0 at CPL 0", run(int3, 0), BP, 0);
  expect_fault("INT3 through a gate of DPL 0 at CPL 3", run(int3, 3), GP, BP * 8 + 2);
  set_gate(BP, default_handler(BP), SEL_CODE, 0xee, 0);
  expect_fault("INT1 through a gate of DPL 0 at CPL 3", run(icebp, 3), DB, 0);
#if !LONG
  struct fault got = run(into, 3);
  expect_fault("INTO at CPL 3", got, OF, 0);
  expect_value("RIP of INTO", got.frame.ip - (word)into, 5);
  set_gate(OF, default_handler(OF), SEL_CODE, 0x8e, 0);
  expect_fault("INTO through a gate of DPL 0 at CPL 3", run(into, 3), GP, OF * 8 + 2);
  set_gate(OF, default_handler(OF), SEL_CODE, 0xee, 0);
  static const u32 bounds[2] = {0, 8};
  for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
    struct frame start = start_frame(bound_in, cpl);
    start.bx = (word)bounds;
    expect_fault(text("BOUND inside at CPL %u", cpl), attempt_at(&start), RETURNED, 0);
    start.ip = (word)bound_out;
    struct fault bound = attempt_at(&start);
    expect_fault(text("BOUND outside at CPL %u", cpl), bound, BR, 0);
    expect_value(text("RIP of BOUND at CPL %u", cpl), bound.frame.ip - (word)bound_out, 5);
  }
#else
  expect_fault("INTO", run(into, 3), UD, 0);
  expect_fault("BOUND", run(bound_in, 3), UD, 0);
#endif
}

/** Breaks the gate of `vector` for one run. */
static struct fault with_broken_gate(unsigned vector, const u8 *code, unsigned cpl) {
  struct gate good = idt[vector];
  idt[vector].type &= 0x7f;
  struct fault got = run(code, cpl);
  idt[vector] = good;
  return got;
}

static void test_double(void) {
  for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
    expect_fault(text("#GP whose gate is absent at CPL %u", cpl), with_broken_gate(GP, load_bad, cpl), DF, 0);
    expect_fault(text("#DE whose gate is absent at CPL %u", cpl), with_broken_gate(DE, divide, cpl), DF, 0);
    expect_fault(text("#UD whose gate is absent at CPL %u", cpl), with_broken_gate(UD, ud2, cpl), NP, UD * 8 + 3);
    expect_fault(text("#DB whose gate is absent at CPL %u", cpl), with_broken_gate(DB, icebp, cpl), NP, DB * 8 + 3);
  }
  struct fault got = with_broken_gate(GP, load_bad, 0);
  expect_value("RIP of a double fault", got.frame.ip - (word)load_bad, 5);
#if PAGED
  struct frame start = start_frame(touch, 3);
  word page = (word)alloc_pages(1);
  map_page(page, page, 0);
  start.bx = page;
  idt[PF].type &= 0x7f;
  got = attempt_at(&start);
  idt[PF].type |= 0x80;
  expect_fault("#PF whose gate is absent", got, DF, 0);
#if LONG
  // An inner stack that is not there: what comes first is followed by #PF; IST stacks keep #PF and #DF deliverable.
  word sp0 = this_cpu()->tss.sp[0];
  this_cpu()->tss.sp[0] = page + 4096;
  set_gate(PF, default_handler(PF), SEL_CODE, 0x8e, 1);
  got = run(ud2, 3);
  expect_fault("#UD onto an absent stack", got, PF, PF_W);
  expect_value("CR2 of an absent stack", got.cr2, page + 4096 - 8);
  expect_fault("#GP onto an absent stack", run(load_bad, 3), PF, PF_W);
  expect_value("CS of a fault onto an absent stack", got.frame.cs, SEL_USER_CODE);
  set_gate(PF, default_handler(PF), SEL_CODE, 0x8e, 0);
  expect_fault("#UD and #PF onto an absent stack", run(ud2, 3), DF, 0);
  this_cpu()->tss.sp[0] = 0x800000000000;
  expect_fault("#UD onto a stack that is not canonical", with_broken_gate(NMI, ud2, 3), DF, 0);
  this_cpu()->tss.sp[0] = sp0;
#endif
#endif
}

/** Levels 1 and 2 are kernels to pages and users to instructions. */
static void test_rings(void) {
  for (unsigned cpl = 1; cpl <= 2; cpl++) {
    u64 dpl = (u64)cpl << 45;
    gdt[SEL_FREE / 8 + cpl * 2] = (gdt[SEL_CODE / 8] & ~(3ull << 45)) | dpl;
    gdt[SEL_FREE / 8 + cpl * 2 + 1] = (gdt[SEL_DATA / 8] & ~(3ull << 45)) | dpl;
    struct frame start = start_frame(privileged, cpl);
    start.cs = SEL_FREE + cpl * 16 + cpl;
    start.ss = start.cs + 8;
#if !LONG
    start.ds = start.es = start.fs = start.gs = start.ss;
#endif
    struct fault got = attempt_at(&start);
    expect_fault(text("CLI at CPL %u", cpl), got, GP, 0);
    expect_value(text("CS at CPL %u", cpl), got.frame.cs, start.cs);
    expect_value(text("SS at CPL %u", cpl), got.frame.ss, start.ss);
    start.flags |= (word)cpl << 12;
    expect_fault(text("CLI at CPL %u with IOPL %u", cpl, cpl), attempt_at(&start), RETURNED, 0);
    start.ip = (word)int_50;
    set_gate(0x50, default_handler(0x50), SEL_CODE, 0x8e | (cpl - 1) << 5, 0);
    expect_fault(text("INT n at CPL %u above the gate", cpl), attempt_at(&start), GP, 0x50 * 8 + 2);
    set_gate(0x50, default_handler(0x50), SEL_CODE, 0x8e | cpl << 5, 0);
    expect_fault(text("INT n at CPL %u with the gate", cpl), attempt_at(&start), 0x50, 0);
#if PAGED
    word page = (word)alloc_pages(1);
    map_page(page, page, PTE_P | PTE_W);
    start.ip = (word)touch;
    start.bx = page;
    expect_fault(text("a supervisor page at CPL %u", cpl), attempt_at(&start), RETURNED, 0);
#endif
  }
}

void test_main(void) {
  test_gates();
  test_software();
  test_double();
  test_rings();
}
