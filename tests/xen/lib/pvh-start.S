/*
 * Where a PVH guest starts: 32-bit protected mode without paging, EBX at hvm_start_info. From there to long mode, or to 32-bit code under PAE
 * tables, under 4 MiB pages, or without paging (PAGING: 4, 3, 2, 0 levels). All of the low 4 GiB is mapped to itself, for everybody.
 */
#define LEAF 0xe7 /* present, writable, user, accessed, dirty, large */
#define TABLE 7
#define CODE32 0x30
#define EFER 0xc0000080

  .pushsection .note.xen, "a", @note
  .balign 4
  .long 4, 4, 18
  .asciz "Xen"
  .long start
  .popsection

#define RETURN iret_word
#define DATA_SELECTOR 0x23
#ifdef __x86_64__
#define iret_word iretq
#else
#define iret_word iret
#endif
#include "entries.S"

  .code32
  .globl start
start:
  mov %esp, entry_state + 20
  mov $boot_stack_top, %esp
  pushf
  pop entry_state
  mov %cr0, %eax
  mov %eax, entry_state + 4
  mov %cr4, %eax
  mov %eax, entry_state + 8
  str %eax
  mov %eax, entry_state + 12
  mov %ebx, entry_state + 16
  cld
  lgdt gdt_pointer
  ljmp $CODE32, $1f
1:
  mov $0x10, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  xor %eax, %eax
  mov %eax, %fs
  mov %eax, %gs
#if PAGING >= 3
  mov $tables_low, %edi
  mov $LEAF, %eax
  mov $2048, %ecx
1:
  mov %eax, (%edi)
  add $0x200000, %eax
  add $8, %edi
  loop 1b
  mov $directory_pointers, %edi
#if PAGING == 3
  mov $tables_low + 1, %eax
#else
  mov $tables_low + TABLE, %eax
#endif
  mov $4, %ecx
1:
  mov %eax, (%edi)
  add $4096, %eax
  add $8, %edi
  loop 1b
  mov $0x20, %eax
  mov %eax, %cr4
#if PAGING == 4
  movl $directory_pointers + TABLE, top_level
  mov $EFER, %ecx
  rdmsr
  or $0x900, %eax
  wrmsr
  mov $top_level, %eax
#else
  mov $directory_pointers, %eax
#endif
  mov %eax, %cr3
#elif PAGING == 2
  mov $directory_pointers, %edi
  mov $LEAF, %eax
  mov $1024, %ecx
1:
  mov %eax, (%edi)
  add $0x400000, %eax
  add $4, %edi
  loop 1b
  mov $0x10, %eax
  mov %eax, %cr4
  mov $directory_pointers, %eax
  mov %eax, %cr3
#endif
#if PAGING
  mov %cr0, %eax
  or $0x80010000, %eax
  mov %eax, %cr0
#endif
#ifdef __x86_64__
  ljmp $0x08, $1f
  .code64
1:
  mov entry_state + 16, %edi
  xor %ebp, %ebp
  call guest_main
#else
  xor %ebp, %ebp
  push entry_state + 16
  call guest_main
#endif
  ud2

/* Goes to user code: code, argument. It comes back by INT 0x30. */
  .globl enter_user
enter_user:
#ifdef __x86_64__
  mov $user_stack_top - 16, %rax
  lea user_return, %rdx
  mov %rdx, (%rax)
  push user_ss
  push %rax
  push user_flags
  push user_cs
  push %rdi
  mov %rsi, %rdi
  iretq
#else
  mov 4(%esp), %ecx
  mov 8(%esp), %edx
  mov $user_stack_top - 16, %eax
  movl $user_return, (%eax)
  mov %edx, 4(%eax)
  push user_ss
  push %eax
  push user_flags
  push user_cs
  push %ecx
  iret
#endif
user_return:
  int $0x30

  .data
  .balign 16
  .globl gdt
gdt:
  .quad 0
#ifdef __x86_64__
  .quad 0x00af9b000000ffff
#else
  .quad 0x00cf9b000000ffff
#endif
  .quad 0x00cf93000000ffff
#ifdef __x86_64__
  .quad 0x00affb000000ffff
#else
  .quad 0x00cffb000000ffff
#endif
  .quad 0x00cff3000000ffff
  .quad 0x00cffb000000ffff
  .quad 0x00cf9b000000ffff
  .quad 0, 0
gdt_pointer:
  .word . - gdt - 1
  .long gdt
  .globl entry_state
entry_state: /* flags, CR0, CR4, TR, EBX, ESP */
  .fill 6, 4, 0

  .bss
  .balign 4096
tables_low:
  .fill 4 * 4096
  .globl directory_pointers
directory_pointers:
  .fill 4096
  .globl top_level
top_level:
  .fill 4096
  .fill 16384
boot_stack_top:
  .fill 8192
  .globl trap_stack_top
trap_stack_top:
  .fill 8192
  .globl user_stack_top
user_stack_top:
