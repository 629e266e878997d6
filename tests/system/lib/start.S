// Multiboot 1 entry (flat 32-bit, paging off), into the mode that the image is built for, then lib_main.
#include "assembly.h"
.section .multiboot, "a"
.balign 4
.long 0x1badb002, 0, -0x1badb002

.text
.code32
.global start
start:
  cli
  cld
  mov %ebx, multiboot_info
  mov $stack_top, %esp
  // Code for real-address mode goes where it runs.
  mov $low_image, %esi
  mov $0x8000, %edi
  mov $low_bytes, %ecx
  rep movsb
  push $0
  popf
  lgdt gdt_pointer
  ljmp $0x08, $1f
1:
  mov $0x10, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %fs
  mov %eax, %gs
  mov %eax, %ss
  call enable_paging
#ifdef __x86_64__
  ljmp $0x30, $2f
.code64
2:
  mov $stack_top, %rsp
#else
2:
#endif
  call lib_main
  hlt

// CR4, CR3, EFER and CR0 from the values that the boot processor and the others share.
.code32
.global enable_paging
enable_paging:
  mov start_cr4, %eax
  mov %eax, %cr4
  mov start_cr3, %eax
  mov %eax, %cr3
  mov start_efer, %eax
  test %eax, %eax
  jz 1f
  xor %edx, %edx
  mov $0xc0000080, %ecx
  wrmsr
1:
  mov start_cr0, %eax
  mov %eax, %cr0
  ret

.data
.balign 8
.global start_cr3, multiboot_info
start_cr0: // PE, MP, ET, NE, WP; PG
#ifdef MODE_32
  .long 0x00010033
#else
  .long 0x80010033
#endif
start_cr4: // OSFXSR, OSXMMEXCPT; PSE or PAE
#if defined(MODE_32)
  .long 0x600
#elif defined(MODE_32P)
  .long 0x610
#else
  .long 0x620
#endif
start_efer: // LME, NXE; NXE alone under PAE
#if defined(MODE_64)
  .long 0x900
#elif defined(MODE_PAE)
  .long 0x800
#else
  .long 0
#endif
start_cr3:
#ifdef MODE_32
  .long 0
#else
  .long first_root
#endif
multiboot_info: .long 0
.global gdt_pointer
.balign 8
  .short 0
gdt_pointer:
  .short 0x1ff
  .long gdt, 0

// 4 GiB identity-mapped by large pages: present, writable, user.
.section .tables, "aw"
.balign 4096
.global first_root
#if defined(MODE_32P)
first_root:
  .set frame, 0
  .rept 1024
  .long frame + 0x87
  .set frame, frame + 0x400000
  .endr
#elif !defined(MODE_32)
directories:
  .set frame, 0
  .rept 2048
  .quad frame + 0x87
  .set frame, frame + 0x200000
  .endr
#if defined(MODE_PAE)
first_root:
  .set n, 0
  .rept 4
  .long directories + 0x1000 * n + 1, 0
  .set n, n + 1
  .endr
#else
pointers:
  .set n, 0
  .rept 4
  .quad directories + 0x1000 * n + 7
  .set n, n + 1
  .endr
  .balign 4096
first_root:
  .quad pointers + 7
  .balign 4096
#endif
#endif

.bss
.balign 4096
  .skip 0x8000
.global stack_top, user_stack_top
stack_top:
  .skip 0x8000
user_stack_top:
  .skip 64
