// What the programs stand on instead of a C library, whose string functions and system call stubs differ from one processor to the next:
// with this, the same instructions run under every emulator. Linux system calls on i386 and x86-64.
#ifndef RUNTIME_H
#define RUNTIME_H

#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define NOINLINE __attribute__((noinline, noclone))

/** One benchmark: does its unit of work `count` times over and returns a checksum of the results. */
typedef u32 program(u32 count);

struct entry {
  const char *name;
  program *run;
};

/** The programs of one file, ended by a nameless entry. */
extern const struct entry compute_programs[], memory_programs[], string_programs[], x87_programs[], sse_programs[], system_programs[],
                          code_programs[];

/** Kernel numbers of the calls in use. */
#ifdef __x86_64__
enum { NR_exit = 60, NR_fork = 57, NR_read = 0, NR_write = 1, NR_open = 2, NR_close = 3, NR_wait4 = 61, NR_execve = 59, NR_getpid = 39,
       NR_getppid = 110, NR_mount = 165, NR_dup2 = 33, NR_pipe = 22, NR_mmap = 9, NR_munmap = 11, NR_ioctl = 16, NR_getrusage = 98 };
#else
enum { NR_exit = 1, NR_fork = 2, NR_read = 3, NR_write = 4, NR_open = 5, NR_close = 6, NR_wait4 = 114, NR_execve = 11, NR_getpid = 20,
       NR_getppid = 64, NR_mount = 21, NR_dup2 = 63, NR_pipe = 42, NR_mmap = 90, NR_munmap = 91, NR_ioctl = 54, NR_getrusage = 77 };
/** The kernel's entry for this processor (sysenter, syscall or int 0x80), from the auxiliary vector, as a C library would use it. */
extern void (*system_entry)(void);
#endif

static inline long call(long number, long a, long b, long c, long d, long e) {
  long result;
#ifdef __x86_64__
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  asm volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
#else
  asm volatile("call *system_entry" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory", "cc");
#endif
  return result;
}

#define SYS(name, a, b, c, d) call(NR_##name, (long)(a), (long)(b), (long)(c), (long)(d), 0)

enum { SHARED_ANONYMOUS = 0x21, PRIVATE_ANONYMOUS = 0x22 };
enum { READ_WRITE = 3, READ_WRITE_EXECUTE = 7 };

/** Zeroed memory; the length is a multiple of the page size, sharing and rights are of those above. */
static inline u8 *map_memory(size_t length, long rights, long sharing) {
#ifdef __x86_64__
  register long flags asm("r10") = sharing;
  register long file asm("r8") = -1;
  register long offset asm("r9") = 0;
  long result;
  asm volatile("syscall"
               : "=a"(result)
               : "a"((long)NR_mmap), "D"(0L), "S"(length), "d"(rights), "r"(flags), "r"(file), "r"(offset)
               : "rcx", "r11", "memory");
  return (u8 *)result;
#else
  const long arguments[6] = { 0, (long)length, rights, sharing, -1, 0 };
  return (u8 *)SYS(mmap, arguments, 0, 0, 0);
#endif
}

static inline size_t length_of(const char *text) {
  size_t length = 0;
  while (text[length]) length++;
  return length;
}

static inline int same_text(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

/** xorshift32; the state must not be zero. */
static inline u32 next_random(u32 *state) {
  u32 x = *state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return *state = x;
}

static inline u32 mix(u32 sum, u32 value) { return ((sum << 5) | (sum >> 27)) ^ (value * 0x9e3779b1u); }

/** FNV-1a. */
static inline u32 hash_bytes(const u8 *bytes, size_t length) {
  u32 hash = 0x811c9dc5;
  for (size_t i = 0; i < length; i++) hash = (hash ^ bytes[i]) * 0x01000193;
  return hash;
}

/** Ends the process with a message, since a benchmark that could not do its work must not be counted. */
void __attribute__((noreturn)) give_up(const char *why);

#endif
