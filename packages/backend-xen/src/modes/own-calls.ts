/** Calls without a counterpart on the bare machine: they ask for no operation of the contract. */

/** Names of calls, and of families of commands. */
const OWN: readonly string[] = [
  "set_callbacks",
  "callback_op",
  "nmi_op",
  "vm_assist",
  "xen_version",
  "console_io",
  "memory_op",
  "grant_table_op",
  "sched_op_compat",
  "event_channel_op_compat",
  "physdev_op_compat",
  "sched_op.remote_shutdown",
  "sched_op.shutdown_code",
  "sched_op.watchdog",
  "sched_op.pin_override",
  "vcpu_op.is_up",
  "vcpu_op.get_runstate_info",
  "vcpu_op.get_physid",
  "vcpu_op.register_runstate_memory_area",
  "vcpu_op.register_vcpu_info",
  "vcpu_op.register_vcpu_time_memory_area",
  "update_va_mapping_otherdomain",
  "mmu_update.MMU_MACHPHYS_UPDATE",
  "mmuext_op.FLUSH_CACHE",
  "mmuext_op.FLUSH_CACHE_GLOBAL",
  "mmuext_op.CLEAR_PAGE",
  "mmuext_op.COPY_PAGE",
  "mmuext_op.MARK_SUPER",
  "mmuext_op.UNMARK_SUPER",
];

/** Families whose commands are all Xen's own but for these. hvm_op flushes nothing for a PV guest. */
const OWN_BUT: Readonly<Record<"pv" | "pvh", Readonly<Record<string, readonly string[]>>>> = {
  pv: { event_channel_op: ["send"], physdev_op: ["set_iopl", "set_iobitmap"], hvm_op: [] },
  pvh: { event_channel_op: ["send"], hvm_op: ["flush_tlbs"], multicall: [] },
};

/** True of a call that asks for no operation by itself: Xen's own, or one that only carries others. */
export function isOwnCall(kind: "pv" | "pvh", name: string, hasCommands: boolean): boolean {
  const [family, command] = name.split(".") as [string, string?];
  if (hasCommands || OWN.includes(name) || OWN.includes(family)) return true;
  const others = OWN_BUT[kind][family];
  return others !== undefined && !others.includes(command ?? "");
}
