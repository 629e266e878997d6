/* Where a PV guest starts, is entered and goes to user code: notes, entry points for traps and callbacks, the way back by the iret call. */
#ifdef __x86_64__
#define WORD .quad
#define SP %rsp
#else
#define WORD .long
#define SP %esp
#endif

.macro note type, kind:vararg
  .pushsection .note.xen, "a", @note
  .balign 4
  .long 4, 9f - 8f, \type
  .asciz "Xen"
8:
  \kind
9:
  .balign 4
  .popsection
.endm

note 6, .asciz "paravane test"
note 5, .asciz "xen-3.0"
note 8, .asciz "generic"
note 9, .asciz "yes"
note 10, .asciz "!writable_page_tables|pae_pgdir_above_4gb"
note 2, WORD hypercall_page

  .text
  .globl start
start:
#ifdef __x86_64__
  mov %rsi, %rdi
  lea boot_stack_top, %rsp
  xor %ebp, %ebp
  call guest_main
#else
  mov $boot_stack_top, %esp
  xor %ebp, %ebp
  mov $0xe033, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %fs
  mov %eax, %gs
  push %esi
  call guest_main
#endif
  ud2

  .balign 4096
  .globl hypercall_page
hypercall_page:
  .fill 4096, 1, 0xc3

#define RETURN jmp iret_call
#define DATA_SELECTOR 0xe033
#include "entries.S"

/* The iret call without the page of calls, which a loader may not fill in as a builder does. */
  .globl iret_call
iret_call:
#ifdef __x86_64__
  push %rcx
  push %r11
  push %rax
  mov $23, %eax
  syscall
#else
  push %eax
  mov $23, %eax
  int $0x82
#endif

/* The failsafe callback: the selectors of its frame are kept, and the rest is a trap of a number of its own. */
  .balign 16
  .globl failsafe
failsafe:
#ifdef __x86_64__
  pop %rcx
  pop %r11
  pop failsafe_selectors
  pop failsafe_selectors + 8
  pop failsafe_selectors + 16
  pop failsafe_selectors + 24
#else
  pop failsafe_selectors
  pop failsafe_selectors + 4
  pop failsafe_selectors + 8
  pop failsafe_selectors + 12
#endif
  push $0
  push $257
  jmp common

/* Goes to user code by the iret call: code, argument. It comes back by INT 0x30. */
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
  push $0
  jmp iret_call
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
  jmp iret_call
#endif
user_return:
  int $0x30

  .bss
  .balign 4096
  .fill 16384
boot_stack_top:
  .fill 8192
  .globl trap_stack_top
trap_stack_top:
  .fill 8192
  .globl user_stack_top
user_stack_top:
