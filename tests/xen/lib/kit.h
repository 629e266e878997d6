// The vocabulary of the guests: calls, frames of traps, attempts that survive a trap, verdicts.
#pragma once
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long word;

#ifdef __x86_64__
#define LONG 1
#define FIELD(wide, narrow) wide
#else
#define LONG 0
#define FIELD(wide, narrow) narrow
#endif

#ifdef PVH
#define FLAT_USER_CS 0x1b
#define FLAT_USER_SS 0x23
#define KERNEL_CS 0x08
#define KERNEL_SS 0x10
#define SHOWN_CS 0x08
#elif defined(__x86_64__)
#define FLAT_USER_CS 0xe033
#define FLAT_USER_SS 0xe02b
#define KERNEL_CS 0xe033
#define KERNEL_SS 0xe02b
#define SHOWN_CS 0xe030 // of an interrupted kernel, in a frame
#define M2P ((word *)0xffff800000000000)
#else
#define FLAT_USER_CS 0xe02b
#define FLAT_USER_SS 0xe033
#define KERNEL_CS 0xe019
#define KERNEL_SS 0xe021
#define SHOWN_CS 0xe019
#define M2P ((word *)0xf5800000)
#endif
#ifdef __x86_64__
#define SP_NAME "%rsp"
#else
#define SP_NAME "%esp"
#endif
#define PAGED __attribute__((aligned(4096)))
#define DOMID_SELF 0x7ff0

/** Vector by which a PVH guest is told of events. */
#define UPCALL 0x60

enum { DE, DB, NMI, BP, OF, BR, UD, NM, DF, TS = 10, NP, SS, GP, PF, MF = 16, AC, MC, XM };
enum { RETURNED = -1, USER_DONE = 48, EVENT = 256, FAILSAFE, SYSCALLED, SYSENTERED = 261 };
enum { EPERM = 1, ENOENT = 2, ESRCH = 3, EACCES = 13, EFAULT = 14, EBUSY = 16, ENODEV = 19, EINVAL = 22, ENOSYS = 38 };

enum {
  set_trap_table, mmu_update, set_gdt, stack_switch, set_callbacks, fpu_taskswitch, set_debugreg = 8, get_debugreg, update_descriptor,
  memory_op = 12, multicall, update_va_mapping, set_timer_op, xen_version = 17, console_io, grant_table_op = 20, vm_assist,
  update_va_mapping_otherdomain, iret, vcpu_op, set_segment_base, mmuext_op, nmi_op = 28, sched_op, callback_op, event_channel_op = 32, physdev_op, hvm_op
};

/** What a trap found, as Xen pushed it. A 32-bit frame from the kernel itself ends at the flags. */
struct frame {
#if LONG
  word r15, r14, r13, r12, r11, r10, r9, r8, di, si, bp, bx, dx, cx, ax;
#else
  word di, si, bp, bx, dx, cx, ax;
#endif
  word vector, error, ip;
#if LONG
  u32 cs, mask;
#else
  u16 cs, mask;
#endif
  word flags, sp, ss;
};

/** How an attempt ended: RETURNED with its value, or the trap that ended it. */
struct outcome {
  int vector;
  word value, error, ip, cs, mask, flags, sp, ss, cr2;
};

struct start_info;
extern u8 *start_info;
extern u8 shared_info[4096];
extern word user_cs, user_ss, user_flags;
extern word failsafe_selectors[4];
/** Sees a trap first; true when the guest goes on as the frame says. */
extern int (*trap_hook)(struct frame *frame);

word call(int number, word a, word b, word c, word d, word e);
#define call0(n) call(n, 0, 0, 0, 0, 0)
#define call1(n, a) call(n, (word)(a), 0, 0, 0, 0)
#define call2(n, a, b) call(n, (word)(a), (word)(b), 0, 0, 0)
#define call3(n, a, b, c) call(n, (word)(a), (word)(b), (word)(c), 0, 0)
#define call4(n, a, b, c, d) call(n, (word)(a), (word)(b), (word)(c), (word)(d), 0)

struct outcome attempt(word (*code)(word), word argument);
struct outcome attempt_user(word (*code)(word), word argument);

u64 machine_of(const void *linear);
/** The entry that the page has now, with other flags. */
u64 entry_for(const void *linear, u64 flags);
long map_entry(const void *linear, u64 entry, word flags);
/** Present, writable, user, accessed and dirty. */
enum { P = 1, W = 2, U = 4, AD = 0x60 };
long set_entry(u64 machine, u64 value);
long extended(u32 command, u64 arg1, word arg2);
word *table_at(int level, word linear);
u64 entry_at(int level, word linear);

void print(const char *text);
void print_number(word value);
void expect(const char *name, long got, long wanted);
void expect_fault(const char *name, struct outcome got, int vector, word error);
void set_trap(int vector, int flags, void *address);
void test_main(void);
/** All of it, the sum, and off. */
__attribute__((noreturn)) void run_tests(void);
/** The console's ring and its port. */
u8 *console(u32 *port);
/** Of the last page fault. */
word fault_address(void);
void set_entries(void);
__attribute__((noreturn)) void power_off(void);
#ifdef PVH
/** Xen's first CPUID leaf. */
extern u32 xen_leaves;
extern u8 hypercall_page[4096];
void cpuid(u32 leaf, u32 subleaf, u32 out[4]);
/** HVM parameters. */
u64 parameter(u32 index);
long set_parameter(u32 index, u64 value);
/** XENMEM_add_to_physmap. */
long place(u32 space, word index, word frame);
u8 *store_ring(u32 *port);
#endif
/** An exclusive-or generator: `state` must not be 0. */
u32 random_below(u32 below);
extern u32 random_state;
int text_length(const char *text);
