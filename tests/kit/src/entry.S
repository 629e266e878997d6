// Into the kernel and out of it: an entry for each vector, one frame for all, two ways back (which the platform has its own code for), user code.
#define FAST_SYSCALL 258
#define KERNEL_DS 0x10
#define USER_CS64 0x2b
#define USER_CS32 0x1b
#define USER_DS 0x23

.text
// Vectors for which the processor pushes no error code get a 0.
.macro entry vector
  .if \vector != 8 && (\vector < 10 || \vector > 14) && \vector != 17 && \vector != 21
  push $0
  .endif
  push $\vector
  jmp common
.endm

.balign 16
.global vector_entries
vector_entries:
  .set vector, 0
  .rept 256
  .balign 16
  entry vector
  .set vector, vector + 1
  .endr

#ifdef XEN
// Xen pushes RCX and R11 on top of a 64-bit frame, as its SYSCALL needed them.
.macro xen_entry name, vector
  .balign 32
  .global \name
\name:
#ifdef __x86_64__
  pop %rcx
  pop %r11
#endif
  entry \vector
.endm
#ifdef __x86_64__
.balign 32
.global xen_vector_entries
xen_vector_entries:
  .set vector, 0
  .rept 256
  .balign 32
  pop %rcx
  pop %r11
  entry vector
  .set vector, vector + 1
  .endr
#endif
xen_entry xen_event_entry, 256
xen_entry xen_syscall_entry, FAST_SYSCALL
.global xen_failsafe_entry
xen_failsafe_entry: // the selectors that could not be loaded lie on top: they are of no use here
#ifdef __x86_64__
  pop %rcx
  pop %r11
#endif
#ifdef __x86_64__
  add $32, %rsp
#else
  add $16, %esp
#endif
  entry 257
#endif

#ifdef __x86_64__
common:
  cld
  push %rax; push %rcx; push %rdx; push %rbx; push %rbp; push %rsi; push %rdi
  push %r8; push %r9; push %r10; push %r11; push %r12; push %r13; push %r14; push %r15
  mov %rsp, %rdi
  mov %rsp, %rbx
  and $-16, %rsp
  call dispatch
  mov %rbx, %rsp
  pop %r15; pop %r14; pop %r13; pop %r12; pop %r11; pop %r10; pop %r9; pop %r8
  pop %rdi; pop %rsi; pop %rbp; pop %rbx; pop %rdx; pop %rcx; pop %rax
  cmpq $FAST_SYSCALL, (%rsp)
  lea 16(%rsp), %rsp
  je 1f
  jmp *pv_iret
1:
  jmp *pv_fast_return

.global native_iret, native_sysret, native_syscall
native_iret:
  iretq
native_sysret:
  mov (%rsp), %rcx
  mov 16(%rsp), %r11
  mov 24(%rsp), %rsp
  sysretq
// SYSCALL leaves the stack to its kernel; user code runs on the boot processor alone.
native_syscall:
  mov %rsp, user_sp
  mov $stacks + 0x8000, %rsp
  push $USER_DS
  push user_sp
  push %r11
  push $USER_CS64
  push %rcx
  push $0
  push $FAST_SYSCALL
  jmp common
.data
user_sp: .quad 0
.text

#ifdef XEN
// The call that returns: it takes flags, RCX, R11 and RAX off the stack itself. With VGCF_in_syscall RCX and R11 are what SYSRET makes of them.
.global xen_iret, xen_sysret
xen_sysret:
  push $0x100
  jmp 1f
xen_iret:
  push $0
1:
  push %rcx
  push %r11
  push %rax
  mov $23, %eax
  syscall
#endif

// word attempt_raw(code, argument, context): what `code` returns; attempt_over(context, value) makes it return from a trap.
.global attempt_raw, attempt_over
attempt_raw:
  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15
  mov %rsp, (%rdx)
  mov %rdi, %rax
  mov %rsi, %rdi
  sub $8, %rsp
  call *%rax
  add $8, %rsp
1:
  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx
  ret
attempt_over:
  mov (%rdi), %rsp
  mov %rsi, %rax
  jmp 1b

// enter_user(code, argument, stack): its return address is user_done.
.global enter_user
enter_user:
  movq $user_done, (%rdx)
  push $USER_DS
  push %rdx
  push user_flags
  push $USER_CS64
  push %rdi
  mov %rsi, %rdi
  jmp *pv_iret

// After load_gdt: CS anew, at the level that it has.
.global reload_segments
reload_segments:
  push $8
  lea 1f(%rip), %rax
  push %rax
  lretq
1:
  mov $KERNEL_DS, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  ret
#else
common:
  cld
  pusha
  push %ds
  push %es
  push %fs
  push %gs
  mov $KERNEL_DS, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %esp, %ebx
  push %ebx
  call dispatch
  mov %ebx, %esp
  pop %gs
  pop %fs
  pop %es
  pop %ds
  popa
  cmpl $FAST_SYSCALL, (%esp)
  lea 8(%esp), %esp
  je 1f
  jmp *%ss:pv_iret // DS may be the user's already
1:
  jmp *%ss:pv_fast_return

.global native_iret, native_sysexit, native_sysenter
native_iret:
  iret
// The frame's EIP and ESP go where SYSEXIT has them; interrupts are enabled by the instruction before, which takes effect after the next.
native_sysexit:
  mov (%esp), %edx
  mov 12(%esp), %ecx
  sti
  sysexit
// User code's own convention: ECX is its stack, EDX where it goes on. SYSENTER has loaded our ESP.
native_sysenter:
  push $USER_DS
  push %ecx
  push $0x202
  push $USER_CS32
  push %edx
  push $0
  push $FAST_SYSCALL
  jmp common

#ifdef XEN
.global xen_iret
xen_iret:
  push %eax
  mov $23, %eax
  int $0x82
#endif

// VMI's IRET and SYSEXIT: five bytes each, which become a call of the ROM's code or a jump to it, as Linux patches its own.
.global vmi_iret_site, vmi_sysexit_site, vmi_sysexit
vmi_iret_site:
  iret
  .skip 4, 0x90
  ud2
vmi_sysexit:
  mov (%esp), %edx
  mov 12(%esp), %ecx
vmi_sysexit_site:
  sti
  sysexit
  .skip 2, 0x90
  ud2

.global attempt_raw, attempt_over
attempt_raw:
  push %ebx; push %ebp; push %esi; push %edi
  mov 28(%esp), %edx
  mov %esp, (%edx)
  mov 20(%esp), %eax
  push 24(%esp)
  call *%eax
  add $4, %esp
1:
  pop %edi; pop %esi; pop %ebp; pop %ebx
  ret
attempt_over:
  mov 8(%esp), %eax
  mov 4(%esp), %edx
  mov (%edx), %esp
  jmp 1b

.global enter_user
enter_user:
  mov 4(%esp), %ecx
  mov 8(%esp), %edx
  mov 12(%esp), %eax
  movl $user_done, (%eax)
  mov %edx, 4(%eax)
  push $USER_DS
  push %eax
  push user_flags
  push $USER_CS32
  push %ecx
  mov $USER_DS, %eax
  mov %eax, %ds
  mov %eax, %es
  jmp *%ss:pv_iret

.global reload_segments
reload_segments:
  mov %cs, %eax
  and $3, %eax
  mov $KERNEL_DS, %edx
  or %eax, %edx
  or $8, %eax
  push %eax
  push $1f
  lret
1:
  mov %edx, %ds
  mov %edx, %es
  mov %edx, %ss
  ret
#endif

// In user code: the end of what attempt_user runs.
user_done:
  int $0x70
