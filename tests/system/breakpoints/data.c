// Data breakpoints: traps behind the access, at the granularity of LEN (SDM vol. 3, 17.2.4, 17.2.5), and I/O breakpoints.
#include "breakpoints.h"

static u8 watched[64] __attribute__((aligned(64)));

CODE(store_byte, "movb $1, (%" REG(bx) ")\n" MARK(store_byte_1) END)
CODE(load_byte, "movb (%" REG(bx) "), %al\n" MARK(load_byte_1) END)
CODE(store_two, "movw $1, (%" REG(bx) ")\n" MARK(store_two_1) END)
CODE(store_four, "movl $1, (%" REG(bx) ")\n" MARK(store_four_1) END)
CODE(add_byte, "addb $1, (%" REG(bx) ")\n" MARK(add_byte_1) END)
CODE(push_pop, "mov %" REG(bx) ", %" SP "\npush %" AX "\n" MARK(push_1) "pop %" AX "\n" MARK(pop_1) END)
CODE(string, "mov %" REG(bx) ", %" REG(di) "\nmov $4, %ecx\n" MARK(string_0) "rep stosb\n" MARK(string_1) END)
CODE(copy, "mov %" REG(bx) ", %" REG(si) "\nlea 32(%" REG(bx) "), %" REG(di) "\nmov $2, %ecx\n" MARK(copy_0) "rep movsb\n" MARK(copy_1) END)
CODE(through_shadow, "mov (%" REG(bx) "), %ss\nnop\n" MARK(through_shadow_1) END)
CODE(port_in, "in $0x80, %al\n" MARK(port_in_1) END)
CODE(port_out, "out %al, $0x81\n" MARK(port_out_1) END)
CODE(port_wide, "in $0x7e, %eax\n" MARK(port_wide_1) END)
CODE(port_string, "mov %" REG(bx) ", %" REG(si) "\nmov $0x80, %edx\nmov $2, %ecx\n" MARK(port_string_0) "rep outsb\n" MARK(port_string_1) END)
CODE(load_fault, "movl (%" REG(bx) "), %eax\nmovl (%" REG(bx) "), %ecx\ndivl %edx\n" END)
LABEL(store_byte_1) LABEL(load_byte_1) LABEL(store_two_1) LABEL(store_four_1) LABEL(add_byte_1) LABEL(push_1) LABEL(pop_1) LABEL(string_0) LABEL(string_1)
LABEL(copy_0) LABEL(copy_1) LABEL(through_shadow_1) LABEL(port_in_1) LABEL(port_out_1) LABEL(port_wide_1) LABEL(port_string_0) LABEL(port_string_1)

/** Runs `code` with BX at `offset` of the watched bytes, with a breakpoint in DR1 at `at`. */
static void run(const char *name, const u8 *code, unsigned offset, word at, unsigned kind, unsigned length, const struct event *events, unsigned count) {
  // The kernel's own frames would lie on a watched stack.
  for (unsigned cpl = code == push_pop ? 3 : 0; cpl <= 3; cpl += 3) {
    struct frame start = start_frame(code, cpl);
    start.flags |= FLAG_IOPL;
    start.bx = (word)&watched[offset];
    *(u16 *)&watched[16] = cpl ? SEL_USER_DATA : SEL_DATA;
    write_dr1(at);
    struct fault got = run_traced(&start, breakpoint(1, kind, length));
    expect_fault(text("%s at CPL %u ends", name, cpl), got, RETURNED, 0);
    expect_events(text("%s at CPL %u", name, cpl), code, events, count);
  }
}
#define RUN(name, code, offset, at, kind, length, ...) \
  do { \
    static const struct event events[] = {__VA_ARGS__}; \
    run(name, code, offset, at, kind, length, events, sizeof events / sizeof *events); \
  } while (0)
#define NONE(name, code, offset, at, kind, length) run(name, code, offset, at, kind, length, 0, 0)

void test_data(void) {
  word base = (word)watched;
  RUN("a write", store_byte, 16, base + 16, WATCH_WRITE, 1, {store_byte_1, 2});
  NONE("a write beside", store_byte, 17, base + 16, WATCH_WRITE, 1);
  NONE("a read of what is watched for writes", load_byte, 16, base + 16, WATCH_WRITE, 1);
  RUN("a read", load_byte, 16, base + 16, WATCH_ACCESS, 1, {load_byte_1, 2});
  RUN("the last of two bytes", store_byte, 17, base + 16, WATCH_WRITE, 2, {store_byte_1, 2});
  RUN("the last of four bytes", store_byte, 19, base + 16, WATCH_WRITE, 4, {store_byte_1, 2});
  NONE("behind four bytes", store_byte, 20, base + 16, WATCH_WRITE, 4);
  RUN("an address that is not aligned is rounded down", store_byte, 16, base + 18, WATCH_WRITE, 4, {store_byte_1, 2});
  RUN("an access that begins before", store_two, 15, base + 16, WATCH_WRITE, 1, {store_two_1, 2});
  RUN("an access that begins before, wide", store_four, 13, base + 16, WATCH_WRITE, 4, {store_four_1, 2});
  RUN("a read and write", add_byte, 16, base + 16, WATCH_WRITE, 1, {add_byte_1, 2});
  RUN("a push and a pop", push_pop, 16 + sizeof(word), base + 16, WATCH_ACCESS, 4, {push_1, 2}, {pop_1, 2});
  RUN("an iteration of STOS", string, 14, base + 16, WATCH_WRITE, 1, {string_0, 2});
  RUN("the last iteration of STOS", string, 13, base + 16, WATCH_WRITE, 1, {string_1, 2});
  RUN("the source of MOVS", copy, 16, base + 16, WATCH_ACCESS, 1, {copy_0, 2});
  RUN("the target of MOVS", copy, 8, base + 41, WATCH_WRITE, 1, {copy_1, 2});
  RUN("MOV SS holds its own data breakpoint back", through_shadow, 16, base + 16, WATCH_ACCESS, 2, {through_shadow_1, 2});
#if LONG
  RUN("the last of eight bytes", store_byte, 23, base + 16, WATCH_WRITE, 8, {store_byte_1, 2});
#endif
  write_cr4(read_cr4() | CR4_DE);
  RUN("IN", port_in, 0, 0x80, WATCH_PORT, 1, {port_in_1, 2});
  RUN("OUT", port_out, 0, 0x80, WATCH_PORT, 2, {port_out_1, 2});
  NONE("OUT beside", port_out, 0, 0x80, WATCH_PORT, 1);
  RUN("a wide IN", port_wide, 0, 0x80, WATCH_PORT, 1, {port_wide_1, 2});
  RUN("OUTS", port_string, 0, 0x80, WATCH_PORT, 1, {port_string_0, 2}, {port_string_1, 2});
  write_cr4(read_cr4() & ~CR4_DE);

  // An instruction that faults has not been executed: what it read before is no trap.
  struct frame start = start_frame(load_fault, 0);
  start.bx = (word)watched;
  write_dr1((word)watched);
  struct fault got = run_traced(&start, breakpoint(1, WATCH_ACCESS, 4));
  expect_fault("a fault behind data breakpoints", got, DE, 0);
  expect_value("data breakpoints before the fault", seen_count, 2);
}
