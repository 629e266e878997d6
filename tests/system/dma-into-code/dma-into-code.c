// fw_cfg item 0 holds "QEMU", four bytes that become the operand of MOV $imm32, %eax.
#include "system.h"

struct access {
  u32 control, length;
  u64 address;
} __attribute__((packed, aligned(16)));

static u32 swap32(u32 v) { return __builtin_bswap32(v); }

/** Control bits: 8 select the item in bits 31:16, 2 read, 4 skip, 16 write. */
static bool dma(u32 control, void *at, u32 length) {
  static volatile struct access access;
  access.control = swap32(control);
  access.length = swap32(length);
  access.address = __builtin_bswap64((u64)(word)at);
  out32(0x514, 0);
  out32(0x518, swap32((u32)(word)&access));
  while (swap32(access.control) & ~1u) pause();
  return access.control == 0;
}

static u32 call_code(const u8 *code) {
  u32 result;
  asm volatile("call *%1" : "=a"(result) : "r"(code) : "memory", "cc");
  return result;
}

void test_main(void) {
  u8 *page = alloc_pages(2);
  u32 signature = 0x554d4551; // "QEMU"
  for (unsigned round = 0; round < 4; round++) {
    // At the page's start, inside, and across its end: in one piece and byte by byte.
    u8 *code = page + (round == 0 ? 0 : round == 1 ? 1000 : 4096 - 3);
    code[0] = 0xb8;
    *(u32 *)(code + 1) = 0x12345678;
    code[5] = 0xc3;
    expect_value(text("before DMA, round %u", round), call_code(code), 0x12345678);
    bool ok = dma(8 | 2, code + 1, round == 3 ? 1 : 4);
    for (unsigned i = 1; round == 3 && i < 4; i++) {
      ok = ok && dma(2, code + 1 + i, 1);
    }
    expect_true(text("DMA, round %u", round), ok);
    expect_value(text("after DMA, round %u", round), call_code(code), signature);
    *(u32 *)(code + 1) = round;
    expect_value(text("after a store, round %u", round), call_code(code), round);
  }
}
