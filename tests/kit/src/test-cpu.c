// Processor state. What an operation does is looked at from another side where there is one.
#include "pv.h"

static word use_fpu(word unused) {
  asm volatile("fninit");
  return unused;
}
static word read_absent_msr(word unused) { return (void)unused, pv.cpu.read_msr(0x12345); }
static word read_absent_pmc(word unused) { return (void)unused, pv.cpu.read_pmc(0x12345678); }
static word call_spare(word unused) {
  asm volatile("int %0" : : "i"(SPARE_VECTOR));
  return unused;
}
static word load_fs(word selector) {
  asm volatile("mov %0, %%fs" : : "r"(selector));
  return selector;
}
/** The word that FS starts with. */
static u32 at_fs(void) {
  u32 value;
  asm volatile("movl %%fs:0, %0" : "=r"(value));
  return value;
}
static u32 marks[2] = {0x600dc0de, 0x900dc0de};
static volatile u32 watched;
static word touch(word unused) {
  watched = 1;
  return unused;
}

static void control_registers(void) {
  word cr0 = pv.cpu.read_cr0();
  expect("read_cr0: protected, paging", cr0 & 0x80000001, 0x80000001);
  pv.cpu.write_cr0(cr0 | 8);
  expect("write_cr0 shows in read_cr0", pv.cpu.read_cr0(), cr0 | 8);
  expect_trap("an FPU instruction with TS set", attempt(use_fpu, 0), NM, 0);
  pv.cpu.write_cr0(cr0 | 8);
  pv.cpu.clts();
  expect_trap("and after clts", attempt(use_fpu, 0), NOTHING, 0);
  pv.cpu.write_cr0(cr0);
  pv.mmu.write_cr2(0x12345678);
  expect("write_cr2 shows in read_cr2", pv.mmu.read_cr2(), 0x12345678);
  word cr4 = pv.cpu.read_cr4();
  expect("read_cr4: PAE as it was switched on", cr4 & 0x20, WIDE_ENTRIES ? 0x20 : 0);
  pv.cpu.write_cr4(cr4 | 8);
  expect("write_cr4 shows in read_cr4", pv.cpu.read_cr4(), cr4 | 8);
  pv.cpu.write_cr4(cr4);
  pte *root = pv.mmu.read_root();
  pv.mmu.write_root(root);
  expect("write_root, read_root", (word)pv.mmu.read_root(), (word)root);
}

static void debug_registers(void) {
  pv.cpu.set_debugreg(0, (word)&watched);
  pv.cpu.set_debugreg(3, 0x4321);
  expect("set_debugreg shows in get_debugreg", pv.cpu.get_debugreg(3), 0x4321);
  pv.cpu.set_debugreg(6, 0xffff0ff0);
  pv.cpu.set_debugreg(7, 0xd0402); // the boot processor's data writes of four bytes at DR0
  struct outcome hit = attempt(touch, 0);
  expect_trap("a store to a watched word", hit, DB, 0);
  expect("DR6 says which", pv.cpu.get_debugreg(6) & 15, 1);
  pv.cpu.set_debugreg(7, 0x400);
  pv.cpu.set_debugreg(6, 0xffff0ff0);
  expect_trap("nothing is watched any more", attempt(touch, 0), NOTHING, 0);
}

static void descriptors(void) {
  if (pv.cpu.store_gdt) {
    expect("store_gdt: the kernel's own", pv.cpu.store_gdt(), (word)gdts[0]);
    expect("store_idt: the kernel's own", pv.cpu.store_idt(), (word)idt);
    expect("store_tr", pv.cpu.store_tr(), TSS_SELECTOR);
  } else without("reading descriptor table registers");
  pv.cpu.write_gdt_entry(SPARE_SELECTOR / 8, descriptor((word)&marks[0], 3, 0x93, 4));
  expect_trap("a descriptor of write_gdt_entry can be loaded", attempt(load_fs, SPARE_SELECTOR | kernel_rpl), NOTHING, 0);
  expect("and shows what it describes", at_fs(), marks[0]);
  pv.cpu.write_gdt_entry(SPARE_SELECTOR / 8, descriptor((word)&marks[1], 3, 0x93, 4));
  load_fs(SPARE_SELECTOR | kernel_rpl);
  expect("changed, it shows what it describes now", at_fs(), marks[1]);
  load_fs(0);
  pv.cpu.write_gdt_entry(SPARE_SELECTOR / 8, 0);
  expect_trap("taken away, it cannot be loaded", attempt(load_fs, SPARE_SELECTOR | kernel_rpl), GP, SPARE_SELECTOR);
  pv.cpu.load_ldt(ldt, 8);
  if (pv.cpu.store_ldt) expect("store_ldt", pv.cpu.store_ldt(), LDT_SELECTOR);
  pv.cpu.write_ldt_entry(1, descriptor((word)&marks[0], 3, 0x93, 4));
  expect_trap("a descriptor of write_ldt_entry can be loaded", attempt(load_fs, 12 | kernel_rpl), NOTHING, 0);
  expect("and shows what it describes", at_fs(), marks[0]);
  load_fs(0);
  pv.cpu.load_ldt(ldt, 0);
  expect_trap("without a table it cannot", attempt(load_fs, 12 | kernel_rpl), GP, 12);
  pv.cpu.write_gate(SPARE_VECTOR, vector_entries[SPARE_VECTOR + 1], 3);
  expect_trap("a gate of write_gate leads where it says", attempt(call_spare, 0), SPARE_VECTOR + 1, 0);
  pv.cpu.write_gate(SPARE_VECTOR, vector_entries[SPARE_VECTOR], 3);
  pv.cpu.load_idt();
  expect_trap("and back again", attempt(call_spare, 0), SPARE_VECTOR, 0);
}

void test_cpu(void) {
  begin_group("cpu");
  struct numbers leaf = pv.cpu.cpuid(0);
  expect_true("cpuid: a vendor of twelve letters", leaf.a >= 1 && leaf.b >= 0x20202020 && leaf.c >= 0x20202020 && leaf.d >= 0x20202020);
  expect("cpuid: FPU and TSC", pv.cpu.cpuid(1).d & 0x11, 0x11);
  control_registers();
  debug_registers();
  if (pv.platform.spare_msr) {
    u64 before = pv.cpu.read_msr(pv.platform.spare_msr);
    pv.cpu.write_msr(pv.platform.spare_msr, 0x1234000);
    expect("write_msr shows in read_msr", pv.cpu.read_msr(pv.platform.spare_msr), 0x1234000);
    pv.cpu.write_msr(pv.platform.spare_msr, before);
  } else without("an MSR to play with");
  expect_trap("an MSR that does not exist", attempt(read_absent_msr, 0), GP, 0);
  expect_trap("a performance counter that does not exist", attempt(read_absent_pmc, 0), GP, 0);
  u64 first = pv.cpu.read_tsc(), second = pv.cpu.read_tsc();
  expect_true("read_tsc counts", second > first && second - first < 1000000000);
  pv.cpu.wbinvd();
  pv.cpu.io_delay();
  expect_true("wbinvd and io_delay return", true);
  descriptors();
}
