// After a store to code, what runs is the new code: at the latest behind a jump, and on every processor since the Pentium at once, when the store
// is to the same linear address (SDM vol. 3, 11.6). Through another address a serialising instruction comes first.
#include "system.h"

static u8 *page; // two pages to write code into

static u32 call_code(const u8 *code) {
  u32 result;
  asm volatile("call *%1" : "=a"(result) : "r"(code) : "memory", "cc", "ecx", "edx");
  return result;
}

/** mov $value, %eax; ret */
static void put_code(u8 *at, u32 value) {
  at[0] = 0xb8;
  *(u32 *)(at + 1) = value;
  at[5] = 0xc3;
}

#if LONG
#define TARGET_OF(label) "lea " label "(%rip), %rcx\n"
#else
#define TARGET_OF(label) "mov $" label ", %ecx\n"
#endif
// The immediate of the very next instruction.
CODE(next_instruction, TARGET_OF("1f") "movl $0x22222222, 1(%" REG(cx) ")\n1: mov $0x11111111, %eax\nret")
// Its opcode: INC becomes DEC (fe /0 to fe /1), eight times in a loop that toggles it.
CODE(toggling, "xor %eax, %eax\nmov $9, %edx\n2:\n" TARGET_OF("1f") "xorb $0x08, 1(%" REG(cx) ")\n1: .byte 0xfe, 0xc0\nadd $0x100, %eax\ndec %edx\njnz 2b\nret")
CODE(by_strings, "push %" REG(di) "\npush %" REG(si) "\n" TARGET_OF("1f") "lea 1(%" REG(cx) "), %" REG(di) "\nmov $4, %ecx\nmov $0x33, %al\nrep stosb\n1: mov $0x11111111, %eax\n"
                 "pop %" REG(si) "\npop %" REG(di) "\nret")
CODE(by_exchange, TARGET_OF("1f") "mov $0x44444444, %eax\nxchg %eax, 1(%" REG(cx) ")\n1: mov $0x11111111, %eax\nret")

static void test_here(void) {
  expect_value("the next instruction", call_code(next_instruction), 0x22222222);
  expect_value("a loop that toggles its opcode", call_code(toggling) & 0xffff, 0x9ff); // DEC, INC, …, DEC
  expect_value("by STOS", call_code(by_strings), 0x33333333);
  expect_value("by XCHG", call_code(by_exchange), 0x44444444);
}

static void test_again(void) {
  u32 wrong = 0;
  for (u32 i = 0; i < 2000; i++) {
    put_code(page + i % 7, i);
    if (call_code(page + i % 7) != i) wrong++;
  }
  expect_value("new code at overlapping places", wrong, 0);
  wrong = 0;
  u8 *crossing = page + 4096 - 3;
  for (u32 i = 0; i < 500; i++) {
    put_code(crossing, i << 8);
    if (call_code(crossing) != i << 8) wrong++;
  }
  expect_value("new code across two pages", wrong, 0);
  // Data beside code in one page, written between calls.
  put_code(page, 7);
  for (u32 i = 0; i < 500; i++) {
    *(volatile u32 *)(page + 256) = i;
    if (call_code(page) != 7 || *(volatile u32 *)(page + 256) != i) wrong++;
  }
  expect_value("data beside code", wrong, 0);
}

#if PAGED
static void test_aliases(void) {
  u8 *alias = (u8 *)0x70000000;
  map_page((word)alias, (word)page, PTE_P | PTE_W | PTE_U);
  u32 wrong = 0;
  for (u32 i = 0; i < 200; i++) {
    put_code(alias, i);
    cpuid(0, 0);
    if (call_code(page) != i) wrong++;
    put_code(page, ~i);
    cpuid(0, 0);
    if (call_code(alias) != ~i) wrong++;
  }
  expect_value("through an alias", wrong, 0);
  // The same linear address, other frames.
  u8 *second = alloc_pages(1);
  for (u32 i = 0; i < 200; i++) {
    put_code(page, i);
    put_code(second, i + 1000);
    map_page((word)alias, (word)(i & 1 ? second : page), PTE_P | PTE_W | PTE_U);
    if (call_code(alias) != (i & 1 ? i + 1000 : i)) wrong++;
  }
  expect_value("one address, two frames", wrong, 0);
  // User code changed by the kernel, and by itself.
  put_code(page, 5);
  *entry_of((word)page, 1) &= ~(pte)PTE_W;
  invlpg((word)page);
  put_code(alias, 6);
  map_page((word)alias, (word)page, PTE_P | PTE_W | PTE_U);
  put_code(alias, 8);
  cpuid(0, 0);
  expect_value("a page that only its alias may write", call_code(page), 8);
}
#endif

void test_main(void) {
  page = alloc_pages(2);
  test_here();
  test_again();
#if PAGED
  test_aliases();
#endif
}
