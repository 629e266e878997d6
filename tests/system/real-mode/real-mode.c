// Real-address mode: 64 KiB limits, exceptions through the vector table at 0, wrapping indices, big segments, the way through CR0.PE
// (SDM vol. 3, 20.1; vol. 2, per instruction). The limits stand apart: -DLIMITS.
#include "system.h"

// What a handler saw: vector, IP, CS, FLAGS, then the stack pointer that the program began with.
LOW_CODE16(real_seen, ".skip 16")
LOW_CODE16(handlers, "\n.set n, 0\n.rept 256\n.balign 16\nmovw $n, %cs:real_seen\njmp 1f\n.set n, n + 1\n.endr\n"
           "1: popw %cs:real_seen + 2\npopw %cs:real_seen + 4\npopw %cs:real_seen + 6\npush %cs\npop %ss\nmovl %cs:real_seen + 8, %esp\npush %cs\npop %ds\nret")
#define CASE(id, body) LOW_CODE16(r_##id, "mov %esp, %cs:real_seen + 8\n.global e_" #id "\ne_" #id ":" body "\nret") extern const u8 e_##id[];

CASE(word, "mov 0xffff, %ax")
CASE(byte, "mov 0xffff, %al")
CASE(dword, "mov 0xfffd, %eax")
CASE(stack_word, "mov $0xffff, %bp\nmov (%bp), %ax")
CASE(index, "mov $0xfff0, %bx\nmov $0x20, %si\nmov (%bx, %si), %ax")
CASE(above, "mov $0x10000, %ebx\nmov (%ebx), %al")
CASE(push_wrap, "mov $0, %esp\npush $0x1234\nmov %sp, %bx\nmov %cs:real_seen + 8, %esp")
CASE(pusha, "mov $9, %sp\npusha")
CASE(pop, "mov $0xffff, %sp\npop %ax")
CASE(high_esp, "mov $0x12340000, %esp\npush $7\nmov %esp, %ebx\nmov %cs:real_seen + 8, %esp")
CASE(push_sp, "mov %sp, %ax\npush %sp\npop %bx")
CASE(movsb, "mov $0xffff, %si\nmov $0x7f00, %di\nmov $2, %ecx\nrep movsb")
CASE(movsw, "mov $0xffff, %si\nmov $0x7f00, %di\nmovsw")
CASE(stosw, "mov $0xfffd, %di\nmov $3, %cx\nrep stosw")
CASE(jump, "data32 jmp 0x10000")
CASE(call, "calll 0x10000")
CASE(ret, "pushl $0x10000\nretl")
CASE(far, "ljmpl $0, $0x10000")
CASE(div, "xor %cx, %cx\nmov $1, %ax\ndiv %cx")
CASE(idiv, "mov $0x8000, %ax\nmov $-1, %cl\nidiv %cl")
CASE(idiv_word, "mov $0x8000, %dx\nxor %ax, %ax\nmov $-1, %cx\nidiv %cx")
CASE(aam, "aam $0")
CASE(aam10, "mov $0x3210, %ax\naam")
CASE(aad, "mov $0x0307, %ax\naad")
CASE(bound, "movl $0x00050001, 0x7f00\nmov $6, %ax\nbound %ax, 0x7f00")
CASE(bound_in, "movl $0x00050001, 0x7f00\nmov $5, %ax\nbound %ax, 0x7f00")
CASE(into, "mov $127, %al\nadd $1, %al\ninto")
CASE(int3, "int3")
CASE(int_n, "stc\nint $0x40")
CASE(ud2, "ud2")
CASE(arpl, "arpl %ax, %ax")
CASE(sldt, "sldt %ax")
CASE(str, "str %ax")
CASE(ltr, "ltr %ax")
CASE(lldt, "lldt %ax")
CASE(lar, "lar %ax, %ax")
CASE(verr, "verr %ax")
CASE(lock, ".byte 0xf0, 0x90")
CASE(les_register, ".byte 0xc4, 0xc0")
CASE(idt_limit, "lidtl %cs:1f\nint $0x40\n.balign 4\n1: .short 0xff\n.long 0")
CASE(restore_idt, "lidtl %cs:1f\nret\n.balign 4\n1: .short 0x3ff\n.long 0")
CASE(loop, "xor %ax, %ax\nxor %ecx, %ecx\nmov $0x20000, %ecx\n1: inc %ax\nloop 1b")
CASE(loop32, "xor %eax, %eax\nmov $0x10003, %ecx\n1: inc %eax\naddr32 loop 1b")
CASE(jcxz, "mov $0x10000, %ecx\nmov $1, %ax\njcxz 1f\nmov $2, %ax\n1: jecxz 2f\nor $4, %ax\n2:")
CASE(enter, "mov $0x7e00, %bp\nmovl $0x11112222, 0x7dfc\nmov %sp, %bx\nenter $8, $3\nsub %sp, %bx\nmov (%bp), %dx\nmov -2(%bp), %si\nmov -4(%bp), %di\nmov -6(%bp), %cx\nsub %bp, %cx\nmov %bp, %ax\nadd $0, %ax\nleave\nmov %bp, %ax")
CASE(xlat, "mov $0xfff0, %bx\nmov $0x20, %al\nmovb $0x5a, 0x10\nxlat")
CASE(les, "movl $0x12345678, 0x7f00\nles 0x7f00, %bx\nmov %es, %cx\nxor %ax, %ax\nmov %ax, %es")
CASE(far_call, "lcall $0, $2f\njmp 3f\n2: mov $0x77, %ax\nlret\n3:")
CASE(far_call_n, "mov %sp, %bx\npush $1\npush $2\nlcall $0, $2f\njmp 3f\n2: lret $4\n3: sub %sp, %bx")
CASE(iretd, "pushl $0xffffffd7 & ~0x300\npushl $0\npushl $1f\niretl\n1: pushfl\npop %eax\npushl $2\npopfl")
CASE(popf, "push $0x7002\npopf\npushf\npop %ax\npush $2\npopf")
CASE(big, "cli\nmov %cr0, %eax\nor $1, %al\nmov %eax, %cr0\nmov $0x10, %bx\nmov %bx, %fs\nand $0xfe, %al\nmov %eax, %cr0\n"
          "mov $0x100000, %ebx\nmov %fs:(%ebx), %eax\nxor %cx, %cx\nmov %cx, %fs\nmov %fs:(%ebx), %edx")
CASE(lmsw, "smsw %ax\nmov %ax, %bx\nor $8, %ax\nlmsw %ax\nsmsw %cx\nxor %bx, %cx\nclts\nsmsw %dx\nxor %bx, %dx")
CASE(prefix, "addr32 movw 0x7f00, %ax\ndata32 push $0x1234567\npop %ebx")
CASE(mov_seg, "mov $0x1234, %ax\nmov %ax, %fs\nmov %fs, %ecx\npushl %fs\npop %edx\nxor %ax, %ax\nmov %ax, %fs")

static struct real_registers registers;
static u16 *const vector_seen = (u16 *)(word)real_seen;

static struct real_registers run(const u8 *code) {
  vector_seen[0] = 0xffff;
  registers = (struct real_registers){.flags = FLAG_FIXED};
  real_call(code, &registers);
  return registers;
}
static void faults(const char *name, const u8 *code, const u8 *entry, unsigned vector, unsigned after) {
  run(code);
  expect_value(name, vector_seen[0], vector);
  expect_value(text("IP of %s", name), vector_seen[0] == 0xffff ? 0xffff : (u16)(vector_seen[1] - (word)entry), after);
}
#define FAULTS(name, id, vector, after) faults(name, r_##id, e_##id, vector, after)
#define UNDEFINED(name, id) FAULTS(name, id, UD, 0)

#ifdef LIMITS
static void limits(void) {
  FAULTS("IDIV of 80000000h by -1", idiv_word, DE, 8); // here, since TCG dies of it
  FAULTS("a word at FFFF", word, GP, 0);
  FAULTS("a dword at FFFD", dword, GP, 0);
  FAULTS("a word at FFFF through BP", stack_word, SS, 3);
  FAULTS("a byte at 10000", above, GP, 6);
  FAULTS("PUSHA at SP 9", pusha, SS, 3);
  FAULTS("a pop at SP FFFF", pop, SS, 3);
  FAULTS("MOVSW at FFFF", movsw, GP, 6);
  FAULTS("REP STOSW over FFFF", stosw, GP, 6);
  FAULTS("a near jump to 10000", jump, GP, 0);
  FAULTS("a near call of 10000", call, GP, 0);
  FAULTS("a near return to 10000", ret, GP, 6);
  FAULTS("a far jump to 10000", far, GP, 0);
  run(r_stosw);
  expect_value("REP STOSW stops at the word that does not fit", registers.di << 16 | registers.cx, 0xffff0002);
  run(r_byte);
  expect_value("a byte at FFFF", vector_seen[0], 0xffff);
  run(r_index);
  expect_value("BX + SI wraps", vector_seen[0], 0xffff);
  expect_value("a push at SP 0 wraps", run(r_push_wrap).bx, 0xfffe);
  expect_value("a push keeps the upper half of ESP", run(r_high_esp).bx, 0x1234fffe);
  *(volatile u8 *)0xffff = 0xa1, *(u8 *volatile)0x7f00 = 0, *(u8 *volatile)0x7f01 = 0;
  run(r_movsb);
  expect_value("MOVSB wraps SI", registers.si, 1);
  expect_value("MOVSB at FFFF", *(volatile u8 *)0x7f00, 0xa1);
}
#else
static void exceptions(void) {
  FAULTS("DIV by 0", div, DE, 5);
  FAULTS("IDIV of 8000h by -1", idiv, DE, 5);
  FAULTS("AAM 0", aam, DE, 0);
  FAULTS("BOUND outside", bound, BR, 12);
  run(r_bound_in);
  expect_value("BOUND inside", vector_seen[0], 0xffff);
  FAULTS("INTO", into, OF, 5);
  FAULTS("INT3", int3, BP, 1);
  FAULTS("INT n", int_n, 0x40, 3);
  expect_value("FLAGS of INT n", vector_seen[3], FLAG_FIXED | FLAG_CF);
  FAULTS("INT n beyond the limit of IDTR", idt_limit, GP, 7);
  run(r_restore_idt);
  UNDEFINED("UD2", ud2);
  UNDEFINED("ARPL", arpl);
  UNDEFINED("SLDT", sldt);
  UNDEFINED("STR", str);
  UNDEFINED("LTR", ltr);
  UNDEFINED("LLDT", lldt);
  UNDEFINED("LAR", lar);
  UNDEFINED("VERR", verr);
  UNDEFINED("LOCK NOP", lock);
  UNDEFINED("LES with a register", les_register);
}

static void instructions(void) {
  run(r_push_sp);
  expect_value("PUSH SP pushes the old value", registers.ax, registers.bx);
  expect_value("AAM", run(r_aam10).ax, 0x0106);
  expect_value("AAD", run(r_aad).ax, 37);
  expect_value("LOOP counts in CX", run(r_loop).cx, 0x20000);
  expect_value("LOOP with CX 0 goes 65536 times", registers.ax, 0);
  expect_value("LOOP with a 32-bit address counts in ECX", run(r_loop32).ax, 0x10003);
  expect_value("JCXZ and JECXZ", run(r_jcxz).ax, 5);
  run(r_enter);
  expect_value("ENTER: saved BP and copied frames", (u64)registers.dx << 32 | registers.si << 16 | registers.di, 0x7e0011112222ull);
  expect_value("ENTER: own frame pointer", registers.cx, 0);
  expect_value("ENTER 8, 3 takes 16 bytes", registers.bx, 16);
  expect_value("LEAVE", registers.ax, 0x7e00);
  expect_value("XLAT wraps", run(r_xlat).ax & 0xff, 0x5a);
  run(r_les);
  expect_value("LES", registers.cx << 16 | registers.bx, 0x12345678);
  expect_value("a far call", run(r_far_call).ax, 0x77);
  expect_value("RETF n", run(r_far_call_n).bx, 0);
  expect_value("IRETD does not set VM, RF, VIF, VIP", run(r_iretd).ax & 0x3fffff, 0x247cd7);
  expect_value("POPF sets IOPL and NT", run(r_popf).ax & 0xffff, 0x7002);
  run(r_big);
  expect_value("a big segment outlives CR0.PE", registers.ax, *(volatile u32 *)0x100000);
  expect_value("its limit outlives a load in real mode", registers.dx, registers.ax);
  run(r_lmsw);
  expect_value("LMSW sets TS, CLTS clears it", (registers.cx & 0xffff) << 16 | (registers.dx & 0xffff), 0x80000);
  *(volatile u32 *)0x7f00 = 0x1122;
  run(r_prefix);
  expect_value("a 32-bit address with 16-bit data", registers.ax & 0xffff, 0x1122);
  expect_value("PUSH imm32", registers.bx, 0x1234567);
  run(r_mov_seg);
  expect_value("MOV r32, FS and PUSH FS of 32 bits", registers.cx << 16 | (registers.dx & 0xffff), 0x12341234);
}
#endif

static void make_vectors(void) {
  volatile u32 *volatile table = 0;
  for (unsigned i = 0; i < 256; i++) table[i] = (word)handlers + i * 16;
}

void test_main(void) {
  make_vectors();
#ifdef LIMITS
  limits();
#else
  exceptions();
  instructions();
#endif
}
