// A guest of random instructions for lockstep: each between registers, flags and SSE values chosen anew, with one memory operand in a page of
// its own. Faults lead to the next instruction. Made by gcc into a multiboot image; the seed decides everything.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Disassembled, disassemble } from "@paravane/cpu-core/disasm";

/** What cannot stand in a row: it leaves the block, changes the mode, or reaches for memory at random. */
const NEVER = new RegExp(
  `^(?:${[
    "J\\w+|LOOP\\w*|CALL|RET|INT\\d?|INTO|IRET|HLT|INS\\w?|OUTS?\\w?|IN|CLI|STI|CLTS|LMSW|LGDT|LIDT|LLDT|LTR|WRMSR|RDMSR|RDTSCP?|RDPMC|CPUID",
    "SYS\\w+|VM\\w+|INVD|WBINVD|INVLPG|INVPCID|SWAPGS|WR[FG]SBASE|RD[FG]SBASE|X\\w+|FX\\w+|FRSTOR|FLDENV|FLDCW|FNSTENV|FNSAVE|LDMXCSR|RDRAND|RDSEED|RDPID|POPF",
    "LDS|LES|LFS|LGS|LSS|ENTER|LEAVE|POPA|UD\\d|STAC|CLAC|MONITOR|MWAIT|SHA\\w+|RSM|ARPL|SGDT|SIDT|F[A-Z0-9]+|EMMS|CLFLUSH\\w*|CLWB",
  ].join("|")})$`,
);
const ALWAYS = /^(?:XADD|XCHG|XOR|XORPS|XORPD|XLAT)$/;

const PREFIX = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]);
const LOCKABLE = /^(?:ADD|OR|ADC|SBB|AND|SUB|XOR|NOT|NEG|INC|DEC|XADD|XCHG|CMPXCHG\w*|BT[SRC])$/;

const BOUNDARIES = [
  0n,
  1n,
  2n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x7fffffffffffffffn,
  0x8000000000000000n,
  0xffffffffffffffffn,
];
/** Far above the code: the page of memory operands, and the page tables of 64-bit mode. */
const SCRATCH = 0x1000000;
const TABLES = 0x1100000;

/** Numbers from a seed (xorshift32). */
class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed || 1;
  }
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state;
  }
  below(limit: number): number {
    return this.next() % limit;
  }
  value(bits: number): bigint {
    const wide = (BigInt(this.next()) << 32n) | BigInt(this.next());
    return BigInt.asUintN(bits, this.below(3) === 0 ? BOUNDARIES[this.below(BOUNDARIES.length)]! : wide);
  }
}

/** A random instruction whose memory operand, if any, is [esi + displacement]. */
function randomInstruction(random: Random, bits: 32 | 64): { bytes: number[]; what: Disassembled } {
  for (;;) {
    const bytes: number[] = [];
    const kind = random.below(20);
    const vex = kind >= 18;
    if (!vex && random.below(4) === 0) bytes.push([0x66, 0xf2, 0xf3, 0xf0][random.below(4)]!);
    if (vex) {
      const second = (kind === 18 ? 2 : 3) | 0xe0;
      bytes.push(0xc4, second, ((random.below(2) * (bits === 64 ? 1 : 0)) << 7) | (((15 - random.below(8)) & 15) << 3) | random.below(4));
    } else {
      if (bits === 64 && random.below(2) === 0) bytes.push(0x48 | (random.below(2) << 2));
      if (kind >= 9) bytes.push(0x0f);
      if (kind >= 15) bytes.push(kind === 15 || kind === 16 ? 0x38 : 0x3a);
    }
    const opcode = random.below(256);
    if (PREFIX.has(opcode) || (opcode >= 0x40 && opcode < 0x50 && kind < 9 && bits === 64)) continue;
    bytes.push(opcode);
    const modrmAt = bytes.length;
    const register = random.below(2) === 0;
    bytes.push(register ? 0xc0 | random.below(64) : 0x40 | (random.below(8) << 3) | 6, random.below(8) << 4);
    while (bytes.length < 15) bytes.push(random.below(256));
    const what = disassemble(Uint8Array.from(bytes), bits);
    const { mnemonic, memory, length, text } = what;
    if (mnemonic === "(bad)" || length > 15 || (NEVER.test(mnemonic) && !ALWAYS.test(mnemonic))) continue;
    if (memory !== undefined && (memory.base !== 6 || memory.index !== undefined || memory.bits < 32)) continue;
    if (/^BT/.test(mnemonic) && memory !== undefined && what.immediate === undefined) continue;
    if (/\[0x|\bsp\b|esp|rsp|\b[c-g]s\b|\bss\b|\bcr|\bdr/.test(text) || /\[(?:cs|fs|gs|es|ss|ds):/.test(text)) continue;
    // QEMU knows neither TEST as F6 /1 nor hints with registers.
    if ((mnemonic === "TEST" && (bytes.at(modrmAt)! & 0x38) === 8) || (mnemonic === "NOP" && kind >= 9)) continue;
    if (/\b(?:pop|push)$/.test(text)) continue; // segment registers
    // QEMU does not refuse LOCK where it is not allowed.
    if (text.startsWith("lock ") && !(memory !== undefined && LOCKABLE.test(mnemonic) && /^lock \w+ \w+ \[/.test(text))) continue;
    return { bytes: bytes.slice(0, length), what };
  }
}

/** The program as assembly. */
function source(seed: number, count: number, bits: 32 | 64): string {
  const random = new Random(seed);
  const r = bits === 64 ? "r" : "e";
  const lines: string[] = [];
  for (let i = 0; i < count; i++) {
    const { bytes, what } = randomInstruction(random, bits);
    const vectors = /mm\d|xmmword/.test(what.text); // alignment is not what QEMU checks
    lines.push(`movl $next${i}, resume`, `mov $stack, %${r}sp`);
    for (let n = 0; n < 3; n++) lines.push(`movdqu values+${random.below(62) * 8}, %xmm${random.below(8)}`);
    lines.push(`movl $0x${(0x2 | (random.next() & 0x8d5)).toString(16)}, flags`, `push${bits === 64 ? "q" : "l"} flags`, `popf`);
    for (const name of ["ax", "cx", "dx", "bx", "bp"]) {
      const small = (what.repeated && name === "cx") || (/^XLAT/.test(what.mnemonic) && name === "bx");
      const value = name === "bx" && small ? BigInt(SCRATCH) : small ? BigInt(random.below(20)) : random.value(bits);
      lines.push(`mov${bits === 64 ? "abs" : "l"} $0x${value.toString(16)}, %${r}${name}`);
    }
    lines.push(
      `mov $${SCRATCH + 0x400 + (vectors ? 0 : random.below(64))}, %${r}si`,
      `mov $${SCRATCH + 0x800 + random.below(64)}, %${r}di`,
    );
    lines.push(`.byte ${bytes.map((byte) => `0x${byte.toString(16)}`).join(",")} # ${what.text}`, `next${i}:`);
  }
  const values = Array.from({ length: 64 }, () => `.quad 0x${random.value(64).toString(16)}`);
  const wide = bits === 64;
  return `
.section .text
.code32
.align 4
.long 0x1badb002, 0, -0x1badb002
.globl _start
_start:
  cld
  lgdt gdtr
  mov $0x10, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  mov %eax, %fs
  mov %eax, %gs
  mov $stack, %esp
  mov $idt, %edi
  mov $handler, %eax
  mov $32, %ecx
1:
  mov %ax, (%edi)
  movw $${wide ? "0x18" : "0x08"}, 2(%edi)
  movw $0x8e00, 4(%edi)
  mov %eax, %edx
  shr $16, %edx
  mov %dx, 6(%edi)
  add $${wide ? 16 : 8}, %edi
  loop 1b
  lidt idtr
  mov $0x620, %eax
  mov %eax, %cr4
  mov %cr0, %eax
  and $0xfffffff3, %eax
  or $0x22, %eax
  mov %eax, %cr0
  fninit
${
  wide
    ? `
  mov $${TABLES}, %edi
  movl $${TABLES + 0x1003}, (%edi)
  movl $${TABLES + 0x2003}, 0x1000(%edi)
  mov $0x83, %eax
  xor %ecx, %ecx
2:
  mov %eax, 0x2000(%edi, %ecx, 8)
  add $0x200000, %eax
  inc %ecx
  cmp $16, %ecx
  jne 2b
  mov %edi, %cr3
  mov $0xc0000080, %ecx
  rdmsr
  or $0x100, %eax
  wrmsr
  mov %cr0, %eax
  or $0x80000000, %eax
  mov %eax, %cr0
  ljmp $0x18, $wide
.code64
wide:`
    : ""
}
${lines
  .map((line) => `  ${line}`)
  .join("\n")
  .replaceAll(/^ {2}next/gm, "next")}
end:
  mov $0x31, %eax
  out %al, $0xf4
3:
  jmp 3b
handler:
  mov $stack, %${r}sp
  mov resume, %eax
  jmp *%${r}ax
.section .data
.align 16
values: ${values.join("\n")}
gdt: .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff
gdtr: .word 31
.long gdt
.align 16
idtr: .word ${32 * (wide ? 16 : 8) - 1}
.long idt, 0
resume: .long 0
flags: .quad 2
.section .bss
.align 4096
idt: .skip 4096
.skip 8192
stack:
.skip 64
`;
}

/** Makes the guest in a folder; the path of its image. 32-bit ELF in both widths, as multiboot wants it. */
export function buildRandomGuest(folder: string, seed: number, count: number, bits: 32 | 64): string {
  const base = join(folder, `random-${bits}-${seed}`);
  writeFileSync(`${base}.S`, source(seed, count, bits));
  const ld = join(folder, "random.ld");
  writeFileSync(
    ld,
    "ENTRY(_start) SECTIONS { . = 0x100000; .text : { *(.text) } .data : { *(.data) } .bss : { *(.bss) } /DISCARD/ : { *(*) } }\n",
  );
  execFileSync("gcc", [`-m${bits}`, "-c", "-o", `${base}.o`, `${base}.S`]);
  const elf = bits === 64 ? "elf_x86_64" : "elf_i386";
  execFileSync("ld", ["-m", elf, "-T", ld, "--no-warn-rwx-segments", "-o", `${base}.full`, `${base}.o`]);
  execFileSync("objcopy", ["-O", "elf32-i386", `${base}.full`, `${base}.elf`]);
  return `${base}.elf`;
}
