// The benchmarks' process. As a guest's init it first mounts what it needs and makes the console raw; on a host it just serves.
// Protocol, a line each way: "NAME COUNT" comes in, "@NAME COUNT CHECKSUM MICROSECONDS;" goes out when the work is done, where the microseconds
// are CPU time as this kernel sees it. The process sleeps in between, so whoever asks can read CPU clocks before asking and after the answer.
#include "runtime.h"

enum { LINE = 256, FIRST_PROCESS = 1 };

#ifdef __x86_64__
asm(".globl _start\n_start: mov %rsp, %rdi\nand $-16, %rsp\ncall start\n");
#else
asm(".globl _start\n_start: mov %esp, %eax\nand $-16, %esp\nsub $12, %esp\npush %eax\ncall start\n");
asm("classic_entry: int $0x80\nret\n");
void classic_entry(void);
void (*system_entry)(void) = classic_entry;
#endif

// The compiler calls these for structures and loops that it recognizes.
void *memset(void *to, int value, size_t length) {
  for (size_t i = 0; i < length; i++) ((u8 *)to)[i] = (u8)value;
  return to;
}

void *memcpy(void *to, const void *from, size_t length) {
  for (size_t i = 0; i < length; i++) ((u8 *)to)[i] = ((const u8 *)from)[i];
  return to;
}

static void print(const char *text) { SYS(write, 1, text, length_of(text), 0); }

void give_up(const char *why) {
  print("@failed ");
  print(why);
  print(";\n");
  SYS(exit, 1, 0, 0, 0);
  for (;;) {}
}

static char *put_number(char *at, u32 value, u32 base) {
  char digits[16];
  int length = 0;
  do digits[length++] = "0123456789abcdef"[value % base];
  while (value /= base);
  while (length) *at++ = digits[--length];
  return at;
}

static char *put_text(char *at, const char *text) {
  while (*text) *at++ = *text++;
  return at;
}

/** No echo, no line editing, no translation of line ends: TCGETS, TCSETS with the kernel's struct termios. */
static void make_console_raw(void) {
  struct { u32 input, output, control, local; u8 line, characters[19]; } settings;
  enum { TCGETS = 0x5401, TCSETS = 0x5402, VTIME = 5, VMIN = 6 };
  if (SYS(ioctl, 0, TCGETS, &settings, 0) < 0) return;
  settings.input = settings.output = settings.local = 0;
  settings.characters[VTIME] = 0;
  settings.characters[VMIN] = 1;
  SYS(ioctl, 0, TCSETS, &settings, 0);
}

/** Tells which processor the kernel sees, and which of its bugs it works around: both sides of a comparison must agree on them. */
static void tell_processor(void) {
  static char text[16384];
  long file = SYS(open, "/proc/cpuinfo", 0, 0, 0), length = 0, got;
  if (file < 0) return;
  while (length < (long)sizeof text - 1 && (got = SYS(read, file, text + length, sizeof text - 1 - length, 0)) > 0) length += got;
  SYS(close, file, 0, 0, 0);
  text[length] = 0;
  for (char *line = text; *line;) {
    char *end = line;
    while (*end && *end != '\n') end++;
    const char last = *end;
    *end = 0;
    static const char *const wanted[] = { "vendor_id", "model name", "flags", "bugs" };
    for (int i = 0; i < 4; i++) {
      size_t letters = length_of(wanted[i]);
      int matches = 1;
      for (size_t k = 0; k < letters; k++) matches &= line[k] == wanted[i][k];
      if (!matches) continue;
      print("@info ");
      print(line);
      print(";\n");
    }
    if (!last || (line > text && end[1] == '\n')) break;
    line = end + 1;
  }
}

static const struct entry *entry_named(const char *name) {
  static const struct entry *const files[] = { compute_programs, memory_programs, string_programs, x87_programs, sse_programs, system_programs,
                                              code_programs };
  for (size_t file = 0; file < sizeof files / sizeof *files; file++)
    for (const struct entry *entry = files[file]; entry->name; entry++)
      if (same_text(entry->name, name)) return entry;
  give_up("no program has this name");
}

/** CPU time of this process and its children so far, user and system, in microseconds that wrap. */
static u32 cpu_microseconds(void) {
  enum { SELF = 0, CHILDREN = -1 };
  long usage[36];
  u32 sum = 0;
  for (int who = CHILDREN; who <= SELF; who++)
    if (SYS(getrusage, who, usage, 0, 0) == 0) sum += (u32)(usage[0] + usage[2]) * 1000000u + (u32)(usage[1] + usage[3]);
  return sum;
}

/** A request, where parent and child both see it. */
struct request {
  char name[LINE];
  u32 count;
  int none;
};

static void read_request(struct request *request) {
  char line[LINE];
  for (size_t length = 0;;) {
    if (SYS(read, 0, line + length, 1, 0) <= 0) {
      request->none = 1;
      return;
    }
    if (line[length] == '\n') {
      line[length] = 0;
      break;
    }
    if (++length == LINE) give_up("the request is too long");
  }
  size_t at = 0;
  while (line[at] && line[at] != ' ') request->name[at] = line[at], at++;
  if (!line[at]) give_up("a request is a name and a count");
  request->name[at] = 0;
  request->count = 0;
  for (const char *digit = line + at + 1; *digit >= '0' && *digit <= '9'; digit++) request->count = request->count * 10 + (u32)(*digit - '0');
}

/** Each program has a process of its own until another one is asked for, so that none finds memory that an earlier one has touched. */
static void serve(void) {
  struct request *request = (struct request *)map_memory(4096, READ_WRITE, SHARED_ANONYMOUS);
  for (read_request(request); !request->none;) {
    const struct entry *entry = entry_named(request->name);
    const long child = SYS(fork, 0, 0, 0, 0);
    if (child != 0) {
      int status = 0;
      SYS(wait4, child, &status, 0, 0);
      if (status != 0) give_up("a program crashed");
      continue;
    }
    do {
      char line[2 * LINE];
      const u32 before = cpu_microseconds();
      const u32 checksum = entry->run(request->count);
      char *at = put_text(put_text(line, "@"), entry->name);
      at = put_number(put_text(at, " "), request->count, 10);
      at = put_number(put_text(at, " "), checksum, 16);
      at = put_number(put_text(at, " "), cpu_microseconds() - before, 10);
      *put_text(at, ";\n") = 0;
      print(line);
      read_request(request);
    } while (!request->none && same_text(request->name, entry->name));
    SYS(exit, 0, 0, 0, 0);
  }
}

void start(long *stack) {
#ifdef __i386__
  enum { AT_SYSINFO = 32 };
  long *at = stack + 1 + stack[0] + 1;
  while (*at) at++;
  for (at++; *at; at += 2)
    if (*at == AT_SYSINFO) system_entry = (void (*)(void))at[1];
#else
  (void)stack;
#endif
  if (SYS(getpid, 0, 0, 0, 0) == FIRST_PROCESS) {
    call(NR_mount, (long)"proc", (long)"/proc", (long)"proc", 0, 0);
    call(NR_mount, (long)"tmpfs", (long)"/tmp", (long)"tmpfs", 0, 0);
    make_console_raw();
  }
  tell_processor();
  print("@ready;\n");
  serve();
  SYS(exit, 0, 0, 0, 0);
}
