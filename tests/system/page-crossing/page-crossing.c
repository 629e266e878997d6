// Accesses that cross from one page into the next: which page a #PF names, with which error code, and that nothing is half done (SDM vol. 3,
// 4.7 and 6.5). Page 0 of the window is good; page 1 is absent, read-only, or reserved to the kernel.
#include "system.h"

#define WINDOW 0x40000000ul
#define EDGE (WINDOW + 0x1000)
static u8 *first, *second;

struct access { const char *name; const u8 *code; bool write; };
#define A(id, body) CODE(access_##id, body "\nint $0x30")
#define STACK_AT "mov %" DX ", %" SP "\n"
#if LONG
#define DX "rdx"
#define DI "rdi"
#define SI "rsi"
#define CX "rcx"
#else
#define DX "edx"
#define DI "edi"
#define SI "esi"
#define CX "ecx"
#endif
// rDX is two bytes below the edge
A(load, "mov (%" DX "), %eax") A(store, "movl $0x11111111, (%" DX ")") A(add, "addl $0x11111111, (%" DX ")") A(locked, "lock addl $0x11111111, (%" DX ")")
A(xchg, "mov $0x11111111, %eax\nxchg %eax, (%" DX ")") A(cmpxchg, "xor %eax, %eax\nmov $0x11111111, %ecx\ncmpxchg %ecx, (%" DX ")")
A(cmpxchg8b, "xor %eax, %eax\nmov %" DX ", %" DI "\nmov $5, %edx\ncmpxchg8b (%" DI ")") A(not, "notl (%" DX ")") A(shift, "shll $3, (%" DX ")")
A(bts, "btsl $1, (%" DX ")") A(push, STACK_AT "add $2, %" SP "\npushw $0x1111") A(call, STACK_AT "add $4, %" SP "\ncall 1f\n1:")
A(movs, "mov %" DX ", %" DI "\nsub $2, %" DI "\nlea spare, %" SI "\nmov $3, %ecx\nrep movsw") A(stos, "mov %" DX ", %" DI "\nmov $0x11111111, %eax\nmov $4, %ecx\nrep stosb")
A(fst, "fninit\nfldz\nfstpt (%" DX ")") A(fnstenv, "fnstenv (%" DX ")") A(movups, "movups %xmm0, (%" DX ")") A(sgdt, "sgdt (%" DX ")")
A(pop, "lea spare, %" SP "\npop" W_SUFFIX " (%" DX ")") A(setcc, "setc 2(%" DX ")")
static u8 spare[64] __attribute__((used, aligned(16))) = {1, 2, 3, 4, 5, 6, 7, 8, 9};

static const struct access list[] = {
    {"MOV load", access_load, false}, {"MOV store", access_store, true}, {"read-modify-write: ADD", access_add, true}, {"read-modify-write: LOCK ADD", access_locked, true},
    {"read-modify-write: XCHG", access_xchg, true}, {"read-modify-write: CMPXCHG", access_cmpxchg, true}, {"read-modify-write: CMPXCHG8B", access_cmpxchg8b, true}, {"read-modify-write: NOT", access_not, true},
    {"read-modify-write: SHL", access_shift, true}, {"read-modify-write: BTS", access_bts, true}, {"CALL", access_call, true}, {"FSTP m80", access_fst, true}, {"MOVUPS", access_movups, true},
    {"SGDT", access_sgdt, true}, {"POP to memory", access_pop, true}, {"SETcc in the second page", access_setcc, true}, {"FNSTENV", access_fnstenv, true}};

static struct fault run(const u8 *code, unsigned cpl, struct frame *start) {
  for (unsigned i = 0; i < 16; i++) first[0x1000 - 16 + i] = second[i] = 0xaa;
  *start = start_frame(code, cpl);
  start->dx = EDGE - 2;
  start->ax = start->cx = 0x5555;
  return attempt_at(start);
}

static bool untouched(void) {
  for (unsigned i = 0; i < 16; i++)
    if (first[0x1000 - 16 + i] != 0xaa || second[i] != 0xaa) return false;
  return true;
}

static void each(const char *how, pte flags, unsigned cpl) {
  map_page(WINDOW, (word)first, PTE_P | PTE_W | PTE_U);
  for (unsigned i = 0; i < sizeof list / sizeof *list; i++) {
    const struct access *one = &list[i];
    if (cpl == 0 && (one->code == access_call || one->code == access_pop)) continue; // the fault would be delivered on that very stack
    map_page(EDGE, (word)second, flags);
    struct frame start;
    struct fault got = run(one->code, cpl, &start);
    bool allowed = flags & PTE_P && (cpl == 0 || flags & PTE_U) && (!one->write || flags & PTE_W);
    const char *name = text("%s into a page that is %s at CPL %u", one->name, how, cpl);
    if (allowed) {
      expect_fault(name, got, RETURNED, 0);
      continue;
    }
    // an implicit supervisor access does not occur here: SGDT stores at the privilege of the program
    expect_fault(name, got, PF, (flags & PTE_P ? PF_P : 0) | (one->write ? PF_W : 0) | (cpl ? PF_U : 0));
    expect_value(text("%s: CR2", name), got.cr2, EDGE);
    expect_true(text("%s: nothing was written", name), untouched());
    bool kept = got.frame.ip >= (word)one->code && got.frame.dx == (one->code == access_cmpxchg8b ? 5 : start.dx);
    expect_true(text("%s: registers are as before", name), kept);
  }
}

/** REP instructions stop between elements: what is done stays done, the registers say how far it came. */
static void repeated(void) {
  struct frame start;
  map_page(EDGE, (word)second, 0);
  struct fault got = run(access_stos, 3, &start);
  expect_true("REP STOSB stops at the edge", got.vector == PF && got.error == (PF_W | PF_U) && got.cr2 == EDGE && got.frame.cx == 2 && got.frame.di == EDGE);
  expect_value("what REP STOSB has stored", first[0xffe] << 8 | first[0xfff], 0x1111);
  got = run(access_movs, 3, &start);
  expect_true("REP MOVSW stops at the edge", got.vector == PF && got.error == (PF_W | PF_U) && got.cr2 == EDGE && got.frame.cx == 1 && got.frame.di == EDGE);
  got = run(access_push, 3, &start);
  expect_fault("PUSH that ends at the edge", got, RETURNED, 0);
}

/** Both pages forbid it: the lower one is named. */
static void both(void) {
  struct frame start;
  map_page(WINDOW, (word)first, PTE_P | PTE_U);
  map_page(EDGE, (word)second, 0);
  struct fault got = run(access_store, 3, &start);
  expect_fault("a store that both pages forbid", got, PF, PF_P | PF_W | PF_U);
  expect_value("CR2 of a store that both pages forbid", got.cr2, EDGE - 2);
}

/** An instruction whose last byte lies in the next page. */
static void fetch(void) {
  map_page(WINDOW, (word)first, PTE_P | PTE_W | PTE_U);
  map_page(EDGE, (word)second, PTE_P | PTE_W | PTE_U);
  first[0xffe] = 0xb8; // MOV EAX, imm32
  first[0xfff] = 0x78;
  second[0] = 0x56;
  second[1] = 0x34;
  second[2] = 0x12;
  second[3] = 0xcd;
  second[4] = 0x30;
  struct frame start = start_frame((const void *)(EDGE - 2), 3);
  struct fault got = attempt_at(&start);
  expect_true("an instruction across the edge", got.vector == RETURNED && got.frame.ax == 0x12345678);
  *entry_of(EDGE, 1) = 0;
  invlpg(EDGE);
  got = attempt_at(&start);
  expect_true("the same with its second page absent", got.vector == PF && (got.error & ~(word)PF_I) == PF_U && got.cr2 == EDGE && got.frame.ip == EDGE - 2);
  *entry_of(EDGE, 1) = (word)second | PTE_P;
  got = attempt_at(&start);
  expect_true("and with its second page the kernel's", got.vector == PF && (got.error & ~(word)PF_I) == (PF_P | PF_U) && got.cr2 == EDGE);
}

void test_main(void) {
  first = alloc_pages(2);
  second = alloc_pages(2) + 0x1000;
  write_cr0(read_cr0() & ~(CR0_EM | CR0_TS));
  each("absent", 0, 0);
  each("absent", 0, 3);
  each("read-only", PTE_P | PTE_U, 0);
  each("read-only", PTE_P | PTE_U, 3);
  each("the kernel's", PTE_P | PTE_W, 3);
  repeated();
  both();
  fetch();
}
