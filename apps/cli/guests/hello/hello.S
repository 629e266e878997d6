# hello: the guest that ships with Paravane. A multiboot 1 kernel in 32-bit protected mode (Multiboot Specification 0.6.96, 3.2 "Machine state")
# that greets on COM1, echoes lines and knows a few commands. It sleeps in HLT until the UART interrupts (8259 IRQ 4), so an idle one costs nothing.
# Powering off goes by ACPI: RSDP -> RSDT -> FADT -> PM1a_CNT and the _S5 package in the DSDT (ACPI 6.4, 4.8.3.2 and 7.4.2).
# build.mjs turns this file into src/guests/hello-image.ts. No long mode, no paging, no timer.

.intel_syntax noprefix
.code32

.set COM1, 0x3f8
.set LAPIC_ICR, 0xfee00300
.set MEM_BASE, 0x100000
.set IDT, MEM_BASE + 0xc000          # 256 gates, 8 bytes each
.set LINE, MEM_BASE + 0xd000         # the line being typed
.set LINE_MAX, 120
.set STACK_TOP, MEM_BASE + 0x10000

.globl start
.text

.align 4
header:
  .long 0x1badb002                   # magic
  .long 2                            # flags: memory information wanted
  .long -(0x1badb002 + 2)            # checksum

start:
  cli
  cld
  mov esp, offset STACK_TOP
  mov ebp, ebx                       # the multiboot information
  lgdt [gdt_pointer]
  jmp 0x08:reloaded
reloaded:
  mov ecx, 0x10
  mov ds, ecx
  mov es, ecx
  mov ss, ecx
  call setup_uart
  call setup_interrupts

  mov esi, offset text_hello
  call puts
  call print_cpu
  mov esi, offset text_memory
  call puts
  mov eax, [ebp + 8]                 # mem_upper, KiB above 1 MiB
  shr eax, 10
  inc eax
  call print_decimal
  mov esi, offset text_megabytes
  call puts
  call help

prompt:
  mov esi, offset text_prompt
  call puts
  call read_line
  cmp byte ptr [LINE], 0
  je prompt
  mov ebx, offset commands
next_command:
  mov edi, [ebx]
  test edi, edi
  jz echo
  mov esi, offset LINE
  call same_string
  je run_command
  add ebx, 8
  jmp next_command
run_command:
  call [ebx + 4]
  jmp prompt
echo:
  mov esi, offset text_you_said
  call puts
  mov esi, offset LINE
  call puts
  mov esi, offset text_newline
  call puts
  jmp prompt

# ---- commands ----------------------------------------------------------------------------------------------------------

help:
  mov esi, offset text_help
  jmp puts

print_cpu:
  mov esi, offset text_cpu
  call puts
  xor eax, eax
  cpuid
  mov [LINE], ebx
  mov [LINE + 4], edx
  mov [LINE + 8], ecx
  mov byte ptr [LINE + 12], 0
  mov esi, offset LINE
  call puts
  mov eax, 0x80000000
  cpuid
  cmp eax, 0x80000004
  jb 2f
  mov edi, offset LINE
  mov esi, 0x80000002
1:
  mov eax, esi
  cpuid
  mov [edi], eax
  mov [edi + 4], ebx
  mov [edi + 8], ecx
  mov [edi + 12], edx
  add edi, 16
  inc esi
  cmp esi, 0x80000004
  jbe 1b
  mov byte ptr [edi], 0
  mov esi, offset text_comma
  call puts
  mov esi, offset LINE
  call puts
2:
  mov esi, offset text_newline
  jmp puts

reset:
  mov dx, 0xcf9                      # reset control register: hard reset, then the CPU's reset pin
  mov al, 2
  out dx, al
  mov al, 6
  out dx, al
  mov al, 0xfe                       # keyboard controller: pulse the reset line
  out 0x64, al
crash:
  lidt [no_idt]                      # no handler for the breakpoint, none for the fault about it, none for the double fault
  int3

spin:
  cli
  jmp .

# The second processor, where the machine has one, spins with interrupts off from here on (SDM vol. 3, 9.4.4.1); this one goes on.
deaf:
  mov dword ptr [0x8000], 0xfeebfa   # cli; jmp $
  mov dword ptr [LAPIC_ICR + 0x10], 1 << 24
  mov dword ptr [LAPIC_ICR], 0x4500  # INIT
  mov dword ptr [LAPIC_ICR], 0x4608  # STARTUP at 0x8000
  ret

flood:
  mov ecx, 1638400                   # lines of 64 bytes: 100 MB
1:
  mov esi, offset text_flood
  call puts
  loop 1b
  ret

exit:
  mov eax, 16                        # isa-debug-exit, when the machine has one: status (16 << 1) | 1
  out 0xf4, eax
  ret

poweroff:
  call find_rsdp
  jz 9f
  mov esi, [eax + 16]                # RSDT
  mov ecx, [esi + 4]
  sub ecx, 36
  shr ecx, 2
1:
  jecxz 9f
  dec ecx
  mov edi, [esi + 36 + ecx * 4]
  cmp dword ptr [edi], 0x50434146    # "FACP"
  jne 1b
  mov edx, [edi + 64]                # PM1a_CNT_BLK
  mov esi, [edi + 40]                # DSDT
  mov ecx, [esi + 4]
2:
  dec ecx
  jz 9f
  inc esi
  cmp dword ptr [esi], 0x5f35535f    # "_S5_"
  jne 2b
  lea esi, [esi + 7]                 # after the name: package op, length, element count
  lodsb                              # the first element: BytePrefix and value, or ZeroOp/OneOp
  cmp al, 0x0a
  jne 3f
  lodsb
3:
  movzx eax, al
  shl eax, 10
  or eax, 0x2000                     # SLP_TYP and SLP_EN
  out dx, ax
  cli                                # the power may take a moment to go
  hlt
9:
  mov esi, offset text_no_acpi
  jmp puts

# eax = address of the RSDP, ZF clear; ZF set when there is none. ACPI 6.4, 5.2.5.1
find_rsdp:
  mov eax, 0xe0000
1:
  cmp dword ptr [eax], 0x20445352    # "RSD "
  jne 2f
  cmp dword ptr [eax + 4], 0x20525450
  je 3f
2:
  add eax, 16
  cmp eax, 0x100000
  jb 1b
  xor eax, eax
3:
  test eax, eax
  ret

# ---- console -----------------------------------------------------------------------------------------------------------

setup_uart:
  mov esi, offset uart_program
  mov ecx, 6
1:
  lodsw
  movzx edx, al
  add edx, COM1
  mov al, ah
  out dx, al
  loop 1b
  ret

# Prints the NUL-terminated string at esi.
puts:
  push eax
  push edx
1:
  lodsb
  test al, al
  jz 2f
  call putc
  jmp 1b
2:
  pop edx
  pop eax
  ret

# Prints al. Clobbers dx.
putc:
  push eax
  mov dx, COM1 + 5
1:
  in al, dx
  test al, 0x20                      # LSR_THRE
  jz 1b
  pop eax
  mov dx, COM1
  out dx, al
  ret

print_decimal:
  mov ebx, 10
  xor ecx, ecx
1:
  xor edx, edx
  div ebx
  push edx
  inc ecx
  test eax, eax
  jnz 1b
2:
  pop eax
  add al, '0'
  call putc
  loop 2b
  ret

# Waits for a byte in al. The check and the HLT are one unit: STI takes effect after the next instruction.
getc:
  cli
  mov dx, COM1 + 5
  in al, dx
  test al, 1                         # LSR_DR
  jnz 1f
  sti
  hlt
  jmp getc
1:
  mov dx, COM1
  in al, dx
  ret

# Reads a line into LINE with echo and backspace.
read_line:
  mov edi, offset LINE
1:
  call getc
  cmp al, 13
  je 4f
  cmp al, 10
  je 4f
  cmp al, 127
  je 3f
  cmp al, 8
  je 3f
  cmp al, 32
  jb 1b
  cmp edi, offset LINE + LINE_MAX
  je 1b
  stosb
2:
  call putc
  jmp 1b
3:
  cmp edi, offset LINE
  je 1b
  dec edi
  mov esi, offset text_rubout
  call puts
  jmp 1b
4:
  mov byte ptr [edi], 0
  mov esi, offset text_newline
  jmp puts

# ZF set when the strings at esi and edi are equal.
same_string:
  lodsb
  cmp al, [edi]
  jne 1f
  inc edi
  test al, al
  jnz same_string
1:
  ret

# ---- interrupts --------------------------------------------------------------------------------------------------------

setup_interrupts:
  mov edi, offset IDT + 0x24 * 8     # IRQ 4 after the PIC is told to start at vector 0x20
  mov eax, offset on_uart
  stosw
  mov ax, 0x08
  stosw
  mov ax, 0x8e00                     # present, 32-bit interrupt gate
  stosw
  mov eax, offset on_uart
  shr eax, 16
  stosw
  lidt [idt_pointer]
  mov esi, offset pic_program
  mov ecx, 10
1:
  lodsw
  movzx edx, al
  mov al, ah
  out dx, al
  loop 1b
  ret

on_uart:
  push eax
  mov al, 0x20                       # end of interrupt
  out 0x20, al
  pop eax
  iretd

# ---- tables ------------------------------------------------------------------------------------------------------------

.align 8
gdt:
  .quad 0
  .quad 0x00cf9a000000ffff           # 0x08: flat code
  .quad 0x00cf92000000ffff           # 0x10: flat data
gdt_pointer:
  .word . - gdt - 1
  .long gdt
idt_pointer:
  .word 256 * 8 - 1
  .long IDT
no_idt:
  .word 0
  .long 0

# register, value: 115200 8n1, FIFO off, DTR RTS OUT2, interrupt on received data
uart_program:
  .byte 3, 0x80,  0, 1,  1, 0,  3, 3,  4, 0x0b,  1, 1

# port, value: both 8259 initialised at 0x20 and 0x28, everything masked but IRQ 4
pic_program:
  .byte 0x20, 0x11, 0xa0, 0x11, 0x21, 0x20, 0xa1, 0x28, 0x21, 4, 0xa1, 2, 0x21, 1, 0xa1, 1, 0x21, 0xef, 0xa1, 0xff

.align 4
commands:
  .long name_help, help
  .long name_cpu, print_cpu
  .long name_poweroff, poweroff
  .long name_reset, reset
  .long name_crash, crash
  .long name_spin, spin
  .long name_deaf, deaf
  .long name_flood, flood
  .long name_exit, exit
  .long 0

name_help: .asciz "help"
name_cpu: .asciz "cpu"
name_poweroff: .asciz "poweroff"
name_reset: .asciz "reset"
name_crash: .asciz "crash"
name_spin: .asciz "spin"
name_deaf: .asciz "deaf"
name_flood: .asciz "flood"
name_exit: .asciz "exit"

text_hello: .asciz "Hello from inside a Paravane machine.\r\n"
text_cpu: .asciz "CPU: "
text_comma: .asciz ", "
text_memory: .asciz "Memory: "
text_megabytes: .asciz " MB\r\n"
text_help: .asciz "Lines are echoed. Commands: help, cpu, poweroff, reset, crash (triple fault),\r\nspin (interrupts off), deaf (so does the second processor), flood (100 MB of text),\r\nexit (port 0xf4).\r\n"
text_prompt: .asciz "hello> "
text_you_said: .asciz "you said: "
text_newline: .asciz "\r\n"
text_rubout: .asciz "\b \b"
text_no_acpi: .asciz "no ACPI tables: cannot power off\r\n"
text_flood: .asciz "..............................................................\r\n"
