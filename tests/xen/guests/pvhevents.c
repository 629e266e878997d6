// How a PVH guest is told of events: by a vector that needs no local APIC, or by one that does; what wakes it; and who talks to it: xenstore.
#include "kit.h"

static volatile int upcalls;
static int ends_by_apic;
static volatile u32 *const APIC = (volatile u32 *)0xfee00000;

/** Takes note of an upcall and ends it. */
static int on_upcall(struct frame *frame) {
  if (frame->vector != EVENT) return 0;
  upcalls++;
  *(volatile u8 *)shared_info = 0;
  if (ends_by_apic) APIC[0xb0 / 4] = 0;
  return 1;
}

static word *pending(void) { return (word *)(shared_info + 0x800); }
static word *masks(void) { return (word *)(shared_info + FIELD(0xa00, 0x880)); }

static int take(u32 port) {
  word bit = (word)1 << (port % (sizeof(word) * 8));
  word *at = pending() + port / (sizeof(word) * 8);
  int was = (*at & bit) != 0;
  *at &= ~bit;
  *(word *)(shared_info + FIELD(8, 4)) = 0;
  return was;
}

static void mask(u32 port) { masks()[port / (sizeof(word) * 8)] |= (word)1 << (port % (sizeof(word) * 8)); }
static long unmask(u32 port) { return call2(event_channel_op, 9, &port); }
static long send(u32 port) { return call2(event_channel_op, 4, &port); }

static void interrupts(int on) {
  if (on) asm volatile("sti\nnop\nnop\ncli" : : : "memory");
}

static u32 ipi;

static void by_vector(void) {
  struct { u32 vcpu, port; } bound = {0, 0};
  expect("a port for oneself", call2(event_channel_op, 7, &bound), 0);
  ipi = bound.port;
  expect("unmasked", unmask(ipi), 0);
  expect("a callback by a vector", set_parameter(0, (u64)2 << 56 | UPCALL), 0);
  expect("is remembered", parameter(0) & 0xff, UPCALL);
  interrupts(1);
  take(ipi);
  upcalls = 0;
  expect("sent", send(ipi), 0);
  expect("it is pending", *(volatile u8 *)shared_info, 1);
  expect("and waits for the flag", upcalls, 0);
  interrupts(1);
  expect("and comes", upcalls, 1);
  expect("for this port", take(ipi), 1);
  interrupts(1);
  expect("once", upcalls, 1);
  mask(ipi);
  send(ipi);
  interrupts(1);
  expect("not when it is masked", upcalls, 1);
  expect("though it is pending", pending()[0] >> ipi & 1, 1);
  unmask(ipi);
  interrupts(1);
  expect("but when it no longer is", upcalls, 2);
  take(ipi);
  *(volatile u8 *)shared_info = 1;
  call2(sched_op, 0, 0);
  interrupts(1);
  expect("a flag that the guest sets itself is enough", upcalls, 3);
  struct { u32 virq, vcpu, port; } timer = {0, 0, 0};
  expect("a timer's port", call2(event_channel_op, 1, &timer), 0);
  unmask(timer.port);
  u64 now = *(u64 *)(shared_info + 0x20 + 16);
  struct { u64 deadline; u32 flags; } single = {now + 1000000, 0};
  upcalls = 0;
  expect("a timer", call3(vcpu_op, 8, 0, &single), 0);
  asm volatile("sti\nhlt\ncli" : : : "memory");
  expect("ends a HLT", upcalls, 1);
  expect("and was the timer's", take(timer.port), 1);
  single.deadline += 500000000;
  call3(vcpu_op, 8, 0, &single);
  struct { word ports; u32 count; u64 timeout; } __attribute__((aligned(8))) poll = {(word)&ipi, 1, single.deadline};
  send(ipi);
  expect("a poll for what is pending", call2(sched_op, 3, &poll), 0);
  expect("ends", take(ipi), 1);
  *(volatile u8 *)shared_info = 0;
  call3(vcpu_op, 9, 0, 0);
  call2(event_channel_op, 3, &timer.port);
}

static word spin(word unused) {
  for (int n = 0; n < 100; n++) asm volatile("pause");
  return unused;
}

static void from_user_code(void) {
  upcalls = 0;
  user_flags = 0x202;
  send(ipi);
  struct outcome end = attempt_user(spin, 0);
  user_flags = 2;
  expect("user code is interrupted", upcalls, 1);
  expect("and goes on", end.vector, RETURNED);
  take(ipi);
}

static void by_apic(void) {
  struct { u32 vcpu; u8 vector; } own = {0, UPCALL};
  APIC[0xf0 / 4] = 0x1ff;
  expect("a vector of the vCPU's own", call2(hvm_op, 23, &own), 0);
  ends_by_apic = 1;
  upcalls = 0;
  send(ipi);
  interrupts(1);
  expect("comes by the local APIC", upcalls, 1);
  interrupts(1);
  expect("once", upcalls, 1);
  take(ipi);
  own.vector = 8;
  expect("an exception's vector", call2(hvm_op, 23, &own), -EINVAL);
  own.vcpu = 99;
  own.vector = UPCALL;
  expect("another's", call2(hvm_op, 23, &own), -ENOENT);
}

static struct { u32 type, id, transaction, length; } header;
static u32 store_port;

static void wait(volatile u32 *one, u32 other) {
  for (int n = 0; n < 100000 && *one == other; n++) call2(sched_op, 0, 0);
}

static void put_bytes(u8 *ring, const void *bytes, u32 length) {
  volatile u32 *producer = (u32 *)(ring + 0x804);
  for (u32 n = 0; n < length; n++) ring[(*producer + n) & 1023] = ((const u8 *)bytes)[n];
  *producer = *producer + length;
}

static void take_bytes(u8 *ring, void *bytes, u32 length) {
  volatile u32 *consumer = (u32 *)(ring + 0x808);
  for (u32 n = 0; n < length; n++) {
    wait((u32 *)(ring + 0x80c), *consumer);
    ((u8 *)bytes)[n] = ring[0x400 + (*consumer & 1023)];
    *consumer = *consumer + 1;
  }
}

static void xenstore(void) {
  static u8 answer[256];
  u8 *ring = store_ring(&store_port);
  header.type = 2;
  header.id = 77;
  header.length = 6;
  put_bytes(ring, &header, 16);
  put_bytes(ring, "domid", 6);
  send(store_port);
  take_bytes(ring, &header, 16);
  expect("an answer of the same kind", header.type, 2);
  expect("to the same question", header.id, 77);
  expect("of a length", header.length > 0 && header.length < 8, 1);
  take_bytes(ring, answer, header.length);
  expect("domid is a number", answer[0] >= '0' && answer[0] <= '9', 1);
  struct { u16 dom, pad; u32 port, status, vcpu; u16 remote, pad2; u32 remote_port; } status = {DOMID_SELF, 0, store_port, 9, 9, 9, 0, 9};
  expect("the state of xenstore's port", call2(event_channel_op, 5, &status), 0);
  expect("is bound", status.status, 2);
}

void test_main(void) {
  trap_hook = on_upcall;
  by_vector();
  from_user_code();
  by_apic();
  xenstore();
}
