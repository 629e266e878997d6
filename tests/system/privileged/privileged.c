// System instructions one by one at CPL 0 and CPL 3, with the feature or the CR4 bit that gates them: what exists, what is #GP, what is
// #UD (SDM vol. 2). CPUID says which features there are; an instruction whose feature is not announced must be #UD.
#include "system.h"

enum leaf { ALWAYS, ONE_C, ONE_D, SEVEN_B, SEVEN_C, EXT_C, EXT_D, NEVER };
static u32 words[8];

struct instruction {
  const char *name;
  const u8 *code;
  enum leaf leaf;
  u8 bit;
  u32 kernel, user; // outcome with the feature
};
#if LONG
#define REX ", 0x48"
#define CX "rcx"
#else
#define REX ""
#define CX "ecx"
#endif
#define I(id, body) CODE(code_##id, body "\nint $0x30")
#define B(id, bytes) CODE(code_##id, ".byte " bytes "\nint $0x30")
static word spare[16] __attribute__((used, aligned(64))), zeros[4] __attribute__((used));

I(invd, "invd") I(wbinvd, "wbinvd") I(cli, "cli") I(sti, "sti\ncli") I(lidt, "sidt spare\nlidt spare") I(lgdt, "sgdt spare\nlgdt spare")
I(lldt, "xor %eax, %eax\nlldt %ax") I(invlpg, "invlpg spare") I(smsw, "smsw %eax")
I(sldt, "sldt %eax") I(str, "str %eax") I(sgdt, "sgdt spare") I(sidt, "sidt spare") B(rdtsc, "0x0f, 0x31") B(rdtscp, "0x0f, 0x01, 0xf9")
B(rdpid, "0xf3, 0x0f, 0xc7, 0xf8") I(rdpmc, "xor %ecx, %ecx\nrdpmc") B(monitor, "0x0f, 0x01, 0xc8") B(mwait, "0x0f, 0x01, 0xc9") B(clac, "0x0f, 0x01, 0xca")
B(stac, "0x0f, 0x01, 0xcb") B(xgetbv, "0x31, 0xc9, 0x0f, 0x01, 0xd0") B(xsetbv, "0x31, 0xc9, 0x31, 0xd2, 0xb8, 3, 0, 0, 0, 0x0f, 0x01, 0xd1")
B(rdpru, "0x0f, 0x01, 0xfd") B(rdpkru, "0x31, 0xc9, 0x0f, 0x01, 0xee") B(wrpkru, "0x31, 0xc9, 0x0f, 0x01, 0xef") B(vmxoff, "0x0f, 0x01, 0xc4") B(vmrun, "0x0f, 0x01, 0xd8")
B(skinit, "0x0f, 0x01, 0xde") B(clgi, "0x0f, 0x01, 0xdd") B(getsec, "0x31, 0xc0, 0x0f, 0x37") B(rsm, "0x0f, 0xaa") B(xbegin, "0xc7, 0xf8, 0, 0, 0, 0") B(xtest, "0x0f, 0x01, 0xd6")
B(enclu, "0x0f, 0x01, 0xd7") B(clzero, "0x0f, 0x01, 0xfc") B(tpause, "0x66, 0x0f, 0xae, 0xf0") B(pcommit, "0x66, 0x0f, 0xae, 0xf8") B(serialize, "0x0f, 0x01, 0xe8")
B(rdseed, "0x0f, 0xc7, 0xf8") B(rdrand, "0x0f, 0xc7, 0xf0") I(clflush, "clflush spare") I(clflushopt, ".byte 0x66\nclflush spare") I(clwb, "clwb spare")
I(sfence, "sfence") I(mfence, "mfence") I(ud2, "ud2") B(swapgs, "0x0f, 0x01, 0xf8, 0x0f, 0x01, 0xf8")
I(rdfsbase, ".byte 0xf3" REX ", 0x0f, 0xae, 0xc0") I(wrgsbase, ".byte 0xf3" REX ", 0x0f, 0xae, 0xd8")
I(invpcid, "mov $2, %ecx\ninvpcid zeros, %" CX)

/** Outcomes that follow a bit of CR4. */
enum { UMIP = 0x200, TSD, OSXSAVE, FSGSBASE, XSETBV };

static const struct instruction list[] = {
    {"INVD", code_invd, ALWAYS, 0, RETURNED, GP}, {"WBINVD", code_wbinvd, ALWAYS, 0, RETURNED, GP}, {"CLI", code_cli, ALWAYS, 0, RETURNED, GP},
    {"STI", code_sti, ALWAYS, 0, RETURNED, GP}, {"LIDT", code_lidt, ALWAYS, 0, RETURNED, GP}, {"LGDT", code_lgdt, ALWAYS, 0, RETURNED, GP},
    {"LLDT", code_lldt, ALWAYS, 0, RETURNED, GP}, {"INVLPG", code_invlpg, ALWAYS, 0, RETURNED, GP},
    {"SMSW", code_smsw, ALWAYS, 0, RETURNED, UMIP}, {"SLDT", code_sldt, ALWAYS, 0, RETURNED, UMIP}, {"STR", code_str, ALWAYS, 0, RETURNED, UMIP},
    {"SGDT", code_sgdt, ALWAYS, 0, RETURNED, UMIP}, {"SIDT", code_sidt, ALWAYS, 0, RETURNED, UMIP}, {"RDTSC", code_rdtsc, ONE_D, 4, RETURNED, TSD},
    {"RDTSCP", code_rdtscp, EXT_D, 27, RETURNED, TSD}, {"RDPID", code_rdpid, SEVEN_C, 22, RETURNED, RETURNED}, {"RDPMC", code_rdpmc, ALWAYS, 0, GP, GP},
    {"MONITOR", code_monitor, ONE_C, 3, RETURNED, UD}, {"MWAIT", code_mwait, ONE_C, 3, RETURNED, UD}, {"CLAC", code_clac, SEVEN_B, 20, RETURNED, UD},
    {"STAC", code_stac, SEVEN_B, 20, RETURNED, UD}, {"XGETBV", code_xgetbv, ONE_C, 26, OSXSAVE, OSXSAVE}, {"XSETBV", code_xsetbv, ONE_C, 26, OSXSAVE, XSETBV},
    {"RDPRU", code_rdpru, NEVER, 0, UD, UD}, {"RDPKRU", code_rdpkru, SEVEN_C, 4, RETURNED, RETURNED}, {"WRPKRU", code_wrpkru, SEVEN_C, 4, RETURNED, RETURNED},
    {"VMXOFF", code_vmxoff, NEVER, 0, UD, UD}, {"VMRUN", code_vmrun, NEVER, 0, UD, UD}, {"SKINIT", code_skinit, NEVER, 0, UD, UD}, {"CLGI", code_clgi, NEVER, 0, UD, UD},
    {"GETSEC", code_getsec, NEVER, 0, UD, UD}, {"RSM", code_rsm, NEVER, 0, UD, UD}, {"XBEGIN", code_xbegin, SEVEN_B, 11, RETURNED, RETURNED},
    {"XTEST", code_xtest, SEVEN_B, 11, RETURNED, RETURNED}, {"ENCLU", code_enclu, NEVER, 0, UD, UD}, {"CLZERO", code_clzero, NEVER, 0, UD, UD},
    {"TPAUSE", code_tpause, SEVEN_C, 5, RETURNED, RETURNED}, {"PCOMMIT", code_pcommit, SEVEN_B, 22, RETURNED, RETURNED}, {"SERIALIZE", code_serialize, NEVER, 0, UD, UD},
    {"RDSEED", code_rdseed, SEVEN_B, 18, RETURNED, RETURNED}, {"RDRAND", code_rdrand, ONE_C, 30, RETURNED, RETURNED}, {"CLFLUSH", code_clflush, ONE_D, 19, RETURNED, RETURNED},
    {"CLFLUSHOPT", code_clflushopt, SEVEN_B, 23, RETURNED, RETURNED}, {"CLWB", code_clwb, SEVEN_B, 24, RETURNED, RETURNED}, {"SFENCE", code_sfence, ONE_D, 25, RETURNED, RETURNED},
    {"MFENCE", code_mfence, ONE_D, 26, RETURNED, RETURNED}, {"UD2", code_ud2, NEVER, 0, UD, UD}, {"INVPCID", code_invpcid, SEVEN_B, 10, RETURNED, GP},
#if LONG
    {"SWAPGS", code_swapgs, ALWAYS, 0, RETURNED, GP}, {"RDFSBASE", code_rdfsbase, SEVEN_B, 0, FSGSBASE, FSGSBASE}, {"WRGSBASE", code_wrgsbase, SEVEN_B, 0, FSGSBASE, FSGSBASE},
#else
    {"SWAPGS in 32-bit code", code_swapgs, NEVER, 0, UD, UD}, {"RDFSBASE in 32-bit code", code_rdfsbase, NEVER, 0, UD, UD}, {"WRGSBASE in 32-bit code", code_wrgsbase, NEVER, 0, UD, UD},
#endif
};

static u32 outcome(u32 rule, bool user) {
  word cr4 = read_cr4();
  switch (rule) {
  case UMIP: return cr4 & CR4_UMIP ? GP : RETURNED;
  case TSD: return cr4 & CR4_TSD ? GP : RETURNED;
  case OSXSAVE: return cr4 & CR4_OSXSAVE ? RETURNED : UD;
  case XSETBV: return cr4 & CR4_OSXSAVE ? (user ? GP : RETURNED) : UD;
  case FSGSBASE: return cr4 & CR4_FSGSBASE ? RETURNED : UD;
  default: return rule;
  }
}

static void all(const char *when) {
  for (unsigned i = 0; i < sizeof list / sizeof *list; i++)
    for (unsigned user = 0; user < 2; user++) {
      const struct instruction *one = &list[i];
      bool announced = one->leaf == ALWAYS || (one->leaf != NEVER && words[one->leaf] & 1u << one->bit);
      if (one->code == code_mwait && announced) continue; // it may wait for an interrupt
      struct frame start = start_frame(one->code, user * 3);
#if LONG
      start.ax = (word)spare;
#endif
      expect_fault(text("%s at CPL %u%s", one->name, user * 3, when), attempt_at(&start), announced ? outcome(user ? one->user : one->kernel, user) : UD, 0);
    }
}

void test_main(void) {
  struct cpuid one = cpuid(1, 0), seven = {0}, extended = {0};
  if (cpuid(0, 0).a >= 7) seven = cpuid(7, 0);
  if (cpuid(0x80000000, 0).a >= 0x80000001) extended = cpuid(0x80000001, 0);
  words[ONE_C] = one.c;
  words[ONE_D] = one.d;
  words[SEVEN_B] = seven.b;
  words[SEVEN_C] = seven.c;
  words[EXT_C] = extended.c;
  words[EXT_D] = extended.d;
  all("");
  word switches = CR4_TSD | (seven.c & 4 ? CR4_UMIP : 0) | (LONG && seven.b & 1 ? CR4_FSGSBASE : 0) | (one.c & 1 << 26 ? CR4_OSXSAVE : 0);
  write_cr4(read_cr4() | switches);
  all(", restricted");
  expect_value("OSXSAVE in CPUID follows CR4", cpuid(1, 0).c >> 27 & 1, one.c >> 26 & 1);
}
