// What a system test is written against. One source serves every mode: the build defines MODE_32 (no paging), MODE_32P (32-bit paging),
// MODE_PAE or MODE_64, and `word` is as wide as a register. See the README beside this folder.
#ifndef SYSTEM_H
#define SYSTEM_H

#include <stdbool.h>
#include <stddef.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long word;
typedef long sword;

#ifdef __x86_64__
#define LONG 1
#else
#define LONG 0
#endif
#if defined(MODE_32)
#define PAGED 0
#define MODE_NAME "32"
#elif defined(MODE_32P)
#define PAGED 1
#define MODE_NAME "32p"
#elif defined(MODE_PAE)
#define PAGED 1
#define MODE_NAME "pae"
#else
#define PAGED 1
#define MODE_NAME "64"
#endif

#include "assembly.h"
#include "instructions.h"
#include "registers.h"

// ---- the test itself ----
/** Every test defines this. Checks are counted; returning ends the run. */
void test_main(void);

// ---- print.c: console and verdicts ----
/** %s %d %u %x (unsigned int) %lx (word) %llx (u64). */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** A name made like print's; valid until seven more are made. */
const char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** One verdict line: `ok NAME`, or `not ok NAME: expected EXPECTED, got GOT`. */
void expect_value(const char *name, u64 got, u64 expected);
void expect_true(const char *name, bool holds);
/** Prints the count of verdicts and leaves by the debug exit: status 0 when all were ok. */
void finish(void) __attribute__((noreturn));
void panic(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

// ---- exceptions.c ----
/** What an exception found, and what `resume` continues with. `sp` and `ss` are there in 32-bit mode only when the level changed. */
struct frame {
#if LONG
  word r15, r14, r13, r12, r11, r10, r9, r8, di, si, bp, bx, dx, cx, ax;
#else
  word gs, fs, es, ds, di, si, bp, unused, bx, dx, cx, ax;
#endif
  word vector, error, ip, cs, flags, sp, ss;
  word vm_es, vm_ds, vm_fs, vm_gs; // from virtual-8086 mode only
};

/** How an attempt ended: `vector` is NO_EXCEPTION, RETURNED (user code came back) or the exception's. */
struct fault {
  unsigned vector;
  word error, cr2, dr6;
  struct frame frame;
};
#define NO_EXCEPTION 0x100u
/** INT 0x30 ends an attempt from any privilege level. */
#define RETURN_VECTOR 0x30u
#define RETURNED RETURN_VECTOR

/** Calls `code(argument)` at CPL 0 and says which exception ended it. Nests. */
struct fault attempt(void (*code)(void *), void *argument);
/** The same at CPL 3, on the user stack; no exception gives RETURNED. */
struct fault attempt_user(void (*code)(void *), void *argument);
/** Loads all of `start` (registers, ip, cs, flags, and sp and ss where IRET pops them) and goes there; ends with the first exception or INT 0x30. */
struct fault attempt_at(const struct frame *start);
/** A frame for attempt_at: `ip` at `cpl` (0 to 3; 1 and 2 need descriptors of the test's own), IF clear. */
struct frame start_frame(const void *ip, unsigned cpl);

/** A hook sees each `vector` first; true resumes from the (changed) frame, false lets an attempt end. Null takes it away. */
typedef bool (*hook)(struct frame *frame);
void set_hook(unsigned vector, hook function);

/** `ok NAME` when the attempt ended with `vector` (and, for those that have one, `error`). */
void expect_fault(const char *name, struct fault got, unsigned vector, word error);
/** `ok NAME` when nothing was raised. */
void expect_no_fault(const char *name, struct fault got);
const char *vector_name(unsigned vector);

// ---- descriptors.c ----
enum selector {
  SEL_CODE32 = 0x08, SEL_DATA = 0x10, SEL_USER_CODE32 = 0x1b, SEL_USER_DATA = 0x23, SEL_USER_CODE64 = 0x2b,
  SEL_CODE64 = 0x30, SEL_DATA_64 = 0x38, SEL_CODE16 = 0x60, SEL_DATA16 = 0x68, SEL_TSS = 0x80, SEL_FREE = 0x100,
};
#if LONG
#define SEL_CODE SEL_CODE64
#define SEL_USER_CODE SEL_USER_CODE64
#else
#define SEL_CODE SEL_CODE32
#define SEL_USER_CODE SEL_USER_CODE32
#endif
/** 64 entries; from SEL_FREE on they are the test's own. */
extern u64 gdt[64];
struct gate { u16 offset0, selector; u8 ist, type; u16 offset1;
#if LONG
  u32 offset2, reserved;
#endif
};
extern struct gate idt[256];
struct table_register { u16 limit; word base; } __attribute__((packed));
#if LONG
struct tss { u32 reserved0; u64 sp[3]; u64 reserved1; u64 ist[7]; u64 reserved2; u16 reserved3, iomap; } __attribute__((packed));
#else
struct tss {
  u32 link, sp0, ss0, sp1, ss1, sp2, ss2, cr3, ip, flags, ax, cx, dx, bx, sp, bp, si, di, es, cs, ss, ds, fs, gs, ldt;
  u16 trap, iomap;
};
#endif
/** A code, data or system descriptor: `access` is byte 5, `flags` the high nibble of byte 6 (8 G, 4 D, 2 L, 1 AVL). */
u64 descriptor(u32 base, u32 limit, u8 access, u8 flags);
/** Fills GDT entries for the system segment `base`, `limit` (two entries in long mode). */
void set_system_descriptor(unsigned selector, word base, u32 limit, u8 access);
/** Gate `type`: 0x8e interrupt, 0x8f trap, 0xee and 0xef with DPL 3, 0x85 task (selector only). */
void set_gate(unsigned vector, const void *handler, u16 selector, u8 type, u8 ist);
/** The library's own entry of `vector`, for putting a gate back. */
const void *default_handler(unsigned vector);

// ---- smp.c: per-CPU state ----
struct context { word bx, bp, si_r12, di_r13, r14, r15, sp, ip; };
#define MAX_CPUS 8
#define STACK_BYTES 0x4000
struct cpu {
  struct context *recovery; // where the innermost attempt continues
  struct fault fault;
  struct tss tss;
  u8 io_bitmap[0x2001];
};
extern struct cpu cpus[MAX_CPUS];
/** Initial APIC id from CPUID, which is allowed in every mode. */
unsigned cpu_index(void);
static inline struct cpu *this_cpu(void) { return &cpus[cpu_index()]; }
/** Number of CPUs that the firmware's item 5 names. */
unsigned cpu_count(void);
/** Starts all other CPUs by INIT and STARTUP; each runs `entry(index)` and then halts. Returns how many came up besides this one. */
unsigned smp_start(void (*entry)(unsigned index));
u32 lapic_read(unsigned offset);
void lapic_write(unsigned offset, u32 value);
/** ICR: waits for the delivery status, then sends `command` to the APIC `destination`. */
void send_ipi(unsigned destination, u32 command);

// ---- paging.c: identity-mapped, everything user and writable ----
#if PAGED
#if defined(MODE_32P)
typedef u32 pte;
#else
typedef u64 pte;
#endif
#define PTE_P 1u
#define PTE_W 2u
#define PTE_U 4u
#define PTE_PWT 8u
#define PTE_PCD 16u
#define PTE_A 32u
#define PTE_D 64u
#define PTE_PS 128u
#define PTE_G 256u
#define PTE_NX (1ull << 63)
/** The entry of `linear` at `level` (1 PTE, 2 PDE, 3 PDPTE, 4 PML4E) of the current CR3; makes tables and splits large pages on the way. */
pte *entry_of(word linear, unsigned level);
/** Maps one 4 KiB page: `flags` are its PTE's (a user, writable path above it). INVLPG included. */
void map_page(word linear, u64 physical, pte flags);
/** A whole new set of tables like the first; its root. */
word new_root(void);
#endif
/** Zeroed, 4 KiB aligned, identity-mapped; never given back. */
void *alloc_pages(unsigned count);

// ---- low.S: code below 1 MiB ----
/** Runs 16-bit code in real-address mode at `offset` of segment 0 (a symbol in section .low16), near return; registers in and out. */
struct real_registers { u32 ax, bx, cx, dx, si, di, bp, flags; };
#if !LONG
void real_call(const void *offset, struct real_registers *registers);
#endif

/** Top of the user stack (one page and more below it). */
extern u8 user_stack_top[];
/** Multiboot information as given. */
extern u32 multiboot_info;
#endif
