// Collects #DB: code is run to its INT 0x30, and what was seen is compared with a list.
#ifndef TRACE_H
#define TRACE_H
#include "system.h"

struct event {
  const u8 *at;
  word dr6; // bits that differ from DR6's fixed ones
};
#define TRACE_MAX 24
extern struct event seen[TRACE_MAX];
extern unsigned seen_count;
/** Flags of the latest frame. */
extern word seen_flags;

/** Runs from `start` with `dr7` in force (and reset behind it) and #DB collected. DR6 is cleared before and after each. */
struct fault run_traced(const struct frame *start, word dr7);
/** One verdict: is what was seen the `count` events? Prints both lists if not. */
void expect_events(const char *name, const u8 *base, const struct event *events, unsigned count);
/** Traces `code` at `cpl` with IOPL 3, DX 0x80: single steps at the `count` places `at`, the last of which is where CLEAR_TF starts. */
void expect_steps(const char *name, const u8 *code, unsigned cpl, const struct event *events, unsigned count);
#endif
