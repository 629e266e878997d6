// Task switches that fail: before the commit point the old task is left as it was; behind it the fault is the new task's (SDM vol. 3, 6.15
// #TS with table 6-7, 7.3). The new task runs at CPL 3, so that the handler has the stack of its TSS.
#include "tasks.h"

CODE(try_call, "lcall $0x100, $0\nint $0x30")
CODE(try_gate, "lcall $0x108, $0\nint $0x30")
CODE(try_int, "int $0x50\nint $0x30")
CODE(try_iret, "pushf\norw $0x4000, (%esp)\npopf\n1: iret\nint $0x30")
CODE(end, "int $0x30")

/** The descriptor of the other TSS is changed; nothing else may have happened. */
static void before(const char *name, const u8 *code, unsigned cpl, unsigned vector, word error) {
  u8 access = access_of(SEL_OTHER);
  struct frame start = start_frame(code, cpl);
  struct fault got = attempt_at(&start);
  expect_fault(name, got, vector, error);
  expect_value(text("TR after %s", name), read_tr(), SEL_TSS);
  expect_value(text("EIP after %s", name), got.frame.ip - (word)code, code == try_iret ? 8 : 0);
  expect_value(text("busy bits after %s", name), access_of(SEL_TSS) << 8 | access_of(SEL_OTHER), BUSY << 8 | access);
  expect_value(text("CR0.TS after %s", name), read_cr0() & CR0_TS, 0);
}
static void with_access(const char *name, u8 access, const u8 *code, unsigned cpl, unsigned vector, word error) {
  make_other(end, 3);
  set_system_descriptor(SEL_OTHER, (word)&other, sizeof other - 1, access);
  before(name, code, cpl, vector, error);
}
static void with_gate(const char *name, u16 selector, unsigned vector, word error) {
  make_other(end, 3);
  gdt[SEL_GATE / 8] = (u64)0x85 << 40 | (u64)selector << 16;
  before(name, try_gate, 0, vector, error);
}

static void not_a_task(void) {
  with_access("CALL to a busy TSS", BUSY, try_call, 0, GP, SEL_OTHER);
  with_access("CALL to an absent TSS", 0x09, try_call, 0, NP, SEL_OTHER);
  with_access("CALL to a TSS of DPL 0 at CPL 3", AVAILABLE, try_call, 3, GP, SEL_OTHER);
  with_access("INT n to a busy TSS", BUSY, try_int, 0, GP, SEL_OTHER);
  with_access("INT n to an absent TSS", 0x09, try_int, 0, NP, SEL_OTHER);
  with_access("INT n to data", 0x93, try_int, 0, GP, SEL_OTHER);
  make_other(end, 3);
  set_system_descriptor(SEL_OTHER, (word)&other, 102, AVAILABLE);
  before("CALL to a TSS of 103 bytes", try_call, 0, TS, SEL_OTHER);
  set_system_descriptor(SEL_OTHER, (word)&other, 42, 0x81);
  before("CALL to a 16-bit TSS of 43 bytes", try_call, 0, TS, SEL_OTHER);
  with_gate("a task gate with a null selector", 0, GP, 0);
  with_gate("a task gate into the LDT", SEL_OTHER | 4, GP, SEL_OTHER | 4);
  with_gate("a task gate beyond the GDT", 0x200, GP, 0x200);
  with_gate("a task gate to code", SEL_CODE, GP, SEL_CODE);
  make_other(end, 3);
  gdt[SEL_GATE / 8] = (u64)0x05 << 40 | (u64)SEL_OTHER << 16;
  before("an absent task gate", try_gate, 0, NP, SEL_GATE);
  before("a task gate of DPL 0 at CPL 3", try_gate, 3, GP, SEL_GATE);
  struct tss *tss = &this_cpu()->tss;
  tss->link = SEL_OTHER;
  with_access("IRET to a TSS that is not busy", AVAILABLE, try_iret, 0, TS, SEL_OTHER);
  with_access("IRET to an absent TSS", 0x0b, try_iret, 0, NP, SEL_OTHER);
  tss->link = 0;
  before("IRET with a null link", try_iret, 0, TS, 0);
  tss->link = SEL_CODE;
  before("IRET linked to code", try_iret, 0, TS, SEL_CODE);
}

/** `vector`(`error`) in the other task, all registers but the bad one being right. */
static void after(const char *name, unsigned vector, word error) {
  struct frame start = start_frame(try_call, 0);
  struct fault got = attempt_at(&start);
  expect_fault(text("fault with %s", name), got, vector, error);
  expect_value(text("TR after %s", name), read_tr(), SEL_OTHER);
  expect_value(text("new EIP with %s", name), got.frame.ip, other.ip);
  expect_value(text("ESP after %s", name), got.frame.sp, other.sp);
  expect_value(text("new CS with %s", name), got.frame.cs, other.cs & 0xffff);
  expect_value(text("busy bits after %s", name), access_of(SEL_TSS) << 8 | access_of(SEL_OTHER), BUSY << 8 | BUSY);
  expect_value(text("link after %s", name), other.link, SEL_TSS);
  go_home();
}
#define AFTER(name, vector, error, change) do { make_other(end, 3); other.change; after(name, vector, error); } while (0)

static void bad_segments(void) {
  gdt[SEL_SPARE / 8] = descriptor(0, 0xfffff, 0x7b, 12); // code of DPL 3, absent
  gdt[SEL_SPARE / 8 + 1] = descriptor(0, 0xfffff, 0x73, 12); // data of DPL 3, absent
  gdt[SEL_SPARE / 8 + 2] = descriptor(0, 0xfffff, 0xf9, 12); // execute-only code
  gdt[SEL_LDT / 8] = descriptor((word)gdt, 0xff, 0x02, 0); // an absent LDT
  AFTER("LDT in the LDT", TS, 0x0c, ldt = 0x0c);
  AFTER("LDT of a TSS", TS, SEL_TSS, ldt = SEL_TSS);
  AFTER("LDT absent", TS, SEL_LDT, ldt = SEL_LDT);
  AFTER("CS of data", TS, SEL_USER_DATA & ~3u, cs = SEL_USER_DATA);
  AFTER("CS of another DPL", TS, SEL_CODE, cs = SEL_CODE | 3);
  AFTER("CS absent", NP, SEL_SPARE, cs = SEL_SPARE | 3);
  AFTER("SS null", TS, 0, ss = 0);
  AFTER("SS of another RPL", TS, SEL_USER_DATA & ~3u, ss = SEL_USER_DATA & ~3u);
  AFTER("SS of another DPL", TS, SEL_DATA, ss = SEL_DATA | 3);
  AFTER("SS of code", TS, SEL_USER_CODE & ~3u, ss = SEL_USER_CODE);
  AFTER("SS absent", SS, SEL_SPARE + 8, ss = (SEL_SPARE + 8) | 3);
  AFTER("DS of a kernel segment", TS, SEL_DATA, ds = SEL_DATA);
  AFTER("ES of execute-only code", TS, SEL_SPARE + 16, es = (SEL_SPARE + 16) | 3);
  AFTER("FS of a TSS", TS, SEL_TSS, fs = SEL_TSS | 3);
  AFTER("GS absent", NP, SEL_SPARE + 8, gs = (SEL_SPARE + 8) | 3);
  AFTER("GS beyond the GDT", TS, 0x200, gs = 0x203);
  gdt[SEL_SPARE / 8] = descriptor(0, 0xfff, 0xfb, 4);
  AFTER("EIP beyond CS", GP, 0, cs = SEL_SPARE | 3);
}

void task_faults(void) {
  set_gate(0x50, 0, SEL_OTHER, 0x85, 0);
  not_a_task();
  bad_segments();
}
