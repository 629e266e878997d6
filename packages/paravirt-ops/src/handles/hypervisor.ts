/**
 * What a core lends to a backend beyond the bare machine: intercepts, delivery, hypervisor memory, protected frames, the pending-event
 * word, and sleep. Everything by vCPU number, so that the handle can stand on the far side of a worker.
 */
import type { FieldReference, GuestFault } from "../ops/operation.js";
import type { Mfn } from "../units.js";
import type { DeliveryHandler } from "./delivery.js";
import type { InterceptableInstruction, InterceptHandler, InterceptSet, PrivilegeLevel } from "./intercepts.js";
import type { SegmentName } from "./vcpu.js";

/** What kind of access a translation is for. `implicit` ones are supervisor accesses whatever the level (descriptor tables, frames). */
export interface LinearAccess {
  /** A store. */
  readonly write?: boolean;
  /** An instruction fetch. */
  readonly execute?: boolean;
  /** Whose access it is. */
  readonly level: PrivilegeLevel;
  /** Supervisor whatever the level. */
  readonly implicit?: boolean;
}

/** Linear memory as the guest sees it: windows first, then its page tables, with accessed and dirty bits set as hardware would. */
export interface LinearMemory {
  /** Physical address, or the #PF that the access would raise. */
  translate(vcpu: number, address: bigint, access: LinearAccess): number | GuestFault;
  /** Fills `into`, or reads nothing and returns the fault. */
  read(vcpu: number, address: bigint, into: Uint8Array, access: LinearAccess): GuestFault | undefined;
  /** Writes all bytes, or none and returns the fault. */
  write(vcpu: number, address: bigint, bytes: Uint8Array, access: LinearAccess): GuestFault | undefined;
}

/** Frames of the core's physical space that are not guest RAM. The core bounds how many there may be. */
export interface HypervisorFrames {
  /** `count` zeroed consecutive frames; the first is returned. @throws HvError "core/frames" when the core has no more */
  allocate(count: number): Mfn;
  /** Gives frames back; windows onto them must be closed before. */
  free(first: Mfn, count: number): void;
  /** A live view of one frame, hypervisor's or guest's, 4096 bytes. It stays live: a machine's memory has its final size from the start. */
  bytes(frame: Mfn): Uint8Array;
  /** Gives inline forms a name for shared memory: `length` bytes at `offset` of `frame`, for one vCPU. */
  record(name: string, vcpu: number, frame: Mfn, offset: number, length: number): void;
}

/** A range of linear addresses that is translated before the guest's page tables are looked at. */
export interface LinearWindow {
  /** Page-aligned. */
  readonly address: bigint;
  /** One for each page. */
  readonly frames: readonly Mfn[];
  /** Stores are allowed. */
  readonly write: boolean;
  /** Instructions may be fetched from it. */
  readonly execute: boolean;
  /** Least privileged level that may use it. */
  readonly level: PrivilegeLevel;
  /** Where it is seen: on one vCPU, under one page-table root, or everywhere. */
  readonly scope: { readonly vcpu: number } | { readonly root: Mfn } | "all";
}

/** A window in force. */
export interface OpenWindow {
  /** Points page `index` of the window at another frame; undefined makes it fault. */
  setFrame(index: number, frame: Mfn | undefined): void;
  /** The page tables are looked at again. */
  close(): void;
}

/**
 * A store by the guest to a protected frame. Read-modify-write instructions arrive with the value that they would store. A store whose only
 * obstacle is a read-only mapping of the frame arrives too, before it becomes a #PF.
 */
export interface ProtectedStore {
  /** Linear and physical address of the first byte. */
  readonly address: bigint;
  /** Physical address of the first byte. */
  readonly physical: number;
  /** Bytes: 1, 2, 4, 8 or 16. A store that crosses the frame's end arrives as its part inside. */
  readonly size: number;
  /** What it would store, unsigned. */
  readonly value: bigint;
  /** Whose store it is. */
  readonly level: PrivilegeLevel;
  /** Whether the guest's own tables allow the store. */
  readonly writable: boolean;
}

/** Let it happen; it has happened, go on after the instruction; or it is a #PF (present, write) that goes to delivery. */
export type StoreAnswer = "store" | "done" | "fault";

/** Answers stores to protected frames. */
export type StoreHandler = (vcpu: number, store: ProtectedStore) => StoreAnswer;

/** An instruction for `execute`. Fields as in `InterceptedInstruction`. */
export interface ArchitecturalRequest {
  /** Which one. */
  readonly instruction: InterceptableInstruction;
  /** Privilege level at which it is executed; 0 if absent. */
  readonly level?: PrivilegeLevel;
  /** Operand size. */
  readonly bits?: 16 | 32 | 64;
  /** Number of a control or debug register, of a counter, or the vector of INT n. */
  readonly index?: number;
  /** The source operand's value, or a linear address. */
  readonly operand?: bigint;
}

/** A core's services to a backend. */
export interface HypervisorHandle {
  /**
   * The architectural effect of an instruction as if the guest had executed it, RIP included for those that set it. The result is what it
   * reads, if it reads something, or the fault that it raises; then nothing has changed.
   */
  execute(vcpu: number, request: ArchitecturalRequest): bigint | undefined | GuestFault;
  /** Loads a segment register, LDTR or TR from its descriptor table, with the checks and faults of a load at CPL 0. */
  loadSegment(vcpu: number, name: SegmentName, selector: number): GuestFault | undefined;

  /** The set in force at `level`; `noIntercepts` at the start. */
  setIntercepts(vcpu: number, level: PrivilegeLevel, set: InterceptSet): void;
  /** Replaces the handler; there is one for all vCPUs. */
  setInterceptHandler(handler: InterceptHandler): void;
  /** Replaces the handler; there is one for all vCPUs. */
  setDeliveryHandler(handler: DeliveryHandler): void;
  /**
   * Tells the core that this guest's privilege is not its CPL: chooses the intercept set, and is the level that intercepts and deliveries
   * carry. Paging and segmentation go by the CPL all the same. Undefined goes back to the CPL.
   */
  setVirtualLevel(vcpu: number, level: PrivilegeLevel | undefined): void;

  /** Guest memory by linear address. */
  readonly linear: LinearMemory;
  /** Memory that is the hypervisor's own. */
  readonly frames: HypervisorFrames;
  /** Puts a window in force. @throws HvError "core/windows" when it overlaps one */
  openWindow(window: LinearWindow): OpenWindow;
  /** Guest stores to the frame go to the store handler; reads and the backend's own stores do not. */
  protectFrame(frame: Mfn, on: boolean): void;
  /** Replaces the handler; there is one for all vCPUs. */
  setStoreHandler(handler: StoreHandler): void;
  /**
   * Translation starts at `root`, as after a load of CR3, but what is cached for that root from earlier may be used: for guests that change
   * between two roots at every system call. Global translations stay in force under every root; CR4.PGE clear means that there are none.
   */
  switchRoot(vcpu: number, root: Mfn): void;
  /** No vCPU uses a cached translation to or a cached decoding of `frame` afterwards. */
  forgetFrame(frame: Mfn): void;
  /** No cached translation of the page at `address` on `vcpu`; undefined: of any page. */
  forgetAddress(vcpu: number, address: bigint | undefined): void;

  /**
   * The pending-event word: while set, delivery is called with kind `event` at the next instruction boundary at which the guest can take
   * it: where the guest's own mask in shared memory says so; without a mask, where EFLAGS.IF is set. Delivery does not clear the word.
   */
  setPending(vcpu: number, pending: boolean): void;
  /** The guest takes events while `field` is zero, or while it is not. External interrupts wait for it as well as for EFLAGS.IF. */
  setEventMask(vcpu: number, mask: { readonly field: FieldReference; readonly takesWhile: "zero" | "non-zero" } | undefined): void;
  /** Calls once, at the next boundary at which the guest can take an interrupt. SDM Vol. 3C §25.2 "interrupt-window exiting". */
  onInterruptWindow(vcpu: number, listener: () => void): void;

  /** The vCPU does not run until `wake`, or an event or interrupt that it can take. */
  park(vcpu: number): void;
  /** Ends a `park`, and the wait of a secondary vCPU for its STARTUP: it runs with the registers that it has. */
  wake(vcpu: number): void;
  /** Ends the vCPU's turn. */
  yield(vcpu: number): void;
}
