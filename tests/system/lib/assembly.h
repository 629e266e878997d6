// Pieces of assembly that differ only by register width, for `asm` text in C and for .S files.
#ifndef ASSEMBLY_H
#define ASSEMBLY_H
#ifdef __ASSEMBLER__
#ifdef __x86_64__
#define WORD .quad
#else
#define WORD .long
#endif
#else
/** Code at file level under a C name: `CODE(name, "text")` declares it as `extern const u8 name[]`. */
#define CODE(name, body) \
  extern const u8 name[]; \
  asm(".pushsection .text\n.balign 16\n.global " #name "\n" #name ":\n" body "\n.popsection\n");
/** The same in 32-bit (compatibility or protected) and 16-bit code. */
#define CODE32(name, body) CODE(name, ".code32\n" body "\n.code" CODE_BITS)
#define CODE16(name, body) CODE(name, ".code16\n" body "\n.code" CODE_BITS)
/** 16-bit code below 64 KiB, for real_call and virtual-8086 mode. */
#define LOW_CODE16(name, body) \
  extern const u8 name[]; \
  asm(".pushsection .low16,\"ax\"\n.balign 16\n.global " #name "\n" #name ":\n.code16\n" body "\n.code" CODE_BITS "\n.popsection\n");
/** A label inside of CODE, to be declared with `extern const u8 name[]` or LABEL(name). */
#define MARK(name) ".global " #name "\n" #name ":\n"
#define LABEL(name) extern const u8 name[];
/** Ends an attempt from any level. */
#define END "int $0x30\n"
#define SET_TF "pushf\norl $0x100, (%" SP ")\npopf\n"
/** Ten bytes: PUSHF, ANDL, POPF. */
#define CLEAR_TF "pushf\nandl $~0x100, (%" SP ")\npopf\n"
/** Registers as wide as a word, for `asm` text: REG(bx) is "rbx" or "ebx". */
#ifdef __x86_64__
#define CODE_BITS "64"
#define W_SUFFIX "q"
#define REG(name) "r" #name
#else
#define CODE_BITS "32"
#define W_SUFFIX "l"
#define REG(name) "e" #name
#endif
#define AX REG(ax)
#define SP REG(sp)
#endif
#endif
