#include "rom.h"

struct rom *rom;
u32 target[CALLS];

static bool same(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

struct rom *find_rom(void) {
  for (word base = 0xc0000; base < 0xe0000; base += 2048) {
    struct rom *found = (struct rom *)base;
    if (found->signature != 0xaa55 || found->vrom != 0x696d5663 || found->major != 3 || found->pci == 0) continue;
    const char *license = (const char *)found + found->license;
    if (found->license != 0 && (same(license, "GPL") || same(license, "GPL v2"))) return found;
  }
  return 0;
}

__attribute__((regparm(3))) typedef u32 init_function(void);
__attribute__((regparm(3))) typedef u64 relocation_function(u32 call);

struct relocation relocation(unsigned call) {
  u64 answer = ((relocation_function *)rom->relocation)(call);
  return (struct relocation){answer, answer >> 32};
}

u32 rom_init(void) {
  static const u8 order[] = {0, 28, 25, 24, 19, 20, 21, 22, 15, 16, 17, 18, 31, 32, 30, 29, 23, 27, 6, 4, 3, 5, 7, 9, 10, 12, 11, 13, 14, 61, 65, 73, 73, 73, 73, 47, 47, 46,
#ifdef MODE_PAE
                             39, 41,
#else
                             38, 40,
#endif
                             44, 45, 48, 62, 64, 63, 66, 67, 70, 71, 68, 69, 35, 33, 34,
                             // Linux asks for none of these.
                             1, 2, 8, 26, 36, 37, 42, 43, 38, 39, 40, 41};
  u32 result = ((init_function *)rom->init)();
  if (result != 0) return result;
  for (unsigned i = 0; i < sizeof order; i++) {
    struct relocation answer = relocation(order[i]);
    target[order[i]] = answer.type == CALL_REL || answer.type == JUMP_REL ? answer.eip : 0;
  }
  return 0;
}

asm(".text\n.global rom_call_thunk\nrom_call_thunk:\n" // (target, eax, edx, ecx, s0, s1) on the stack
    "push %ebp\nmov %esp, %ebp\npush 28(%ebp)\npush 24(%ebp)\nmov 12(%ebp), %eax\nmov 16(%ebp), %edx\nmov 20(%ebp), %ecx\ncall *8(%ebp)\nleave\nret\n"
    ".global rom_call_registers\nrom_call_registers:\n"
    "pusha\nmov 40(%esp), %eax\nmov 36(%esp), %ecx\nmov %ecx, call_target\npush %eax\n"
    "mov 4(%eax), %ecx\nmov 8(%eax), %edx\nmov 12(%eax), %ebx\nmov 20(%eax), %ebp\nmov 24(%eax), %esi\nmov 28(%eax), %edi\nmov (%eax), %eax\n"
    "call *call_target\n"
    "xchg %eax, (%esp)\nmov %ecx, 4(%eax)\nmov %edx, 8(%eax)\nmov %ebx, 12(%eax)\nmov %ebp, 20(%eax)\nmov %esi, 24(%eax)\nmov %edi, 28(%eax)\npop %ecx\nmov %ecx, (%eax)\n"
    "popa\nret\n.data\ncall_target: .long 0\n.text\n");
u64 rom_call_thunk(u32 target, u32 eax, u32 edx, u32 ecx, u32 stack0, u32 stack1);

u64 rom_call(unsigned call, u32 eax, u32 edx, u32 ecx, u32 stack0, u32 stack1) {
  if (target[call] == 0) panic("call %d is not there", call);
  return rom_call_thunk(target[call], eax, edx, ecx, stack0, stack1);
}
