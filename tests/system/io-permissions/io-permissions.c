// Who may use a port: IOPL, and the bitmap of the TSS with ports that straddle bytes and limits (SDM vol. 1, 19.5).
#include "system.h"

CODE(code_in8, "in %dx, %al\nint $0x30")
CODE(code_in16, "in %dx, %ax\nint $0x30")
CODE(code_in32, "in %dx, %eax\nint $0x30")
CODE(code_out8, "out %al, $0x80\nint $0x30")
CODE(code_ins, "mov $0, %ecx\nrep insb\nint $0x30")
CODE(cli_code, "cli\nint $0x30")

static struct { struct tss tss; u8 map[0x20]; } __attribute__((packed)) own;

static void port(const char *name, const u8 *code, unsigned cpl, word flags, u16 number, bool allowed) {
  struct frame start = start_frame(code, cpl);
  start.dx = number;
  start.flags |= flags;
  expect_fault(name, attempt_at(&start), allowed ? RETURNED : GP, 0);
}
/** A TSS of `bytes` with the map at `base`. */
static void load(u32 bytes, u16 base) {
  own.tss = this_cpu()->tss;
  own.tss.iomap = base;
  set_system_descriptor(SEL_FREE, (word)&own, bytes - 1, 0x89);
  asm volatile("ltr %0" : : "r"((u16)SEL_FREE));
}

void test_main(void) {
  const u16 map = offsetof(typeof(own), map);
  for (unsigned i = 0; i < sizeof own.map; i++) own.map[i] = 0xff;
  load(map + 0x12, map); // 0x11 bytes of map and one behind it
  port("CPL 0", code_in8, 0, 0, 0x71, true);
  port("CPL 3 with IOPL 3", code_in8, 3, FLAG_IOPL, 0x71, true);
  port("CLI at CPL 3 with IOPL 3", cli_code, 3, FLAG_IOPL, 0, true);
  port("CLI at CPL 3 with IOPL 2", cli_code, 3, 0x2000, 0, false);
  port("CPL 3 with IOPL 2", code_in8, 3, 0x2000, 0x71, false);
  port("a port that the bitmap denies", code_in8, 3, 0, 0x71, false);
  own.map[0xe] = 0xfd;
  port("a port that the bitmap allows", code_in8, 3, 0, 0x71, true);
  port("its neighbour below", code_in8, 3, 0, 0x70, false);
  port("a word of which one byte is denied", code_in16, 3, 0, 0x71, false);
  own.map[0xe] = 0x7f, own.map[0xf] = 0xfe;
  port("a word over two bytes of the map", code_in16, 3, 0, 0x77, true);
  port("a dword over two bytes of which two bits deny", code_in32, 3, 0, 0x77, false);
  own.map[0xe] = 0x3f, own.map[0xf] = 0xfc;
  port("a dword over two bytes of the map", code_in32, 3, 0, 0x76, true);
  own.map[0x10] = 0xfe;
  port("OUT to an immediate port", code_out8, 3, 0, 0, true);
  port("REP INS with count 0 is checked all the same", code_ins, 3, 0, 0x70, false);
  // The processor always reads two bytes of the map.
  own.map[0x11] = 0;
  port("the last byte of the map needs one behind it", code_in8, 3, 0, 0x80, true);
  port("the byte behind the map allows nothing", code_in8, 3, 0, 0x88, false);
  load(map + 0x11, map);
  port("without it the last byte denies", code_in8, 3, 0, 0x80, false);
  load(map + 0x12, map + 0x100);
  port("a map beyond the TSS", code_in8, 3, 0, 0x71, false);
  load(map + 0x12, 0xffff);
  port("a map at FFFF", code_in8, 3, 0, 0x71, false);
  load(102, map);
  port("a TSS without a map's address", code_in8, 3, 0, 0x80, false);
}
