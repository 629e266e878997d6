// Single instructions as functions. `volatile` and memory clobbers everywhere: these are side effects.
#ifndef INSTRUCTIONS_H
#define INSTRUCTIONS_H
#define READ_REGISTER(name) \
  static inline word read_##name(void) { word v; asm volatile("mov %%" #name ", %0" : "=r"(v) : : "memory"); return v; } \
  static inline void write_##name(word v) { asm volatile("mov %0, %%" #name : : "r"(v) : "memory"); }
READ_REGISTER(cr0) READ_REGISTER(cr2) READ_REGISTER(cr3) READ_REGISTER(cr4)
READ_REGISTER(dr0) READ_REGISTER(dr1) READ_REGISTER(dr2) READ_REGISTER(dr3) READ_REGISTER(dr6) READ_REGISTER(dr7)
#undef READ_REGISTER
#define SEGMENT_REGISTER(name) \
  static inline u16 read_##name(void) { u16 v; asm volatile("mov %%" #name ", %0" : "=rm"(v)); return v; } \
  static inline void write_##name(u16 v) { asm volatile("mov %0, %%" #name : : "rm"(v) : "memory"); }
SEGMENT_REGISTER(ds) SEGMENT_REGISTER(es) SEGMENT_REGISTER(fs) SEGMENT_REGISTER(gs) SEGMENT_REGISTER(ss)
#undef SEGMENT_REGISTER
#define PORT(bits, suffix) \
  static inline u##bits in##bits(u16 port) { u##bits v; asm volatile("in" suffix " %1, %0" : "=a"(v) : "Nd"(port) : "memory"); return v; } \
  static inline void out##bits(u16 port, u##bits v) { asm volatile("out" suffix " %0, %1" : : "a"(v), "Nd"(port) : "memory"); }
PORT(8, "b") PORT(16, "w") PORT(32, "l")
#undef PORT
static inline u64 rdmsr(u32 index) { u32 a, d; asm volatile("rdmsr" : "=a"(a), "=d"(d) : "c"(index) : "memory"); return (u64)d << 32 | a; }
static inline void wrmsr(u32 index, u64 v) { asm volatile("wrmsr" : : "c"(index), "a"((u32)v), "d"((u32)(v >> 32)) : "memory"); }
static inline u64 rdtsc(void) { u32 a, d; asm volatile("rdtsc" : "=a"(a), "=d"(d) : : "memory"); return (u64)d << 32 | a; }
static inline word read_flags(void) { word v; asm volatile("pushf\npop %0" : "=r"(v) : : "memory"); return v; }
static inline void write_flags(word v) { asm volatile("push %0\npopf" : : "r"(v) : "memory", "cc"); }
static inline void cli(void) { asm volatile("cli" : : : "memory"); }
static inline void sti(void) { asm volatile("sti" : : : "memory"); }
static inline void hlt(void) { asm volatile("hlt" : : : "memory"); }
static inline void pause(void) { asm volatile("pause" : : : "memory"); }
static inline void invlpg(word linear) { asm volatile("invlpg (%0)" : : "r"(linear) : "memory"); }
struct cpuid { u32 a, b, c, d; };
static inline struct cpuid cpuid(u32 leaf, u32 subleaf) {
  struct cpuid r; asm volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(subleaf) : "memory"); return r;
}
#endif
