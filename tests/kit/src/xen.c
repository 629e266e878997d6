// The table under Xen, as a PV guest: hypercalls for what a processor would do, words shared with the hypervisor for what happens often (the flag
// for events, time), page tables that only the hypervisor writes. Frames of page tables are the machine's; two tables lead there and back.
#include "pv.h"

#if LONG
#define FIELD(wide, narrow) (wide)
#define M2P ((const word *)0xffff800000000000)
#define XEN_CS 0xe033
#define XEN_SS 0xe02b
#define TRAP_CS 0xe033
#define STACK_SS 0xe02b
#else
#define FIELD(wide, narrow) (narrow)
#define M2P ((const word *)0xf5800000)
#define XEN_CS 0xe019
#define XEN_SS 0xe021
#define TRAP_CS (KERNEL_CS | 1)
#define STACK_SS (KERNEL_DS | 1)
#endif
enum {
  set_trap_table, mmu_update, set_gdt, stack_switch, set_callbacks, fpu_taskswitch, set_debugreg = 8, get_debugreg, update_descriptor,
  update_va_mapping = 14, xen_version = 17, vm_assist = 21, vcpu_op = 24, mmuext_op = 26, sched_op = 29, callback_op, event_channel_op = 32, physdev_op
};
enum { DOMID_SELF = 0x7ff0 };
enum { SCHED_yield, SCHED_block, SCHED_shutdown };
enum { EVENT_bind_virq = 1, EVENT_send = 4, EVENT_bind_ipi = 7 };
enum { VCPU_initialise, VCPU_up, VCPU_is_up = 3, VCPU_runstate, VCPU_set_periodic = 6, VCPU_stop_periodic, VCPU_set_once, VCPU_stop_once };
enum { MMU_new_root = 5, MMU_flush, MMU_flush_one, MMU_set_ldt = 13, MMU_new_user_root = 15 };

extern const u8 xen_iret[], xen_sysret[], xen_event_entry[], xen_syscall_entry[], xen_failsafe_entry[], xen_vector_entries[256][32], image_start[], image_end[];
static u8 shared_info[4096] PAGED;
static u8 *info;

static word call(int number, word a, word b, word c, word d) {
  word result = number;
#if LONG
  register word r10 asm("r10") = d;
  asm volatile("syscall" : "+a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(r10) : : "rcx", "r11", "memory");
#else
  asm volatile("int $0x82" : "+a"(result), "+b"(a), "+c"(b), "+d"(c), "+S"(d) : : "memory");
#endif
  return result;
}
#define call1(n, a) call(n, (word)(a), 0, 0, 0)
#define call2(n, a, b) call(n, (word)(a), (word)(b), 0, 0)
#define call3(n, a, b, c) call(n, (word)(a), (word)(b), (word)(c), 0)
#define call4(n, a, b, c, d) call(n, (word)(a), (word)(b), (word)(c), (word)(d))
static word word_at(const u8 *base, int offset) { return *(const word *)(base + offset); }

// ---- frames ----
static u64 machine_of(const void *linear) {
  const word *p2m = (const word *)word_at(info, FIELD(0x68, 0x44));
  return (u64)p2m[(word)linear >> 12] << 12 | ((word)linear & 4095);
}
static void *linear_of(u64 machine) { return (void *)(M2P[(machine & 0xffffffffff000ull) >> 12] << 12); }
static pte make(const void *page, pte flags) { return (machine_of(page) & ~4095ull) | flags; }
static void *page_of(pte entry) { return linear_of(entry); }
/** This kernel's own mapping of a page becomes another: the hypervisor keeps tables from being written. */
static void map_own(const void *page, pte entry) {
#if LONG
  call3(update_va_mapping, page, entry, 2);
#else
  call4(update_va_mapping, page, (u32)entry, (u32)(entry >> 32), 2);
#endif
}
static void read_only(const void *page) { map_own(page, make(page, P | U | AD)); }
static void writable(const void *page) { map_own(page, make(page, P | W | U | AD)); }
static void extended(u32 command, u64 first, word second) {
  word operation[3] = {command, (word)first, second};
  call4(mmuext_op, operation, 1, 0, DOMID_SELF);
}

// ---- processor ----
/** A prefix that faults, so that the hypervisor answers. */
static struct numbers xen_cpuid(u32 leaf) {
  struct numbers n;
  asm volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e\ncpuid" : "=a"(n.a), "=b"(n.b), "=c"(n.c), "=d"(n.d) : "a"(leaf), "c"(0));
  return n;
}
static void write_cr0(word value) { call1(fpu_taskswitch, (value & 8) != 0); }
static void clts(void) { call1(fpu_taskswitch, 0); }
static word xen_get_debugreg(unsigned number) { return call1(get_debugreg, number); }
static void xen_set_debugreg(unsigned number, word value) { call2(set_debugreg, number, value); }
static void load_gdt(u64 *table, unsigned entries) {
  (void)entries;
  word frame = machine_of(table) >> 12;
  read_only(table);
  call2(set_gdt, &frame, 512);
#if !LONG
  reload_segments();
#endif
}
static void write_descriptor(u64 *at, u64 value) {
#if LONG
  call2(update_descriptor, machine_of(at), value);
#else
  u64 machine = machine_of(at);
  call4(update_descriptor, (u32)machine, (u32)(machine >> 32), (u32)value, (u32)(value >> 32));
#endif
}
static void write_gdt_entry(unsigned index, u64 value) { write_descriptor(&gdts[cpu_number()][index], value); }
static void write_ldt_entry(unsigned index, u64 value) { write_descriptor(&ldt[index], value); }
static void load_ldt(u64 *table, unsigned entries) {
  if (entries) read_only(table);
  extended(MMU_set_ldt, entries ? (word)table : 0, entries);
  if (!entries) writable(table);
}
/** Traps, of each processor its own; the flag 4 is an interrupt gate's. */
static struct trap { u8 vector, flags; u16 cs; word address; } traps[257];
static const void *trap_entry(const void *native) {
#if LONG
  return xen_vector_entries[((const u8 *)native - vector_entries[0]) / 16];
#else
  return native;
#endif
}
static void write_gate(unsigned vector, const void *entry, unsigned dpl) {
  traps[vector] = (struct trap){vector, dpl | 4, TRAP_CS, (word)trap_entry(entry)};
  struct trap one[2] = {traps[vector], {0}};
  call1(set_trap_table, one);
}
static void load_idt(void) { call1(set_trap_table, traps); }
static void load_kernel_stack(word sp) { call2(stack_switch, STACK_SS, sp); }
static void set_iopl(unsigned level) { call2(physdev_op, 6, &level); }
static void nothing(void) {}

// ---- interrupts: events that the shared word lets through ----
static volatile u8 *own_info(void) { return shared_info + 64 * cpu_number(); }
static word save(void) { return own_info()[1] ? 0 : FLAG_IF; }
static void disable(void) {
  own_info()[1] = 1;
  asm volatile("" : : : "memory");
}
/** What waited comes with the next call of the hypervisor. */
static void enable(void) {
  asm volatile("" : : : "memory");
  own_info()[1] = 0;
  if (own_info()[0]) call2(xen_version, 0, 0);
}
static void restore(word flags) {
  if (flags & FLAG_IF) enable();
  else disable();
}
static void safe_halt(void) { call2(sched_op, SCHED_block, 0); }
static void eoi(unsigned vector) { (void)vector; }

static u32 timer_ports[MAX_CPUS], message_ports[MAX_CPUS];
/** Takes the port's event, if there is one. The bits are everybody's, so only one's own are touched. */
static bool take(u32 port) {
  const unsigned bits = sizeof(word) * 8;
  word bit = 1ul << port % bits;
  return port != 0 && (__atomic_fetch_and((word *)(shared_info + 0x800) + port / bits, ~bit, __ATOMIC_SEQ_CST) & bit);
}
/** The upcall. The second level of bits says where to look; with two ports one looks at once. */
static bool on_event(struct frame *frame) {
  unsigned cpu = cpu_number();
  own_info()[0] = 0;
  __atomic_store_n((word *)(shared_info + 64 * cpu + sizeof(word)), 0, __ATOMIC_SEQ_CST);
  if (take(timer_ports[cpu]) && handlers[TIMER_VECTOR]) handlers[TIMER_VECTOR](frame);
  if (take(message_ports[cpu]) && handlers[IPI_VECTOR]) handlers[IPI_VECTOR](frame);
  return true;
}

// ---- memory ----
static word read_cr2(void) { return word_at((const u8 *)own_info(), FIELD(0x10, 8)); }
static void write_cr2(word value) { *(volatile word *)(own_info() + FIELD(0x10, 8)) = value; }
/** CR3 has the frame; 32 bits have room for its upper ones below. */
static word root_word(const pte *root) {
  u64 frame = machine_of(root) >> 12;
  return LONG ? frame << 12 : (word)(frame << 12 | frame >> 20);
}
static pte *read_root(void) {
  word cr3;
  asm volatile("mov %%cr3, %0" : "=r"(cr3) : : "memory");
  return linear_of(LONG ? cr3 : ((u64)(cr3 & 0xfff) << 20 | cr3 >> 12) << 12);
}
static void write_root(pte *root) {
  extended(MMU_new_root, machine_of(root) >> 12, 0);
  if (LONG) extended(MMU_new_user_root, machine_of(root) >> 12, 0); // user code has a root of its own: here the same
}
static struct request { u64 where, value; } batch[32];
static unsigned batched;
static bool lazy;
static void send_batch(void) {
  if (batched) call4(mmu_update, batch, batched, 0, DOMID_SELF);
  batched = 0;
}
static void set(pte *entry, pte value, int level, word linear) {
  (void)level, (void)linear;
  batch[batched++] = (struct request){machine_of(entry), value};
  if (!lazy || batched == sizeof batch / sizeof batch[0]) send_batch();
}
/** Plain stores to a lowest table are emulated, since xen_setup has asked for that. */
static void update(pte *entry, int level, word linear) { (void)entry, (void)level, (void)linear; }
/** The last quarter of a PAE root has Xen in it, so no two roots share it. */
static void allocate(void *page, int level) {
#if !LONG
  static pte upper[512] PAGED;
  if (level == 3) {
    read_only(upper);
    ((pte *)page)[3] = make(upper, P);
  }
#else
  (void)level;
#endif
  read_only(page);
}
static void release(void *page, int level) {
  (void)level;
  writable(page);
}
static void flush_one(word linear) { extended(MMU_flush_one, linear, 0); }
static void flush(void) { extended(MMU_flush, 0, 0); }
static void enter_lazy(void) { lazy = true; }
static void leave_lazy(void) {
  lazy = false;
  send_batch();
}

// ---- time, in nanoseconds ----
struct time_info { u32 version, pad; u64 tsc, system; u32 mul; signed char shift; u8 flags, pad2[2]; };
static u32 frequency(void) { return 1000000000; }
static u64 system_time(void) {
  volatile struct time_info *time = (struct time_info *)(own_info() + 0x20);
  for (;;) {
    u32 version = time->version;
    u64 delta = rdtsc() - time->tsc;
    delta = time->shift < 0 ? delta >> -time->shift : delta << time->shift;
    u64 now = time->system + ((u64)(u32)delta * time->mul >> 32) + (delta >> 32) * time->mul;
    if (!(version & 1) && version == time->version) return now;
  }
}
static u64 counter(int which) {
  if (which == REAL) return system_time();
  u8 runstate[48] __attribute__((aligned(8)));
  call3(vcpu_op, VCPU_runstate, cpu_number(), runstate);
  u64 stolen = *(u64 *)(runstate + FIELD(16, 12) + 8); // ready, and another had the processor
  return which == STOLEN ? stolen : system_time() - stolen;
}
static u64 wall_clock(void) {
  const u32 *clock = (const u32 *)(shared_info + FIELD(0xc00, 0x900));
  return (u64)clock[1] * 1000000000 + clock[2] + system_time();
}
static void set_alarm(u64 expiry, u64 period) {
  unsigned cpu = cpu_number();
  if (period) {
    call3(vcpu_op, VCPU_set_periodic, cpu, &period);
    return;
  }
  struct { u64 expiry; u32 flags; } once = {expiry, 0};
  call3(vcpu_op, VCPU_set_once, cpu, &once);
}
static void cancel_alarm(void) {
  call3(vcpu_op, VCPU_stop_once, cpu_number(), 0);
  call3(vcpu_op, VCPU_stop_periodic, cpu_number(), 0);
}
/** The timer's event gets a port. Every processor starts with a period of 10 ms, which nobody wants. */
static void time_setup(void) {
  unsigned cpu = cpu_number();
  cancel_alarm();
  if (timer_ports[cpu]) return;
  struct { u32 virq, vcpu, port; } virq = {0, cpu, 0};
  call2(event_channel_op, EVENT_bind_virq, &virq);
  timer_ports[cpu] = virq.port;
}

// ---- processors ----
static unsigned count(void) {
  unsigned known = 0;
  while (known < MAX_CPUS && (long)call3(vcpu_op, VCPU_is_up, known, 0) >= 0) known++;
  return known;
}
static void bind_messages(unsigned cpu) {
  struct { u32 vcpu, port; } ipi = {cpu, 0};
  call2(event_channel_op, EVENT_bind_ipi, &ipi);
  message_ports[cpu] = ipi.port;
}
/** A whole processor is described, and then it is there. */
static void start(unsigned cpu) {
  static u8 context[0x1430] PAGED;
#define PUT(wide, narrow, value) (*(word *)(context + FIELD(wide, narrow)) = (value))
  for (unsigned n = 0; n < sizeof context; n++) context[n] = 0;
  *(u32 *)(context + 0x200) = 4; // in the kernel
  u8 *registers = context + FIELD(0x208, 0x204);
  *(word *)(registers + FIELD(0x80, 0x20)) = (word)start_secondary;
  *(u16 *)(registers + FIELD(0x88, 0x24)) = XEN_CS;
  *(word *)(registers + FIELD(0x90, 0x28)) = FLAG_IF | 2;
  *(word *)(registers + FIELD(0x98, 0x2c)) = STACK_TOP(cpu, 0) - 24;
  *(u16 *)(registers + FIELD(0xa0, 0x30)) = XEN_SS;
#if !LONG
  *(u16 *)(registers + 0x34) = *(u16 *)(registers + 0x38) = XEN_SS;
#endif
  for (unsigned n = 0; n < 256; n++) ((struct trap *)(context + FIELD(0x2d0, 0x248)))[n] = traps[n];
  PUT(0x1368, 0xa94, XEN_SS);
  PUT(0x1370, 0xa98, STACK_TOP(cpu, 1));
  PUT(0x1378 + 24, 0xa9c + 12, root_word(read_root()));
#if LONG
  PUT(0x1378 + 8, 0, root_word(read_root()));
  PUT(0x13f8, 0, (word)xen_event_entry);
  PUT(0x1400, 0, (word)xen_failsafe_entry);
  PUT(0x1408, 0, (word)xen_syscall_entry);
#else
  PUT(0, 0xadc, XEN_CS);
  PUT(0, 0xae0, (word)xen_event_entry);
  PUT(0, 0xae4, XEN_CS);
  PUT(0, 0xae8, (word)xen_failsafe_entry);
#endif
  bind_messages(cpu);
  call3(vcpu_op, VCPU_initialise, cpu, context);
  call3(vcpu_op, VCPU_up, cpu, 0);
}
static void send_ipi(unsigned cpu) { call2(event_channel_op, EVENT_send, &message_ports[cpu]); }

// ---- the machine ----
/** A ring that the console's other end empties; it is told at the end of a line. */
static void put(char c) {
  u8 *ring = linear_of((u64)word_at(info, FIELD(0x48, 0x34)) << 12);
  volatile u32 *taken = (volatile u32 *)(ring + 0xc08), *made = (volatile u32 *)(ring + 0xc0c);
  while (*made - *taken >= 2048) call2(sched_op, SCHED_yield, 0);
  ring[0x400 + (*made & 2047)] = c;
  *made = *made + 1;
  if (c == '\n') call2(event_channel_op, EVENT_send, info + FIELD(0x50, 0x38));
}
__attribute__((noreturn)) static void power_off(unsigned status) {
  u32 reason = status == 0 ? 0 : 3;
  for (;;) call2(sched_op, SCHED_shutdown, &reason);
}

static const struct pv_ops *base = &native_ops; // for what is emulated: the instruction will do
static void set_callback(int type, const void *entry) {
#if LONG
  struct { u16 type, flags; word address; } callback = {type, 1, (word)entry};
#else
  struct { u16 type, flags; word cs, address; } callback = {type, 1, XEN_CS, (word)entry};
#endif
  call2(callback_op, 0, &callback);
}
/** 32-bit user code shares the kernel's address space: it may use every page of the image. */
static void open_to_user(void) {
#if LONG
  extended(MMU_new_user_root, word_at(info, 0x58) ? machine_of((void *)word_at(info, 0x58)) >> 12 : 0, 0);
#else
  pte *root = (pte *)word_at(info, 0x3c);
  for (word at = 0; at < (word)image_end; at += 2 << 20) {
    pte *entry = entry_of(root, 2, at);
    set(entry, *entry | U, 2, at);
  }
  for (const u8 *page = image_start; page < image_end; page += 4096) writable(page);
#endif
}

void xen_setup(void *start_info) {
  info = start_info;
  command_line = (const char *)info + FIELD(0x80, 0x50);
  kernel_rpl = LONG ? 3 : 1;
  pv = (struct pv_ops){
      .cpu = {xen_cpuid, base->cpu.read_cr0, write_cr0, clts, base->cpu.read_cr4, base->cpu.write_cr4, xen_get_debugreg, xen_set_debugreg,
              base->cpu.read_msr, base->cpu.write_msr, base->cpu.read_pmc, base->cpu.read_tsc, base->cpu.wbinvd, load_gdt, 0, load_idt, 0, load_ldt, 0, 0, 0,
              write_gdt_entry, write_ldt_entry, write_gate, load_kernel_stack, set_iopl, nothing},
      .irq = {enable, disable, save, restore, safe_halt, eoi},
      .mmu = {read_cr2, write_cr2, read_root, write_root, make, page_of, set, update, allocate, release, flush_one, flush, flush, enter_lazy, leave_lazy, nothing},
      .time = {frequency, counter, wall_clock, time_setup, set_alarm, cancel_alarm},
      .smp = {count, start, send_ipi},
      .platform = {.name = "xen", .put = put, .power_off = power_off, .spare_msr = LONG ? 0xc0000100 : 0, .user_bit = !LONG},
  };
  pv_iret = xen_iret;
#if LONG
  pv_fast_return = xen_sysret;
#endif
  open_to_user();
  map_own(shared_info, word_at(info, FIELD(0x28, 0x24)) | P | W | AD);
  call2(vm_assist, 0, 2); // stores to page tables are emulated
  set_callback(0, xen_event_entry);
  set_callback(1, xen_failsafe_entry);
  if (LONG) set_callback(2, xen_syscall_entry);
  handlers[EVENT] = on_event;
  bind_messages(0);
}
