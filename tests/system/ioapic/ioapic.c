// The I/O APIC behind the test device's wires: registers, edge and level, remote IRR, masks, changes while an interrupt is under way
// (82093AA datasheet; SDM vol. 3, 11.8.4 for the trigger mode register).
#include "apic.h"

#define PIN 14
static volatile unsigned tmr, remote, rounds;

static void test_registers(void) {
  u32 version = ioapic_read(1);
  expect_value("24 inputs", version >> 16 & 0xff, 23);
  ioapic_write(1, ~version);
  expect_value("the version is read only", ioapic_read(1), version);
  u32 id = ioapic_read(0);
  ioapic_write(0, ~id);
  expect_value("four bits of the ID can be written", id ^ ioapic_read(0), 0x0f000000);
  ioapic_write(0, 0x0b000000);
  expect_value("the arbitration ID follows", ioapic_read(2), 0x0b000000);
  ioapic_write(2, 0);
  expect_value("and is read only", ioapic_read(2), 0x0b000000);
  ioapic_write(0, id);
  ioapic_write(0x10 + 2 * PIN, ~0u);
  expect_value("status bits of an entry are the chip's", ioapic_read(0x10 + 2 * PIN) & 0x5000, 0);
}

/** Notes the trigger mode, drops the wire as often as the test wants, ends the interrupt. */
static bool drop(struct frame *frame) {
  tmr = apic_bit(APIC_TMR, frame->vector);
  remote = (ioapic_read(0x10 + 2 * PIN) & REDIRECT_REMOTE_IRR) != 0;
  if (rounds == 0 || --rounds == 0) line(PIN, 0);
  return note(frame);
}
static bool pulse_inside(struct frame *frame) {
  line(PIN, 0), line(PIN, 1), line(PIN, 0);
  return note(frame);
}
static bool mask_inside(struct frame *frame) {
  ioapic_write(0x10 + 2 * PIN, ioapic_read(0x10 + 2 * PIN) | REDIRECT_MASKED);
  return note(frame);
}
static bool move_inside(struct frame *frame) {
  line(PIN, 0);
  ioapic_write(0x11 + 2 * PIN, 1u << 24);
  return note(frame);
}

static void test_edges(void) {
  forget();
  redirect(PIN, 0x61, 0);
  line(PIN, 1), line(PIN, 0);
  open_window();
  expect_value("an edge interrupts", came(), 0x61);
  expect_value("edge: the trigger mode register is clear", tmr, 0);
  set_hook(0x61, note);
  forget();
  line(PIN, 1);
  open_window();
  line(PIN, 1);
  open_window();
  expect_value("a wire that stays high is one edge", came(), 0x61);
  line(PIN, 0);
  forget();
  redirect(PIN, 0x61, 0), redirect(PIN + 1, 0x52, 0);
  line(PIN + 1, 1), line(PIN + 1, 0), line(PIN, 1), line(PIN, 0);
  open_window();
  expect_value("of two that wait the higher vector comes first", came(), 0x6152);
  redirect(PIN + 1, REDIRECT_MASKED, 0);
  forget();
  redirect(PIN, REDIRECT_MASKED | 0x61, 0);
  line(PIN, 1), line(PIN, 0);
  ioapic_write(0x10 + 2 * PIN, 0x61);
  open_window();
  expect_value("an edge at a masked input is lost", came(), 0);
}

static void test_levels(void) {
  set_hook(0x62, drop);
  forget(), rounds = 1;
  redirect(PIN, REDIRECT_LEVEL | 0x62, 0);
  line(PIN, 1);
  open_window();
  expect_value("a level interrupts", came(), 0x62);
  expect_value("level: the trigger mode register is set", tmr, 1);
  expect_value("level: remote IRR is set until the EOI", remote, 1);
  expect_value("level: and clear after it", ioapic_read(0x10 + 2 * PIN) & REDIRECT_REMOTE_IRR, 0);
  forget(), rounds = 3;
  line(PIN, 1);
  open_window();
  expect_value("it comes again until the wire falls", came(), 0x626262);
  forget(), rounds = 1;
  line(PIN, 1), line(PIN, 0);
  open_window();
  expect_value("a level that went away has been latched", came(), 0x62);
  set_hook(0x62, pulse_inside);
  forget();
  line(PIN, 1);
  open_window();
  expect_value("pulses while it is in service are one with it", came(), 0x62);
  set_hook(0x62, drop);
  forget(), rounds = 1;
  redirect(PIN, REDIRECT_LEVEL | REDIRECT_MASKED | 0x62, 0);
  line(PIN, 1);
  open_window();
  expect_value("a masked level does not interrupt", came(), 0);
  ioapic_write(0x10 + 2 * PIN, REDIRECT_LEVEL | 0x62);
  open_window();
  expect_value("it does when it is unmasked", came(), 0x62);
  set_hook(0x62, mask_inside);
  forget();
  line(PIN, 1);
  open_window();
  ioapic_write(0x10 + 2 * PIN, REDIRECT_LEVEL | 0x62);
  open_window();
  expect_value("masked in its handler, it comes again when unmasked", came(), 0x6262);
  line(PIN, 0);
  redirect(PIN, REDIRECT_LEVEL | 0x62, 0);
  set_hook(0x62, move_inside);
  forget();
  line(PIN, 1);
  open_window();
  expect_value("its destination changed in its handler: remote IRR clears all the same", ioapic_read(0x10 + 2 * PIN) & REDIRECT_REMOTE_IRR, 0);
  redirect(PIN, 0x62, 0);
  set_hook(0x62, drop);
  forget();
  line(PIN, 1), line(PIN, 0);
  open_window();
  expect_value("the vector as an edge again", came(), 0x62);
  expect_value("edge after level: the trigger mode register is clear", tmr, 0);
}

static void test_destinations(void) {
  forget();
  apic_write(APIC_LDR, 0x04000000);
  redirect(PIN, REDIRECT_LOGICAL | 0x61, 4);
  line(PIN, 1), line(PIN, 0);
  redirect(PIN, REDIRECT_LOGICAL | 0x61, 8);
  line(PIN, 1), line(PIN, 0);
  open_window();
  expect_value("logical destinations", came(), 0x61);
  forget();
  redirect(PIN, 0x61, 0xff);
  line(PIN, 1), line(PIN, 0);
  open_window();
  expect_value("the physical broadcast", came(), 0x61);
  set_hook(NMI, note);
  forget();
  redirect(PIN, 0x400, 0);
  line(PIN, 1), line(PIN, 0);
  wait_for(1);
  expect_value("delivery mode NMI", came(), 2);
  redirect(PIN, REDIRECT_MASKED, 0);
}

void test_main(void) {
  out8(0x21, 0xff), out8(0xa1, 0xff);
  lapic_write(APIC_SVR, 0x1ff);
  set_hook(0x61, drop), set_hook(0x52, note);
  test_registers();
  test_edges();
  test_levels();
  test_destinations();
}
