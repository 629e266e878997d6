// Every combination of rights, accessed and dirty flags and reserved bits in a PDE and a PTE, against every kind of access, under each
// setting of CR0.WP, EFER.NXE, CR4.SMEP, CR4.SMAP and EFLAGS.AC: is there a #PF, with which error code and CR2, and what becomes of the
// entries. The expectation is SDM vol. 3, 4.6 to 4.8, written down in `expected`. STEP thins the combinations out (a prime, or 1 for all).
#include "system.h"

#define WINDOW 0x40000000ul
#define FRAME 0x1000000u // a large page's worth of RAM, which nobody uses
#define RET 0xc3
#if defined(MODE_32P)
#define HAS_NX 0
#define NX 0
#define PTE_RESERVED 0             // a PTE has none
#define PDE_RESERVED (1u << 21)    // of a large page (PSE-36)
#else
#define HAS_NX 1
#define NX PTE_NX
#define PTE_RESERVED (1ull << 51)  // beyond MAXPHYADDR
#define PDE_RESERVED (1ull << 13)  // of a large page
#endif

enum kind { READ, WRITE, MODIFY, COMPARE, FETCH, KINDS };
static const char *const kind_names[] = {"a read", "a write", "LOCK ADD", "a CMPXCHG that does not match", "a fetch"};

#if LONG
#define SI "rsi"
#define DX "rdx"
#define USER_CS "0x2b"
#define ENTER "push %rbx\npush %rbp\nmov %rdi, %rcx\n"
#define LEAVE "pop %rbp\npop %rbx\nret"
#define USER "test %rsi, %rsi\n"
#else
#define SI "esi"
#define DX "edx"
#define USER_CS "0x1b"
#define ENTER "push %ebx\npush %ebp\npush %esi\nmov 16(%esp), %ecx\n"
#define LEAVE "pop %esi\npop %ebp\npop %ebx\nret"
#define USER "cmpl $0, 20(%esp)\n"
#endif

// access_window(kind, user): sets fault, error_code and fault_address when a #PF came in between. SI is where a fault continues.
u32 fault;
word error_code, fault_address, kernel_sp;
void access_window(word kind, word user);
CODE(window_fault, "pop error_code\npush %" AX "\nmov %cr2, %" AX "\nmov %" AX ", fault_address\npop %" AX "\nmovl $1, fault\n"
                   "mov %" SI ", (%" SP ")\niret" W_SUFFIX)
CODE(window_back, "mov kernel_sp, %" SP "\njmp *%" SI)
asm(".text\naccess_window:\n" ENTER "mov $0x40000000, %edx\nmov $0xc3, %ebx\nmov %" SP ", kernel_sp\n" USER "mov $9f, %esi\njz 1f\n"
    "push $0x23\npush $user_stack_top - 64\npushf\npush $" USER_CS "\npush $1f\niret" W_SUFFIX "\n"
    "1: cmp $1, %ecx\njb 2f\nje 3f\ncmp $3, %ecx\njb 4f\nje 5f\ncall *%" DX "\njmp 9f\n"
    "2: mov (%" DX "), %al\njmp 9f\n"
    "3: mov %bl, (%" DX ")\njmp 9f\n"
    "4: lock addb $0, (%" DX ")\njmp 9f\n"
    "5: xor %eax, %eax\ncmpxchg %bl, (%" DX ")\n"
    "9: mov $8f, %esi\nint $0x50\n8:\n" LEAVE);

struct setting { bool wp, nxe, smep, smap, ac, user; };
struct outcome { bool fault; word error; pte pde, pt; };

/** SDM vol. 3, 4.6 (rights), 4.7 (error code), 4.8 (accessed and dirty). `upper` holds the rights of the entries above the PDE. */
static struct outcome expected(enum kind kind, struct setting s, pte upper, pte pde, pte pt) {
  struct outcome o = {.pde = pde, .pt = pt};
  bool large = pde & PTE_PS, write = kind == WRITE || kind == MODIFY || kind == COMPARE;
  pte *leaf = large ? &o.pde : &o.pt;
  pte rights = upper & pde & (large ? ~(pte)0 : pt), nx = (pde | (large ? 0 : pt)) & NX;
  o.fault = true;
  o.error = (write ? PF_W : 0) | (s.user ? PF_U : 0) | (kind == FETCH && (s.nxe || s.smep) ? PF_I : 0);
  if (!(pde & PTE_P)) return o;
  if ((large && pde & PDE_RESERVED) || (pde & NX && !s.nxe)) goto reserved;
  if (!large) {
    o.pde |= PTE_A;
    if (!(pt & PTE_P)) return o;
    if (pt & PTE_RESERVED || (pt & NX && !s.nxe)) goto reserved;
  }
  bool allowed = s.user ? rights & PTE_U && (!write || rights & PTE_W) : !write || rights & PTE_W || !s.wp;
  if (!s.user && rights & PTE_U && (kind == FETCH ? s.smep : s.smap && !s.ac)) allowed = false;
  if (kind == FETCH && nx) allowed = false;
  if (!allowed) {
    o.error |= PF_P;
    return o;
  }
  o.fault = false;
  *leaf |= PTE_A | (write ? PTE_D : 0);
  return o;
reserved:
  o.error |= PF_P | PF_RSVD;
  return o;
}

static pte from_bits(unsigned n, pte reserved) {
  return (n & 7) | (n & 8 ? PTE_A : 0) | (n & 16 ? PTE_D : 0) | (n & 32 ? NX : 0) | (n & 64 ? reserved : 0);
}

static unsigned tried[KINDS][2][2], wrong[KINDS][2][2];

static void one(enum kind kind, struct setting s, pte upper, pte *pde, pte new_pde, pte *pt, pte new_pt) {
  struct outcome o = expected(kind, s, upper, new_pde, new_pt);
  *pde = new_pde;
  *pt = new_pt;
  *(volatile u8 *)FRAME = RET;
  invlpg(WINDOW);
  fault = 0;
  if (s.ac) write_flags(FLAG_FIXED | FLAG_AC);
  access_window(kind, s.user);
  if (s.ac) write_flags(FLAG_FIXED);
  bool reserved = o.fault && o.error & PF_RSVD;
  tried[kind][s.user][reserved]++;
  // a processor may or may not set the PDE's accessed flag before it finds that the PTE does not permit the access
  pte ignored = o.fault ? PTE_A : 0;
  if (fault == o.fault && (!o.fault || (error_code == o.error && fault_address == WINDOW)) && ((*pde ^ o.pde) & ~ignored) == 0 && *pt == o.pt) return;
  if (wrong[kind][s.user][reserved]++ < 3)
    print("# %s: wp %u nxe %u smep %u smap %u ac %u pde %llx pte %llx: #PF %u(%lx), not %u(%lx); pde %llx pte %llx\n", kind_names[kind], s.wp, s.nxe,
          s.smep, s.smap, s.ac, (u64)new_pde, (u64)new_pt, fault, error_code, o.fault, o.error, (u64)*pde, (u64)*pt);
}

static void all(struct setting s) {
  static unsigned phase;
  pte *pde = entry_of(WINDOW, 2), *table = alloc_pages(1);
#if LONG
  pte *pdpte = entry_of(WINDOW, 3), whole = *pdpte;
#endif
  for (unsigned n = phase++ % STEP; n < KINDS << 17; n += STEP) {
    enum kind kind = n >> 17;
    bool large = n >> 14 & 1, read_only = n >> 15 & 1, kernel_only = n >> 16 & 1;
    if (!HAS_NX && n & (32 << 7 | 32)) continue;
    if (!LONG && (read_only || kernel_only)) continue;
    pte upper = PTE_P | (read_only ? 0 : PTE_W) | (kernel_only ? 0 : PTE_U);
    pte low = from_bits(n & 127, PTE_RESERVED) | FRAME;
    pte high = from_bits(n >> 7 & 127, large ? PDE_RESERVED : 0) | (large ? FRAME | PTE_PS : (word)table);
#if LONG
    *pdpte = (whole & ~(pte)(PTE_W | PTE_U)) | upper;
#endif
    one(kind, s, upper, pde, high, table, low);
  }
  *pde = 0;
#if LONG
  *pdpte = whole;
#endif
  invlpg(WINDOW);
}

/** The image, and FRAME under its own address, are user or supervisor pages. */
static void set_image_user(bool user) {
  for (word at = 0; at < 0x1400000; at += 0x200000) {
    pte *entry = entry_of(at, 2);
    *entry = user ? *entry | PTE_U : *entry & ~(pte)PTE_U;
  }
  write_cr3(read_cr3());
}

void test_main(void) {
  set_gate(PF, window_fault, SEL_CODE, 0x8e, 0);
  set_gate(0x50, window_back, SEL_CODE, 0xee, 0);
  write_ds(SEL_USER_DATA);
  write_es(SEL_USER_DATA);
  u32 features = cpuid(0, 0).a >= 7 ? cpuid(7, 0).b : 0;
  bool smep = features & 1 << 7, smap = features & 1 << 20;
  for (unsigned n = 0; n < 64; n++) {
    struct setting s = {n & 1, n & 2, n & 4, n & 8, n & 16, n & 32};
    if ((s.nxe && !HAS_NX) || (s.smep && !smep) || (s.smap && !smap) || (s.ac && !s.smap)) continue;
    if (s.user && (s.smep || s.smap)) continue; // they concern supervisor accesses, and the image must be its own then
    set_image_user(s.user);
    write_cr0((read_cr0() & ~CR0_WP) | (s.wp ? CR0_WP : 0));
    if (HAS_NX) wrmsr(MSR_EFER, (rdmsr(MSR_EFER) & ~(u64)EFER_NXE) | (s.nxe ? EFER_NXE : 0));
    write_cr4((read_cr4() & ~(CR4_SMEP | CR4_SMAP)) | (s.smep ? CR4_SMEP : 0) | (s.smap ? CR4_SMAP : 0));
    all(s);
    write_cr4(read_cr4() & ~(CR4_SMEP | CR4_SMAP));
  }
  set_image_user(true);
  unsigned total = 0;
  for (enum kind kind = READ; kind < KINDS; kind++)
    for (unsigned user = 0; user < 2; user++)
      for (unsigned reserved = 0; reserved < 2; reserved++) {
        total += tried[kind][user][reserved];
        if (tried[kind][user][reserved] == 0) continue;
        expect_value(text("%s%s at CPL %u: wrong outcomes", reserved ? "through reserved bits: " : "", kind_names[kind], user * 3),
                     wrong[kind][user][reserved], 0);
      }
  print("# %u combinations\n", total);
}
