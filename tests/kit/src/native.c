// The table on bare metal: each operation is the instruction that it is named after, the 8259s, the local APIC and its timer.
// What a ROM of VMI answers "native" stays as it is here, so these run at CPL 1 as well.
#include "pv.h"

extern const u8 native_iret[], native_sysret[], native_syscall[], native_sysexit[], native_sysenter[];
extern word multiboot_info;
extern volatile word trampoline_stack;
struct pv_ops pv;

// ---- processor ----
static struct numbers native_cpuid(u32 leaf) {
  struct numbers n;
  asm volatile("cpuid" : "=a"(n.a), "=b"(n.b), "=c"(n.c), "=d"(n.d) : "a"(leaf), "c"(0));
  return n;
}
#define REGISTER(name)                                                                        \
  static word read_##name(void) {                                                             \
    word value;                                                                               \
    asm volatile("mov %%" #name ", %0" : "=r"(value) : : "memory");                           \
    return value;                                                                             \
  }                                                                                           \
  static void write_##name(word value) { asm volatile("mov %0, %%" #name : : "r"(value) : "memory"); }
REGISTER(cr0) REGISTER(cr2) REGISTER(cr3) REGISTER(cr4)
REGISTER(dr0) REGISTER(dr1) REGISTER(dr2) REGISTER(dr3) REGISTER(dr6) REGISTER(dr7)

static void clts(void) { asm volatile("clts"); }
static word get_debugreg(unsigned number) {
  switch (number) {
    case 0: return read_dr0();
    case 1: return read_dr1();
    case 2: return read_dr2();
    case 3: return read_dr3();
    case 6: return read_dr6();
    default: return read_dr7();
  }
}
static void set_debugreg(unsigned number, word value) {
  switch (number) {
    case 0: return write_dr0(value);
    case 1: return write_dr1(value);
    case 2: return write_dr2(value);
    case 3: return write_dr3(value);
    case 6: return write_dr6(value);
    default: return write_dr7(value);
  }
}
static u64 read_msr(u32 index) {
  u32 low, high;
  asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
  return (u64)high << 32 | low;
}
static void write_msr(u32 index, u64 value) { asm volatile("wrmsr" : : "c"(index), "a"((u32)value), "d"((u32)(value >> 32)) : "memory"); }
static u64 read_pmc(u32 index) {
  u32 low, high;
  asm volatile("rdpmc" : "=a"(low), "=d"(high) : "c"(index));
  return (u64)high << 32 | low;
}
static void wbinvd(void) { asm volatile("wbinvd" : : : "memory"); }

struct table_register { u16 limit; word base; } __attribute__((packed));
static void load_gdt(u64 *table, unsigned entries) {
  struct table_register value = {entries * 8 - 1, (word)table};
  asm volatile("lgdt %0" : : "m"(value) : "memory");
  reload_segments();
}
static word store_gdt(void) {
  struct table_register value;
  asm volatile("sgdt %0" : "=m"(value));
  return value.base;
}
static void load_idt(void) {
  struct table_register value = {sizeof idt - 1, (word)idt};
  asm volatile("lidt %0" : : "m"(value) : "memory");
}
static word store_idt(void) {
  struct table_register value;
  asm volatile("sidt %0" : "=m"(value));
  return value.base;
}
/** A local table is a segment of the GDT, so that is written by the operation for it. */
static void load_ldt(u64 *table, unsigned entries) {
  u16 selector = entries == 0 ? 0 : LDT_SELECTOR;
  if (entries != 0) {
    pv.cpu.write_gdt_entry(LDT_SELECTOR / 8, descriptor((word)table, entries * 8 - 1, 0x82, 0));
#if LONG
    pv.cpu.write_gdt_entry(LDT_SELECTOR / 8 + 1, (word)table >> 32);
#endif
  }
  asm volatile("lldt %0" : : "rm"(selector) : "memory");
}
static u16 store_ldt(void) {
  u16 selector;
  asm volatile("sldt %0" : "=rm"(selector));
  return selector;
}
static void load_tr(u16 selector) { asm volatile("ltr %0" : : "rm"(selector) : "memory"); }
static u16 store_tr(void) {
  u16 selector;
  asm volatile("str %0" : "=rm"(selector));
  return selector;
}
static void write_gdt_entry(unsigned index, u64 value) { gdts[cpu_number()][index] = value; }
static void write_ldt_entry(unsigned index, u64 value) { ldt[index] = value; }
static void write_gate(unsigned vector, const void *entry, unsigned dpl) {
  word at = (word)entry;
  struct gate gate = {.offset0 = at, .selector = KERNEL_CS, .type = 0x8e | dpl << 5, .offset1 = at >> 16};
#if LONG
  gate.offset2 = at >> 32;
#endif
  idt[vector] = gate;
}
static void load_kernel_stack(word sp) {
  struct tss *own = &tss[cpu_number()];
  own->sp0 = sp;
#if !LONG
  own->ss0 = KERNEL_DS;
#endif
}
static void set_iopl(unsigned level) {
  word flags;
  asm volatile("pushf\npop %0" : "=r"(flags));
  asm volatile("push %0\npopf" : : "r"((flags & ~FLAG_IOPL) | level << 12) : "cc", "memory");
}
static void io_delay(void) { out8(0x80, 0); }

// ---- interrupts ----
static void enable(void) { asm volatile("sti" : : : "memory"); }
static void disable(void) { asm volatile("cli" : : : "memory"); }
static word save(void) {
  word flags;
  asm volatile("pushf\npop %0" : "=r"(flags) : : "memory");
  return flags;
}
static void restore(word flags) {
  if (flags & FLAG_IF) enable();
  else disable();
}
static void safe_halt(void) { asm volatile("sti\nhlt" : : : "memory"); }

/** Of the local APIC, which VMI has calls for: vmi.c replaces these two. */
u32 (*apic_read)(u32 offset);
void (*apic_write)(u32 offset, u32 value);
static u32 native_apic_read(u32 offset) { return *(volatile u32 *)(0xfee00000ul + offset); }
static void native_apic_write(u32 offset, u32 value) { *(volatile u32 *)(0xfee00000ul + offset) = value; }
enum { EOI = 0xb0, SPURIOUS = 0xf0, ICR = 0x300, LVT_TIMER = 0x320, INITIAL = 0x380, CURRENT = 0x390, DIVIDE = 0x3e0, MASKED = 0x10000 };

static void eoi(unsigned vector) {
  if (vector < PIC_VECTOR + 16) out8(0x20, 0x20);
  else apic_write(EOI, 0);
}

// ---- memory ----
static pte *read_root(void) { return (pte *)(read_cr3() & ~(word)0xfff); }
static void write_root(pte *root) { write_cr3((word)root); }
static pte make(const void *page, pte flags) { return (word)page | flags; }
static void *page_of(pte entry) { return (void *)((word)entry & ~(word)0xfff); }
static void flush_user(void) { write_cr3(read_cr3()); }
static void set(pte *entry, pte value, int level, word linear) {
  (void)linear;
  *(volatile pte *)entry = value;
  if (WIDE_ENTRIES && !LONG && level == 3) flush_user(); // the processor has copies of a PAE root's four
}
static void update(pte *entry, int level, word linear) { (void)entry, (void)level, (void)linear; }
static void allocate(void *page, int level) { (void)page, (void)level; }
static void flush_one(word linear) { asm volatile("invlpg (%0)" : : "r"(linear) : "memory"); }
static void flush_all(void) {
  word cr4 = read_cr4();
  write_cr4(cr4 ^ 0x80); // any change of PGE takes global translations too
  write_cr4(cr4);
}
static void nothing(void) {}

// ---- time ----
static u32 hz;
static u32 apic_per_cycle; // local APIC timer ticks in 2^16 cycles
static u64 expiries[MAX_CPUS], periods[MAX_CPUS];

/** Counts cycles while channel 2 of the 8254 goes through 2 ms. */
static void calibrate(void) {
  const unsigned ticks = 2386; // of 1193182 Hz
  apic_write(SPURIOUS, 0x1ff);
  apic_write(DIVIDE, 0xb);
  apic_write(LVT_TIMER, MASKED);
  out8(0x61, (in8(0x61) & ~2) | 1);
  out8(0x43, 0xb0);
  out8(0x42, ticks & 0xff);
  out8(0x42, ticks >> 8);
  u64 start = rdtsc();
  apic_write(INITIAL, 0xffffffff);
  while (!(in8(0x61) & 0x20)) {}
  u32 apic = 0xffffffff - apic_read(CURRENT);
  u32 cycles = rdtsc() - start;
  apic_write(INITIAL, 0);
  hz = divide((u64)cycles * 1193182, ticks);
  apic_per_cycle = divide((u64)apic << 16, cycles);
}
static u32 frequency(void) {
  if (hz == 0) calibrate();
  return hz;
}
static u64 counter(int which) { return which == STOLEN ? 0 : pv.cpu.read_tsc(); }
/** From the clock chip, in UTC. */
static u32 cmos(u8 index) {
  out8(0x70, index);
  u32 value = in8(0x71);
  return (value >> 4) * 10 + (value & 15);
}
static u64 wall_clock(void) {
  u32 year = cmos(9) + 2000, month = cmos(8), day = cmos(7), seconds = cmos(4) * 3600 + cmos(2) * 60 + cmos(0);
  if (month <= 2) year--, month += 12;
  u32 days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month - 457) / 5 + day - 306 - 719163;
  return ((u64)days * 86400 + seconds) * 1000000000ull;
}
static void program(unsigned cpu) {
  u64 now = counter(REAL);
  u64 cycles = expiries[cpu] > now ? expiries[cpu] - now : 0;
  u64 ticks = cycles >> 32 ? 0xffffffff : cycles * apic_per_cycle >> 16;
  apic_write(INITIAL, ticks == 0 ? 1 : ticks > 0xffffffff ? 0xffffffff : ticks);
}
/** The device counts in its own ticks and may come early, or not reach so far: then it goes on. A period is armed anew. */
static bool on_timer(struct frame *frame) {
  (void)frame;
  unsigned cpu = cpu_number();
  if (expiries[cpu] == 0) return true;
  if (counter(REAL) < expiries[cpu]) {
    program(cpu);
    return true;
  }
  expiries[cpu] = periods[cpu] == 0 ? 0 : expiries[cpu] + periods[cpu];
  if (expiries[cpu] != 0) program(cpu);
  return handlers[TIMER_VECTOR](frame);
}
static void timer_setup(void) {
  frequency();
  apic_write(SPURIOUS, 0x1ff);
  apic_write(DIVIDE, 0xb);
  apic_write(LVT_TIMER, DEVICE_VECTOR);
  handlers[DEVICE_VECTOR] = on_timer;
}
static void set_alarm(u64 expiry, u64 period) {
  unsigned cpu = cpu_number();
  expiries[cpu] = expiry == 0 ? 1 : expiry;
  periods[cpu] = period;
  program(cpu);
}
static void cancel_alarm(void) {
  expiries[cpu_number()] = 0;
  apic_write(INITIAL, 0);
}

// ---- processors ----
static unsigned count(void) {
  asm volatile("outw %0, %1" : : "a"((u16)5), "Nd"((u16)0x510)); // fw_cfg: how many processors there are
  u32 low = in8(0x511);
  return low | in8(0x511) << 8;
}
static void send(unsigned cpu, u32 command) {
  while (apic_read(ICR) & 0x1000) pause();
  apic_write(ICR + 0x10, cpu << 24);
  apic_write(ICR, command);
}
/** What a ROM is told between INIT and STARTUP. */
void (*describe_start)(unsigned cpu);
void native_start(unsigned cpu) {
  trampoline_stack = STACK_TOP(cpu, 0);
  apic_write(SPURIOUS, 0x1ff);
  send(cpu, 0x4500); // INIT
  if (describe_start) describe_start(cpu);
  send(cpu, 0x4608); // STARTUP at 0x8000
  for (u64 until = rdtsc() + 1000000000; !describe_start && trampoline_stack && rdtsc() < until;) pause();
}
static void send_ipi(unsigned cpu) { send(cpu, 0x4000 | IPI_VECTOR); }

// ---- the machine ----
static void put(char c) {
  while (!(in8(0x3fd) & 0x20)) {}
  out8(0x3f8, c);
}
__attribute__((noreturn)) static void power_off(unsigned status) {
  asm volatile("outl %0, %1" : : "a"(status), "Nd"((u16)0xf4));
  for (;;) asm volatile("cli\nhlt");
}

void native_early(void) {
  pv = native_ops;
  apic_read = native_apic_read;
  apic_write = native_apic_write;
  pv_iret = native_iret;
  out8(0x20, 0x11), out8(0x21, PIC_VECTOR), out8(0x21, 4), out8(0x21, 1), out8(0x21, 0xff);
  out8(0xa0, 0x11), out8(0xa1, PIC_VECTOR + 8), out8(0xa1, 2), out8(0xa1, 1), out8(0xa1, 0xff);
#if LONG
  write_msr(0xc0000081, (u64)0x1b << 48 | (u64)KERNEL_CS << 32); // STAR
  write_msr(0xc0000082, (word)native_syscall);
  write_msr(0xc0000084, 0x47700); // SFMASK: IF, DF, TF and the like
  pv_fast_return = native_sysret;
#else
  write_msr(0x174, KERNEL_CS);
  write_msr(0x175, STACK_TOP(0, 1));
  write_msr(0x176, (word)native_sysenter);
  pv_fast_return = native_sysexit;
#endif
}

const struct pv_ops native_ops = {
    .cpu = {native_cpuid, read_cr0, write_cr0, clts, read_cr4, write_cr4, get_debugreg, set_debugreg, read_msr, write_msr, read_pmc, rdtsc, wbinvd,
            load_gdt, store_gdt, load_idt, store_idt, load_ldt, store_ldt, load_tr, store_tr, write_gdt_entry, write_ldt_entry, write_gate,
            load_kernel_stack, set_iopl, io_delay},
    .irq = {enable, disable, save, restore, safe_halt, eoi},
    .mmu = {read_cr2, write_cr2, read_root, write_root, make, page_of, set, update, allocate, allocate, flush_one, flush_user, flush_all, nothing, nothing, nothing},
    .time = {frequency, counter, wall_clock, timer_setup, set_alarm, cancel_alarm},
    .smp = {count, native_start, send_ipi},
    .platform = {.name = "native", .put = put, .power_off = power_off, .spare_msr = LONG ? 0xc0000102 : 0x175, .user_bit = true, .stale_until_flush = true},
};
