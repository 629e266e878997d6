// Every vector comes here: hooks first, then the innermost attempt of this CPU, else the test is over.
#include "system.h"

int save_context(struct context *context) __attribute__((returns_twice));
void restore_context(struct context *context) __attribute__((noreturn));
void start_at(struct frame *frame) __attribute__((noreturn));
extern const u8 user_return[];

static hook hooks[256];

void set_hook(unsigned vector, hook function) { hooks[vector] = function; }

/** The stack pointer of a 32-bit frame without one is where the frame ends. */
static bool has_stack(const struct frame *frame) { return LONG || (frame->cs & 3) != 0 || (frame->flags & FLAG_VM) != 0; }

void dispatch(struct frame *frame) {
  struct cpu *cpu = this_cpu();
  unsigned vector = frame->vector;
  if (hooks[vector] && hooks[vector](frame)) return;
  if (!cpu->recovery) {
    panic("unexpected %s error %lx at %lx:%lx flags %lx cr2 %lx", vector_name(vector), frame->error, frame->cs, frame->ip, frame->flags, read_cr2());
  }
  struct fault *fault = &cpu->fault;
  fault->vector = vector;
  fault->error = frame->error;
  fault->cr2 = read_cr2();
  fault->dr6 = vector == DB ? read_dr6() : 0;
  size_t words = !has_stack(frame) ? offsetof(struct frame, sp) : (frame->flags & FLAG_VM) ? sizeof *frame : offsetof(struct frame, vm_es);
  u8 *to = (u8 *)&fault->frame;
  for (size_t i = 0; i < sizeof *frame; i++) to[i] = i < words ? ((const u8 *)frame)[i] : 0;
  if (!has_stack(frame)) fault->frame.sp = (word)&frame->sp;
  restore_context(cpu->recovery);
}

struct fault attempt(void (*code)(void *), void *argument) {
  struct cpu *cpu = this_cpu();
  struct context *volatile outer = cpu->recovery;
  struct context here;
  struct fault none = {.vector = NO_EXCEPTION};
  if (save_context(&here) == 0) {
    cpu->recovery = &here;
    code(argument);
    cpu->recovery = outer;
    return none;
  }
  cpu = this_cpu();
  cpu->recovery = outer;
  return cpu->fault;
}

static void go(void *argument) {
  struct frame frame = *(const struct frame *)argument;
  start_at(&frame);
}

struct fault attempt_at(const struct frame *start) { return attempt(go, (void *)start); }

struct frame start_frame(const void *ip, unsigned cpl) {
  struct frame frame = {.ip = (word)ip, .flags = FLAG_FIXED};
  frame.cs = cpl == 0 ? SEL_CODE : (SEL_USER_CODE & ~3u) | cpl;
  frame.ss = cpl == 0 ? SEL_DATA : (SEL_USER_DATA & ~3u) | cpl;
  frame.sp = (word)user_stack_top - 64;
#if !LONG
  frame.ds = frame.es = frame.fs = frame.gs = frame.ss;
#endif
  return frame;
}

struct fault attempt_user(void (*code)(void *), void *argument) {
  struct frame frame = start_frame((const void *)code, 3);
  word *stack = (word *)frame.sp;
#if LONG
  frame.di = (word)argument;
#else
  *--stack = (word)argument;
#endif
  *--stack = (word)user_return;
  frame.sp = (word)stack;
  return attempt_at(&frame);
}

const char *vector_name(unsigned vector) {
  static const char *const names[] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "9",
                                      "#TS", "#NP", "#SS", "#GP", "#PF", "15",  "#MF", "#AC", "#MC", "#XM"};
  if (vector == NO_EXCEPTION) return "no exception";
  return vector < 20 ? names[vector] : text("vector 0x%x", vector);
}

static bool has_error(unsigned vector) { return vector == DF || (vector >= TS && vector <= PF) || vector == AC; }

static const char *describe(unsigned vector, word error) {
  return has_error(vector) ? text("%s(0x%lx)", vector_name(vector), error) : vector_name(vector);
}

void verdict(const char *name, bool ok, const char *expected, const char *got);

void expect_fault(const char *name, struct fault got, unsigned vector, word error) {
  bool ok = got.vector == vector && (!has_error(vector) || got.error == error);
  verdict(name, ok, describe(vector, error), describe(got.vector, got.error));
}

void expect_no_fault(const char *name, struct fault got) {
  verdict(name, got.vector == NO_EXCEPTION || got.vector == RETURNED, "no exception", describe(got.vector, got.error));
}
