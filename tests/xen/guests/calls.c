// Calls that ask, wait and lend: versions, event channels, polls, grants, memory, vCPUs, and what only the machine's owner may.
#include "kit.h"

static u8 buffer[4096] PAGED, page[4096] PAGED, other[4096] PAGED, array[4096] PAGED;
static word frame_of(void *linear) { return machine_of(linear) >> 12; }
static int clean_text(int size) {
  int end = text_length((char *)buffer);
  if (end >= size) return 0;
  for (; end < size; end++)
    if (buffer[end]) return 0;
  return 1;
}
static void fill(void) {
  for (int n = 0; n < 4096; n++) buffer[n] = 0xaa;
}

static void versions(void) {
  static const struct { const char *name; int command, size; } TEXTS[] = {{"extraversion", 1, 16}, {"changeset", 4, 64}, {"capabilities", 3, 1024}, {"command line", 9, 1024}};
  expect("version", call2(xen_version, 0, 0), 4 << 16 | 17);
  for (int n = 0; n < 4; n++) {
    fill();
    expect(TEXTS[n].name, call2(xen_version, TEXTS[n].command, buffer), 0);
    expect("  ends and has nothing behind its end", clean_text(TEXTS[n].size), 1);
    expect("  and is no longer than it may be", buffer[TEXTS[n].size], 0xaa);
  }
  fill();
  expect("how it was built", call2(xen_version, 2, buffer), 0);
  expect("a build's number is a secret", call2(xen_version, 10, 0), -EPERM);
  expect("the size of a page", call2(xen_version, 7, 0), 4096);
  struct { u32 index, map; } features = {1, 0};
  expect("features beyond the first map", call2(xen_version, 6, &features), -EINVAL);
  expect("a question that there is not", call2(xen_version, 77, buffer), -ENOSYS);
  expect("an answer to nowhere", call2(xen_version, 1, M2P), -EFAULT);
  static const struct { const char *name; int number; u32 version; } OWNERS[] = {{"sysctl", 35, 0x15}, {"domctl", 36, 0x15}, {"platform_op", 7, 0x03000001}};
  for (unsigned n = 0; n < sizeof OWNERS / sizeof *OWNERS; n++) {
    *(u32 *)buffer = OWNERS[n].version;
    expect(OWNERS[n].name, call1(OWNERS[n].number, buffer), -EPERM);
    *(u32 *)buffer = OWNERS[n].version + 1;
    expect("  of another version", call1(OWNERS[n].number, buffer), -EACCES);
    expect("  from nowhere", call1(OWNERS[n].number, (void *)0x20000000), -EFAULT);
  }
  expect("tmem", call1(38, buffer), -ENOSYS);
  expect("a call that there is not", call0(63), -ENOSYS);
}

static void polls(void) {
  struct { word ports; u32 count; u64 timeout; } __attribute__((aligned(8))) poll;
  u32 port;
  poll.ports = (word)&port;
  poll.count = 1;
  poll.timeout = 1;
  int refused = 0;
  for (port = 32; port < (LONG ? 4096 : 1024); port += 7) refused += call2(sched_op, 3, &poll) != 0;
  expect("any port that there could be can be waited for", refused, 0);
  port = LONG ? 4096 : 1024;
  expect("one beyond them cannot", call2(sched_op, 3, &poll), -EINVAL);
  poll.count = 129;
  expect("too many", call2(sched_op, 3, &poll), -EINVAL);
}

struct bound { u16 dom, remote; u32 port; };

static void channels(void) {
  struct { u64 frame; u32 offset, vcpu; u8 bits, pad[7]; } control = {(u64)-2, 0, 0, 0, {0}};
  expect("a control block in no frame", call2(event_channel_op, 11, &control), -EINVAL);
  u64 array_frame = frame_of(array);
  long expanded = call2(event_channel_op, 12, &array_frame);
  expect("an array without control blocks", expanded == -ENOSYS || expanded == -95, 1);
  control.frame = frame_of(array);
  control.offset = 4092;
  expect("a control block beyond its page", call2(event_channel_op, 11, &control), -EINVAL);
  control.vcpu = 9;
  control.offset = 0;
  expect("of a vCPU that there is not", call2(event_channel_op, 11, &control), -ENOENT);
  struct bound unbound = {DOMID_SELF, 0, 0};
  expect("a port for another domain", call2(event_channel_op, 6, &unbound), 0);
  struct { u16 dom, pad; u32 port, status, vcpu; u16 remote, pad2; u32 remote_port; } status = {DOMID_SELF, 0, unbound.port, 9, 9, 9, 0, 9};
  expect("its state", call2(event_channel_op, 5, &status), 0);
  expect("is unbound", status.status, 1);
  expect("and for whom it is", status.remote, 0);
  status.port = 2;
  expect("the console's state", call2(event_channel_op, 5, &status), 0);
  expect("is bound", status.status, 2);
  struct { u32 virq, vcpu, port; } virq = {1, 0, 0};
  expect("a virtual interrupt", call2(event_channel_op, 1, &virq), 0);
  expect("but once", call2(event_channel_op, 1, &virq), -17);
  status.port = virq.port;
  call2(event_channel_op, 5, &status);
  expect("it is known as one", status.status, 4);
  u32 send[2] = {virq.port, 0};
  expect("it cannot be sent to", call2(event_channel_op, 4, send), -EINVAL);
  send[0] = 4000000;
  expect("nor a port beyond all", call2(event_channel_op, 4, send), -EINVAL);
  int made = 0;
  long error;
  while ((error = call2(event_channel_op, 6, &unbound)) == 0 && made < 5000) made++;
  expect("ports end", error, -28);
  expect("at the interface's limit", made < (LONG ? 4096 : 1024), 1);
  for (u32 port = 3; port < (LONG ? 4096 : 1024); port++) call2(event_channel_op, 3, &port);
}

struct grant { u16 flags, domid; u32 frame; };
static struct grant grants[512] PAGED;
struct map { u64 host; u32 flags, ref; u16 dom; short status; u32 handle; u64 bus; };
struct unmap { u64 host, bus; u32 handle; short status, pad; };

static struct map map_grant(void *linear, u32 flags, u32 ref) {
  struct map map = {(word)linear, flags, ref, 1, 77, 0, 0};
  call3(grant_table_op, 0, &map, 1);
  return map;
}
static int unmap_grant(u64 host, u64 bus, u32 handle) {
  struct unmap unmap = {host, bus, handle, 77, 0};
  call3(grant_table_op, 1, &unmap, 1);
  return unmap.status;
}

/** The second version's status frames are the hypervisor's to take back, but not while we look at them. */
static void status_frames(void) {
  u32 version = 2;
  expect("tables of the second version", call3(grant_table_op, 8, &version, 1), 0);
  word list[1];
  u64 frames[1] = {0};
  struct { u16 dom, pad; u32 count; short status, pad2; word list; } __attribute__((aligned(8))) setup = {DOMID_SELF, 0, 1, 77, 0, (word)list};
  call3(grant_table_op, 2, &setup, 1);
  struct { u32 count; u16 dom; short status; u64 list; } get = {1, DOMID_SELF, 77, (word)frames};
  expect("get_status_frames", call3(grant_table_op, 9, &get, 1), 0);
  expect("and its status", get.status, 0);
  expect("one can be mapped", map_entry(array, (frames[0] << 12) | P | AD, 2), 0);
  version = 1;
  expect("while it is, the version stays", call3(grant_table_op, 8, &version, 1), -EBUSY);
  map_entry(array, 0, 2);
  expect("then it goes back to the first", call3(grant_table_op, 8, &version, 1), 0);
  map_entry(array, entry_for(array, P | W | U | AD), 2);
}

static void lending(void) {
  u32 version = 1;
  expect("tables of the first version", call3(grant_table_op, 8, &version, 1), 0);
  word list[1];
  struct { u16 dom, pad; u32 count; short status, pad2; word list; } __attribute__((aligned(8))) setup = {DOMID_SELF, 0, 1, 77, 0, (word)list};
  expect("setup_table", call3(grant_table_op, 2, &setup, 1), 0);
  expect("and its status", setup.status, 0);
  expect("the table can be mapped", map_entry(grants, ((u64)list[0] << 12) | P | W | AD, 2), 0);
  expect("the console's page is lent to the owner", grants[0].flags & 3, 1);
  grants[8] = (struct grant){0, 1, frame_of(page)};
  grants[8].flags = 1;
  map_entry((void *)0x1000, 0, 2);
  struct map got = map_grant((void *)0x1000, 2 | 1, 8);
  expect("a page of one's own is borrowed, for the device too", got.status, 0);
  *(volatile u8 *)0x1000 = 0x5a;
  expect("it is the page", page[0], 0x5a);
  expect("it is given back", unmap_grant(0x1000, 0, got.handle), 0);
  expect("and by the device", unmap_grant(0, machine_of(page), got.handle), 0);
  expect("it is written to yet, so it is no table", extended(0, frame_of(page), 0), -EINVAL);
  map_entry(page, entry_for(page, P | AD), 2);
  got = map_grant((void *)0x1000, 2, 8);
  expect("a page that is read-only to us is borrowed to write", got.status, 0);
  expect("so it is no table", extended(0, frame_of(page), 0), -EINVAL);
  // A second loan, read-only, takes over the leaf of the first, and the first leaf is made anew by hand: that is not what was borrowed.
  grants[9] = (struct grant){0, 1, frame_of(other)};
  grants[9].flags = 1;
  map_entry((void *)0x2000, 0, 2);
  struct map second_loan = map_grant((void *)0x2000, 2 | 4, 9);
  expect("another page is borrowed to read", second_loan.status, 0);
  struct { u64 host, replacement; u32 handle; short status, pad; } swap = {0x2000, 0x1000, second_loan.handle, 77, 0};
  expect("unmap_and_replace", call3(grant_table_op, 7, &swap, 1), 0);
  expect("moves the first leaf to where the second was", swap.status, 0);
  *(volatile u8 *)0x2000 = 0x77;
  expect("it is the first page", page[0], 0x77);
  expect("a leaf by hand", map_entry((void *)0x1000, entry_for(page, P | AD), 2), 0);
  expect("is not what was borrowed", unmap_grant(0x1000, 0, got.handle) != 0, 1);
  expect("so it is no table yet", extended(0, frame_of(page), 0), -EINVAL);
  struct map entry = {(machine_of(table_at(1, 0x1000)) & ~4095ull) + 14, 2 | 0x10, 8, 1, 77, 0, 0};
  call3(grant_table_op, 0, &entry, 1);
  expect("an entry out of line is refused", entry.status != 0, 1);
  expect("a reference that is not lent", map_grant((void *)0x3000, 2, 10).status, -1);
  expect("a handle that there is not", unmap_grant(0x3000, 0, 999), -4);
  for (u32 address = 0; address < 0x100000; address += 0x10000) {
    struct { u64 bus; u16 offset, length; u32 operation; } flush = {address, 0, 4096, 3};
    call3(grant_table_op, 12, &flush, 1);
  }
  version = 2;
  long second = call3(grant_table_op, 8, &version, 1);
  expect("while pages are borrowed the version stays", second == -EBUSY || second == -ENOSYS, 1);
}

static void memory(void) {
  struct { word list, count; u32 order, flags; u16 dom; } reservation = {0, 1, 0, 0, DOMID_SELF};
  for (u32 flags = 0; flags < 0x10000; flags += 0x100) {
    reservation.flags = flags;
    call2(memory_op, 0, &reservation);
  }
  expect("what the domain has", (long)call2(memory_op, 3, &reservation.dom) > 0, 1);
  u16 nobody = 99;
  expect("what another has", call2(memory_op, 3, &nobody), -ESRCH);
  struct { u16 limit; word base; } __attribute__((packed)) idt;
  asm volatile("sidt %0" : "=m"(idt));
  word list[1] = {frame_of(other)};
  struct { word list, count; u32 order, flags; u16 dom; } in;
  struct { typeof(in) in, out; word done; } exchange = {
    {(word)list - idt.base, idt.base / sizeof(word) + 1, 0, 0, DOMID_SELF}, {0, idt.base / sizeof(word) + 1, 0, 32, DOMID_SELF}, idt.base / sizeof(word)};
  (void)in;
  expect("an exchange far behind its lists' start is refused", (long)call2(memory_op, 11, &exchange) < 0, 1);
  expect("the page is still ours", map_entry(other, entry_for(other, P | W | AD), 2), 0);
}

static void processors(void) {
  expect("the first vCPU is up", call3(vcpu_op, 3, 0, 0), 1);
  expect("one that there is not", call3(vcpu_op, 3, 8000, 0), -ENOENT);
  expect("is not made", call3(vcpu_op, 0, 8000, buffer), -ENOENT);
  u64 period = 999999;
  expect("a period that is too short", call3(vcpu_op, 6, 0, &period), -EINVAL);
  expect("a physical number", call3(vcpu_op, 12, 0, buffer), -EINVAL);
}

void test_main(void) {
  versions();
  polls();
  channels();
  status_frames();
  lending();
  memory();
  processors();
}
