// Two ways in, one kernel: multiboot 1 (flat 32-bit code, paging off) on hardware, be it bare or VMI's; the domain builder's under Xen, where
// paging is on already and ESI or RSI holds start_info. And the trampoline of the other processors.
#ifdef __x86_64__
#define WORD .quad
#else
#define WORD .long
#endif
#define STACK_BYTES 0x4000
#define LOW 0x8000

.section .multiboot, "a"
.balign 4
multiboot_header: // with addresses, so that a 64-bit file is taken too
.long 0x1badb002, 0x10000, -(0x1badb002 + 0x10000)
.long multiboot_header, image_start, image_data_end, image_end, start

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
#ifdef XEN
note 1, WORD xen_start
note 6, .asciz "paravane kit"
note 5, .asciz "xen-3.0"
note 8, .asciz "generic"
note 9, .asciz "yes"
note 10, .asciz "!writable_page_tables|pae_pgdir_above_4gb"
#endif

.text
.code32
.global start
start:
  cli
  cld
  mov %ebx, multiboot_info
  mov $stacks + STACK_BYTES, %esp
  mov $low_start, %esi
  mov $LOW, %edi
  mov $low_end - low_start, %ecx
  rep movsb
  push $0
  popf
  lgdt boot_gdt_pointer
  ljmp $0x08, $1f
1:
  mov $0x10, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  xor %eax, %eax
  mov %eax, %fs
  mov %eax, %gs
  call enable_paging
#ifdef __x86_64__
  ljmp $0x18, $2f
.code64
2:
  mov $stacks + STACK_BYTES, %rsp
#endif
  xor %ebp, %ebp
  call kit_main

#ifdef XEN
.global xen_start
xen_start:
#ifdef __x86_64__
  mov %rsi, xen_start_info
  mov $stacks + STACK_BYTES, %rsp
#else
  mov %esi, xen_start_info
  mov $stacks + STACK_BYTES, %esp
#endif
  xor %ebp, %ebp
  call kit_main
#endif

// CR4, CR3, EFER and CR0 as the mode wants them.
.code32
enable_paging:
#if defined(__x86_64__) || defined(PAE)
  mov $0x620, %eax // OSFXSR, OSXMMEXCPT; PAE
#else
  mov $0x610, %eax // PSE
#endif
  mov %eax, %cr4
  mov $boot_root, %eax
  mov %eax, %cr3
#if defined(__x86_64__) || defined(PAE)
  mov $0xc0000080, %ecx
  xor %edx, %edx
#ifdef __x86_64__
  mov $0x901, %eax // LME, NXE, SCE
#else
  mov $0x800, %eax
#endif
  wrmsr
#endif
  mov $0x80010033, %eax // PG; WP, NE, ET, MP, PE
  mov %eax, %cr0
  ret

// Runs at LOW, in real-address mode: STARTUP's vector is 8.
.section .low, "awx"
.code16
low_start:
  cli
  xor %ax, %ax
  mov %ax, %ds
  lgdtl LOW + low_gdt_pointer - low_start
  mov %cr0, %eax
  or $1, %eax
  mov %eax, %cr0
  ljmpl $0x08, $trampoline
low_gdt_pointer:
  .short 0x1f
  .long boot_gdt
low_end:

.text
.code32
trampoline:
  mov $0x10, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  xor %eax, %eax
  mov %eax, %fs
  mov %eax, %gs
  mov trampoline_stack, %esp
  movl $0, trampoline_stack // taken
  mov %esp, %ebp
  call enable_paging
#ifdef __x86_64__
  ljmp $0x18, $1f
.code64
1:
  mov %ebp, %esp
#endif
  xor %ebp, %ebp
  call start_secondary

.data
.balign 8
boot_gdt:
  .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff
boot_gdt_pointer:
  .short 0x1f
  .long boot_gdt
.global multiboot_info, trampoline_stack, xen_start_info
multiboot_info: .quad 0
trampoline_stack: .quad 0
xen_start_info: .quad 0

// 4 GiB mapped to themselves by large pages: present, writable, user.
.section .tables, "aw"
.balign 4096
.global boot_root
#if defined(__x86_64__) || defined(PAE)
directories:
  .set frame, 0
  .rept 2048
  .quad frame + 0x87
  .set frame, frame + 0x200000
  .endr
#ifdef PAE
.balign 4096
boot_root:
  .set n, 0
  .rept 4
  .long directories + 0x1000 * n + 1, 0
  .set n, n + 1
  .endr
  .balign 4096
#else
pointers:
  .set n, 0
  .rept 4
  .quad directories + 0x1000 * n + 7
  .set n, n + 1
  .endr
  .balign 4096
boot_root:
  .quad pointers + 7
  .balign 4096
#endif
#else
boot_root:
  .set frame, 0
  .rept 1024
  .long frame + 0x87
  .set frame, frame + 0x400000
  .endr
#endif
