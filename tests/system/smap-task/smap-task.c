// A #PF through a task gate under SMAP: the handler's task sets EFLAGS.AC in the interrupted task's TSS, so that its IRET comes back with AC
// and the access succeeds (SDM vol. 3, 4.6 and 7.3). The translations that AC chooses between must follow the task switch both ways.
#include "system.h"

#define WINDOW 0x40000000ul
static volatile u32 *const window = (volatile u32 *)WINDOW;
u32 faults, last_error, flags_in_handler;
struct tss *interrupted;
static struct tss handler_tss;
static u8 handler_stack[4096];
CODE(handler, "pushf\npop flags_in_handler\npop last_error\nincl faults\nmov interrupted, %eax\norl $0x40000, 36(%eax)\niret\njmp handler")

static void split_image(void) {
  extern u8 image_end[];
  for (word at = 0x100000; at < (word)image_end + 0x40000; at += 0x1000) *entry_of(at, 1) &= ~(pte)PTE_U;
  write_cr3(read_cr3());
}

static void ac(bool set) {
  if (set) asm volatile("stac" : : : "memory");
  else asm volatile("clac" : : : "memory");
}

static void check(const char *name, bool with_ac, bool store, unsigned expected_faults) {
  for (unsigned flush = 0; flush < 2; flush++) {
    faults = 0;
    ac(with_ac);
    if (flush) invlpg(WINDOW);
    if (store) *window = 43;
    u32 value = *window;
    bool after = read_flags() & FLAG_AC;
    ac(false);
    expect_value(text("%s%s: faults", name, flush ? " after INVLPG" : ""), faults, expected_faults);
    expect_value(text("%s%s: value", name, flush ? " after INVLPG" : ""), value, 43);
    expect_true(text("%s%s: AC afterwards", name, flush ? " after INVLPG" : ""), after);
    if (expected_faults) expect_value(text("%s%s: error code", name, flush ? " after INVLPG" : ""), last_error, PF_P | (store ? PF_W : 0));
  }
}

void test_main(void) {
  if (!(cpuid(0, 0).a >= 7 && cpuid(7, 0).b & 1 << 20)) {
    expect_true("a processor without SMAP", true);
    return;
  }
  u32 *page = alloc_pages(1);
  *page = 43;
  split_image();
  map_page(WINDOW, (word)page, PTE_P | PTE_W | PTE_U);
  interrupted = &this_cpu()->tss;
  interrupted->cr3 = read_cr3();
  handler_tss = (struct tss){.cr3 = read_cr3(), .ip = (word)handler, .flags = FLAG_FIXED, .sp = (word)(handler_stack + sizeof handler_stack), .cs = SEL_CODE, .es = SEL_DATA,
                             .ss = SEL_DATA, .ds = SEL_DATA, .iomap = sizeof handler_tss};
  set_system_descriptor(SEL_FREE, (word)&handler_tss, sizeof handler_tss - 1, 0x89);
  set_gate(PF, 0, SEL_FREE, 0x85, 0);
  write_cr4(read_cr4() | CR4_SMAP);
  check("a read with AC", true, false, 0);
  check("a read without AC", false, false, 1);
  check("a write with AC", true, true, 0);
  check("a write without AC", false, true, 1);
  expect_value("AC in the handler's task", flags_in_handler & FLAG_AC, 0);
  write_cr4(read_cr4() & ~CR4_SMAP);
  set_gate(PF, default_handler(PF), SEL_CODE, 0x8e, 0);
}
