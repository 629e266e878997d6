// The other CPUs, by INIT and STARTUP (SDM vol. 3, 9.4.4.1), and the local APIC as memory.
#include "system.h"

struct cpu cpus[MAX_CPUS];
u8 ap_stacks[MAX_CPUS][STACK_BYTES] __attribute__((aligned(16)));
static void (*volatile ap_entry)(unsigned index);
static volatile u32 running = 0;
void load_tables(unsigned index);

unsigned cpu_index(void) { return cpuid(1, 0).b >> 24 & (MAX_CPUS - 1); }

unsigned cpu_count(void) {
  out16(0x510, 5); // fw_cfg: number of CPUs
  unsigned low = in8(0x511);
  return low | in8(0x511) << 8;
}

static volatile u32 *lapic(unsigned offset) { return (volatile u32 *)(0xfee00000ul + offset); }
u32 lapic_read(unsigned offset) { return *lapic(offset); }
void lapic_write(unsigned offset, u32 value) { *lapic(offset) = value; }

void send_ipi(unsigned destination, u32 command) {
  while (lapic_read(0x300) & 0x1000) pause();
  lapic_write(0x310, destination << 24);
  lapic_write(0x300, command);
}

/** C entry of a started CPU, on its own stack. */
void ap_main(void) {
  unsigned index = cpu_index();
  load_tables(index);
  asm volatile("lock incl %0" : "+m"(running));
  ap_entry(index);
  for (;;) {
    cli();
    hlt();
  }
}

unsigned smp_start(void (*entry)(unsigned index)) {
  ap_entry = entry;
  running = 0;
  unsigned others = cpu_count() - 1;
  lapic_write(0xf0, 0x1ff);
  for (unsigned id = 1; id <= others && id < MAX_CPUS; id++) {
    send_ipi(id, 0x4500); // INIT, assert
    send_ipi(id, 0x4608); // STARTUP at 0x8000
    for (u64 until = rdtsc() + 4000000000ull; running < id && rdtsc() < until;) pause();
  }
  return running;
}
