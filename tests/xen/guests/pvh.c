// What a PVH guest is given, and what it may do: its start, CPUID, MSRs, calls, memory, traps of its own.
#include "kit.h"

#define CODE(name, text) word name(word); asm(".text\n" #name ":\n" text "\nret")
#if LONG
#define ARGUMENT "mov %rdi, %rax\n"
#else
#define ARGUMENT "mov 4(%esp), %eax\n"
#endif

extern u32 entry_state[6];

struct memory_range { u64 base, size; u32 type, reserved; };

static int checksum(const u8 *bytes, u32 length) {
  u8 sum = 0;
  for (u32 n = 0; n < length; n++) sum += bytes[n];
  return sum;
}

static void the_start(void) {
  u32 *info = (u32 *)start_info;
  expect("flags at the entry", entry_state[0], 2);
  expect("CR0 at the entry", entry_state[1], 0x11);
  expect("CR4 at the entry", entry_state[2], 0);
  expect("start info's magic", info[0], 0x336ec578);
  expect("its version", info[1], 1);
  expect("no modules", info[3], 0);
  u32 count = info[12];
  struct memory_range *map = (struct memory_range *)(word)*(u64 *)(start_info + 40);
  u64 ram = 0;
  int ordered = 1;
  for (u32 n = 0; n < count; n++) {
    if (map[n].type == 1) ram += map[n].size;
    if (n && map[n].base < map[n - 1].base + map[n - 1].size) ordered = 0;
  }
  expect("memory in order", ordered, 1);
  expect("some of it is RAM", ram > 30 << 20 && ram <= 32 << 20, 1);
  u8 *root = (u8 *)(word)*(u64 *)(start_info + 32);
  expect("ACPI's root pointer", *(u64 *)root == 0x2052545020445352ull, 1);
  expect("adds up", checksum(root, 20) + checksum(root, 36), 0);
}

CODE(read_msr, "mov " FIELD("%edi", "4(%esp)") ", %ecx\nrdmsr");
u32 msr_value;
CODE(write_msr, "mov " FIELD("%edi", "4(%esp)") ", %ecx\nmov msr_value, %eax\nxor %edx, %edx\nwrmsr");
CODE(call_intel, "mov $17, %eax\nxor " FIELD("%edi, %edi", "%ebx, %ebx") "\nvmcall");
CODE(do_cpuid, "push " FIELD("%rbx", "%ebx") "\nmov $0x40000000, %eax\nxor %ecx, %ecx\ncpuid\nmov %ebx, %eax\npop " FIELD("%rbx", "%ebx"));
#if LONG
CODE(call_high, "mov $0x100000011, %rax\nxor %edi, %edi\nvmcall");
CODE(call_compat, "push %rbx\nmov %rsp, %r15\nlea 1f, %rax\npush $0x30\npush %rax\nlretq\n.code32\n1: mov $17, %eax\nxor %ebx, %ebx\nvmcall\nljmp $8, $1f\n.code64\n1: mov %r15, %rsp\npop %rbx");
CODE(call_compat_unknown, "push %rbx\nmov %rsp, %r15\nlea 1f, %rax\npush $0x30\npush %rax\nlretq\n.code32\n1: mov $63, %eax\nvmcall\nljmp $8, $1f\n.code64\n1: mov %r15, %rsp\npop %rbx");
#endif

static void identification(void) {
  u32 found[4];
  cpuid(xen_leaves, 0, found);
  expect("enough leaves", found[0] - xen_leaves >= 4, 1);
  cpuid(xen_leaves + 1, 0, found);
  expect("the version", found[0], 4 << 16 | 17);
  cpuid(xen_leaves + 2, 0, found);
  expect("one page of calls", found[0], 1);
  cpuid(1, 0, found);
  expect("a hypervisor is there", found[2] >> 31, 1);
  expect("a local APIC too", found[3] >> 9 & 1, 1);
  expect_fault("an MSR that there is not", attempt(read_msr, 0xdead), GP, 0);
  expect_fault("a write to it", attempt(write_msr, 0xdead), GP, 0);
  expect_fault("CPUID of the user", attempt_user(do_cpuid, 0), RETURNED, 0);
  expect_fault("whether CPUID can fault", attempt(read_msr, 0xce), RETURNED, 0);
  expect("it can", attempt(read_msr, 0xce).value & 0x80000000, 0x80000000);
  expect("it does not", attempt(read_msr, 0x140).value & 1, 0);
  msr_value = 1;
  expect_fault("it is told to", attempt(write_msr, 0x140), RETURNED, 0);
  expect("it remembers", attempt(read_msr, 0x140).value & 1, 1);
  expect_fault("CPUID of the kernel", attempt(do_cpuid, 0), RETURNED, 0);
  expect_fault("CPUID of the user is a fault", attempt_user(do_cpuid, 0), GP, 0);
  msr_value = 0;
  attempt(write_msr, 0x140);
  expect_fault("and none again", attempt_user(do_cpuid, 0), RETURNED, 0);
  msr_value = 2;
  expect_fault("a bit of it that there is not", attempt(write_msr, 0x140), GP, 0);
  expect_fault("a write to PLATFORM_INFO", attempt(write_msr, 0xce), GP, 0);
  msr_value = 0x123;
  expect_fault("a page of calls that is no page", attempt(write_msr, 0x40000000), GP, 0);
  msr_value = 0xfffff000;
  expect_fault("a page of calls in no RAM", attempt(write_msr, 0x40000000), GP, 0);
}

static void the_calls(void) {
  static u8 text[1024];
  expect("version", call2(xen_version, 0, 0), 4 << 16 | 17);
  expect("capabilities", call2(xen_version, 3, text), 0);
  expect("a question that there is not", call2(xen_version, 77, text), -ENOSYS);
  expect("VMCALL of the kernel", attempt(call_intel, 0).value, 4 << 16 | 17);
  expect("VMCALL of the user", attempt_user(call_intel, 0).value, -EPERM);
#if LONG
  expect("a number's upper half counts", attempt(call_high, 0).value, -ENOSYS);
  expect("from 32-bit code", attempt(call_compat, 0).value, 4 << 16 | 17);
  expect("whose answers have 32 bits", attempt(call_compat_unknown, 0).value, (u32)-ENOSYS);
#endif
  static const struct { const char *name; int number; } ABSENT[] = {{"set_trap_table", 0}, {"mmu_update", 1}, {"set_gdt", 2}, {"stack_switch", 3}, {"set_callbacks", 4}, {"fpu_taskswitch", 5}, {"sched_op_compat", 6}, {"set_debugreg", 8}, {"get_debugreg", 9}, {"update_descriptor", 10}, {"update_va_mapping", 14}, {"set_segment_base", 25}, {"nmi_op", 28}, {"callback_op", 30}, {"tmem_op", 38}, {"a number beyond all", 63}};
  for (unsigned n = 0; n < sizeof ABSENT / sizeof *ABSENT; n++) expect(ABSENT[n].name, call3(ABSENT[n].number, 0, 0, 0), -ENOSYS);
  expect("console_io", call3(console_io, 0, 1, "x"), -EPERM);
  static const u32 version = 0x15;
  expect("domctl", call1(36, &version), -EPERM);
  expect("a parameter that is not the guest's to set", set_parameter(17, 1), -EPERM);
  expect("a parameter beyond all", set_parameter(1000, 1), -EINVAL);
  struct { word op, result, args[6]; } list[3] = {{xen_version, 9, {0}}, {63, 9, {0}}, {multicall, 9, {0}}};
  expect("several calls at once", call2(multicall, list, 3), 0);
  expect("  the first", list[0].result, 4 << 16 | 17);
  expect("  the second", list[1].result, -ENOSYS);
  expect("  one within", list[2].result, -EINVAL);
#if LONG
  expect("an answer to where nothing is mapped", call2(xen_version, 3, -4096), -EFAULT);
#endif
  expect("an answer to where nothing is", call2(xen_version, 3, 0xe0000000), -EFAULT);
  expect("a question there", call2(memory_op, 3, 0xe0000000), -EFAULT);
  u32 physdev = 0;
  expect("PHYSDEVOP_set_iopl", call2(physdev_op, 6, &physdev), -ENOSYS);
}

CODE(do_ud2, "ud2");
CODE(do_cli, "cli");
CODE(int_21, "int $0x21");
CODE(int_03, "int3");
CODE(div_zero, "xor %ecx, %ecx\nmov $1, %eax\nxor %edx, %edx\ndiv %ecx");
CODE(do_in, "in $0x80, %al");
CODE(load_ds, ARGUMENT "mov %eax, %ds");

static void traps(void) {
  expect_fault("#DE", attempt(div_zero, 0), DE, 0);
  expect_fault("#UD", attempt(do_ud2, 0), UD, 0);
  expect_fault("#UD of the user", attempt_user(do_ud2, 0), UD, 0);
  expect("CS of the user", attempt_user(do_ud2, 0).cs, FLAT_USER_CS);
  expect("SS of the user", attempt_user(do_ud2, 0).ss, FLAT_USER_SS);
  expect("CS of the kernel", attempt(do_ud2, 0).cs, SHOWN_CS);
  expect_fault("INT3 of the user", attempt_user(int_03, 0), BP, 0);
  expect_fault("INT n without a gate", attempt(int_21, 0), FIELD(GP, GP), 0x21 * 8 + 2);
  expect_fault("INT n without a gate, user", attempt_user(int_21, 0), GP, 0x21 * 8 + 2);
  expect_fault("CLI of the user", attempt_user(do_cli, 0), GP, 0);
  expect_fault("IN of the user", attempt_user(do_in, 0), GP, 0);
  expect("IN of the kernel finds nothing", attempt(do_in, 0).value & 0xff, 0xff);
  expect_fault("a selector beyond the table", attempt(load_ds, 0x100), GP, 0x100);
}

static u8 spare[4096] PAGED, second[4096] PAGED;

static void memory(void) {
  word frame = (word)spare >> 12;
  struct { word list; word count; u32 order, flags; u16 domain; } reservation = {(word)&frame, 1, 0, 0, DOMID_SELF};
  u16 self = DOMID_SELF, other = 9;
  long had = call2(memory_op, 3, &self);
  expect("pages that it has", had > 8000 && had <= 8192, 1);
  expect("somebody else's", call2(memory_op, 3, &other), -ESRCH);
  expect("one is given up", call2(memory_op, 1, &reservation), 1);
  expect("so there is one less", call2(memory_op, 3, &self), had - 1);
  expect("one is taken back", call2(memory_op, 6, &reservation), 1);
  expect("and it is there", call2(memory_op, 3, &self), had);
  *(volatile u32 *)spare = 0x1234;
  expect("to be used", *(volatile u32 *)spare, 0x1234);
  expect("machphys_mapping", call2(memory_op, 12, spare), -ENOSYS);
  struct { u32 count; word buffer; } map = {16, (word)second};
  expect("the memory map", call2(memory_op, 9, &map), 0);
  expect("has entries", map.count > 1, 1);
  expect("shared_info at another place", place(0, 0, (word)second >> 12), 0);
  expect("is the same", second[1], shared_info[1]);
  expect("and back", place(0, 0, (word)shared_info >> 12), 0);
  expect("a space that there is not", place(17, 0, frame), -EINVAL);
  expect("shared_info has one page", place(0, 1, frame), -EINVAL);
}

void test_main(void) {
  the_start();
  identification();
  the_calls();
  traps();
  memory();
}
