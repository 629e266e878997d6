// Call gates: what the tables take, what is kept of a gate's level, and where far calls and jumps through one end.
#include "kit.h"

#define CODE(name, text) word name(word); asm(".text\n" #name ":\n" text "\nret")
enum { GATE = 16, CLOSED, INNER, ABSENT, PARAMETERS, SHORT, BEYOND, NO_CODE, USER_CODE, DATA, LOCAL = 3 };
#define SELECTOR(index, level) ((index) * 8 + (level))

static struct { u32 low, high; } gdt[512] PAGED;
static struct { u32 offset; u16 selector; } __attribute__((packed)) pointer;

static long put(int index, u32 low, u32 high) {
#if LONG
  return call2(update_descriptor, machine_of(&gdt[index]), ((u64)high << 32) | low);
#else
  return call4(update_descriptor, machine_of(&gdt[index]), 0, low, high);
#endif
}

/** A gate to `selector`:`target`, with type, level and parameters as the high half has them. */
static long put_gate(int index, u16 selector, word target, u32 kind) {
  return put(index, ((u32)selector << 16) | ((u32)target & 0xffff), ((u32)target & 0xffff0000) | kind);
}
#if !LONG
static struct { u32 low, high; } ldt[512] PAGED;
#endif
enum { LEVEL_1 = 0xac00, LEVEL_3 = 0xec00, LEVEL_3_ABSENT = 0x6c00 };

#if LONG
CODE(far_call, "lcall *(%rdi)");
#else
CODE(far_call, "mov 4(%esp), %eax\nlcall *(%eax)");
CODE(call_named, "lcall $131, $0x12345678");
CODE(call_by_ebp, "push %ebp\nmov 8(%esp), %ebp\nlcall *-4(%ebp)\npop %ebp");
CODE(call_with_parameters, "push $0x11\npush $0x22\nlcall $163, $0\nadd $0, %esp");
CODE(far_jump, "mov 4(%esp), %eax\nljmp *(%eax)");
u32 found_cs, found_ss, found_esp, found_frame[6];
asm(".text\ngate_entry: mov %cs, found_cs\nmov %ss, found_ss\nmov %esp, found_esp\npush %ecx\n"
    "mov 4(%esp), %ecx\nmov %ecx, found_frame\nmov 8(%esp), %ecx\nmov %ecx, found_frame + 4\nmov 12(%esp), %ecx\nmov %ecx, found_frame + 8\n"
    "mov 16(%esp), %ecx\nmov %ecx, found_frame + 12\nmov 20(%esp), %ecx\nmov %ecx, found_frame + 16\npop %ecx\nmov $0x6a7e, %eax\nlret\n"
    "gate_entry_2: mov %cs, found_cs\nmov 8(%esp), %eax\nmov 12(%esp), %edx\nshl $8, %edx\nor %edx, %eax\nlret $8\n"
    "jump_entry: mov %cs, found_cs\nmov $0x1ead, %eax\nret\n");
extern u8 gate_entry[], gate_entry_2[], jump_entry[];
#endif

static word through(u16 selector) {
  pointer.selector = selector;
  return (word)&pointer;
}

static void tables(void) {
  expect("a gate is taken", put_gate(GATE, KERNEL_CS, 0x12345678, LEVEL_3), 0);
  expect("its level is gone", gdt[GATE].high, 0x12340000 | 0x8c00);
  expect("and kept in the selector", gdt[GATE].low, ((KERNEL_CS | 3u) << 16) | 0x5678);
  expect("the level is the guest's at least", put_gate(CLOSED, KERNEL_CS, 0, 0x8c00) == 0 && (gdt[CLOSED].low >> 16 & 3) == (LONG ? 3 : 1), 1);
  expect("one that is absent is left alone", put_gate(ABSENT, 0x1230, 0, LEVEL_3_ABSENT) == 0 && gdt[ABSENT].high == LEVEL_3_ABSENT, 1);
  expect("one to Xen's own code is refused", put_gate(INNER, 0xe008, 0, LEVEL_3), -EINVAL);
  expect("one with bits that mean nothing is refused", put_gate(INNER, KERNEL_CS, 0, LEVEL_3 | 0x20), -EINVAL);
  expect("a 16-bit gate is refused", put_gate(INNER, KERNEL_CS, 0, 0xe400), -EINVAL);
  expect("an interrupt gate is refused", put_gate(INNER, KERNEL_CS, 0, 0xee00), -EINVAL);
  expect("a task gate is refused", put_gate(INNER, KERNEL_CS, 0, 0xe500), -EINVAL);
  expect("nothing at all is taken", put(INNER, 0, 0x8000), 0);
}

#if LONG
static void uses(void) {
  expect_fault("a 64-bit kernel's gates are #GP", attempt(far_call, through(SELECTOR(GATE, 3))), GP, SELECTOR(GATE, 0));
  expect_fault("and its user's", attempt_user(far_call, through(SELECTOR(GATE, 3))), GP, SELECTOR(GATE, 0));
}
#else
static struct outcome entered(const char *name, struct outcome got, word value) {
  expect_fault(name, got, RETURNED, 0);
  expect("with what the code behind it answers", got.value, value);
  return got;
}

static void uses(void) {
  extern u8 trap_stack_top[];
  word top = (word)trap_stack_top;
  put_gate(GATE, KERNEL_CS, (word)gate_entry, LEVEL_3);
  put_gate(PARAMETERS, KERNEL_CS, (word)gate_entry_2, LEVEL_3 | 2);
  entered("a call from the user", attempt_user(far_call, through(SELECTOR(GATE, 3))), 0x6a7e);
  expect("runs in the kernel", found_cs, KERNEL_CS);
  expect("on its stack", found_ss, KERNEL_SS);
  expect("which has four words more", found_esp, top - 16);
  expect("where it came from", found_frame[0], (word)far_call + 6);
  expect("in which code", found_frame[1], FLAT_USER_CS);
  expect("and on which stack", found_frame[3], FLAT_USER_SS);
  entered("a call that names its gate", attempt_user(call_named, 0), 0x6a7e);
  expect("goes on behind it", found_frame[0], (word)call_named + 7);
  entered("a call by EBP", attempt_user(call_by_ebp, through(SELECTOR(GATE, 3)) + 4), 0x6a7e);
  entered("a call with parameters", attempt_user(call_with_parameters, 0), 0x1122);
  entered("a call from the kernel", attempt(far_call, through(SELECTOR(GATE, 1))), 0x6a7e);
  expect("stays on its stack", found_frame[1], KERNEL_CS);
  put_gate(GATE, KERNEL_CS, (word)jump_entry, LEVEL_3);
  entered("a jump from the kernel", attempt(far_jump, through(SELECTOR(GATE, 1))), 0x1ead);
  expect_fault("a jump does not lead inward", attempt_user(far_jump, through(SELECTOR(GATE, 3))), GP, KERNEL_CS & ~3);
  put(USER_CODE, 0xffff, 0x00cffa00);
  put_gate(GATE, SELECTOR(USER_CODE, 3), (word)jump_entry, LEVEL_3);
  entered("a jump of the user to its own code", attempt_user(far_jump, through(SELECTOR(GATE, 3))), 0x1ead);
  expect("in which it stays", found_cs, SELECTOR(USER_CODE, 3));
  expect_fault("a call does not lead outward", attempt(far_call, through(SELECTOR(GATE, 1))), GP, SELECTOR(USER_CODE, 0));
}

static void refusals(void) {
  put_gate(GATE, KERNEL_CS, (word)gate_entry, LEVEL_3);
  put_gate(CLOSED, KERNEL_CS, (word)gate_entry, LEVEL_1);
  put_gate(INNER, 0, (word)gate_entry, LEVEL_3);
  put(DATA, 0xffff, 0x00cfb200);
  put_gate(NO_CODE, SELECTOR(DATA, 1), (word)gate_entry, LEVEL_3);
  put(SHORT, 0x0fff, 0x0040ba00); // 4 KiB of kernel code
  put_gate(BEYOND, SELECTOR(SHORT, 1), (word)gate_entry, LEVEL_3);
  expect_fault("a gate of the kernel's", attempt_user(far_call, through(SELECTOR(CLOSED, 3))), GP, SELECTOR(CLOSED, 0));
  expect_fault("named at a level that it is not for", attempt(far_call, through(SELECTOR(CLOSED, 3))), GP, SELECTOR(CLOSED, 0));
  entered("and at one that it is", attempt(far_call, through(SELECTOR(CLOSED, 1))), 0x6a7e);
  expect_fault("a gate that is absent", attempt_user(far_call, through(SELECTOR(ABSENT, 3))), NP, SELECTOR(ABSENT, 0));
  expect_fault("a gate to nothing", attempt_user(far_call, through(SELECTOR(INNER, 3))), GP, 0);
  expect_fault("a gate to data", attempt_user(far_call, through(SELECTOR(NO_CODE, 3))), GP, SELECTOR(DATA, 0));
  expect_fault("a gate beyond its code", attempt_user(far_call, through(SELECTOR(BEYOND, 3))), GP, 0);
  expect("the fault is at the call", attempt_user(far_call, through(SELECTOR(CLOSED, 3))).ip, (word)far_call + 4);
}

static void local(void) {
  ldt[LOCAL].low = (KERNEL_CS << 16) | ((word)gate_entry & 0xffff);
  ldt[LOCAL].high = ((word)gate_entry & 0xffff0000) | LEVEL_3;
  map_entry(ldt, entry_for(ldt, P | U | AD), 2);
  expect("a local table", extended(13, (word)ldt, 4), 0);
  entered("a call through a gate in it", attempt_user(far_call, through(SELECTOR(LOCAL, 7))), 0x6a7e);
  expect("which has been looked at", ldt[LOCAL].high & 0x6000, 0);
  expect("a shorter local table", extended(13, (word)ldt, 3), 0);
  expect_fault("ends before the gate", attempt_user(far_call, through(SELECTOR(LOCAL, 7))), GP, SELECTOR(LOCAL, 4));
  expect("as long as before", extended(13, (word)ldt, 4), 0);
  entered("it is as open as it was", attempt_user(far_call, through(SELECTOR(LOCAL, 7))), 0x6a7e);
  extended(13, 0, 0);
}

static int steps;
static word stepped;
static int on_step(struct frame *frame) {
  if (frame->vector != DB) return 0;
  if (++steps < 2) return 1;
  stepped = frame->ip;
  frame->flags &= ~0x100;
  return 1;
}

static void stepping(void) {
  trap_hook = on_step;
  user_flags = 0x102;
  struct outcome end = attempt_user(far_call, through(SELECTOR(GATE, 3)));
  user_flags = 2;
  trap_hook = 0;
  expect("a step through a gate", end.vector, RETURNED);
  expect("ends behind it", stepped, (word)gate_entry);
}

CODE(fs_call, "mov 4(%esp), %eax\nlcall *%fs:(%eax)");
asm(".text\nend_of_the_way: ud2");

enum { FIRST_RANDOM = 32, RANDOM = 32, TRIES = 4000 };

static u16 some_selector(void) {
  switch (random_below(8)) {
    case 0: return random_below(8);
    case 1: return random_below(0x10000);
    case 2: return KERNEL_CS;
    case 3: return FLAT_USER_CS;
    default: return SELECTOR(FIRST_RANDOM + random_below(RANDOM), random_below(8));
  }
}

/** Anything that may be in a table, except code that begins somewhere else. */
static void put_random(void) {
  extern u8 end_of_the_way[];
  int index = FIRST_RANDOM + random_below(RANDOM);
  word target = random_below(4) ? (word)end_of_the_way : 0x60000000 + random_below(4096);
  u32 kind = random_below(0x10000);
  switch (random_below(4)) {
    case 0: put(index, random_below(~0u), 0x00c01000 | (kind & 0xf700)); break;
    case 1: put(index, random_below(0x10000), 0x00c01800 | (kind & 0xff00) | (random_below(16) << 16)); break;
    default: put_gate(index, some_selector(), target, random_below(4) ? 0x8c00 | (kind & 0x6003) : kind & 0xefff);
  }
}

/** Random tables, and far calls and jumps to all that is in them: each comes to an end, and some come through. */
static void hostile(void) {
  int arrived = 0, ended = 0;
  random_state = 0x9e3779b9;
  extended(13, (word)gdt, 512);
  for (int n = 0; n < TRIES; n++) {
    put_random();
    extern u8 end_of_the_way[];
    pointer.offset = (word)end_of_the_way;
    word argument = through(some_selector());
    word (*code)(word) = random_below(3) ? far_call : random_below(2) ? far_jump : fs_call;
    struct outcome got = random_below(2) ? attempt_user(code, argument) : attempt(code, argument);
    arrived += got.vector == UD && got.ip == (word)end_of_the_way;
    ended += got.vector == UD || got.vector == GP || got.vector == NP || got.vector == SS || got.vector == PF || got.vector == TS;
  }
  extended(13, 0, 0);
  expect("every random transfer ends", ended, TRIES);
  expect("and some lead somewhere", arrived > TRIES / 20, 1);
}
#endif

void test_main(void) {
  map_entry(gdt, entry_for(gdt, P | U | AD), 2);
  word frame = machine_of(gdt) >> 12;
  expect("set_gdt", call2(set_gdt, &frame, 512), 0);
  tables();
  uses();
#if !LONG
  refusals();
  local();
  stepping();
  hostile();
#endif
}
