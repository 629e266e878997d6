// The table on VMI: what a Linux of 2.6.32 does with the ROM, in its order. Each call that the ROM answers takes the place of the native operation;
// "native" leaves it, "nothing" makes it empty. The file's end has the order of events.
#include "vmi.h"

#define APIC_SPURIOUS 0xf0
#define APIC_LVT_TIMER 0x320
extern u8 vmi_iret_site[], vmi_sysexit_site[], vmi_sysexit[], boot_root[];
const struct rom *rom;
u32 targets[CALLS];

// ---- processor ----
static struct numbers vmi_cpuid(u32 leaf) {
  struct numbers n;
  asm volatile("call *%4" : "=a"(n.a), "=b"(n.b), "=c"(n.c), "=d"(n.d) : "m"(targets[CPUID]), "a"(leaf), "c"(0));
  return n;
}
static word vmi_read_cr0(void) { return ROM_CALL(u32, GetCR0, void)(); }
static void vmi_write_cr0(word value) { ROM_CALL(void, SetCR0, u32)(value); }
static void vmi_clts(void) { ROM_CALL(void, CLTS, void)(); }
static word vmi_read_cr4(void) { return ROM_CALL(u32, GetCR4, void)(); }
static void vmi_write_cr4(word value) { ROM_CALL(void, SetCR4, u32)(value); }
static word vmi_get_debugreg(unsigned number) { return ROM_CALL(u32, GetDR, u32)(number); }
static void vmi_set_debugreg(unsigned number, word value) { ROM_CALL(void, SetDR, u32, u32)(number, value); }
/** These three have their arguments where the instructions have them. */
static u64 by_index(unsigned call, u32 index) {
  u64 value = 0;
  asm volatile("call *%2" : "+A"(value), "+c"(index) : "m"(targets[call]) : "memory");
  return value;
}
static u64 vmi_read_msr(u32 index) { return by_index(RDMSR, index); }
static u64 vmi_read_pmc(u32 index) { return by_index(RDPMC, index); }
static void vmi_write_msr(u32 index, u64 value) { asm volatile("call *%2" : "+A"(value), "+c"(index) : "m"(targets[WRMSR]) : "memory"); }
static u64 vmi_read_tsc(void) { return ROM_CALL(u64, RDTSC, void)(); }
static void vmi_wbinvd(void) { ROM_CALL(void, WBINVD, void)(); }

struct table_register { u16 limit; u32 base; } __attribute__((packed));
static void vmi_load_gdt(u64 *table, unsigned entries) {
  struct table_register value = {entries * 8 - 1, (u32)table};
  ROM_CALL(void, SetGDT, const void *)(&value);
  reload_segments();
}
static word vmi_store_gdt(void) {
  struct table_register value = {0};
  ROM_CALL(void, GetGDT, void *)(&value);
  return value.base;
}
static void vmi_load_idt(void) {
  struct table_register value = {sizeof idt - 1, (u32)idt};
  ROM_CALL(void, SetIDT, const void *)(&value);
}
static word vmi_store_idt(void) {
  struct table_register value = {0};
  ROM_CALL(void, GetIDT, void *)(&value);
  return value.base;
}
static void vmi_load_ldt(u64 *table, unsigned entries) {
  if (entries != 0) pv.cpu.write_gdt_entry(LDT_SELECTOR / 8, descriptor((u32)table, entries * 8 - 1, 0x82, 0));
  ROM_CALL(void, SetLDT, u32)(entries == 0 ? 0 : LDT_SELECTOR);
}
static u16 vmi_store_ldt(void) { return ROM_CALL(u32, GetLDT, void)(); }
static void vmi_load_tr(u16 selector) { ROM_CALL(void, SetTR, u32)(selector); }
static u16 vmi_store_tr(void) { return ROM_CALL(u32, GetTR, void)(); }
static void vmi_write_gdt_entry(unsigned index, u64 value) { ROM_CALL(void, WriteGDTEntry, void *, u32, u32, u32)(gdts[cpu_number()], index, value, value >> 32); }
static void vmi_write_ldt_entry(unsigned index, u64 value) { ROM_CALL(void, WriteLDTEntry, void *, u32, u32, u32)(ldt, index, value, value >> 32); }
static void vmi_write_gate(unsigned vector, const void *entry, unsigned dpl) {
  u32 at = (u32)entry;
  ROM_CALL(void, WriteIDTEntry, void *, u32, u32, u32)(idt, vector, KERNEL_CS << 16 | (at & 0xffff), (at & 0xffff0000) | 0x8e00 | dpl << 13);
}
/** The stack is in the guest's own TSS already; the call tells. */
static void vmi_load_kernel_stack(word sp) {
  native_ops.cpu.load_kernel_stack(sp);
  ROM_CALL(void, UpdateKernelStack, u32, u32)(KERNEL_DS, sp);
}
static void vmi_set_iopl(unsigned level) { ROM_CALL(void, SetIOPLMask, u32)(level << 12); }

// ---- interrupts: four of the five are the ROM's code itself, which keeps all registers that matter ----
static word vmi_save(void) { return ROM_CALL(u32, GetInterruptMask, void)(); }
static void vmi_restore(word flags) { ROM_CALL(void, SetInterruptMask, u32)(flags); }

// ---- memory ----
enum { PT = 1, PD = 2, PDP = 4, CURRENT = 0x10, DEFER = 0x20, TABLE_PAE = 0x10, TABLE_CLONE = 0x20, TABLE_ZEROED = 0x40 };
static bool lazy;
/** A PTE of the address space that is in force names what it maps; others are found by their place. */
static u32 entry_flags(int level, word linear) {
  if (level > 1) return level == 2 ? PD : PDP;
  return PT | CURRENT | (linear & 0xfffff000) | (lazy ? DEFER : 0);
}
static word vmi_read_cr2(void) { return ROM_CALL(u32, GetCR2, void)(); }
static void vmi_write_cr2(word value) { ROM_CALL(void, SetCR2, u32)(value); }
static pte *vmi_read_root(void) { return (pte *)(ROM_CALL(u32, GetCR3, void)() & ~0xfffu); }
static void vmi_write_root(pte *root) { ROM_CALL(void, SetCR3, u32)((u32)root); }
#if WIDE_ENTRIES
#define SET SetPxELong
#define UPDATE UpdatePxELong
#else
#define SET SetPxE
#define UPDATE UpdatePxE
#endif
static void vmi_set(pte *entry, pte value, int level, word linear) { ROM_CALL(void, SET, pte, pte *, u32)(value, entry, entry_flags(level, linear)); }
static void vmi_update(pte *entry, int level, word linear) { ROM_CALL(void, UPDATE, pte *, u32)(entry, entry_flags(level, linear)); }
static u32 table_flags(int level) { return (level == 1 ? PT : PD) | (WIDE_ENTRIES ? TABLE_PAE : 0) | TABLE_ZEROED; }
/** A root is announced as a directory that has the kernel's last quarter. */
static void vmi_allocate(void *page, int level) {
  bool root = level == TOP_LEVEL;
  ROM_CALL(void, AllocatePage, u32, u32, u32, u32, u32)
  ((u32)page >> 12, table_flags(level) | (root ? TABLE_CLONE : 0), root ? (u32)boot_root >> 12 : 0, root ? (WIDE_ENTRIES ? 3 : 768) : 0, root ? (WIDE_ENTRIES ? 1 : 256) : 0);
}
static void vmi_release(void *page, int level) { ROM_CALL(void, ReleasePage, u32, u32)((u32)page >> 12, table_flags(level)); }
static void vmi_flush_one(word linear) { ROM_CALL(void, InvalPage, u32)(linear); }
static void vmi_flush_user(void) { ROM_CALL(void, FlushTLB, u32)(1); }
static void vmi_flush_all(void) { ROM_CALL(void, FlushTLB, u32)(3); }
static void set_lazy(bool on) {
  lazy = on;
  ROM_CALL(void, SetLazyMode, u32)(on);
}
static void vmi_enter_lazy(void) { set_lazy(true); }
static void vmi_leave_lazy(void) { set_lazy(false); }
static void vmi_linear_mapping(void) { ROM_CALL(u32, SetLinearMapping, u32, u32, u32, u32)(0, 0, 0x2000, 0); }

// ---- time: on IRQ 0 at first, on the local timer entry once there is a local APIC ----
static u32 wiring;
static u32 vmi_frequency(void) { return ROM_CALL(u64, GetCycleFrequency, void)(); }
static u64 vmi_counter(int which) { return ROM_CALL(u64, GetCycleCounter, u32)(which); }
static u64 vmi_wall_clock(void) { return ROM_CALL(u64, GetWallclockTime, void)(); }
static void vmi_set_alarm(u64 expiry, u64 period) {
  ROM_CALL(void, SetAlarm, u32, u64, u64)(REAL | wiring | (period ? ALARM_PERIODIC : 0), expiry, period);
}
static void vmi_cancel_alarm(void) { ROM_CALL(void, CancelAlarm, u32)(wiring); }
/** One may be there from before anybody asked. */
static bool on_irq0(struct frame *frame) { return handlers[TIMER_VECTOR] && handlers[TIMER_VECTOR](frame); }
static void irq0_setup(void) {
  out8(0x43, 0x3a); // the 8254's channel 0 goes silent: mode 5 waits for a gate that nobody opens
  handlers[PIC_VECTOR] = on_irq0;
  out8(0x21, 0xfe);
  wiring = 0;
}
static void vmi_time_setup(void) {
  if (has_option("nolapic")) return;
  vmi_cancel_alarm();
  apic_write(APIC_SPURIOUS, 0x1ff);
  apic_write(APIC_LVT_TIMER, TIMER_VECTOR);
  wiring = ALARM_LVTT;
}

// ---- processors ----
static u32 vmi_apic_read(u32 offset) { return ROM_CALL(u32, APICRead, u32)(offset); }
static void vmi_apic_write(u32 offset, u32 value) { ROM_CALL(void, APICWrite, u32, u32)(offset, value); }
struct ap_state {
  u32 cr0, cr2, cr3, cr4;
  u64 efer;
  u32 eip, eflags, eax, ebx, ecx, edx, esp, ebp, esi, edi;
  u16 cs, ss, ds, es, fs, gs, ldtr, gdt_limit;
  u32 gdt_base, idt_base;
  u16 idt_limit;
};
_Static_assert(sizeof(struct ap_state) == 92, "as the ABI has it");
/** Where it starts, with paging on: the STARTUP that follows does not go through real-address mode. */
static void vmi_describe_start(unsigned cpu) {
  struct ap_state state = {
      .cr0 = 0x80050033, .cr3 = (u32)pv.mmu.read_root(), .cr4 = pv.cpu.read_cr4(), .efer = WIDE_ENTRIES ? 0x800 : 0,
      .eip = (u32)start_secondary, .esp = STACK_TOP(cpu, 0) - 16, .cs = KERNEL_CS, .ss = KERNEL_DS, .ds = KERNEL_DS, .es = KERNEL_DS,
      .gdt_limit = 511, .gdt_base = (u32)gdts[cpu], .idt_base = (u32)idt, .idt_limit = sizeof idt - 1,
  };
  ROM_CALL(void, SetInitialAPState, const void *, u32)(&state, cpu);
}

__attribute__((noreturn)) static void vmi_power_off(unsigned status) {
  if (status == 0 && has_option("reboot") && targets[Reboot]) ROM_CALL(void, Reboot, void)();
  if (status == 0 && targets[Shutdown]) ROM_CALL(void, Shutdown, void)();
  native_ops.platform.power_off(status);
}

// ---- the order of events ----
static bool same(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}
/** The first ROM with the signatures, version 3 and a free license. */
static const struct rom *probe(void) {
  for (word base = 0xc0000; base < 0xe0000; base += 2048) {
    const struct rom *found = (const struct rom *)base;
    if (found->signature != 0xaa55 || found->vrom != 0x696d5663 || found->major != 3 || found->pci == 0 || found->license == 0) continue;
    const char *license = (const char *)found + found->license;
    if (same(license, "GPL") || same(license, "GPL v2")) return found;
  }
  return 0;
}
struct relocation relocation(u32 call) {
  u64 answer = ((REGPARM u64(*)(u32))rom->relocation)(call);
  return (struct relocation){answer, answer >> 32};
}
static void nothing(void) {}
/** A call for an operation: the ROM's, the empty one, or what was there. */
static void fill(unsigned call, void *operation, const void *with) {
  struct relocation answer = relocation(call);
  targets[call] = answer.type == CALLED || answer.type == JUMPED ? answer.target : 0;
  if (targets[call]) *(const void **)operation = with ? with : (const void *)targets[call];
  else if (answer.type == NOTHING_TO_DO) *(const void **)operation = nothing;
}
/** A site of five bytes becomes a call or a jump. */
static bool patch(unsigned call, u8 *site) {
  struct relocation answer = relocation(call);
  if (answer.type != CALLED && answer.type != JUMPED) return false;
  targets[call] = answer.target;
  site[0] = answer.type == CALLED ? 0xe8 : 0xe9;
  *(u32 *)(site + 1) = answer.target - (u32)(site + 5);
  return true;
}

bool vmi_setup(void) {
  rom = probe();
  if (!rom) return false;
  if (((REGPARM u32(*)(void))rom->init)() != 0) {
    rom = 0;
    return false;
  }
  word cs;
  asm volatile("mov %%cs, %0" : "=r"(cs));
  kernel_rpl = cs & 3;
  pv.platform.name = "vmi";
  pv.platform.power_off = vmi_power_off;

  fill(CPUID, &pv.cpu.cpuid, vmi_cpuid);
  fill(CLTS, &pv.cpu.clts, vmi_clts);
  fill(GetDR, &pv.cpu.get_debugreg, vmi_get_debugreg);
  fill(SetDR, &pv.cpu.set_debugreg, vmi_set_debugreg);
  fill(GetCR0, &pv.cpu.read_cr0, vmi_read_cr0);
  fill(GetCR2, &pv.mmu.read_cr2, vmi_read_cr2);
  fill(GetCR3, &pv.mmu.read_root, vmi_read_root);
  fill(GetCR4, &pv.cpu.read_cr4, vmi_read_cr4);
  fill(SetCR0, &pv.cpu.write_cr0, vmi_write_cr0);
  fill(SetCR2, &pv.mmu.write_cr2, vmi_write_cr2);
  fill(SetCR3, &pv.mmu.write_root, vmi_write_root);
  fill(SetCR4, &pv.cpu.write_cr4, vmi_write_cr4);
  fill(GetInterruptMask, &pv.irq.save, vmi_save);
  fill(SetInterruptMask, &pv.irq.restore, vmi_restore);
  fill(DisableInterrupts, &pv.irq.disable, 0);
  fill(EnableInterrupts, &pv.irq.enable, 0);
  fill(WBINVD, &pv.cpu.wbinvd, vmi_wbinvd);
  fill(RDTSC, &pv.cpu.read_tsc, vmi_read_tsc);
  fill(SetTR, &pv.cpu.load_tr, vmi_load_tr);
  fill(SetLDT, &pv.cpu.load_ldt, vmi_load_ldt);
  fill(SetGDT, &pv.cpu.load_gdt, vmi_load_gdt);
  fill(SetIDT, &pv.cpu.load_idt, vmi_load_idt);
  fill(GetGDT, &pv.cpu.store_gdt, vmi_store_gdt);
  fill(GetIDT, &pv.cpu.store_idt, vmi_store_idt);
  fill(GetTR, &pv.cpu.store_tr, vmi_store_tr);
  fill(WriteLDTEntry, &pv.cpu.write_ldt_entry, vmi_write_ldt_entry);
  fill(WriteGDTEntry, &pv.cpu.write_gdt_entry, vmi_write_gdt_entry);
  fill(WriteIDTEntry, &pv.cpu.write_gate, vmi_write_gate);
  fill(UpdateKernelStack, &pv.cpu.load_kernel_stack, vmi_load_kernel_stack);
  fill(SetIOPLMask, &pv.cpu.set_iopl, vmi_set_iopl);
  fill(IODelay, &pv.cpu.io_delay, 0);
  fill(SetLazyMode, &pv.mmu.enter_lazy, vmi_enter_lazy);
  fill(SetLazyMode, &pv.mmu.leave_lazy, vmi_leave_lazy);
  fill(FlushTLB, &pv.mmu.flush_user, vmi_flush_user);
  fill(FlushTLB, &pv.mmu.flush_all, vmi_flush_all);
  fill(InvalPage, &pv.mmu.flush_one, vmi_flush_one);
  fill(SET, &pv.mmu.set, vmi_set);
  fill(UPDATE, &pv.mmu.update, vmi_update);
  fill(AllocatePage, &pv.mmu.allocate, vmi_allocate);
  fill(ReleasePage, &pv.mmu.release, vmi_release);
  fill(SetLinearMapping, &pv.mmu.describe, vmi_linear_mapping);
  fill(SetInitialAPState, &describe_start, vmi_describe_start);
  fill(APICRead, &apic_read, vmi_apic_read);
  fill(APICWrite, &apic_write, vmi_apic_write);
  // The first of these switches all of them on; a ROM that has it has the others.
  if (relocation(GetCycleFrequency).type != STAYS) {
    fill(GetCycleFrequency, &pv.time.frequency, vmi_frequency);
    fill(GetCycleCounter, &pv.time.counter, vmi_counter);
    fill(GetWallclockTime, &pv.time.wall_clock, vmi_wall_clock);
    static void *unused;
    fill(WallclockUpdated, &unused, 0);
    fill(SetAlarm, &pv.time.set_alarm, vmi_set_alarm);
    fill(CancelAlarm, &pv.time.cancel_alarm, vmi_cancel_alarm);
    if (targets[GetCycleCounter] && targets[SetAlarm] && targets[CancelAlarm]) {
      pv.time.setup = vmi_time_setup;
      irq0_setup();
    } else {
      pv.time = native_ops.time; // a kernel of Linux's would call what is not there
      if (targets[GetWallclockTime]) pv.time.wall_clock = vmi_wall_clock;
    }
  }
  fill(Halt, &pv.irq.safe_halt, 0);
  // What Linux never asks for.
  fill(WRMSR, &pv.cpu.write_msr, vmi_write_msr);
  fill(RDMSR, &pv.cpu.read_msr, vmi_read_msr);
  fill(GetLDT, &pv.cpu.store_ldt, vmi_store_ldt);
  fill(RDPMC, &pv.cpu.read_pmc, vmi_read_pmc);
  static const u8 others[] = {Reboot, Shutdown, MachineToPhysical, PhysicalToMachine};
  static void *unused;
  for (unsigned n = 0; n < sizeof others; n++) fill(others[n], &unused, 0);
  // Then all sites are patched.
  patch(IRET, vmi_iret_site);
  pv_iret = vmi_iret_site;
  patch(SYSEXIT, vmi_sysexit_site);
  pv_fast_return = vmi_sysexit;
  pv.mmu.describe();
  return true;
}
