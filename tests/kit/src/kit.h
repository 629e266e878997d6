// The guest kit's vocabulary: words, verdicts, exceptions that are waited for, interrupt handlers, segments, page tables.
#pragma once
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long word;
typedef _Bool bool;
#define true 1
#define false 0

#ifdef __x86_64__
#define LONG 1
#define WIDE_ENTRIES 1
#define MODE "64"
#elif defined(PAE)
#define LONG 0
#define WIDE_ENTRIES 1
#define MODE "32-pae"
#else
#define LONG 0
#define WIDE_ENTRIES 0
#define MODE "32"
#endif
#define PAGED __attribute__((aligned(4096)))
#define MAX_CPUS 8

// ---- print.c ----
/** %s %d %x (32 bits) %lx (a word) %llx (64 bits). */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** `ok GROUP: NAME`, or `not ok GROUP: NAME: expected, got`. */
void expect(const char *name, u64 got, u64 wanted);
void expect_true(const char *name, bool holds);
void begin_group(const char *name);
/** Not a failure: this platform has no such thing. */
void without(const char *name);
extern unsigned passed, failed;
bool has_option(const char *name);
extern const char *command_line;

// ---- entry.S, traps.c ----
/** What an exception or interrupt found. Without a change of level a 32-bit frame ends at the flags. */
struct frame {
#if LONG
  word r15, r14, r13, r12, r11, r10, r9, r8, di, si, bp, bx, dx, cx, ax;
#else
  word gs, fs, es, ds, di, si, bp, unused, bx, dx, cx, ax;
#endif
  word vector, error, ip;
  u16 cs;
  u16 beside_cs[sizeof(word) / 2 - 1]; // Xen keeps its mask of events here
  word flags, sp, ss;
};
enum { DE, DB, NMI, BP, OF, BR, UD, NM, DF, TS = 10, NP, SS, GP, PF, MF = 16, AC, MC, XM };
enum {
  PIC_VECTOR = 0x30, DEVICE_VECTOR = 0x40, TIMER_VECTOR = 0x41, IPI_VECTOR = 0x50, SPARE_VECTOR = 0x60, USER_DONE = 0x70, SYSCALL_INT = 0x80,
  EVENT = 256, FAILSAFE, FAST_SYSCALL, VECTORS
};
#define NOTHING (-1)
/** How an attempt ended: the vector that ended it, or NOTHING, with the value. */
struct outcome { int vector; word value, error, ip, cr2, flags, sp; };
struct outcome attempt(word (*code)(word), word argument);
/** The same in user code, which comes back by INT USER_DONE: then the value is what it returned. */
struct outcome attempt_user(word (*code)(word), word argument);
void expect_trap(const char *name, struct outcome got, int vector, word error);
/** Sees the vector first; true when all is done. */
typedef bool handler(struct frame *frame);
extern handler *handlers[VECTORS];
extern const u8 vector_entries[256][16];
#define FLAG_CF 1ul
#define FLAG_IF 0x200ul
#define FLAG_IOPL 0x3000ul

// ---- cpu.c: descriptor tables, and what each processor has ----
enum {
  KERNEL_CS = 0x08, KERNEL_DS = 0x10, USER_CS = LONG ? 0x2b : 0x1b, USER_DS = 0x23, LDT_SELECTOR = 0x30, TSS_SELECTOR = 0x40,
  SPARE_SELECTOR = 0x100
};
enum { STACK_BYTES = 0x4000 };
/** Two for each processor: where it works, and where user code's traps come to. */
extern u8 stacks[2 * MAX_CPUS][STACK_BYTES];
#define STACK_TOP(cpu, which) ((word)stacks[2 * (cpu) + (which)] + STACK_BYTES)
extern u8 user_stack[STACK_BYTES];
/** Flags with which user code starts. */
extern word user_flags;
extern u64 gdts[MAX_CPUS][512], ldt[512];
struct gate { u16 offset0, selector; u8 ist, type; u16 offset1;
#if LONG
  u32 offset2, reserved;
#endif
};
extern struct gate idt[256];
#if LONG
struct tss { u32 reserved0; u64 sp0, sp1, sp2, reserved1, ist[7], reserved2; u16 reserved3, iomap; } __attribute__((packed));
#else
struct tss { u32 link, sp0, ss0, rest[22]; u16 trap, iomap; };
#endif
extern struct tss tss[MAX_CPUS];
/** `access` is byte 5; `flags` the high nibble of byte 6. */
u64 descriptor(u32 base, u32 limit, u8 access, u8 flags);
/** Level at which the kernel runs: its selectors' RPL. */
extern unsigned kernel_rpl;
unsigned cpu_number(void);
void setup_cpu(unsigned cpu);
/** Before another processor starts: its tables. */
void prepare_cpu(unsigned cpu);

// ---- memory ----
#if WIDE_ENTRIES
typedef u64 pte;
#define INDEX_BITS 9
#else
typedef u32 pte;
#define INDEX_BITS 10
#endif
#define TOP_LEVEL (LONG ? 4 : WIDE_ENTRIES ? 3 : 2)
enum { P = 1, W = 2, U = 4, AD = 0x60, LARGE = 0x80, G = 0x100 };
/** The entry of `linear` at `level` in the tree of `root`, whose tables must be there. */
pte *entry_of(pte *root, int level, word linear);

/** Gives the address the tables that it lacks; how many. They go again when nothing is mapped there. */
int make_tables(pte *root, word linear);
void drop_tables(pte *root, word linear, int made);

struct numbers { u32 a, b, c, d; };
static inline u64 rdtsc(void) {
  u32 low, high;
  asm volatile("rdtsc" : "=a"(low), "=d"(high));
  return (u64)high << 32 | low;
}
static inline void pause(void) { asm volatile("pause" : : : "memory"); }
static inline void out8(u16 port, u8 value) { asm volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline u8 in8(u16 port) {
  u8 value;
  asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static inline void add_atomically(volatile u32 *to, u32 value) { asm volatile("lock addl %1, %0" : "+m"(*to) : "r"(value) : "memory"); }
/** n / d, where a 32-bit kernel has no library for it. */
static inline u64 divide(u64 n, u32 d) {
#if LONG
  return n / d;
#else
  u32 high = (u32)(n >> 32) / d, rest = (u32)(n >> 32) % d, low;
  asm("divl %3" : "=a"(low), "+d"(rest) : "a"((u32)n), "r"(d));
  return (u64)high << 32 | low;
#endif
}

void test_cpu(void);
void test_irq(void);
void test_user(void);
void test_mmu(void);
void test_time(void);
void test_smp(void);
void test_vmi(void);
void benchmarks(void);
