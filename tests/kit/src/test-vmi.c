// What only VMI has: its ROM, answers that no operation of the table asks for, the two wires of an alarm.
#include "vmi.h"

enum { LVT_TIMER = 0x320, MASKED = 0x10000 };
static volatile unsigned alarms, by_irq0, last_vector;
static bool on_alarm(struct frame *frame) {
  alarms++;
  last_vector = frame->vector;
  if (frame->vector == SPARE_VECTOR) pv.irq.eoi(SPARE_VECTOR);
  return true;
}
static bool on_irq0(struct frame *frame) {
  by_irq0++;
  return on_alarm(frame);
}
static word vmcall(word unused) {
  asm volatile("vmcall");
  return unused;
}
static word call_rom(word target) {
  asm volatile("call *%0" : : "r"(target) : "eax", "edx", "ecx", "memory");
  return 0;
}
/** All general registers around a call: eax ecx edx ebx esi edi. */
static bool kept(u32 target, u32 eax, bool all) {
  u32 a = eax, c = 2, d = 3, b = 4, si = 5, di = 6;
  asm volatile("push %6\ncall *(%%esp)\nadd $4, %%esp" : "+a"(a), "+c"(c), "+d"(d), "+b"(b), "+S"(si), "+D"(di) : "m"(target) : "memory", "cc");
  return c == 2 && b == 4 && si == 5 && di == 6 && (!all || (a == eax && d == 3));
}
static u64 now(void) { return pv.time.counter(REAL); }
static void set_alarm(u32 flags, u64 expiry, u64 period) { ROM_CALL(void, SetAlarm, u32, u64, u64)(flags, expiry, period); }
static unsigned wait(unsigned count, u32 part) {
  for (u64 until = now() + divide(pv.time.frequency(), part); alarms < count && now() < until;) {
    pv.irq.enable();
    pause();
    pv.irq.disable();
  }
  unsigned seen = alarms;
  alarms = 0;
  return seen;
}

static void the_rom(void) {
  const u8 *bytes = (const u8 *)rom;
  u8 sum = 0;
  for (unsigned n = 0; n < rom->blocks * 512u; n++) sum += bytes[n];
  expect("the ROM's bytes sum up to 0", sum, 0);
  expect("its BIOS entry returns", rom->bios_init[0], 0xcb);
  expect("its PCI structure", *(const u32 *)(bytes + rom->pci), 0x52494350);
  expect("vendor and device", *(const u32 *)(bytes + rom->pci + 4), 0x080115ad);
  expect("its Plug and Play header", *(const u32 *)(bytes + rom->pnp), 0x506e5024);
  u32 before = *(volatile u32 *)(bytes + 0x100);
  *(volatile u32 *)(bytes + 0x100) = ~before;
  expect("a store to it is dropped", *(volatile u32 *)(bytes + 0x100), before);
  expect("a number that is no call is native", relocation(50).type, STAYS);
  expect("and so is a wild one", relocation(0xfffffff0).type, STAYS);
  bool same = true;
  for (u32 call = 0; call < CALLS; call++)
    if (targets[call]) same = same && relocation(call).target == targets[call];
  expect_true("asked again, it answers the same", same);
  expect_trap("VMCALL outside of the ROM", attempt(vmcall, 0), UD, 0);
}

static void flag_calls(void) {
  if (targets[EnableInterrupts]) expect_true("EnableInterrupts keeps every register", kept(targets[EnableInterrupts], 1, true));
  if (targets[DisableInterrupts]) expect_true("DisableInterrupts keeps every register", kept(targets[DisableInterrupts], 1, true));
  if (targets[GetInterruptMask]) expect_true("GetInterruptMask keeps all but EAX and EDX", kept(targets[GetInterruptMask], 1, false));
  if (targets[SetInterruptMask]) {
    expect_true("SetInterruptMask keeps all but EAX and EDX", kept(targets[SetInterruptMask], FLAG_IF, false));
    ROM_CALL(void, SetInterruptMask, u32)(~FLAG_IF);
    expect("and looks at one bit", pv.irq.save() & FLAG_IF, 0);
  }
  pv.irq.disable();
}

static void alarms_by_wire(void) {
  u32 tick = divide(pv.time.frequency(), 1000);
  handlers[TIMER_VECTOR] = on_alarm;
  handlers[PIC_VECTOR] = on_irq0;
  handlers[SPARE_VECTOR] = on_alarm;
  pv.time.cancel_alarm();
  out8(0x21, 0xfe);
  wait(0, 1000);
  by_irq0 = 0;
  set_alarm(REAL, now() + tick, 0);
  expect("once by IRQ 0", wait(1, 1), 1);
  expect("through the 8259", by_irq0, 1);
  set_alarm(REAL, 5, 0);
  expect("an expiry that is past, by IRQ 0", wait(1, 1), 1);
  set_alarm(REAL | ALARM_PERIODIC, now() + tick, tick);
  expect("periodic by IRQ 0", wait(3, 1), 3);
  ROM_CALL(void, CancelAlarm, u32)(0);
  wait(1, 2000);
  out8(0x21, 0xff);
  // On the entry of the local timer: armed before it is written, as on Linux's secondary processors.
  apic_write(0xf0, 0x1ff);
  apic_write(LVT_TIMER, MASKED);
  set_alarm(ALARM_LVTT | ALARM_PERIODIC, now() + tick, tick);
  expect("a masked entry gives nothing", wait(1, 300), 0);
  apic_write(LVT_TIMER, TIMER_VECTOR);
  expect("unmasked it gives the period's alarms", wait(3, 1), 3);
  expect("with its vector", last_vector, TIMER_VECTOR);
  apic_write(LVT_TIMER, SPARE_VECTOR);
  wait(2, 1);
  expect("the one that it has at expiry", last_vector, SPARE_VECTOR);
  ROM_CALL(void, CancelAlarm, u32)(ALARM_LVTT);
  wait(1, 2000);
  apic_write(LVT_TIMER, TIMER_VECTOR);
  set_alarm(ALARM_LVTT | AVAILABLE, pv.time.counter(AVAILABLE) + tick, 0);
  expect("by available time", wait(1, 1), 1);
  pv.time.setup();
}

void test_vmi(void) {
  if (!rom) return;
  begin_group("vmi");
  the_rom();
  if (targets[GetCR3]) expect_trap("a call from user code", attempt_user(call_rom, targets[GetCR3]), UD, 0);
  flag_calls();
  if (targets[MachineToPhysical]) expect("MachineToPhysical", ROM_CALL(u32, MachineToPhysical, u32)(0x1234), 0x1234);
  if (targets[PhysicalToMachine]) expect("PhysicalToMachine", ROM_CALL(u32, PhysicalToMachine, u32)(0x1234), 0x1234);
  if (targets[WallclockUpdated]) expect("WallclockUpdated: nobody sets it", ROM_CALL(u32, WallclockUpdated, void)(), 0);
  if (targets[SetLazyMode]) {
    ROM_CALL(void, SetLazyMode, u32)(2);
    pv.cpu.load_kernel_stack(STACK_TOP(0, 1));
    ROM_CALL(void, SetLazyMode, u32)(0);
  }
  if (targets[AllocatePage]) {
    static u32 from[1024] PAGED, to[1024] PAGED;
    for (unsigned n = 0; n < 1024; n++) from[n] = n;
    ROM_CALL(void, AllocatePage, u32, u32, u32, u32, u32)((u32)to >> 12, WIDE_ENTRIES ? 0x72 : 0x62, (u32)from >> 12, 256, 256);
    unsigned low = 256 * sizeof(pte) / 4, high = 512 * sizeof(pte) / 4;
    expect_true("AllocatePage clones what it is asked for", to[low - 1] == 0 && to[low] == low && to[high - 1] == high - 1 && (WIDE_ENTRIES || to[high] == 0));
  }
  if (pv.time.setup != native_ops.time.setup && !has_option("nolapic")) alarms_by_wire();
}
