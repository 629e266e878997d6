// See trace.h.
#include "trace.h"

struct event seen[TRACE_MAX];
unsigned seen_count;
word seen_flags;

static bool record(struct frame *frame) {
  word dr6 = read_dr6() ^ DR6_FIXED;
  seen_flags = frame->flags;
  if (seen_count < TRACE_MAX) seen[seen_count] = (struct event){(const u8 *)frame->ip, dr6};
  else frame->flags &= ~FLAG_TF;
  seen_count++;
  write_dr6(DR6_FIXED);
  if ((dr6 & 0xf) != 0 && (dr6 & DR6_BS) == 0) frame->flags |= FLAG_RF;
  return true;
}

static bool let_pass(struct frame *frame) { return frame != 0; }

struct fault run_traced(const struct frame *start, word dr7) {
  seen_count = 0;
  seen_flags = 0;
  write_dr6(DR6_FIXED);
  set_hook(DB, record);
  write_dr7(dr7);
  struct fault got = attempt_at(start);
  set_hook(DB, let_pass); // general detect may still be on
  write_dr7(DR7_FIXED);
  set_hook(DB, 0);
  return got;
}

void expect_events(const char *name, const u8 *base, const struct event *events, unsigned count) {
  bool same = seen_count == count;
  for (unsigned i = 0; same && i < count; i++) same = seen[i].at == events[i].at && seen[i].dr6 == events[i].dr6;
  expect_true(name, same);
  if (same) return;
  for (unsigned i = 0; i < seen_count && i < TRACE_MAX; i++) print("# seen +0x%lx dr6 0x%lx\n", (word)(seen[i].at - base), seen[i].dr6);
  for (unsigned i = 0; i < count; i++) print("# due  +0x%lx dr6 0x%lx\n", (word)(events[i].at - base), events[i].dr6);
}

void expect_steps(const char *name, const u8 *code, unsigned cpl, const struct event *events, unsigned count) {
  struct frame start = start_frame(code, cpl);
  start.flags |= FLAG_IOPL;
  start.dx = 0x80;
  struct fault got = run_traced(&start, DR7_FIXED);
  expect_fault(text("%s at CPL %u ends", name, cpl), got, RETURNED, 0);
  struct event all[TRACE_MAX];
  for (unsigned i = 0; i < count; i++) all[i] = events[i];
  const u8 *clear = events[count - 1].at;
  all[count] = (struct event){clear + 1, DR6_BS};
  all[count + 1] = (struct event){clear + 8, DR6_BS};
  all[count + 2] = (struct event){clear + 9, DR6_BS};
  expect_events(text("%s at CPL %u", name, cpl), code, all, count + 3);
}
