// Accesses that the processor makes by itself, to descriptor tables and to the TSS: they are the supervisor's whatever the CPL, and under
// CR4.SMAP they may never touch user pages, EFLAGS.AC or not (SDM vol. 3, 4.6). An LDT, gate 0x51 of the IDT and the I/O permission bitmap
// lie in a window of their own; the rest of the IDT and of the TSS ends in the page below.
#include "system.h"

#define GATES 0x40001000ul  // gate 0x51 and, at 0x800, the LDT
#define BITMAP 0x40003000ul // the I/O permission bitmap
static u8 *gates, *bitmap;
static bool smap;

CODE(load_kernel, "mov $0x0c, %eax\nmov %eax, %ds\nint $0x30")
CODE(load_user, "mov $0x17, %eax\nmov %eax, %ds\nint $0x30")
CODE(lar, "mov $0x17, %ecx\nlar %ecx, %eax\nint $0x30")
CODE(interrupt, "int $0x51\nint $0x30")
CODE(read_port, "in $0x80, %al\nint $0x30")
CODE(just_return, "iret" W_SUFFIX)

struct place { const char *name; const u8 *kernel, *user; word window; };

static struct fault run(const struct place *place, unsigned cpl, bool ac, pte flags) {
  map_page(place->window, (word)(place->window == GATES ? gates : bitmap), flags);
  struct frame start = start_frame(cpl ? place->user : place->kernel, cpl);
  static u8 kernel_stack[2048];
  if (cpl == 0) start.sp = (word)(kernel_stack + sizeof kernel_stack); // the fault's own frame is an explicit access
  if (ac) start.flags |= FLAG_AC;
  return attempt_at(&start);
}

static void check(const struct place *place) {
  for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
    if (!(cpl ? place->user : place->kernel)) continue;
    expect_fault(text("%s in a kernel page at CPL %u", place->name, cpl), run(place, cpl, false, PTE_P), RETURNED, 0);
    struct fault got = run(place, cpl, false, 0);
    expect_fault(text("%s in an absent page at CPL %u", place->name, cpl), got, PF, 0);
    expect_value(text("CR2 of %s in an absent page at CPL %u", place->name, cpl), got.cr2 >> 12, place->window >> 12);
    expect_fault(text("%s in a user page at CPL %u", place->name, cpl), run(place, cpl, false, PTE_P | PTE_U), RETURNED, 0);
    if (!smap) continue;
    for (unsigned ac = 0; ac < 2; ac++) {
      write_cr4(read_cr4() | CR4_SMAP);
      got = run(place, cpl, ac, PTE_P | PTE_U);
      write_cr4(read_cr4() & ~CR4_SMAP);
      expect_fault(text("%s in a user page at CPL %u under SMAP, AC %u", place->name, cpl, ac), got, PF, PF_P);
    }
  }
}

/** Code and the user stack are user pages, all other data is the kernel's. */
static void split_image(void) {
  extern u8 low_image[], low_bytes[], image_end[];
  word data = ((word)low_image + (word)low_bytes + 0xfff) & ~0xffful, user_stack = ((word)user_stack_top - 0x7000) & ~0xffful;
  for (word at = data; at < (word)image_end + 0x40000; at += 0x1000)
    if (at < user_stack || at > (word)user_stack_top) *entry_of(at, 1) &= ~(pte)PTE_U;
  write_cr3(read_cr3());
}

static void lay_out(void) {
  gates = alloc_pages(1);
  bitmap = alloc_pages(1);
  u8 *below_gates = alloc_pages(1), *below_bitmap = alloc_pages(1);
  map_page(GATES - 0x1000, (word)below_gates, PTE_P | PTE_W);
  map_page(GATES, (word)gates, PTE_P | PTE_W);
  map_page(BITMAP - 0x1000, (word)below_bitmap, PTE_P | PTE_W);
  map_page(BITMAP, (word)bitmap, PTE_P | PTE_W);
  set_gate(0x51, just_return, SEL_CODE, 0xee, 0);
  struct gate *table = (struct gate *)GATES - 0x51;
  for (unsigned i = 0; i < 0x52; i++) table[i] = idt[i];
  struct table_register idtr = {0x52 * sizeof *table - 1, (word)table};
  asm volatile("lidt %0" : : "m"(idtr));
  u64 *ldt = (u64 *)(GATES + 0x800);
  ldt[1] = descriptor(0, 0xfffff, 0x93, 0xc);
  ldt[2] = descriptor(0, 0xfffff, 0xf3, 0xc);
  set_system_descriptor(SEL_FREE, (word)ldt, 0x17, 0x82);
  asm volatile("lldt %w0" : : "r"(SEL_FREE));
  struct tss *tss = (struct tss *)BITMAP - 1;
  *tss = this_cpu()->tss;
  tss->iomap = sizeof *tss;
  bitmap[0x11] = 0xff; // ports 0x80 to 0x8f are free, those behind are not
  set_system_descriptor(SEL_FREE + 16, (word)tss, sizeof *tss + 0x20, 0x89);
  asm volatile("ltr %w0" : : "r"(SEL_FREE + 16));
}

void test_main(void) {
  smap = cpuid(0, 0).a >= 7 && cpuid(7, 0).b & 1 << 20;
  static const struct place list[] = {{"a descriptor of the LDT", load_kernel, load_user, GATES}, {"LAR's descriptor", lar, lar, GATES},
                                      {"a gate", interrupt, interrupt, GATES}, {"the I/O permission bitmap", 0, read_port, BITMAP}};
  lay_out();
  split_image();
  for (unsigned i = 0; i < sizeof list / sizeof *list; i++) check(&list[i]);
}
