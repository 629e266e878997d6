/** Numbers of the hypercalls: public/xen.h, `__HYPERVISOR_…`. 11 and 43 to 47 are holes that stay holes. */
import type { GuestBits } from "./struct.js";

/** Name to number. */
export const hypercalls = {
  set_trap_table: 0,
  mmu_update: 1,
  set_gdt: 2,
  stack_switch: 3,
  set_callbacks: 4,
  fpu_taskswitch: 5,
  sched_op_compat: 6,
  platform_op: 7,
  set_debugreg: 8,
  get_debugreg: 9,
  update_descriptor: 10,
  memory_op: 12,
  multicall: 13,
  update_va_mapping: 14,
  set_timer_op: 15,
  event_channel_op_compat: 16,
  xen_version: 17,
  console_io: 18,
  physdev_op_compat: 19,
  grant_table_op: 20,
  vm_assist: 21,
  update_va_mapping_otherdomain: 22,
  iret: 23,
  vcpu_op: 24,
  set_segment_base: 25,
  mmuext_op: 26,
  xsm_op: 27,
  nmi_op: 28,
  sched_op: 29,
  callback_op: 30,
  xenoprof_op: 31,
  event_channel_op: 32,
  physdev_op: 33,
  hvm_op: 34,
  sysctl: 35,
  domctl: 36,
  kexec_op: 37,
  tmem_op: 38,
  argo_op: 39,
  xenpmu_op: 40,
  dm_op: 41,
  hypfs_op: 42,
  mca: 48,
} as const;

/** A hypercall by name. */
export type HypercallName = keyof typeof hypercalls;

const NAMES = new Map<number, HypercallName>(Object.entries(hypercalls).map(([name, number]) => [number, name as HypercallName]));

/** The name of a number, or undefined for one that no Xen has given away. */
export function hypercallName(number: number): HypercallName | undefined {
  return NAMES.get(number);
}

/** Registers with the arguments, in order; the number and the result are in RAX. */
export const ARGUMENT_REGISTERS = {
  64: ["rdi", "rsi", "rdx", "r10", "r8", "r9"],
  32: ["rbx", "rcx", "rdx", "rsi", "rdi", "rbp"],
} as const satisfies Record<GuestBits, readonly string[]>;

/** The vector by which a 32-bit guest calls. */
export const HYPERCALL_VECTOR = 0x82;
