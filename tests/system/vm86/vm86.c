// Virtual-8086 mode: what traps at which IOPL, what the handler finds, the way back, limits; with -DVME the extensions of CR4.VME and CR4.PVI
// (SDM vol. 3, 20.2 and 20.3).
#include "system.h"

#define CASE(id, body) LOW_CODE16(v_##id, body "\nint3")
CASE(nothing, "")
CASE(cli, "cli")
CASE(sti, "sti")
CASE(pushf, "pushf\npop %ax")
CASE(pushfd, "pushfl\npopl %eax")
CASE(popf, "push $0x0202\npopf\npushf\npop %ax")
CASE(popf_iopl, "push $0x3002\npopf")
CASE(popf_tf, "push $0x0102\npopf")
CASE(iret, "push $0x0202\npush %cs\npush $1f\niret\n1:")
CASE(iret_if, "push $0x0002\npush %cs\npush $1f\niret\n1:")
CASE(int_n, "int $0x40")
CASE(into, "mov $127, %al\nadd $1, %al\ninto")
CASE(hlt, "hlt")
CASE(in, "in $0x71, %al")
CASE(lgdt, "lgdt 0")
CASE(clts, "clts")
CASE(mov_cr, "mov %cr0, %eax")
CASE(smsw, "smsw %ax")
CASE(sldt, "sldt %ax")
CASE(lar, "lar %ax, %ax")
CASE(arpl, "arpl %ax, %ax")
CASE(load, "mov $0x1234, %ax\nmov %ax, %es\npush %es\npop %bx\nmov %es, %cx")
CASE(base, "mov $0x0600, %ax\nmov %ax, %fs\nmovl %fs:0x100, %eax")
CASE(past, "movw 0xffff, %ax")
CASE(past32, "mov $0x10000, %ebx\naddr32 movb (%ebx), %al")
CASE(stack, "mov $1, %sp\npush %ax")
CASE(wrap, "mov $0, %sp\npush $0x77\nmov %sp, %bx")
CASE(far, "lcall $0, $1f\n1: add $4, %sp")
CASE(ud, "ud2")
CASE(cli_cli, "cli\nsti\ncli")

CODE(iret_there, "pushf\norw $0x4000, (%esp)\npopf\niret")
CODE(there_and_back, "pushf\norw $0x4000, (%esp)\npopf\niret\nint $0x30")
CODE(user_sti, "sti\nint $0x30")
CODE(user_cli, "cli\nint $0x30")

static struct frame v86(const u8 *code, word flags) {
  struct frame f = start_frame(code, 3);
  f.cs = 0;
  f.ss = 0x700, f.sp = 0x100;
  f.flags = FLAG_FIXED | FLAG_VM | flags;
  f.vm_ds = 0x111, f.vm_es = 0x222, f.vm_fs = 0x333, f.vm_gs = 0x444;
  f.bx = f.cx = 0;
  return f;
}
static struct fault run(const u8 *code, word flags) {
  struct frame start = v86(code, flags);
  return attempt_at(&start);
}
#ifndef VME
static void expect(const char *name, const u8 *code, word flags, unsigned vector) {
  struct fault got = run(code, flags);
  expect_fault(name, got, vector, 0);
  expect_value(text("VM after %s", name), got.frame.flags & FLAG_VM, FLAG_VM);
  if (vector == GP || vector == UD) expect_value(text("IP after %s", name), got.frame.ip, (word)code);
}

static void sensitive(void) {
  static const struct { const char *name; const u8 *code; unsigned low, high; } list[] = {
      {"CLI", v_cli, GP, BP}, {"STI", v_sti, GP, BP}, {"PUSHF", v_pushf, GP, BP}, {"PUSHFD", v_pushfd, GP, BP},
      {"INT n", v_int_n, GP, 0x40}, {"INT3", v_nothing, BP, BP}, {"INTO", v_into, OF, OF}, {"HLT", v_hlt, GP, GP},
      {"IN", v_in, GP, GP}, {"CLTS", v_clts, GP, GP}, {"MOV from CR0", v_mov_cr, GP, GP},
      {"SMSW", v_smsw, BP, BP}, {"SLDT", v_sldt, UD, UD}, {"LAR", v_lar, UD, UD}, {"ARPL", v_arpl, UD, UD}, {"UD2", v_ud, UD, UD},
  };
  for (unsigned i = 0; i < sizeof list / sizeof *list; i++) {
    expect(text("%s at IOPL 0", list[i].name), list[i].code, 0, list[i].low);
    expect(text("%s at IOPL 3", list[i].name), list[i].code, FLAG_IOPL, list[i].high);
  }
  expect_fault("POPF at IOPL 0", run(v_popf, 0), GP, 0);
  expect_fault("IRET at IOPL 0", run(v_iret, 0), GP, 0);
  expect_fault("LGDT", run(v_lgdt, FLAG_IOPL), GP, 0);
}

static void frames(void) {
  struct fault got = run(v_ud, FLAG_AC | FLAG_ID | FLAG_IF);
  struct frame *f = &got.frame;
  expect_value("SS and SP in the frame", f->ss << 16 | f->sp, 0x07000100);
  expect_value("DS and ES in the frame", f->vm_ds << 16 | f->vm_es, 0x01110222);
  expect_value("FS and GS in the frame", f->vm_fs << 16 | f->vm_gs, 0x03330444);
  expect_value("data segments are null in the handler", f->ds | f->es | f->fs | f->gs, 0);
  expect_value("EFLAGS in the frame", f->flags, FLAG_FIXED | FLAG_VM | FLAG_AC | FLAG_ID | FLAG_IF | FLAG_RF);
  got = run(v_popf, FLAG_IOPL);
  expect_value("POPF at IOPL 3 sets IF, not IOPL", got.frame.ax & 0xffff, 0x3202);
  got = run(v_popf_iopl, FLAG_IOPL | FLAG_IF);
  expect_value("POPF at IOPL 3 clears IF", got.frame.flags & (FLAG_IOPL | FLAG_IF), FLAG_IOPL);
  got = run(v_iret, FLAG_IOPL);
  expect_value("IRET at IOPL 3 keeps IOPL and VM", got.frame.flags, FLAG_FIXED | FLAG_VM | FLAG_IOPL | FLAG_IF);
  got = run(v_load, 0);
  expect_value("a segment load takes any value", got.frame.bx << 16 | got.frame.cx, 0x12341234);
  expect_value("ES in the frame after it", got.frame.vm_es, 0x1234);
  *(volatile u32 *)0x6100 = 0xfeedf00d;
  expect_value("segment base is the selector times 16", run(v_base, 0).frame.ax, 0xfeedf00d);
  expect_fault("a word at FFFF", run(v_past, 0), GP, 0);
  expect_fault("a byte at 10000", run(v_past32, 0), GP, 0);
  expect_fault("a push at SP 1", run(v_stack, 0), SS, 0);
  expect_value("a push at SP 0 wraps", run(v_wrap, 0).frame.bx, 0xfffe);
  expect_fault("a far call", run(v_far, 0), BP, 0);
}

static void gates(void) {
  gdt[SEL_FREE / 8] = descriptor(0, 0xfffff, 0xfb, 12);
  gdt[SEL_FREE / 8 + 1] = descriptor(0, 0xfffff, 0x9f, 12);
  set_gate(0x40, default_handler(0x40), SEL_FREE, 0xee, 0);
  expect_fault("INT n to code of DPL 3", run(v_int_n, FLAG_IOPL), GP, SEL_FREE);
  set_gate(0x40, default_handler(0x40), SEL_FREE + 8, 0xee, 0);
  expect_fault("INT n to conforming code", run(v_int_n, FLAG_IOPL), GP, SEL_FREE + 8);
  set_gate(0x40, default_handler(0x40), SEL_CODE, 0x8e, 0);
  expect_fault("INT n through a gate of DPL 0", run(v_int_n, FLAG_IOPL), GP, 0x40 * 8 + 2);
  set_gate(0x40, default_handler(0x40), SEL_CODE, 0xee, 0);
}

static void tasks(void) {
  static struct tss other;
  static u8 stack[4096] __attribute__((aligned(16)));
  other = (struct tss){.sp0 = (word)stack + sizeof stack, .ss0 = SEL_DATA, .cr3 = read_cr3(), .ip = (word)v_ud, .flags = FLAG_FIXED | FLAG_VM,
                       .es = 0x234, .ds = 0x123, .ss = 0x700, .sp = 0x80, .iomap = sizeof other};
  set_system_descriptor(SEL_FREE, (word)&other, sizeof other - 1, 0x8b);
  this_cpu()->tss.link = SEL_FREE;
  struct frame start = start_frame(iret_there, 0);
  struct fault got = attempt_at(&start);
  expect_fault("#UD in a virtual-8086 task", got, UD, 0);
  expect_value("its CS:IP", got.frame.cs << 16 | got.frame.ip, (word)v_ud);
  expect_value("its DS and ES", got.frame.vm_ds << 16 | got.frame.vm_es, 0x01230234);
  // and home through a task gate
  set_gate(UD, 0, SEL_TSS, 0x85, 0);
  gdt[SEL_FREE / 8] |= (u64)2 << 40;
  gdt[SEL_TSS / 8] &= ~((u64)2 << 40);
  asm volatile("ltr %0" : : "r"((u16)SEL_TSS) : "memory");
  start = start_frame(there_and_back, 0);
  got = attempt_at(&start);
  expect_fault("home from a virtual-8086 task by a task gate", got, RETURNED, 0);
  expect_value("the virtual-8086 task's saved EFLAGS", other.flags & FLAG_VM, FLAG_VM);
  expect_value("the virtual-8086 task's saved CS:IP", other.cs << 16 | other.ip, (word)v_ud);
  expect_value("NT at home", got.frame.flags & FLAG_NT, FLAG_NT);
  set_gate(UD, default_handler(UD), SEL_CODE, 0x8e, 0);
  asm volatile("clts");
}

#else
static struct { struct tss tss; u8 redirect[32], io[0x2001]; } own;

static void extensions(void) {
  own.tss = this_cpu()->tss;
  own.tss.iomap = offsetof(typeof(own), io);
  for (unsigned i = 0; i < sizeof own.io; i++) own.io[i] = 0xff;
  set_system_descriptor(SEL_FREE, (word)&own, sizeof own - 1, 0x89);
  asm volatile("ltr %0" : : "r"((u16)SEL_FREE));
  expect_fault("CLI without CR4.VME", run(v_cli, 0), GP, 0);
  write_cr4(read_cr4() | CR4_VME | CR4_PVI);
  expect_value("STI sets VIF", run(v_sti, 0).frame.flags, FLAG_FIXED | FLAG_VM | FLAG_VIF);
  expect_value("CLI clears VIF", run(v_cli, FLAG_VIF).frame.flags & FLAG_VIF, 0);
  expect_fault("STI with VIP", run(v_sti, FLAG_VIP), GP, 0);
  expect_fault("CLI and STI with VIP", run(v_cli_cli, FLAG_VIP), GP, 0);
  expect_value("PUSHF shows VIF as IF, IOPL 3", run(v_pushf, FLAG_VIF).frame.ax & 0xffff, 0x3202);
  expect_value("PUSHF without VIF", run(v_pushf, FLAG_IF).frame.ax & 0xffff, 0x3002);
  expect_fault("PUSHFD", run(v_pushfd, 0), GP, 0);
  expect_value("POPF sets VIF, not IF", run(v_popf, 0).frame.flags & (FLAG_VIF | FLAG_IF | FLAG_IOPL), FLAG_VIF);
  expect_value("POPF clears VIF", run(v_popf_iopl, FLAG_VIF).frame.flags & (FLAG_VIF | FLAG_IOPL), 0);
  expect_fault("POPF of IF with VIP", run(v_popf, FLAG_VIP), GP, 0);
  expect_fault("POPF of TF", run(v_popf_tf, 0), GP, 0);
  expect_value("IRET sets VIF", run(v_iret, 0).frame.flags & (FLAG_VIF | FLAG_IF), FLAG_VIF);
  expect_value("IRET clears VIF", run(v_iret_if, FLAG_VIF | FLAG_IF).frame.flags & (FLAG_VIF | FLAG_IF), FLAG_IF);
  expect_fault("IRET of IF with VIP", run(v_iret, FLAG_VIP), GP, 0);
  // INT 40h: bit clear, to the program's own handler at 0:v_nothing, an INT3; bit set, to the monitor
  ((volatile u32 *)0)[0x40] = (word)v_nothing;
  struct fault got = run(v_int_n, FLAG_VIF);
  u16 *frame = (u16 *)(0x7000 + 0x100 - 6);
  expect_fault("INT n redirected", got, BP, 0);
  expect_value("its IP", got.frame.ip, (word)v_nothing + 1);
  expect_value("its VIF", got.frame.flags & FLAG_VIF, 0);
  expect_value("its frame", (u64)frame[0] << 32 | frame[1] << 16 | frame[2], (u64)((word)v_int_n + 2) << 32 | 0x3202);
  got = run(v_int_n, FLAG_IOPL | FLAG_IF);
  expect_fault("INT n redirected at IOPL 3", got, BP, 0);
  expect_value("its IF", got.frame.flags & FLAG_IF, 0);
  own.redirect[8] = 1;
  expect_fault("INT n not redirected", run(v_int_n, 0), GP, 0);
  expect_fault("INT n not redirected at IOPL 3", run(v_int_n, FLAG_IOPL), 0x40, 0);
  struct frame start = v86(v_nothing, 0);
  start.ip = 0x10000;
  expect_fault("IRET to IP 10000", attempt_at(&start), GP, 0);
  start = start_frame(user_sti, 3);
  got = attempt_at(&start);
  expect_fault("STI at CPL 3 with PVI", got, RETURNED, 0);
  expect_value("VIF after it", got.frame.flags & (FLAG_VIF | FLAG_IF), FLAG_VIF);
  start.flags |= FLAG_VIP;
  expect_fault("STI at CPL 3 with PVI and VIP", attempt_at(&start), GP, 0);
  start = start_frame(user_cli, 3);
  start.flags |= FLAG_VIF;
  expect_value("VIF after CLI at CPL 3 with PVI", attempt_at(&start).frame.flags & FLAG_VIF, 0);
  write_cr4(read_cr4() & ~(CR4_VME | CR4_PVI));
}
#endif

void test_main(void) {
  set_gate(0x40, default_handler(0x40), SEL_CODE, 0xee, 0);
  out8(0x21, 0xff), out8(0xa1, 0xff); // programs run with IF set here
#ifdef VME
  extensions();
#else
  sensitive();
  frames();
  gates();
  tasks();
#endif
}
