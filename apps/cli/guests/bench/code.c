// A program that writes programs, as translators of other languages do: functions that never existed before, each called a few times, in a
// buffer that is used over and over.
#include "runtime.h"

enum { ROOM = 1 << 16, FUNCTION = 32, FUNCTIONS = 64, CALLS = 20 };

static u8 *put_word(u8 *at, u32 value) {
  for (int i = 0; i < 4; i++) *at++ = (u8)(value >> (8 * i));
  return at;
}

static u32 new_code(u32 count) {
  static u8 *code;
  if (!code) code = map_memory(ROOM, READ_WRITE_EXECUTE, PRIVATE_ANONYMOUS);
  if ((unsigned long)code > -4096ul) give_up("mmap failed");
  u32 state = 41, place = 0, sum = 0;
  while (count--) {
    for (u32 i = 0; i < FUNCTIONS; i++) {
      u8 *start = code + place, *at = start;
      place = (place + FUNCTION) & (ROOM - 1);
      *at++ = 0xb8, at = put_word(at, next_random(&state));           // mov eax, imm32
      *at++ = 0x35, at = put_word(at, next_random(&state));           // xor eax, imm32
      *at++ = 0xc1, *at++ = 0xc0, *at++ = (u8)(1 + (state & 15));     // rol eax, imm8
      *at++ = 0x05, at = put_word(at, count);                         // add eax, imm32
      *at = 0xc3;                                                     // ret
      u32 (*function)(void) = (u32 (*)(void))start;
      for (int call = 0; call < CALLS; call++) sum = mix(sum, function());
    }
  }
  return sum;
}

const struct entry code_programs[] = { { "new-code", new_code }, { 0, 0 } };
