// Every vector comes here: its handler sees it first, then the attempt that waits for it. What nobody waits for ends the run.
#include "pv.h"

handler *handlers[VECTORS];
const void *pv_iret, *pv_fast_return;
word attempt_raw(word (*code)(word), word argument, word *context);
__attribute__((noreturn)) void attempt_over(word *context, word value);
__attribute__((noreturn)) void enter_user(word (*code)(word), word argument, u8 *stack);
word user_flags = FLAG_IF | 2;
u8 user_stack[STACK_BYTES] __attribute__((aligned(4096)));

/** Of each processor: where the innermost attempt goes on. */
static word contexts[MAX_CPUS];
static struct outcome last[MAX_CPUS];

static bool is_interrupt(word vector) { return (vector >= PIC_VECTOR && vector < PIC_VECTOR + 16) || vector == DEVICE_VECTOR || vector == TIMER_VECTOR || vector == IPI_VECTOR; }

void dispatch(struct frame *frame) {
  word vector = frame->vector;
  if (vector != EVENT && is_interrupt(vector)) pv.irq.eoi(vector);
  if (handlers[vector] && handlers[vector](frame)) return;
  if (is_interrupt(vector)) return;
  unsigned cpu = cpu_number();
  word cr2 = vector == PF ? pv.mmu.read_cr2() : 0;
  if (!contexts[cpu]) {
    print("not ok kit: vector 0x%lx error 0x%lx at 0x%lx, cr2 0x%lx, flags 0x%lx on processor %d\n", frame->vector, frame->error, frame->ip, cr2, frame->flags, cpu);
    pv.platform.power_off(2);
  }
  bool user = (frame->cs & 3) == 3;
  last[cpu] = (struct outcome){.vector = vector, .value = frame->ax, .error = frame->error, .ip = frame->ip, .cr2 = cr2, .flags = frame->flags};
  last[cpu].sp = user || LONG ? frame->sp : (word)&frame->sp;
  attempt_over(&contexts[cpu], frame->ax);
}

struct outcome attempt(word (*code)(word), word argument) {
  unsigned cpu = cpu_number();
  word outer = contexts[cpu];
  last[cpu] = (struct outcome){.vector = NOTHING};
  word value = attempt_raw(code, argument, &contexts[cpu]);
  contexts[cpu] = outer;
  if (last[cpu].vector != NOTHING) pv.irq.disable(); // as it is in the kit unless it says otherwise
  struct outcome result = last[cpu];
  result.value = value;
  return result;
}

static word in_user(word code) {
  word *parts = (word *)code;
  enter_user((word(*)(word))parts[0], parts[1], user_stack + STACK_BYTES - 2 * sizeof(word));
}

struct outcome attempt_user(word (*code)(word), word argument) {
  word parts[2] = {(word)code, argument};
  struct outcome result = attempt(in_user, (word)parts);
  if (result.vector == USER_DONE) result.vector = NOTHING;
  return result;
}
