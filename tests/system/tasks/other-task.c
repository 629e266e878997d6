#include "tasks.h"

struct tss other;
u8 other_stack[4096] __attribute__((aligned(16)));
static u8 inner_stack[4096] __attribute__((aligned(16)));

void make_other(const void *ip, unsigned cpl) {
  u16 data = (cpl ? SEL_USER_DATA & ~3u : SEL_DATA) | cpl;
  other = (struct tss){
      .sp0 = (word)inner_stack + sizeof inner_stack, .ss0 = SEL_DATA, .cr3 = read_cr3(), .ip = (word)ip, .flags = FLAG_FIXED,
      .ax = 0xa1, .cx = 0xa2, .dx = 0xa3, .bx = 0xa4, .bp = 0xa5, .si = 0xa6, .di = 0xa7,
      .sp = (word)other_stack + sizeof other_stack,
      .es = data, .ss = data, .ds = data, .fs = data, .gs = data,
      .cs = (cpl ? SEL_USER_CODE & ~3u : SEL_CODE) | cpl,
      .iomap = sizeof other,
  };
  set_system_descriptor(SEL_OTHER, (word)&other, sizeof other - 1, AVAILABLE);
  gdt[SEL_GATE / 8] = (u64)0x85 << 40 | (u64)SEL_OTHER << 16;
}

u8 access_of(unsigned selector) { return gdt[selector / 8] >> 40; }

u16 read_tr(void) {
  u16 value;
  asm volatile("str %0" : "=r"(value));
  return value;
}

u16 read_ldt(void) {
  u16 value;
  asm volatile("sldt %0" : "=r"(value));
  return value;
}

void go_home(void) {
  gdt[SEL_TSS / 8] &= ~((u64)2 << 40);
  asm volatile("ltr %0\nlldt %1\nclts" : : "r"((u16)SEL_TSS), "r"((u16)0) : "memory");
  write_cr3(this_cpu()->tss.cr3);
}
