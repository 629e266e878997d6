// The table of paravirtual operations. Nothing in the kit but the platform files knows whether it runs on bare metal, under Xen or on VMI: all
// that a processor or a hypervisor has to do is asked for here. The table starts as native.c; vmi.c replaces what the ROM answers, xen.c all.
#pragma once
#include "kit.h"

/** Null where a platform has nothing of the kind. */
struct pv_cpu_ops {
  struct numbers (*cpuid)(u32 leaf);
  word (*read_cr0)(void);
  void (*write_cr0)(word);
  void (*clts)(void);
  word (*read_cr4)(void);
  void (*write_cr4)(word);
  word (*get_debugreg)(unsigned);
  void (*set_debugreg)(unsigned, word);
  u64 (*read_msr)(u32);
  void (*write_msr)(u32, u64);
  u64 (*read_pmc)(u32);
  u64 (*read_tsc)(void);
  void (*wbinvd)(void);
  /** One page, of which the first `entries` descriptors count. */
  void (*load_gdt)(u64 *table, unsigned entries);
  word (*store_gdt)(void);
  void (*load_idt)(void);
  word (*store_idt)(void);
  void (*load_ldt)(u64 *table, unsigned entries);
  u16 (*store_ldt)(void);
  void (*load_tr)(u16 selector);
  u16 (*store_tr)(void);
  void (*write_gdt_entry)(unsigned index, u64 value);
  void (*write_ldt_entry)(unsigned index, u64 value);
  /** `dpl` 3 for what user code may raise itself. */
  void (*write_gate)(unsigned vector, const void *entry, unsigned dpl);
  /** Where traps from user code come to. */
  void (*load_kernel_stack)(word sp);
  /** Level that may use every port and, where there is hardware for it, the interrupt flag. */
  void (*set_iopl)(unsigned);
  void (*io_delay)(void);
};

struct pv_irq_ops {
  void (*enable)(void);
  void (*disable)(void);
  /** FLAG_IF or 0; other bits do not count. */
  word (*save)(void);
  void (*restore)(word);
  /** Enables and waits, as one. */
  void (*safe_halt)(void);
  /** The interrupt of that vector is being handled: the next may come. */
  void (*eoi)(unsigned vector);
};

struct pv_mmu_ops {
  word (*read_cr2)(void);
  void (*write_cr2)(word);
  /** A root is the linear address of its table, which is its physical address too. */
  pte *(*read_root)(void);
  void (*write_root)(pte *root);
  /** An entry for a page of this kernel, and back. Under Xen the frames are the machine's. */
  pte (*make)(const void *page, pte flags);
  void *(*page_of)(pte entry);
  void (*set)(pte *entry, pte value, int level, word linear);
  /** The entry was changed by a plain store just now. */
  void (*update)(pte *entry, int level, word linear);
  /** `page`, filled in, is about to be a table of `level`; and is one no more. */
  void (*allocate)(void *page, int level);
  void (*release)(void *page, int level);
  void (*flush_one)(word linear);
  void (*flush_user)(void);
  void (*flush_all)(void);
  /** In between entries may be set later, at the latest when it ends. */
  void (*enter_lazy)(void);
  void (*leave_lazy)(void);
  /** Each processor says first which linear addresses are memory, in order. */
  void (*describe)(void);
};

enum { REAL, AVAILABLE, STOLEN };
struct pv_time_ops {
  /** Counts a second; cycles are what all of these count in. */
  u32 (*frequency)(void);
  u64 (*counter)(int which);
  /** Nanoseconds since 1970. */
  u64 (*wall_clock)(void);
  /** This processor's alarm comes as TIMER_VECTOR from now on. */
  void (*setup)(void);
  /** Absolute; 0 for no period. */
  void (*set_alarm)(u64 expiry, u64 period);
  void (*cancel_alarm)(void);
};

struct pv_smp_ops {
  unsigned (*count)(void);
  /** `start_secondary` on the processor's own stack. */
  void (*start)(unsigned cpu);
  /** IPI_VECTOR, at a processor or at oneself. */
  void (*send_ipi)(unsigned cpu);
};

struct pv_platform {
  const char *name;
  void (*put)(char);
  /** The end: 0 when all went well. */
  void (*power_off)(unsigned status) __attribute__((noreturn));
  /** An MSR whose value is free to change, 0 for none. */
  u32 spare_msr;
  /** User code is kept from the kernel's pages by their entries. */
  bool user_bit;
  /** Stores to a page table that only tells of the mapping reach the processor at the next flush. */
  bool stale_until_flush;
};

extern struct pv_ops {
  struct pv_cpu_ops cpu;
  struct pv_irq_ops irq;
  struct pv_mmu_ops mmu;
  struct pv_time_ops time;
  struct pv_smp_ops smp;
  struct pv_platform platform;
} pv;

/** Two operations that are jumped to, from entry.S: back to where a frame came from, and by the faster way that FAST_SYSCALL has (null: none). */
extern const void *pv_iret, *pv_fast_return;

extern const struct pv_ops native_ops;
/** True when there is a ROM and its VMI_Init has succeeded: the table has its calls then. */
bool vmi_setup(void);
void xen_setup(void *start_info);
/** Xen's start_info, when that was the way in. */
extern void *xen_start_info;
void native_early(void);
/** Starts a processor by INIT and STARTUP; a ROM may be told something in between. */
extern void (*describe_start)(unsigned cpu);
extern u32 (*apic_read)(u32 offset);
extern void (*apic_write)(u32 offset, u32 value);
void native_start(unsigned cpu);
void start_secondary(void);
void reload_segments(void);
