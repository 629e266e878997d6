// What an operating system does for programs: system calls, a byte to and fro between two processes, new processes, other programs, pages.
// And gzip, a real program at work: busybox, which lies at ./bin/busybox.
#include "runtime.h"

static u32 wait_for(long process) {
  int status = 0;
  if (process < 0) give_up("there are no more processes");
  if (SYS(wait4, process, &status, 0, 0) != process) give_up("wait4 failed");
  return (u32)status;
}

static u32 system_call(u32 count) {
  const u32 calls = count * 1000;
  u32 sum = 0;
  const long parent = SYS(getppid, 0, 0, 0, 0);
  for (u32 i = 0; i < calls; i++) sum += SYS(getppid, 0, 0, 0, 0) == parent;
  return sum;
}

/** Each round trip is four system calls and two context switches with an address space each. */
static u32 pipes(u32 count) {
  int there[2], back[2];
  u8 byte = 1;
  if (SYS(pipe, there, 0, 0, 0) < 0 || SYS(pipe, back, 0, 0, 0) < 0) give_up("pipe failed");
  const long child = SYS(fork, 0, 0, 0, 0);
  if (child == 0) {
    SYS(close, there[1], 0, 0, 0);
    while (SYS(read, there[0], &byte, 1, 0) == 1) {
      byte = (u8)(byte * 5 + 1);
      SYS(write, back[1], &byte, 1, 0);
    }
    SYS(exit, 0, 0, 0, 0);
  }
  for (u32 i = 0; i < count * 100; i++) {
    SYS(write, there[1], &byte, 1, 0);
    SYS(read, back[0], &byte, 1, 0);
  }
  SYS(close, there[0], 0, 0, 0);
  SYS(close, there[1], 0, 0, 0);
  SYS(close, back[1], 0, 0, 0);
  wait_for(child);
  SYS(close, back[0], 0, 0, 0);
  return byte;
}

static u32 forks(u32 count) {
  u32 sum = 0;
  for (u32 i = 0; i < count * 4; i++) {
    const long child = SYS(fork, 0, 0, 0, 0);
    if (child == 0) SYS(exit, i & 127, 0, 0, 0);
    sum = mix(sum, wait_for(child));
  }
  return sum;
}

/** Runs busybox with these words; standard input and output come from and go to the files named. */
static u32 run_busybox(const char *const *words, const char *input, const char *output) {
  const long child = SYS(fork, 0, 0, 0, 0);
  if (child == 0) {
    static const char *const environment[] = { "PATH=/bin", 0 };
    enum { WRITE_CREATE_TRUNCATE = 01101 };
    if (input) SYS(dup2, SYS(open, input, 0, 0, 0), 0, 0, 0);
    if (output) SYS(dup2, SYS(open, output, WRITE_CREATE_TRUNCATE, 0600, 0), 1, 0, 0);
    SYS(execve, "./bin/busybox", words, environment, 0);
    SYS(exit, 127, 0, 0, 0);
  }
  return wait_for(child);
}

static u32 executions(u32 count) {
  static const char *const words[] = { "true", 0 };
  for (u32 i = 0; i < count; i++)
    if (run_busybox(words, 0, 0) != 0) give_up("./bin/busybox does not run");
  return count;
}

/** First touch of 64 new pages. */
static u32 page_faults(u32 count) {
  enum { PAGES = 64, PAGE = 4096 };
  u32 sum = 0;
  while (count--) {
    u8 *memory = map_memory(PAGES * PAGE, READ_WRITE, PRIVATE_ANONYMOUS);
    if ((unsigned long)memory > -4096ul) give_up("mmap failed");
    for (u32 page = 0; page < PAGES; page++) {
      sum = mix(sum, memory[page * PAGE + 8]);
      memory[page * PAGE] = (u8)(count + page);
    }
    sum = mix(sum, memory[63 * PAGE]);
    SYS(munmap, memory, PAGES * PAGE, 0, 0);
  }
  return sum;
}

enum { TEXT_BYTES = 1 << 17 };

/** Something like prose: words of a small vocabulary, the frequent ones more often. */
static void write_text(const char *path) {
  static u8 text[TEXT_BYTES];
  static const char *const words[] = { "the", "of", "guest", "and", "to", "a", "page", "in", "interrupt", "is", "kernel", "that", "memory",
                                       "clock", "for", "vector", "hypervisor", "on", "was", "translation", "with", "as", "segment", "it" };
  u32 state = 31, length = 0;
  while (length < TEXT_BYTES) {
    const u32 random = next_random(&state);
    const u32 choice = random % 24, other = (random >> 8) % 24;
    for (const char *letter = words[choice < other ? choice : other]; *letter && length < TEXT_BYTES; letter++) text[length++] = (u8)*letter;
    if (length < TEXT_BYTES) text[length++] = (random >> 16) % 12 == 0 ? '\n' : (random >> 20) % 9 == 0 ? (u8)('0' + (random >> 28)) : ' ';
  }
  const long file = SYS(open, path, 01101, 0600, 0);
  if (file < 0 || SYS(write, file, text, TEXT_BYTES, 0) != TEXT_BYTES) give_up("the text for gzip cannot be written");
  SYS(close, file, 0, 0, 0);
}

/** Compresses 128 KiB of text. The first ten bytes of the result are gzip's header, which may hold a date. */
static u32 gzip(u32 count) {
  static const char *const words[] = { "gzip", "-c", 0 };
  static u8 result[TEXT_BYTES];
  long length = 0;
  write_text("tmp/bench-text");
  while (count--) {
    if (run_busybox(words, "tmp/bench-text", "tmp/bench-result") != 0) give_up("gzip failed");
    const long file = SYS(open, "tmp/bench-result", 0, 0, 0);
    length = SYS(read, file, result, TEXT_BYTES, 0);
    SYS(close, file, 0, 0, 0);
    if (length <= 10) give_up("gzip wrote nothing");
  }
  return hash_bytes(result + 10, (size_t)length - 10);
}

const struct entry system_programs[] = {
  { "system-call", system_call }, { "pipe", pipes }, { "fork", forks }, { "exec", executions }, { "page-fault", page_faults },
  { "gzip", gzip }, { 0, 0 },
};
