// Finds out where it is, runs every group, says how it went.
#include "pv.h"

const char *command_line = "";
extern word multiboot_info;

pte *entry_of(pte *root, int level, word linear) {
  pte *table = root;
  for (int at = TOP_LEVEL;; at--) {
    bool few = !LONG && WIDE_ENTRIES && at == 3;
    pte *entry = &table[linear >> (12 + (at - 1) * INDEX_BITS) & (few ? 3 : (1 << INDEX_BITS) - 1)];
    if (at == level) return entry;
    table = pv.mmu.page_of(*entry);
  }
}

/** Xen has its own way in. Everything else is a PC; VMI is one with a ROM. */
static void find_platform(void) {
  prepare_cpu(0);
#ifdef XEN
  if (xen_start_info) {
    xen_setup(xen_start_info);
    return;
  }
#endif
  native_early();
  const u32 *info = (const u32 *)multiboot_info;
  if (info[0] & 4) command_line = (const char *)(word)info[4];
  pv.cpu.load_gdt(gdts[0], 64);
#if !LONG
  vmi_setup();
#endif
}

static void run_groups(void) {
  test_cpu();
  test_irq();
  test_user();
  test_mmu();
  test_time();
#if !LONG
  test_vmi();
#endif
  if (pv.smp.count() > 1 && !has_option("nolapic")) test_smp(); // without local APICs there is one processor
}

void kit_main(void) {
  find_platform();
  setup_cpu(0);
  print("the guest kit: %s bits on %s, %d processors, kernel at level %d\n", MODE, pv.platform.name, pv.smp.count(), kernel_rpl);
  if (has_option("bench")) benchmarks();
  else run_groups();
  print("%d passed, %d failed\n", passed, failed);
  pv.platform.power_off(failed != 0);
}
