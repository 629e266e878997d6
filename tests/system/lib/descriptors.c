// GDT, IDT, one TSS per CPU. The order of the GDT's first entries is what SYSCALL, SYSRET, SYSENTER and SYSEXIT need.
#include "system.h"

extern const u8 vector_entries[];
static u8 exception_stacks[MAX_CPUS][STACK_BYTES] __attribute__((aligned(4096)));
#if LONG
static u8 double_fault_stacks[MAX_CPUS][STACK_BYTES] __attribute__((aligned(4096)));
#endif

u64 gdt[64] __attribute__((aligned(16))) = {
    [0x08 / 8] = 0x00cf9b000000ffff, // code 32
    [0x10 / 8] = 0x00cf93000000ffff, // data
    [0x18 / 8] = 0x00cffb000000ffff, // user code 32
    [0x20 / 8] = 0x00cff3000000ffff, // user data
    [0x28 / 8] = 0x00affb000000ffff, // user code 64
    [0x30 / 8] = 0x00af9b000000ffff, // code 64
    [0x38 / 8] = 0x00cf93000000ffff, // data
    [0x40 / 8] = 0x00cffb000000ffff, // user code 32, user data, user code 64, user data: behind code 64, for SYSEXIT
    [0x48 / 8] = 0x00cff3000000ffff,
    [0x50 / 8] = 0x00affb000000ffff,
    [0x58 / 8] = 0x00cff3000000ffff,
    [0x60 / 8] = 0x00009b000000ffff, // code 16
    [0x68 / 8] = 0x000093000000ffff, // data 16
};
struct gate idt[256] __attribute__((aligned(16)));

u64 descriptor(u32 base, u32 limit, u8 access, u8 flags) {
  return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)access << 40 | (u64)(limit >> 16 & 15) << 48 | (u64)flags << 52 |
         (u64)(base >> 24) << 56;
}

void set_system_descriptor(unsigned selector, word base, u32 limit, u8 access) {
  gdt[selector / 8] = descriptor(base, limit, access, 0);
#if LONG
  gdt[selector / 8 + 1] = base >> 32;
#endif
}

const void *default_handler(unsigned vector) { return vector_entries + vector * 16; }

void set_gate(unsigned vector, const void *handler, u16 selector, u8 type, u8 ist) {
  word offset = (word)handler;
  struct gate gate = {.offset0 = offset, .selector = selector, .ist = ist, .type = type, .offset1 = offset >> 16};
#if LONG
  gate.offset2 = offset >> 32;
#endif
  idt[vector] = gate;
}

void load_tables(unsigned index) {
  struct table_register gdtr = {sizeof gdt - 1, (word)gdt}, idtr = {sizeof idt - 1, (word)idt};
  asm volatile("lgdt %0\nlidt %1\nlldt %2" : : "m"(gdtr), "m"(idtr), "m"((u16){0}) : "memory");
  struct tss *tss = &cpus[index].tss;
#if LONG
  tss->sp[0] = (word)exception_stacks[index + 1];
  tss->ist[0] = (word)double_fault_stacks[index + 1];
#else
  tss->sp0 = (word)exception_stacks[index + 1];
  tss->ss0 = SEL_DATA;
  tss->cr3 = read_cr3();
#endif
  // No port is allowed at first: a test clears bits of io_bitmap. The last byte is all ones (SDM vol. 1, 19.5.2).
  tss->iomap = offsetof(struct cpu, io_bitmap) - offsetof(struct cpu, tss);
  for (unsigned i = 0; i < sizeof cpus[index].io_bitmap; i++) cpus[index].io_bitmap[i] = 0xff;
  u16 selector = SEL_TSS + index * 16;
  set_system_descriptor(selector, (word)tss, tss->iomap + sizeof cpus[index].io_bitmap - 1, 0x89);
  asm volatile("ltr %0" : : "r"(selector) : "memory");
}

void make_idt(void) {
  for (unsigned vector = 0; vector < 256; vector++) {
    bool user = vector == BP || vector == OF || vector == RETURN_VECTOR;
    set_gate(vector, default_handler(vector), SEL_CODE, user ? 0xee : 0x8e, LONG && vector == DF ? 1 : 0);
  }
}

void lib_main(void) {
  out8(0x21, 0xff); // both 8259s masked: the firmware leaves a timer running, and its vectors are those of exceptions
  out8(0xa1, 0xff);
  make_idt();
  load_tables(0);
  test_main();
  finish();
}
