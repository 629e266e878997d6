/* Entry points of traps, which all lead to handle_trap and back by RETURN; and attempts, which a trap ends. */
.macro trap vector, has_code
  .balign 16
  .globl trap_\vector
trap_\vector:
#if defined(__x86_64__) && !defined(PVH)
  pop %rcx
  pop %r11
#endif
  .if !\has_code
  push $0
  .endif
  push $\vector
  jmp common
.endm

.irp vector, 0, 1, 2, 3, 4, 5, 6, 7, 9, 16, 18, 19, 20
  trap \vector, 0
.endr
.irp vector, 8, 10, 11, 12, 13, 14, 17
  trap \vector, 1
.endr
.irp vector, 48, 128, 256, 258, 261
  trap \vector, 0
.endr

common:
  cld
#ifdef __x86_64__
  push %rax; push %rcx; push %rdx; push %rbx; push %rbp; push %rsi; push %rdi
  push %r8; push %r9; push %r10; push %r11; push %r12; push %r13; push %r14; push %r15
  mov %rsp, %rdi
  mov %rsp, %rbx
  and $-16, %rsp
  call handle_trap
  mov %rbx, %rsp
  pop %r15; pop %r14; pop %r13; pop %r12; pop %r11; pop %r10; pop %r9; pop %r8
  pop %rdi; pop %rsi; pop %rbp; pop %rbx; pop %rdx; pop %rcx; pop %rax
  add $16, %rsp
#ifndef PVH
  push $0
#endif
  RETURN
#else
  push %eax; push %ecx; push %edx; push %ebx; push %ebp; push %esi; push %edi
  mov $DATA_SELECTOR, %eax
  mov %eax, %ds
  mov %eax, %es
  push %esp
  call handle_trap
  add $4, %esp
  pop %edi; pop %esi; pop %ebp; pop %ebx; pop %edx; pop %ecx; pop %eax
  add $8, %esp
  RETURN
#endif

/* word attempt_raw(code, argument, context): what `code` returns; a trap goes to `attempt_over` with the context's stack. */
  .globl attempt_raw
attempt_raw:
#ifdef __x86_64__
  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15
  mov %rsp, (%rdx)
  mov %rdi, %rax
  mov %rsi, %rdi
  sub $8, %rsp
  call *%rax
  add $8, %rsp
  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx
#else
  push %ebx; push %ebp; push %esi; push %edi
  mov 28(%esp), %edx
  mov %esp, (%edx)
  mov 20(%esp), %eax
  push 24(%esp)
  call *%eax
  add $4, %esp
  pop %edi; pop %esi; pop %ebp; pop %ebx
#endif
  ret

/* Never returns: attempt_raw of this context does, with this value. */
  .globl attempt_over
attempt_over:
#ifdef __x86_64__
  mov (%rdi), %rsp
  mov %rsi, %rax
  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx
#else
  mov 8(%esp), %eax
  mov 4(%esp), %edx
  mov (%edx), %esp
  pop %edi; pop %esi; pop %ebp; pop %ebx
#endif
  ret
