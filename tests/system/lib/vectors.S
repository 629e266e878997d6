// The 256 entries, and the three ways of going back: resume a frame, end an attempt, start one at a frame.
#include "assembly.h"
.text
.balign 16
.global vector_entries
vector_entries:
  .set vector, 0
  .rept 256
  .balign 16
  .if vector != 8 && (vector < 10 || vector > 14) && vector != 17 && vector != 21
  push $0
  .endif
  push $vector
  jmp common
  .set vector, vector + 1
  .endr

#ifdef __x86_64__
common:
  push %rax
  push %rcx
  push %rdx
  push %rbx
  push %rbp
  push %rsi
  push %rdi
  push %r8
  push %r9
  push %r10
  push %r11
  push %r12
  push %r13
  push %r14
  push %r15
  cld
  mov %rsp, %rdi
  mov %rsp, %rbx
  and $-16, %rsp
  call dispatch
  mov %rbx, %rsp
// start_at(frame): everything from a frame.
.global start_at
1:
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %r11
  pop %r10
  pop %r9
  pop %r8
  pop %rdi
  pop %rsi
  pop %rbp
  pop %rbx
  pop %rdx
  pop %rcx
  pop %rax
  add $16, %rsp
  iretq
start_at:
  mov %rdi, %rsp
  jmp 1b

// save_context(context): 0, and 1 when restore_context comes back to it.
.global save_context, restore_context
save_context:
  mov %rbx, 0(%rdi)
  mov %rbp, 8(%rdi)
  mov %r12, 16(%rdi)
  mov %r13, 24(%rdi)
  mov %r14, 32(%rdi)
  mov %r15, 40(%rdi)
  lea 8(%rsp), %rax
  mov %rax, 48(%rdi)
  mov (%rsp), %rax
  mov %rax, 56(%rdi)
  xor %eax, %eax
  ret
restore_context:
  mov $0x10, %eax
  mov %eax, %ss
  mov 0(%rdi), %rbx
  mov 8(%rdi), %rbp
  mov 16(%rdi), %r12
  mov 24(%rdi), %r13
  mov 32(%rdi), %r14
  mov 40(%rdi), %r15
  mov 48(%rdi), %rsp
  push $2
  popf
  mov $1, %eax
  jmp *56(%rdi)
#else
common:
  pusha
  push %ds
  push %es
  push %fs
  push %gs
  mov $0x10, %eax
  mov %eax, %ds
  mov %eax, %es
  cld
  mov %esp, %ebx
  push %ebx
  call dispatch
  mov %ebx, %esp
.global start_at
1:
  pop %gs
  pop %fs
  pop %es
  pop %ds
  popa
  add $8, %esp
// Five bytes, so that a kernel which has to return in another way can put a call there.
.global kernel_return
kernel_return:
  iret
  .skip 4, 0x90
start_at:
  mov 4(%esp), %esp
  jmp 1b

.global save_context, restore_context
save_context:
  mov 4(%esp), %eax
  mov %ebx, 0(%eax)
  mov %ebp, 4(%eax)
  mov %esi, 8(%eax)
  mov %edi, 12(%eax)
  lea 4(%esp), %ecx
  mov %ecx, 24(%eax)
  mov (%esp), %ecx
  mov %ecx, 28(%eax)
  xor %eax, %eax
  ret
restore_context:
  mov 4(%esp), %ecx
  mov %cs, %eax // the kernel may run at CPL 1
  and $3, %eax
  or $0x10, %eax
  mov %eax, %ss
  mov %eax, %ds
  mov %eax, %es
  mov 24(%ecx), %esp
  mov 0(%ecx), %ebx
  mov 4(%ecx), %ebp
  mov 8(%ecx), %esi
  mov 12(%ecx), %edi
  push $2
  popf
  mov $1, %eax
  jmp *28(%ecx)
#endif

// User code returns into this.
.global user_return
user_return:
  int $0x30
