// RDMSR and WRMSR: for every MSR that the processor announces, which bits it refuses when they are flipped alone, and which MSRs it does
// not have (SDM vol. 4; APM vol. 2, appendix A). A write that is not refused must read back.
#include "system.h"

#define BIT(n) (1ull << (n))
#define ALL (~0ull)
#define NONE 0ull
#define NOT_CANONICAL 0xffff800000000000ull // with zeros elsewhere each of these alone is not a canonical address
static struct cpuid one, seven, extended, more;
static bool intel;

struct access { u32 index; u64 value; };
static void read_it(void *at) { ((struct access *)at)->value = rdmsr(((struct access *)at)->index); }
static void write_it(void *at) { wrmsr(((struct access *)at)->index, ((struct access *)at)->value); }

static bool there(u32 index, u64 *value) {
  struct access access = {.index = index};
  struct fault got = attempt(read_it, &access);
  *value = access.value;
  if (got.vector != NO_EXCEPTION && (got.vector != GP || got.error)) print("# %x: %s(%lx)\n", index, vector_name(got.vector), got.error);
  return got.vector == NO_EXCEPTION;
}

/** `refused` are the bits whose flip is #GP, `ignored` those that are neither refused nor kept. */
static void bits(const char *name, u32 index, u64 refused, u64 ignored) {
  u64 old, got_refused = 0, got_ignored = 0;
  if (!there(index, &old)) {
    expect_true(text("%s exists", name), false);
    return;
  }
  for (unsigned n = 0; n < 64; n++) {
    struct access access = {index, old ^ BIT(n)};
    if (attempt(write_it, &access).vector == GP) got_refused |= BIT(n);
    else {
      u64 now = rdmsr(index);
      if (now == old) got_ignored |= BIT(n);
      else if (now != access.value) print("# %s bit %u: %llx became %llx\n", name, n, access.value, now);
    }
    wrmsr(index, old);
  }
  expect_value(text("%s: refused bits", name), got_refused, refused);
  expect_value(text("%s: ignored bits", name), got_ignored, ignored);
}

static void absent(const char *name, u32 index) {
  struct access access = {.index = index};
  struct fault reading = attempt(read_it, &access), writing = attempt(write_it, &access);
  expect_true(text("%s does not exist", name), reading.vector == GP && !reading.error && writing.vector == GP && !writing.error);
}

static void takes(const char *name, u32 index, u64 value, bool taken) {
  struct access access = {index, value};
  u64 old = rdmsr(index);
  struct fault got = attempt(write_it, &access);
  u64 now = rdmsr(index);
  expect_true(text("%s %s 0x%llx", name, taken ? "takes" : "refuses", value),
              taken ? got.vector == NO_EXCEPTION && now == value : got.vector == GP && got.error == 0 && now == old);
  wrmsr(index, old);
}

static void memory_types(u64 physical) {
  if (one.d & BIT(16)) {
    for (unsigned type = 0; type < 9; type++) takes("PAT", 0x277, 0x0007040600070406ull + ((u64)type << 56), type != 2 && type != 3 && type < 8);
    takes("PAT", 0x277, 0x07070707, true);
  }
  if (!(one.d & BIT(12))) return;
  u64 cap = rdmsr(0xfe);
  u32 count = cap & 0xff;
  expect_true("MTRRcap cannot be written", attempt(write_it, &(struct access){0xfe, cap}).vector == GP);
  for (unsigned type = 0; type < 8; type++) {
    bool good = type != 2 && type != 3 && type != 7;
    takes("MTRRphysBase0", 0x200, 0x100000 | type, good);
    takes("MTRRdefType", 0x2ff, 0xc00 | type, good);
    takes("MTRRfix16K_80000", 0x258, 0x0606060606060600ull | type, good);
  }
  takes("MTRRphysBase0", 0x200, physical + 1, false);
  takes("MTRRphysBase0", 0x200, 0x106 | 0x100000, false);
  takes("MTRRphysMask0", 0x201, (physical & ~0xfffull) | 0x800, true);
  takes("MTRRphysMask0", 0x201, physical + 1, false);
  takes("MTRRphysMask0", 0x201, 0x400, false);
  takes("MTRRdefType", 0x2ff, 0x1006, false);
  absent("an MTRR beyond the last", 0x200 + 2 * count);
  static const u16 fixed[] = {0x250, 0x258, 0x259, 0x268, 0x26f};
  for (unsigned i = 0; i < 5; i++) takes(text("the fixed MTRR 0x%x", fixed[i]), fixed[i], 0x0001040506000104ull, true);
  absent("the MSR between fixed MTRRs", 0x251);
}

static void machine_check(void) {
  u64 cap = rdmsr(0x179);
  u32 banks = cap & 0xff;
  expect_true("MCG_CAP cannot be written", attempt(write_it, &(struct access){0x179, cap}).vector == GP);
  for (u32 bank = 0; bank < banks; bank++) {
    u32 base = 0x400 + bank * 4;
    takes(text("MC%u_CTL", bank), base, 0, true);
    takes(text("MC%u_CTL", bank), base, ALL, true);
    takes(text("MC%u_CTL", bank), base, 0xaaaaaaaaaaaaaaaaull, false);
    takes(text("MC%u_STATUS", bank), base + 1, 0, true);
    takes(text("MC%u_STATUS", bank), base + 1, 1, false);
    takes(text("MC%u_ADDR", bank), base + 2, ALL, true);
    takes(text("MC%u_MISC", bank), base + 3, 0xaaaaaaaaaaaaaaaaull, true);
  }
  for (u32 bank = banks; bank < 32; bank++)
    for (u32 i = 0; i < 4; i++) absent(text("register %u of bank %u", i, bank), 0x400 + bank * 4 + i);
}

CODE(user_rdmsr, "mov $0x10, %ecx\nrdmsr\nint $0x30")
CODE(user_wrmsr, "mov $0x10, %ecx\nwrmsr\nint $0x30")

void test_main(void) {
  one = cpuid(1, 0);
  if (cpuid(0, 0).a >= 7) seven = cpuid(7, 0);
  u32 last = cpuid(0x80000000, 0).a;
  if (last >= 0x80000001) extended = cpuid(0x80000001, 0);
  if (last >= 0x80000008) more = cpuid(0x80000008, 0);
  intel = cpuid(0, 0).b == 0x756e6547;
  u64 physical = BIT(more.a ? more.a & 0xff : 36) - 1;
  bool lm = extended.d & BIT(29), syscalls = extended.d & BIT(11);
  u64 upper = ALL << 32, address = intel ? NOT_CANONICAL : NONE;

  if (one.d & BIT(11)) {
    bits("SYSENTER_CS", 0x174, NONE, upper);
    bits("SYSENTER_ESP", 0x175, address, NONE);
    bits("SYSENTER_EIP", 0x176, address, NONE);
  } else absent("SYSENTER_CS", 0x174);
  if (lm) {
    bits("FS_BASE", 0xc0000100, NOT_CANONICAL, NONE);
    bits("GS_BASE", 0xc0000101, NOT_CANONICAL, NONE);
    bits("KERNEL_GS_BASE", 0xc0000102, NOT_CANONICAL, NONE);
    bits("LSTAR", 0xc0000082, NOT_CANONICAL, NONE);
    bits("CSTAR", 0xc0000083, NOT_CANONICAL, NONE);
    takes("FS_BASE", 0xc0000100, 0xffff800000000000ull, true);
  } else {
    absent("FS_BASE", 0xc0000100);
    absent("KERNEL_GS_BASE", 0xc0000102);
    absent("LSTAR", 0xc0000082);
  }
  if (syscalls) {
    bits("STAR", 0xc0000081, NONE, NONE);
    bits("SFMASK", 0xc0000084, upper, NONE);
  } else absent("STAR", 0xc0000081);
  if (extended.d & BIT(27) || seven.c & BIT(22)) bits("TSC_AUX", 0xc0000103, intel ? upper : NONE, intel ? NONE : upper);
  else absent("TSC_AUX", 0xc0000103);
  if (seven.d & BIT(26)) {
    bits("SPEC_CTRL", 0x48, ~1ull, NONE);
    expect_fault("reading PRED_CMD", attempt(read_it, &(struct access){.index = 0x49}), GP, 0);
    expect_no_fault("writing PRED_CMD", attempt(write_it, &(struct access){0x49, 1}));
    expect_fault("writing reserved bits of PRED_CMD", attempt(write_it, &(struct access){0x49, 2}), GP, 0);
  } else {
    absent("SPEC_CTRL", 0x48);
    absent("PRED_CMD", 0x49);
  }
  if (seven.d & BIT(29)) expect_fault("ARCH_CAPABILITIES cannot be written", attempt(write_it, &(struct access){0x10a, 0}), GP, 0);
  else absent("ARCH_CAPABILITIES", 0x10a);
  if (!(seven.b & BIT(1))) absent("TSC_ADJUST", 0x3b);
  if (intel && lm) {
    u64 kept = rdmsr(0x1a0) & 0x1880;
    takes("MISC_ENABLE", 0x1a0, 0x400c50009ull | kept, true);
    takes("MISC_ENABLE", 0x1a0, BIT(1) | kept, false);
    wrmsr(0x1a0, BIT(34) | kept);
    expect_value("NX in CPUID while MISC_ENABLE disables it", cpuid(0x80000001, 0).d & BIT(20), 0);
    wrmsr(0x1a0, BIT(22) | kept);
    expect_value("CPUID's highest leaf while MISC_ENABLE limits it", cpuid(0, 0).a, 2);
    wrmsr(0x1a0, 1 | kept);
    expect_true("CPUID after that", cpuid(0, 0).a > 2 && cpuid(0x80000001, 0).d & BIT(20));
  }
  memory_types(physical);
  if (one.d & BIT(14)) machine_check();
  absent("an MSR that nobody has", 0x4b56);
  absent("the first of a hypervisor's range", 0x40000000);
  absent("VM_HSAVE_PA without SVM", 0xc0010117);
  absent("FEATURE_CONTROL without VMX", 0x480);
  struct frame reading = start_frame(user_rdmsr, 3), writing = start_frame(user_wrmsr, 3);
  expect_fault("RDMSR at CPL 3", attempt_at(&reading), GP, 0);
  expect_fault("WRMSR at CPL 3", attempt_at(&writing), GP, 0);
}
