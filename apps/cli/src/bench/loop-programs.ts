// The guest programs of the loops suite: 64-bit machine code at ring 0, each an endless loop that counts its rounds in R8.
// Nothing here faults, halts or does I/O.

/** Where programs are placed, and the data that they use; all below 16 MiB, identity-mapped. */
export const CODE = 0x100000;
/** Top of the stack. */
export const STACK = 0x300000;

/** One program. */
export interface Program {
  readonly name: string;
  readonly code: readonly number[];
  /** Registers besides RIP and RSP. */
  readonly registers: Readonly<Record<string, bigint>>;
}

/** Array walk with one load and one store a step: 13 instructions, the kind of loop that compilers make. */
export const hotLoop: Program = {
  name: "hot loop",
  code: [
    0x8b,
    0x04,
    0x8e, //                         mov  eax, [rsi+rcx*4]
    0x01,
    0xd8, //                               add  eax, ebx
    0x48,
    0x83,
    0xc3,
    0x03, //                   add  rbx, 3
    0x31,
    0xd0, //                               xor  eax, edx
    0xc1,
    0xe0,
    0x03, //                         shl  eax, 3
    0x48,
    0x83,
    0xe3,
    0x7f, //                   and  rbx, 127
    0x89,
    0x04,
    0x8f, //                         mov  [rdi+rcx*4], eax
    0x48,
    0xff,
    0xc2, //                         inc  rdx
    0x49,
    0x01,
    0xc1, //                         add  r9, rax
    0x4d,
    0x31,
    0xd1, //                         xor  r9, r10
    0x48,
    0xff,
    0xc1, //                         inc  rcx
    0x48,
    0x81,
    0xf9,
    0x00,
    0x04,
    0x00,
    0x00, // cmp  rcx, 1024
    0x72,
    0xd6, //                               jb   the first
    0x31,
    0xc9, //                               xor  ecx, ecx
    0x49,
    0xff,
    0xc0, //                         inc  r8
    0xeb,
    0xcf, //                               jmp  the first
  ],
  registers: { rbx: 0n, rcx: 0n, rdx: 0n, rsi: 0x200000n, rdi: 0x210000n },
};

/** fib(27) by recursion: calls, returns, pushes and pops. */
export const fibonacci: Program = {
  name: "recursive fib",
  code: [
    0xeb,
    0x2e, //                         jmp  main
    0x83,
    0xff,
    0x02, //             fib:  cmp  edi, 2
    0x73,
    0x03, //                         jae  deeper
    0x89,
    0xf8,
    0xc3, //                   mov  eax, edi; ret
    0x53,
    0x89,
    0xfb, //          deeper:  push rbx; mov ebx, edi
    0x8d,
    0x7b,
    0xff, //                   lea  edi, [rbx-1]
    0xe8,
    0xed,
    0xff,
    0xff,
    0xff, //       call fib
    0x50, //                               push rax
    0x8d,
    0x7b,
    0xfe, //                   lea  edi, [rbx-2]
    0xe8,
    0xe4,
    0xff,
    0xff,
    0xff, //       call fib
    0x5a,
    0x01,
    0xd0, //                   pop  rdx; add eax, edx
    0x5b,
    0xc3, //                         pop  rbx; ret
    ...Array<number>(13).fill(0x90), //    to a line of its own
    0xbf,
    0x1b,
    0x00,
    0x00,
    0x00, // main: mov  edi, 27
    0xe8,
    0xc8,
    0xff,
    0xff,
    0xff, //       call fib
    0x49,
    0xff,
    0xc0, //                   inc  r8
    0xeb,
    0xf1, //                         jmp  main
  ],
  registers: {},
};

/** Bytes that one round of the copy moves. */
export const COPY_BYTES = 0x10000;

/** 64 KiB from one place to another, by REP MOVSQ. */
export const copy: Program = {
  name: "copy by rep movs",
  code: [
    0xb9,
    0x00,
    0x20,
    0x00,
    0x00, // mov ecx, 0x2000
    0xbe,
    0x00,
    0x00,
    0x40,
    0x00, // mov esi, 0x400000
    0xbf,
    0x00,
    0x00,
    0x60,
    0x00, // mov edi, 0x600000
    0xf3,
    0x48,
    0xa5, //             rep movsq
    0x49,
    0xff,
    0xc0, //             inc r8
    0xeb,
    0xe9, //                   jmp the first
  ],
  registers: {},
};

/** Changes of address space in one round of `addressSpaces`. */
export const SWITCHES = 2;

/** Two address spaces in turn; `load` also reads the same linear page in each of them. */
export const addressSpaces = (first: number, second: number, load: boolean): Program => {
  const toSecond = [0x0f, 0x22, 0xd8]; //  mov cr3, rax
  const toFirst = [0x0f, 0x22, 0xdb]; //   mov cr3, rbx
  const read = load ? [0x8b, 0x0e] : []; // mov ecx, [rsi]
  const code = [...toSecond, ...read, ...toFirst, ...read, 0x49, 0xff, 0xc0]; // inc r8
  return {
    name: "CR3 switch",
    code: [...code, 0xeb, 256 - code.length - 2], // jmp the first
    registers: { rax: BigInt(second), rbx: BigInt(first), rsi: 0x120000n },
  };
};
