// Two processors send NMIs to one another as fast as they can, spinning without PAUSE or with it; each must arrive exactly once, and soon:
// in the shadow of STI, while another NMI is on its way, and while one is being handled (SDM vol. 3, 6.7; vol. 2, STI).
#include "apic.h"

#define STI_ROUNDS 2000
#define PAIR_ROUNDS 5000
#define PENDING_ROUNDS 5000
extern const u8 after_sti[];
static volatile u32 taken, seen, in_shadow, stop, ready, flushed;
static volatile u32 mine[2], theirs[2];

static bool in_loop(struct frame *frame) {
  taken++;
  in_shadow += frame->ip == (word)after_sti;
  return true;
}
static bool counted(struct frame *frame) {
  (void)frame;
  taken++;
  return true;
}
static bool asks_again(struct frame *frame) {
  (void)frame;
  if (++taken == 1)
    for (int i = 0; i < 10; i++) ipi(0, ICR_NMI | ICR_ASSERT);
  return true;
}
static bool flush(struct frame *frame) {
  (void)frame;
  flushed = 1;
  eoi();
  return true;
}

/** Opens interrupts for two instructions, for ever, in all of memory; says how many NMIs it has seen. */
static void sti_loop(unsigned index) {
  (void)index;
  lapic_write(APIC_SVR, 0x1ff);
  ready = 1;
  for (u32 page = 0; !stop; page = (page + 0x1000) & 0xffffff) {
    asm volatile("sti\n.global after_sti\nafter_sti: testb $0, (%0)\nnop\ncli" : : "r"((word)page) : "memory", "cc");
    seen = taken;
  }
  ready = 2;
}
static void wait_equal(volatile u32 *one, volatile u32 *other) {
  while (*one != *other && !stop) pause();
}
/** In step with the first processor, an NMI to it and an interrupt behind that. */
static void pair(unsigned index) {
  (void)index;
  lapic_write(APIC_SVR, 0x1ff);
  ready = 3;
  while (!stop) {
    theirs[0]++;
    wait_equal(&theirs[0], &mine[0]);
    if (stop) break;
    send_ipi(0, ICR_NMI | ICR_ASSERT);
    send_ipi(0, ICR_ASSERT | 0x44);
    theirs[1]++;
    wait_equal(&theirs[1], &mine[1]);
  }
}

void test_main(void) {
  set_hook(NMI, in_loop), set_hook(0x44, flush);
  out8(0x21, 0xff), out8(0xa1, 0xff);
  smp_start(sti_loop);
  while (ready != 1) pause();
  u32 sent = 0;
  while (sent < STI_ROUNDS) {
    u32 before = seen;
    send_ipi(1, ICR_NMI | ICR_ASSERT);
    sent++;
    while (seen == before) asm volatile("" : : : "memory"); // not one PAUSE
  }
  stop = 1;
  while (ready != 2) pause();
  expect_value("each NMI into a loop of STIs was taken", taken, STI_ROUNDS);
  expect_value("none between STI and its successor", in_shadow, 0);

  stop = 0;
  set_hook(NMI, counted);
  smp_start(pair);
  while (ready != 3) pause();
  u32 wrong = 0;
  sti();
  for (u32 i = 0; i < PAIR_ROUNDS && !wrong; i++) {
    flushed = taken = 0;
    mine[0]++;
    wait_equal(&mine[0], &theirs[0]);
    send_ipi(0, ICR_NMI | ICR_ASSERT);
    while (!flushed) pause();
    wrong += taken != 2;
    mine[1]++;
    wait_equal(&mine[1], &theirs[1]);
  }
  cli();
  stop = 1;
  expect_value("rounds in which one's own NMI and another one's were not two", wrong, 0);

  set_hook(NMI, asks_again);
  for (u32 i = 0; i < PENDING_ROUNDS && !wrong; i++) {
    taken = 0;
    send_ipi(0, ICR_NMI | ICR_ASSERT);
    while (taken < 2) pause();
    wrong += taken != 2;
  }
  expect_value("rounds in which ten NMIs in a handler were not one", wrong, 0);
}
