// Descriptor tables, and what each processor has: two stacks, a TSS.
#include "pv.h"

u8 stacks[2 * MAX_CPUS][STACK_BYTES] __attribute__((aligned(4096)));
u64 gdts[MAX_CPUS][512] PAGED;
/** As they are before a hypervisor has changed their level. */
static const u64 segments[] = {
    [KERNEL_CS / 8] = LONG ? 0x00af9b000000ffff : 0x00cf9b000000ffff,
    [KERNEL_DS / 8] = 0x00cf93000000ffff,
    [0x18 / 8] = 0x00cffb000000ffff, // user code of 32 bits, data, user code of 64: the order of SYSRET and SYSEXIT
    [0x20 / 8] = 0x00cff3000000ffff,
    [0x28 / 8] = LONG ? 0x00affb000000ffff : 0,
};
u64 ldt[512] PAGED;
struct gate idt[256] PAGED;
struct tss tss[MAX_CPUS];
unsigned kernel_rpl;

unsigned cpu_number(void) {
  u8 here;
  asm volatile("" : : "r"(&here));
  return ((word)&here - (word)stacks) / (2 * STACK_BYTES);
}

u64 descriptor(u32 base, u32 limit, u8 access, u8 flags) {
  return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)access << 40 | (u64)(limit >> 16 & 15) << 48 | (u64)flags << 52 |
         (u64)(base >> 24) << 56;
}

/** User code may raise its own way back, the system call and what the debugger's instructions do. */
static unsigned gate_level(unsigned vector) {
  return vector == BP || vector == OF || vector == USER_DONE || vector == SYSCALL_INT ? 3 : 0;
}

void prepare_cpu(unsigned cpu) {
  for (unsigned index = 0; index < sizeof segments / 8; index++) gdts[cpu][index] = segments[index];
}

void setup_cpu(unsigned cpu) {
  pv.cpu.load_gdt(gdts[cpu], 64);
  if (cpu == 0)
    for (unsigned vector = 0; vector < 256; vector++) pv.cpu.write_gate(vector, vector_entries[vector], gate_level(vector));
  pv.cpu.load_idt();
  pv.cpu.load_ldt(ldt, 0);
  tss[cpu].iomap = sizeof(struct tss);
  pv.cpu.load_kernel_stack(STACK_TOP(cpu, 1));
  if (pv.cpu.load_tr) {
    pv.cpu.write_gdt_entry(TSS_SELECTOR / 8, descriptor((word)&tss[cpu], sizeof(struct tss) - 1, 0x89, 0));
#if LONG
    pv.cpu.write_gdt_entry(TSS_SELECTOR / 8 + 1, (word)&tss[cpu] >> 32);
#endif
    pv.cpu.load_tr(TSS_SELECTOR);
  }
}
