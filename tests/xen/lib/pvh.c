// What a PVH guest of the tests has of its own: a page of calls, a processor's descriptor tables, memory that is where it seems to be.
#include "kit.h"

extern u8 trap_stack_top[];
extern u8 trap_0[], trap_1[], trap_2[], trap_3[], trap_4[], trap_5[], trap_6[], trap_7[], trap_8[], trap_10[], trap_11[], trap_12[];
extern u8 trap_13[], trap_14[], trap_16[], trap_17[], trap_18[], trap_19[], trap_48[], trap_256[];

enum { STORE_PFN = 1, STORE_PORT, CONSOLE_PFN = 17, CONSOLE_PORT };
enum { PRESENT_GATE = 0x8e00, FOR_USER = 0x6000, GATE_WORDS = FIELD(4, 2) };

u8 hypercall_page[4096] PAGED;
u32 xen_leaves;
static u32 gates[256 * GATE_WORDS] PAGED;
static u32 task[26];

word call(int number, word a, word b, word c, word d, word e) {
  word result, target = (word)hypercall_page + 32 * (word)number;
#if LONG
  register word r10 asm("r10") = d;
  register word r8 asm("r8") = e;
  asm volatile("call *%%rax" : "=a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8) : "a"(target) : "rcx", "r11", "memory");
#else
  asm volatile("call *%%eax" : "=a"(result), "+b"(a), "+c"(b), "+d"(c), "+S"(d), "+D"(e) : "a"(target) : "memory");
#endif
  return result;
}

void cpuid(u32 leaf, u32 subleaf, u32 out[4]) {
  asm volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(subleaf));
}

u64 parameter(u32 index) {
  struct { u16 domain, pad; u32 index; u64 value; } asked = {DOMID_SELF, 0, index, 0};
  call2(hvm_op, 1, &asked);
  return asked.value;
}

long set_parameter(u32 index, u64 value) {
  struct { u16 domain, pad; u32 index; u64 value; } asked = {DOMID_SELF, 0, index, value};
  return call2(hvm_op, 0, &asked);
}

long place(u32 space, word index, word frame) {
  struct { u16 domain, size; u32 space; word index, frame; } asked = {DOMID_SELF, 0, space, index, frame};
  return call2(memory_op, 7, &asked);
}

u8 *console(u32 *port) {
  *port = (u32)parameter(CONSOLE_PORT);
  return (u8 *)(word)(parameter(CONSOLE_PFN) << 12);
}

u8 *store_ring(u32 *port) {
  *port = (u32)parameter(STORE_PORT);
  return (u8 *)(word)(parameter(STORE_PFN) << 12);
}

word fault_address(void) {
  word address;
  asm volatile("mov %%cr2, %0" : "=r"(address));
  return address;
}

u64 machine_of(const void *linear) { return (word)linear; }

void set_trap(int vector, int level, void *address) {
  u32 *gate = gates + vector * GATE_WORDS;
  gate[0] = KERNEL_CS << 16 | ((word)address & 0xffff);
  gate[1] = ((word)address & 0xffff0000) | PRESENT_GATE | (level == 3 ? FOR_USER : 0);
#if LONG
  gate[2] = (word)address >> 32;
#endif
}

/** Gates, the stack that traps of user code come to, and the task that says so. */
void set_entries(void) {
  extern u8 gdt[];
  u8 *handlers[] = {trap_0, trap_1, trap_2, trap_3, trap_4, trap_5, trap_6, trap_7, trap_8, 0, trap_10, trap_11, trap_12, trap_13, trap_14, 0, trap_16, trap_17, trap_18, trap_19};
  for (int vector = 0; vector < 20; vector++)
    if (handlers[vector]) set_trap(vector, vector == BP || vector == OF ? 3 : 0, handlers[vector]);
  set_trap(USER_DONE, 3, trap_48);
  set_trap(UPCALL, 0, trap_256);
  struct { u16 limit; word base; } __attribute__((packed)) table = {sizeof gates - 1, (word)gates};
  asm volatile("lidt %0" : : "m"(table));
  task[1] = (u32)(word)trap_stack_top;
  task[2] = LONG ? 0 : KERNEL_SS;
  task[25] = 104 << 16;
  u32 *descriptor = (u32 *)(gdt + 0x38);
  word base = (word)task;
  descriptor[0] = (base & 0xffff) << 16 | 103;
  descriptor[1] = (base & 0xff000000) | 0x8900 | (base >> 16 & 0xff);
  asm volatile("ltr %w0" : : "r"(0x38));
}

static void find_xen(void) {
  u32 found[4];
  for (xen_leaves = 0x40000000; xen_leaves < 0x40010000; xen_leaves += 0x100) {
    cpuid(xen_leaves, 0, found);
    if (found[1] == 0x566e6558 && found[2] == 0x65584d4d && found[3] == 0x4d4d566e) break;
  }
  cpuid(xen_leaves + 2, 0, found);
  asm volatile("wrmsr" : : "c"(found[1]), "a"((u32)(word)hypercall_page), "d"(0) : "memory");
}

void guest_main(u8 *info) {
  start_info = info;
  set_entries();
  find_xen();
  expect("shared_info can be placed", place(0, 0, (word)shared_info >> 12), 0);
  run_tests();
}
