// BITS: 64. FS and GS: each combination of a selector (null, LDT, GDT) and a base, set by instructions, arch_prctl and segment loads; what
// survives system calls, context switches and signals, and that the bases of a descriptor and of WRGSBASE are told apart.
#include "lib/userland.h"
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <cpuid.h>
#include <sched.h>
#include <sys/auxv.h>

static unsigned long rdgs(void) {
  unsigned long base;
  __asm__ volatile("rdgsbase %0" : "=r"(base));
  return base;
}
static void wrgs(unsigned long base) { __asm__ volatile("wrgsbase %0" : : "r"(base) : "memory"); }
static unsigned gs(void) {
  unsigned selector;
  __asm__ volatile("mov %%gs, %0" : "=r"(selector));
  return selector;
}
static void load_gs(unsigned selector) { __asm__ volatile("mov %0, %%gs" : : "r"(selector) : "memory"); }
static unsigned long prctl_gs(void) {
  unsigned long base = 0;
  syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
  return base;
}
static void not_canonical(void) { wrgs(0x800000000000); }
static void through_hole(void) {
  wrgs(0x7ffffffff000);
  __asm__ volatile("mov %gs:0x2000, %al");
}
static void ignore(int signal, siginfo_t *info, void *context) { (void)signal, (void)info, (void)context; }

static void other_process(void) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    load_gs(0);
    wrgs(0x1234567000);
    sched_yield();
    _exit(0);
  }
  int status;
  sched_yield();
  waitpid(child, &status, 0);
}

void test(void) {
  static char line[80];
  if (!(getauxval(AT_HWCAP2) & 2)) {
    skip("gs", "no FSGSBASE");
    return;
  }
  syscall(SYS_modify_ldt, 0x11, &(struct user_desc){.entry_number = 0, .base_addr = 0x12345000, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1, .useable = 1}, sizeof(struct user_desc));
  struct user_desc thread_area = {.entry_number = -1, .base_addr = 0x54321000, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1, .useable = 1};
  long area;
  __asm__ volatile("int $0x80" : "=a"(area) : "a"(243), "b"(memcpy(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0), &thread_area, sizeof thread_area)) : "memory", "r8", "r9", "r10", "r11");
  report("set_thread_area", "%ld", area);
  handle(SIGUSR1, ignore);
  static const unsigned selectors[] = {0, 1, 2, 3, 0x07, 0x2b, 0x63};
  static const unsigned long bases[] = {0, 1, 0x7fffffff, 0xffffffff, 0x123456789000, 0x7fffffffffff, 0xffff800000000000, 0xffffffffffffffff};
  for (unsigned i = 0; i < sizeof selectors / sizeof *selectors; i++) {
    load_gs(selectors[i]);
    report("gs loaded", "selector 0x%x base 0x%lx by prctl 0x%lx", gs(), selectors[i] ? rdgs() : 0, selectors[i] ? prctl_gs() : 0);
    for (unsigned j = 0; j < sizeof bases / sizeof *bases; j++) {
      load_gs(selectors[i]);
      wrgs(bases[j]);
      snprintf(line, sizeof line, "gs 0x%x with 0x%lx", selectors[i], bases[j]);
      unsigned long at_once = rdgs(), told = prctl_gs(), after_call, after_switch;
      getppid();
      after_call = rdgs();
      other_process();
      after_switch = rdgs();
      raise(SIGUSR1);
      report(line, "0x%lx 0x%lx 0x%lx 0x%lx 0x%lx selector 0x%x", at_once, told, after_call, after_switch, rdgs(), gs() & ~3);
    }
  }
  load_gs(0);
  syscall(SYS_arch_prctl, ARCH_SET_GS, 0x123000);
  report("gs by prctl", "0x%lx", rdgs());
  report("gs by prctl beyond user space", "%ld", syscall(SYS_arch_prctl, ARCH_SET_GS, 0xffff800000000000) == 0 ? 0L : (long)errno);
  report_trouble("gs base that is not canonical", attempt(not_canonical), NULL);
  report_trouble("gs base plus offset that is not canonical", attempt(through_hole), NULL);
  __asm__ volatile("wrgsbase %0" : : "r"(0xffffffff80000000ul));
  __asm__ volatile(".byte 0xf3, 0x0f, 0xae, 0xd9" : : "b"(0), "c"(0x87654321)); // WRGSBASE ECX: the upper half is cleared
  report("gs base by a 32-bit register", "0x%lx", rdgs());
}
