// A second task beside the running one, and the way home from it.
#ifndef TASKS_H
#define TASKS_H
#include "system.h"

#define SEL_OTHER SEL_FREE
#define SEL_GATE (SEL_FREE + 8) // task gate to SEL_OTHER
#define SEL_LDT (SEL_FREE + 16)
#define SEL_SPARE (SEL_FREE + 24)
#define AVAILABLE 0x89
#define BUSY 0x8b

extern struct tss other;
extern u8 other_stack[4096];

/** The other task as new: runs `ip` at `cpl`, registers 0xa1 to 0xa7, with the same CR3, no LDT. */
void make_other(const void *ip, unsigned cpl);
/** Byte 5 of a descriptor. */
u8 access_of(unsigned selector);
u16 read_tr(void);
u16 read_ldt(void);
/** Back to the test's own task after an attempt that ended elsewhere. */
void go_home(void);
/** faults.c: switches that fail. */
void task_faults(void);
#endif
