// Code that runs in real-address mode, linked at 0x8000 (STARTUP vector 8): the other CPUs' first instructions, and real_call.
#include "assembly.h"
.section .low, "ax"
.code16
ap_start:
  cli
  xor %ax, %ax
  mov %ax, %ds
  lgdtl low_gdt_pointer
  mov %cr0, %eax
  or $1, %eax
  mov %eax, %cr0
  ljmpl $0x08, $ap_start32
.balign 4
low_gdt_pointer:
  .short 0x1ff
  .long gdt

.text
.code32
ap_start32:
  mov $0x10, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %fs
  mov %eax, %gs
  mov %eax, %ss
  // The stack of this CPU's initial APIC id: CPUs may start at the same time.
  mov $1, %eax
  cpuid
  shr $24, %ebx
  and $7, %ebx
  inc %ebx
  shl $14, %ebx // STACK_BYTES
  lea ap_stacks(%ebx), %esp
  mov %esp, %ebp
  call enable_paging
#ifdef __x86_64__
  ljmp $0x30, $1f
.code64
1:
  mov %ebp, %esp
#endif
  call ap_main

#ifndef __x86_64__
// real_call(offset, registers): to real-address mode and back. Paging, if any, is off in between.
.global real_call
real_call:
  pusha
  mov 36(%esp), %eax
  mov %eax, real_target
  mov 40(%esp), %esi
  mov %esi, real_registers
  mov $real_image, %edi
  mov $8, %ecx
  rep movsl
  mov %cr0, %eax
  mov %eax, real_cr0
  mov %esp, real_esp
  sidt real_idt
  and $0x7fffffff, %eax
  mov %eax, %cr0
  ljmp $0x60, $real_enter
real_back:
  mov $0x10, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %fs
  mov %eax, %gs
  mov %eax, %ss
  mov real_esp, %esp
  mov real_cr0, %eax
  mov %eax, %cr0
  lidt real_idt
  mov real_registers, %edi
  mov $real_image, %esi
  mov $8, %ecx
  rep movsl
  popa
  ret

.section .low, "ax"
.code16
real_enter:
  mov $0x68, %ax
  mov %ax, %ds
  mov %ax, %es
  mov %ax, %fs
  mov %ax, %gs
  mov %ax, %ss
  mov %cr0, %eax
  and $~1, %eax
  mov %eax, %cr0
  ljmp $0, $1f
1:
  xor %ax, %ax
  mov %ax, %ds
  mov %ax, %es
  mov %ax, %fs
  mov %ax, %gs
  mov %ax, %ss
  mov $0x7c00, %esp
  lidtl real_ivt
  push $2f
  push real_target
  mov real_image + 0, %eax
  mov real_image + 4, %ebx
  mov real_image + 8, %ecx
  mov real_image + 12, %edx
  mov real_image + 16, %esi
  mov real_image + 20, %edi
  mov real_image + 24, %ebp
  pushl real_image + 28
  popfl
  ret
2:
  pushfl
  cli
  cld
  mov %eax, %cs:real_image + 0
  xor %ax, %ax
  mov %ax, %ds
  mov %ebx, real_image + 4
  mov %ecx, real_image + 8
  mov %edx, real_image + 12
  mov %esi, real_image + 16
  mov %edi, real_image + 20
  mov %ebp, real_image + 24
  popl real_image + 28
  lgdtl low_gdt_pointer
  mov %cr0, %eax
  or $1, %eax
  mov %eax, %cr0
  ljmpl $0x08, $real_back
.balign 4
real_target: .long 0
real_registers: .long 0
real_image: .skip 32
real_cr0: .long 0
real_esp: .long 0
real_idt: .skip 8
real_ivt:
  .short 0x3ff
  .long 0
#endif
