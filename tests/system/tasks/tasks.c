// Hardware tasks that succeed (SDM vol. 3, 7.3 to 7.5): what is saved, loaded, linked and marked busy, by each way into and out of a task.
#include "tasks.h"

CODE(call_other, "lcall $0x100, $0x12345678\nint $0x30")
CODE(call_gate, "lcall $0x108, $0x12345678\nint $0x30")
CODE(jump_other, "ljmp $0x100, $0\nint $0x30")
CODE(interrupt, "int $0x50\nint $0x30")
CODE(bad_load, "mov $0x1f8, %eax\nmov %eax, %gs\nint $0x30")
CODE(there, "int $0x30")
CODE(and_back, "incl counter\niret\nincl counter\nincl counter\niret\njmp and_back")
CODE(jump_home, "incl counter\nljmp $0x80, $0")
u32 counter;

static struct frame mine(const void *ip, unsigned cpl) {
  struct frame f = start_frame(ip, cpl);
  f.ax = 0x51, f.cx = 0x52, f.dx = 0x53, f.bx = 0x54, f.bp = 0x55, f.si = 0x56, f.di = 0x57;
  return f;
}

static void check_other(const char *how, const struct fault *got, bool nested) {
  struct tss *tss = &this_cpu()->tss;
  const struct frame *f = &got->frame;
  expect_fault(text("%s goes there", how), *got, RETURNED, 0);
  expect_value(text("registers after %s", how), f->ax << 24 | f->bx << 16 | f->si << 8 | f->di, 0xa1a4a6a7);
  expect_value(text("TR after %s", how), read_tr(), SEL_OTHER);
  expect_value(text("CR0.TS after %s", how), read_cr0() & CR0_TS, CR0_TS);
  expect_value(text("NT after %s", how), f->flags & FLAG_NT, nested ? FLAG_NT : 0);
  expect_value(text("link after %s", how), other.link, nested ? SEL_TSS : 0);
  expect_value(text("busy bits after %s", how), access_of(SEL_TSS) << 8 | access_of(SEL_OTHER), nested ? BUSY << 8 | BUSY : AVAILABLE << 8 | BUSY);
  expect_value(text("registers saved by %s", how), tss->ax << 24 | tss->cx << 16 | tss->bp << 8 | tss->di, 0x51525557);
  expect_value(text("NT saved by %s", how), tss->flags & FLAG_NT, 0);
}

static void go(const char *how, const u8 *code, unsigned cpl, int length, bool nested) {
  make_other(there, 0);
  struct frame start = mine(code, cpl);
  struct fault got = attempt_at(&start);
  struct tss *tss = &this_cpu()->tss;
  check_other(how, &got, nested);
  expect_value(text("EIP saved by %s", how), tss->ip - (word)code, length);
  expect_value(text("CS and DS saved by %s", how), (tss->cs & 0xffff) << 16 | (tss->ds & 0xffff), start.cs << 16 | start.ds);
  go_home();
}

static void go_and_return(void) {
  make_other(and_back, 0);
  counter = 0;
  for (unsigned i = 1; i <= 2; i++) {
    struct frame start = mine(call_other, 0);
    struct fault got = attempt_at(&start);
    expect_fault(text("return %u", i), got, RETURNED, 0);
    expect_value(text("EIP after return %u", i), got.frame.ip - (word)call_other, 9);
    expect_value(text("registers after return %u", i), got.frame.ax << 16 | got.frame.si, 0x510056);
    expect_value(text("counter after return %u", i), counter, i == 1 ? 1 : 3);
    expect_value(text("NT after return %u", i), got.frame.flags & FLAG_NT, 0);
    expect_value(text("NT saved by return %u", i), other.flags & FLAG_NT, 0);
    expect_value(text("busy bits after return %u", i), access_of(SEL_TSS) << 8 | access_of(SEL_OTHER), BUSY << 8 | AVAILABLE);
  }
  make_other(jump_home, 0);
  struct frame start = mine(jump_other, 0);
  expect_fault("JMP there and back", attempt_at(&start), RETURNED, 0);
  expect_value("busy bits after JMP there and back", access_of(SEL_TSS) << 8 | access_of(SEL_OTHER), BUSY << 8 | AVAILABLE);
  go_home();
}

static void error_code(void) {
  make_other(there, 0);
  set_gate(GP, 0, SEL_OTHER, 0x85, 0);
  struct frame start = mine(bad_load, 0);
  struct fault got = attempt_at(&start);
  set_gate(GP, default_handler(GP), SEL_CODE, 0x8e, 0);
  struct tss *tss = &this_cpu()->tss;
  expect_fault("#GP through a task gate", got, RETURNED, 0);
  expect_value("its error code lies on the new stack", ((u32 *)(other_stack + sizeof other_stack))[-1], 0x1f8);
  expect_value("saved EIP is the faulting instruction's", tss->ip - (word)bad_load, 5);
  expect_value("RF is set in the saved EFLAGS of a fault", tss->flags & FLAG_RF, FLAG_RF);
  go_home();
  // #DF: the #GP gate is absent
  make_other(there, 0);
  set_gate(GP, 0, SEL_CODE, 0x0e, 0);
  set_gate(DF, 0, SEL_OTHER, 0x85, 0);
  got = attempt_at(&start);
  set_gate(GP, default_handler(GP), SEL_CODE, 0x8e, 0);
  set_gate(DF, default_handler(DF), SEL_CODE, 0x8e, 0);
  expect_fault("#DF through a task gate", got, RETURNED, 0);
  expect_value("TR in #DF's task", read_tr(), SEL_OTHER);
  expect_value("#DF's error code", ((u32 *)(other_stack + sizeof other_stack))[-1], 0);
  go_home();
}

static void more_state(void) {
  static u64 ldt[2] __attribute__((aligned(8)));
  make_other(there, 0);
  ldt[1] = descriptor((word)&counter, 3, 0xf2, 4);
  set_system_descriptor(SEL_LDT, (word)ldt, sizeof ldt - 1, 0x82);
  other.ldt = SEL_LDT;
  other.es = 0x0c;
  struct frame start = mine(call_other, 0);
  struct fault got = attempt_at(&start);
  expect_fault("a task with an LDT", got, RETURNED, 0);
  expect_value("LDTR", read_ldt(), SEL_LDT);
  expect_value("ES from the LDT", got.frame.es, 0x0c);
  expect_value("its accessed bit", ldt[1] >> 40 & 0xff, 0xf3);
  go_home();
  make_other(there, 0);
  write_dr6(DR6_FIXED);
  write_dr7(DR7_FIXED | 0x55 | 2);
  attempt_at(&start);
  expect_value("DR7's local enables are cleared", read_dr7(), DR7_FIXED | 2);
  write_dr7(DR7_FIXED);
  go_home();
  make_other(there, 0);
  other.trap = 1;
  write_dr6(DR6_FIXED);
  got = attempt_at(&start);
  expect_fault("a task with T set", got, DB, 0);
  expect_value("DR6 of the T flag", got.dr6, DR6_FIXED | DR6_BT);
  expect_value("EIP of the T flag", got.frame.ip, (word)there);
  write_dr6(DR6_FIXED);
  go_home();
}

#if PAGED
CODE(read_page, "mov 0x7fe000, %eax\nint $0x30")
static void own_page_tables(void) {
  make_other(read_page, 0);
  word mine_root = read_cr3(), root = new_root();
  u32 *a = alloc_pages(1), *b = alloc_pages(1);
  *a = 0xaaaa, *b = 0xbbbb;
  map_page(0x7fe000, (word)a, PTE_P | PTE_W);
  write_cr3(root);
  map_page(0x7fe000, (word)b, PTE_P | PTE_W);
  write_cr3(mine_root);
  other.cr3 = root;
  struct frame start = mine(call_other, 0);
  struct fault got = attempt_at(&start);
  expect_value("the new task's page", got.frame.ax, 0xbbbb);
  expect_value("CR3 of the new task", read_cr3(), root);
  go_home();
}
#endif

void test_main(void) {
  go("CALL to a TSS", call_other, 0, 7, true);
  go("CALL to a task gate", call_gate, 0, 7, true);
  go("JMP to a TSS", jump_other, 0, 7, false);
  set_gate(0x50, 0, SEL_OTHER, 0xe5, 0);
  go("INT n", interrupt, 0, 2, true);
  go("INT n at CPL 3", interrupt, 3, 2, true);
  go_and_return();
  error_code();
  more_state();
#if PAGED
  own_page_tables();
#endif
  task_faults();
}
