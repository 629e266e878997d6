/** What Xen remembers about one vCPU of a PV guest beyond the processor's own registers. */
import type { PrivilegeLevel, Vcpu, VcpuRegisters } from "@paravane/paravirt-ops";
import type { GuestBits } from "../abi/struct.js";
import type { VcpuInfo } from "../domain/shared-info.js";
import type { AddressSpace } from "./address-space.js";
import type { DescriptorTables } from "./descriptor-tables.js";

const MSR_GS_BASE = 0xc000_0101;
const MSR_KERNEL_GS_BASE = 0xc000_0102;

/** One line of the trap table. */
export interface Trap {
  readonly selector: number;
  readonly address: bigint;
  /** Least privileged level that may raise it by INT n. */
  readonly level: number;
  /** It is entered with events masked. */
  readonly masksEvents: boolean;
}

/** An entry into the guest's kernel that is no trap. */
export interface Callback {
  readonly selector: number;
  readonly address: bigint;
  readonly masksEvents: boolean;
}

/** Entries by purpose. */
export interface Callbacks {
  event?: Callback;
  failsafe?: Callback;
  syscall?: Callback;
  syscall32?: Callback;
  sysenter?: Callback;
}

/** Time in each state, in ns: public/vcpu.h RUNSTATE_*. */
export const runStates = { running: 0, runnable: 1, blocked: 2, offline: 3 } as const;

/** A vCPU of a PV guest. */
export class VirtualCpu {
  /** The kernel runs; else user code. 32-bit guests tell by the processor's level. */
  #kernelMode = true;
  readonly id: number;
  readonly registers: VcpuRegisters;
  /** Live: its general registers, and the same in halves, low one first. */
  readonly general: BigUint64Array;
  readonly halves: Uint32Array;
  readonly traps = new Map<number, Trap>();
  readonly callbacks: Callbacks = {};
  /** Stack for entries from user code. */
  kernelStack = { selector: 0, pointer: 0n };
  /** Virtual I/O privilege. */
  iopl = 0;
  /** Linear address and number of ports of the I/O bitmap. */
  ioBitmap = { address: 0n, ports: 0 };
  /** CR0.TS as the guest set it. */
  taskSwitched = false;
  /** Bits of DR6 that an emulated instruction brought about. */
  debugHits = 0n;
  /** The bits of CR4 that the guest has. */
  cr4 = 0n;
  /** CPUID of user code is #GP: MSR_MISC_FEATURES_ENABLES, bit 0. */
  cpuidFaults = false;
  /** It runs, or would if it had something to do. */
  online: boolean;
  initialised: boolean;
  /** It sleeps until an event, a port or a time. */
  blocked = false;
  /** Ports that it waits for in SCHEDOP_poll. */
  pollPorts: readonly number[] | undefined;
  /** An NMI is to be taken. */
  nmiPending = false;
  /** One is being handled. */
  nmiMasked = false;

  constructor(
    readonly core: Vcpu,
    readonly bits: GuestBits,
    readonly info: VcpuInfo,
    /** What only a PV guest has of the hypervisor. */
    private readonly lent: { readonly tables: DescriptorTables; readonly space: AddressSpace } | undefined,
  ) {
    this.id = core.id;
    this.registers = core.registers;
    this.general = core.registers.general;
    this.halves = new Uint32Array(this.general.buffer, this.general.byteOffset, 2 * this.general.length);
    this.online = this.initialised = core.id === 0;
  }

  /** Descriptor tables of a PV guest; no call of another guest comes to them. */
  get tables(): DescriptorTables {
    return this.lent!.tables;
  }

  /** Roots of a PV guest; no call of another guest comes to them. */
  get space(): AddressSpace {
    return this.lent!.space;
  }

  /** The guest's kernel was running. Ring 2 of a 32-bit guest is user code. */
  get inKernel(): boolean {
    return this.bits === 64 ? this.#kernelMode : this.level < 2;
  }

  /** The processor's own level, by which paging goes: 64-bit kernels share the user's. */
  get level(): PrivilegeLevel {
    return this.bits === 32 ? ((this.registers.selector("cs") & 3) as PrivilegeLevel) : 3;
  }

  /** 64 bit: notes the change; address space and GS base are the caller's affair. */
  set kernelMode(kernel: boolean) {
    this.#kernelMode = kernel;
  }

  /** Base of GS that is not active: the user's while the kernel runs. */
  get otherGsBase(): bigint {
    return this.registers.msr(MSR_KERNEL_GS_BASE) ?? 0n;
  }

  /** False for an address that is not canonical. */
  setOtherGsBase(base: bigint): boolean {
    return this.registers.setMsr(MSR_KERNEL_GS_BASE, base);
  }

  /** The kernel's and the user's GS base change places. */
  swapGs(): void {
    const { registers } = this;
    const active = registers.msr(MSR_GS_BASE) ?? 0n;
    registers.setMsr(MSR_GS_BASE, this.otherGsBase);
    registers.setMsr(MSR_KERNEL_GS_BASE, active);
  }
}
