// Interrupts that a processor sends to itself: acceptance, priorities, windows, errors, NMIs; in xAPIC and in x2APIC mode (SDM vol. 3, 6.7, 11.6-11.9).
#include "apic.h"

static const char *mode;
static volatile u32 seen[3]; // what a handler found

/** Sends to this processor, whatever the mode's way of naming it. */
static void self(u32 vector) { ipi(0, ICR_SELF | ICR_ASSERT | vector); }

static void test_addressing(void) {
  struct { const char *name; u32 destination, command; } ways[] = {
      {"shorthand self", 0, ICR_SELF}, {"shorthand all", 0, ICR_ALL}, {"physical", apic_id(), ICR_ASSERT}, {"physical broadcast", in_x2apic() ? ~0u : 0xff, ICR_ASSERT},
      {"logical", in_x2apic() ? apic_read(APIC_LDR) : 4, ICR_ASSERT | ICR_LOGICAL}, {"lowest priority", in_x2apic() ? apic_read(APIC_LDR) : 6, ICR_ASSERT | ICR_LOGICAL | ICR_LOWEST},
  };
  if (!in_x2apic()) apic_write(APIC_LDR, 4u << 24);
  for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
    forget();
    ipi(ways[i].destination, ways[i].command | 0x51);
    open_window();
    expect_value(text("%s: %s reaches itself", mode, ways[i].name), came(), 0x51);
  }
  forget();
  if (in_x2apic()) apic_write(APIC_SELF_IPI, 0x52);
  else {
    apic_write(APIC_DFR, 0x0fffffff); // cluster model
    apic_write(APIC_LDR, 0x32u << 24);
    ipi(0x13, ICR_ASSERT | ICR_LOGICAL | 0x51); // another cluster
    ipi(0x31, ICR_ASSERT | ICR_LOGICAL | 0x51); // another member
    ipi(0x3a, ICR_ASSERT | ICR_LOGICAL | 0x52);
    apic_write(APIC_DFR, ~0u);
  }
  open_window();
  expect_value(text("%s: %s", mode, in_x2apic() ? "the self-IPI register" : "the cluster model"), came(), 0x52);
  forget();
  ipi(0, ICR_OTHERS | 0x51);
  open_window();
  expect_value(text("%s: all but self does not reach itself", mode), came(), 0);
}

static bool nesting(struct frame *frame) {
  arrived[arrivals++] = frame->vector;
  seen[0] = apic_read(APIC_PPR);
  seen[1] = apic_bit(APIC_ISR, 0x71);
  self(0x61);
  self(0x7f);
  self(0x81);
  open_window();
  seen[2] = arrivals;
  eoi();
  return true;
}

static void test_priorities(void) {
  forget();
  self(0x61), self(0x71), self(0x51);
  expect_true(text("%s: a request waits in the IRR", mode), apic_bit(APIC_IRR, 0x61) && !apic_bit(APIC_ISR, 0x61));
  self(0x61);
  open_window();
  expect_value(text("%s: the highest vector comes first, the same one once", mode), came(), 0x716151);
  forget();
  apic_write(APIC_TPR, 0x60);
  expect_value(text("%s: the processor priority follows the task's", mode), apic_read(APIC_PPR), 0x60);
  self(0x6f), self(0x71);
  open_window();
  expect_value(text("%s: the task priority holds its class back", mode), came(), 0x71);
  sti();
  apic_write(APIC_TPR, 0x50);
  cli();
  expect_value(text("%s: and lets it through when it falls", mode), came(), 0x716f);
  apic_write(APIC_TPR, 0);
  forget();
  set_hook(0x71, nesting);
  self(0x71);
  open_window();
  set_hook(0x71, note);
  expect_value(text("%s: in a handler only higher classes interrupt", mode), came(), 0x71817f61);
  expect_value(text("%s: the processor priority is the class in service", mode), seen[0], 0x70);
  expect_value(text("%s: the vector is in service", mode), seen[1], 1);
  expect_value(text("%s: one came inside", mode), seen[2], 2);
  expect_value(text("%s: nothing is in service afterwards", mode), apic_read(APIC_PPR), 0);
  eoi();
#if LONG
  u64 cr8;
  apic_write(APIC_TPR, 0x7f);
  asm volatile("mov %%cr8, %0" : "=r"(cr8));
  expect_value(text("%s: CR8 is the upper half of the task priority", mode), cr8, 7);
  asm volatile("mov %0, %%cr8" : : "r"(9ul));
  expect_value(text("%s: and sets it", mode), apic_read(APIC_TPR), 0x90);
  apic_write(APIC_TPR, 0);
#endif
}

static void test_windows(void) {
  forget();
  self(0x51);
  asm volatile("sti\nint $0x52\ncli" : : : "memory");
  expect_value(text("%s: INT n in the shadow of STI comes first", mode), came(), 0x5251);
  forget();
  self(0x51);
  asm volatile("sti\nhlt\ncli" : : : "memory");
  expect_value(text("%s: STI, HLT wakes for what waits", mode), came(), 0x51);
  forget();
  self(0x51);
  asm volatile("sti\ncli\nnop" : : : "memory");
  expect_value(text("%s: STI, CLI opens nothing", mode), came(), 0);
  write_flags(read_flags() | FLAG_IF);
  asm volatile("cli");
  expect_value(text("%s: POPF has no shadow", mode), came(), 0x51);
}

static void test_errors(void) {
  apic_write(APIC_ESR, 0);
  apic_write(APIC_ESR, 0);
  apic_write(APIC_LVT_ERROR, 0x58);
  set_hook(5, note); // where it is delivered nevertheless
  forget();
  self(5);
  open_window();
  set_hook(5, 0);
  expect_value(text("%s: sending an illegal vector is an error", mode), came(), 0x58);
  apic_write(APIC_ESR, 0);
  expect_value(text("%s: that the status register names when it is written", mode), apic_read(APIC_ESR), 0x20);
  apic_write(APIC_ESR, 0);
  expect_value(text("%s: and forgets at the next write", mode), apic_read(APIC_ESR), 0);
  apic_write(APIC_LVT_ERROR, LVT_MASKED);
  apic_write(APIC_SVR, 0xff);
  forget();
  self(0x51);
  apic_write(APIC_SVR, 0x1ff);
  open_window();
  expect_value(text("%s: a software-disabled APIC accepts nothing", mode), came(), 0);
}

static bool nmi_storm(struct frame *frame) {
  (void)frame;
  if (seen[0]++ == 0)
    for (int i = 0; i < 10; i++) ipi(apic_id(), ICR_NMI | ICR_ASSERT);
  seen[1] += seen[0] == 1; // still in the first one
  return true;
}

static void test_nmi(void) {
  set_hook(NMI, note);
  forget();
  ipi(apic_id(), ICR_NMI | ICR_ASSERT);
  asm volatile("nop" : : : "memory");
  expect_value(text("%s: an NMI comes with interrupts off, whatever its vector", mode), came(), 2);
  set_hook(NMI, nmi_storm);
  seen[0] = seen[1] = 0;
  ipi(apic_id(), ICR_NMI | 0x77);
  asm volatile("nop" : : : "memory");
  expect_value(text("%s: NMIs in a handler wait for its IRET, and are one", mode), seen[0], 2);
  expect_value(text("%s: none came inside", mode), seen[1], 1);
  set_hook(NMI, 0);
}

static void test_all(const char *name) {
  mode = name;
  test_addressing();
  test_priorities();
  test_windows();
  test_errors();
  test_nmi();
}

void test_main(void) {
  static const u8 vectors[] = {0x51, 0x52, 0x58, 0x61, 0x6f, 0x71, 0x7f, 0x81};
  for (unsigned i = 0; i < sizeof vectors; i++) set_hook(vectors[i], note);
  out8(0x21, 0xff), out8(0xa1, 0xff);
  lapic_write(APIC_SVR, 0x1ff);
  test_all("xAPIC");
  if (!has_x2apic()) return;
  apic_mode(true);
  test_all("x2APIC");
}
