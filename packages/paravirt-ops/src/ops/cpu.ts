/**
 * Operations on processor state: control and debug registers, descriptor tables, MSRs, ports, returns from the kernel.
 * Origins: pv_cpu_ops of Linux 2.6.32 and 6.1 (where two versions differ, the version is named).
 */
import type { AccessSize, Port } from "../units.js";
import { operation as op, type SlotsOf } from "./operation.js";

/** What CPUID answers. */
export interface CpuidResult {
  /** EAX, unsigned. */
  readonly eax: number;
  /** EBX, unsigned. */
  readonly ebx: number;
  /** ECX, unsigned. */
  readonly ecx: number;
  /** EDX, unsigned. */
  readonly edx: number;
}

/** The operand of LGDT and LIDT. */
export interface TableOperand {
  /** Linear address. */
  readonly base: bigint;
  /** Last valid offset. */
  readonly limit: number;
}

/** Operations on processor state. Descriptors are the 8 bytes of memory; selectors are 16 bits; table entries count from 0. */
export const cpuOperations = {
  readCr0: op<[], bigint>("cpu.read_cr0", "The result is CR0 as this guest may see it."),
  writeCr0: op<[value: bigint]>("cpu.write_cr0", "CR0 has the bits of `value` that this guest may change."),
  clts: op("cpu.clts (2.6.32)", "CR0.TS is clear, so FPU instructions run."),
  readCr4: op<[], bigint>("cpu.read_cr4, read_cr4_safe (2.6.32)", "The result is CR4 as this guest may see it."),
  writeCr4: op<[value: bigint]>("cpu.write_cr4", "CR4 has the bits of `value` that this guest may change."),
  readCr8: op<[], bigint>("cpu.read_cr8 (2.6.32, 64 bit)", "The result is the task priority, 0 to 15."),
  writeCr8: op<[value: bigint]>("cpu.write_cr8 (2.6.32, 64 bit)", "No interrupt of priority `value` or below is delivered."),
  getDebugreg: op<[index: number], bigint>("cpu.get_debugreg", "The result is debug register `index`, 0 to 7."),
  setDebugreg: op<[index: number, value: bigint]>("cpu.set_debugreg", "Debug register `index` holds `value` and is in force."),
  loadGdt: op<[table: TableOperand]>("cpu.load_gdt", "Segment loads read the global table at `table`."),
  storeGdt: op<[], TableOperand>("cpu.store_gdt (2.6.32)", "The result is what the guest last loaded as its global table."),
  loadIdt: op<[table: TableOperand]>("cpu.load_idt", "Exceptions and interrupts enter through the table at `table`."),
  storeIdt: op<[], TableOperand>("cpu.store_idt (2.6.32)", "The result is what the guest last loaded as its interrupt table."),
  setLdt: op<[selector: number]>("cpu.set_ldt", "Segment loads read the local table that `selector` describes; 0 means none."),
  storeLdt: op<[], number>("SLDT; VMI GetLDT", "The result is the selector of the local table."),
  loadTr: op<[selector: number]>("cpu.load_tr_desc", "The task register holds `selector`, and its descriptor is busy."),
  storeTr: op<[], number>("cpu.store_tr", "The result is the selector in the task register."),
  loadTls: op<[entries: readonly bigint[]]>("cpu.load_tls", "The thread-local slots of the global table hold the three `entries`."),
  loadGsIndex: op<[selector: number]>("cpu.load_gs_index (64 bit)", "The GS base that user space will see belongs to `selector`."),
  writeGdtEntry: op<[table: bigint, entry: number, descriptor: bigint]>(
    "cpu.write_gdt_entry",
    "Entry `entry` of the table at linear address `table` holds `descriptor`.",
  ),
  writeLdtEntry: op<[table: bigint, entry: number, descriptor: bigint]>(
    "cpu.write_ldt_entry",
    "Entry `entry` of the local table at linear address `table` holds `descriptor`.",
  ),
  writeIdtEntry: op<[table: bigint, entry: number, gate: readonly bigint[]]>(
    "cpu.write_idt_entry",
    "Gate `entry` of the table at linear address `table` holds `gate`, one or two 8-byte parts.",
  ),
  allocLdt: op<[base: bigint, entries: number]>("cpu.alloc_ldt", "The memory at linear address `base` may be used as a local table."),
  freeLdt: op<[base: bigint, entries: number]>("cpu.free_ldt", "The memory at linear address `base` is ordinary memory again."),
  loadSp0: op<[stackSelector: number, stackPointer: bigint]>("cpu.load_sp0", "Entries from user space start at `stackPointer`."),
  setIoplMask: op<[iopl: number]>("cpu.set_iopl_mask (2.6.32)", "Code whose privilege is at most `iopl` (0 to 3) may use ports."),
  updateIoBitmap: op<[bitmap: bigint, ports: number]>(
    "cpu.update_io_bitmap, invalidate_io_bitmap (6.1)",
    "The `ports` first ports obey the bitmap at linear address `bitmap`; 0 ports mean none is open.",
  ),
  ioDelay: op("cpu.io_delay", "An ISA device has had time to see the last port access."),
  readPort: op<[port: Port, size: AccessSize], number>("IN; io_delay's neighbour", "The result is what the port bus answers."),
  writePort: op<[port: Port, size: AccessSize, value: number]>("OUT; io_delay's neighbour", "The port bus has seen the write."),
  wbinvd: op("cpu.wbinvd", "Memory holds everything that this vCPU wrote."),
  cpuid: op<[leaf: number, subleaf: number], CpuidResult>("cpu.cpuid", "The result describes the processor that this guest may use."),
  readMsr: op<[index: number], bigint>("cpu.read_msr, read_msr_safe, rdmsr_regs", "The result is the register's value."),
  writeMsr: op<[index: number, value: bigint]>(
    "cpu.write_msr, write_msr_safe, wrmsr_regs",
    "The register holds `value`, and its effect is in force.",
  ),
  writeXcr0: op<[value: bigint]>("XSETBV; write_cr4's neighbour", "XSAVE and the FPU use the state components in `value`."),
  readPmc: op<[counter: number], bigint>("cpu.read_pmc", "The result is a performance counter's value."),
  swapgs: op("cpu.swapgs (2.6.32, 64 bit)", "The kernel's and the user's GS base have changed places."),
  iret: op("cpu.iret (2.6.32)", "Execution goes on as the frame on the stack says, with its privilege, flags and stack."),
  sysret: op<[bits: 32 | 64]>(
    "cpu.usergs_sysret64, usergs_sysret32 (2.6.32, 64 bit)",
    "User space goes on after its SYSCALL, interrupts as its flags say.",
  ),
  sysexit: op("cpu.irq_enable_sysexit (2.6.32)", "Interrupts are enabled and user space goes on after its SYSENTER, as one step."),
} as const;

/** A backend's answers to the cpu group. */
export type CpuOps = SlotsOf<typeof cpuOperations>;
