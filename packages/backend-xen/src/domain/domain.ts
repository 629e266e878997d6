/** A domain at work: its memory, its vCPUs, its events, in one place for the calls that act on them. */
import type {
  BackendEnvironment,
  HypervisorHandle,
  InterceptedInstruction,
  Mfn,
  ParavirtOps,
  ShutdownReason,
} from "@paravane/paravirt-ops";
import { errno } from "../abi/errno.js";
import type { GuestBits } from "../abi/struct.js";
import { virqs, vmAssists } from "../abi/xen.js";
import { Fifo } from "../events/fifo.js";
import { EventPorts } from "../events/ports.js";
import { HvmUpcalls } from "../events/hvm-upcalls.js";
import { type EventTarget, TwoLevel } from "../events/two-level.js";
import { DirectPaging } from "../mmu/direct-paging.js";
import { FrameTable, frameTypes } from "../mmu/frame-table.js";
import { GrantEntries, type GrantMapper } from "../mmu/grant-entries.js";
import { grantedFrames } from "../mmu/granted-frames.js";
import { TableValidation } from "../mmu/table-validation.js";
import { AddressSpace } from "../vcpu/address-space.js";
import { DescriptorTables, reservedDescriptors } from "../vcpu/descriptor-tables.js";
import { KernelEntry } from "../vcpu/entry.js";
import { takeNmi } from "../vcpu/nmi.js";
import { runStates, VirtualCpu } from "../vcpu/virtual-cpu.js";
import { ActiveGrants } from "./active-grants.js";
import { GrantTable } from "./grant-table.js";
import { GrantWindows } from "./grant-windows.js";
import { GuestCopy } from "./guest-copy.js";
import type { MemoryRange } from "./build-pvh.js";
import { MachToPhys } from "./mach-to-phys.js";
import { MapTrack } from "./map-track.js";
import { Physmap } from "./physmap.js";
import { Reservation } from "./reservation.js";
import { RunState } from "./runstate.js";
import { SharedInfo, VcpuInfo } from "./shared-info.js";
import { VcpuTimers } from "./timers.js";

/** The number that this domain goes by; 0 is the machine's owner. */
export const DOMAIN_ID = 1;

/** A guest whose mode is its own affair is taken for a 64-bit one until its drivers begin. */
const PVH_SHARED_BITS = 64;
const EFER_LMA = 1n << 10n;
/** L in a segment's access word. */
const CS_LONG = 0x2000;

/** Settings of the backend. */
export interface XenConfig {
  /** PV unless the kernel has a PVH entry only, or always one of them. */
  readonly mode: "auto" | "pv" | "pvh";
  /** How machine frames are given to the domain. */
  readonly frames: "scrambled" | "identity";
  /** Decides the scrambled order. */
  readonly seed: number;
  /** console_io writes to the console, as in Xen's debug builds; a release refuses it to domains. */
  readonly hypervisorConsole: boolean;
}

/** What a call or an instruction can reach. */
export class Domain {
  readonly frames: FrameTable;
  readonly paging: DirectPaging;
  readonly machToPhys: MachToPhys;
  readonly shared: SharedInfo;
  readonly copy: GuestCopy;
  readonly entry: KernelEntry;
  readonly vcpus: readonly VirtualCpu[];
  readonly events: EventPorts;
  /** How a guest with an interrupt controller is told of events. */
  readonly upcalls: HvmUpcalls | undefined;
  readonly grants: GrantTable;
  /** Which of them are in use. */
  readonly activeGrants: ActiveGrants;
  /** By vCPU. */
  readonly timers: readonly VcpuTimers[];
  readonly runstates: readonly RunState[];
  /** vm_assist types in force. */
  readonly assists = new Set<number>();
  /** Backends of its devices. */
  readonly devices: { close(): void }[] = [];
  /** Of guests with a physical address space of their own: HVM parameters, what their memory is, and pages of ours in it. */
  readonly parameters = new Map<number, bigint>();
  memoryMap: readonly MemoryRange[] = [];
  readonly physmap: Physmap;
  /** Grants that it has mapped itself. */
  readonly mapTrack = new MapTrack();
  readonly grantMapper: GrantMapper;
  /** Frames that it has. */
  readonly reservation: Reservation;
  readonly #eventTargets: readonly EventTarget[];
  #interruptBitmap: Mfn | undefined;
  #exitNs = 0;
  #ended = false;

  constructor(
    /** Width of the guest; of a PVH guest, whose mode is its own affair, that of the code that calls. */
    public bits: GuestBits,
    readonly environment: BackendEnvironment,
    readonly hypervisor: HypervisorHandle,
    readonly config: XenConfig,
    /** What has a bare-metal counterpart is done by these, so that whoever watches operations sees it. */
    readonly operations: ParavirtOps,
    holeStart: bigint | undefined,
    readonly kind: "pv" | "pvh" = "pv",
  ) {
    const { memory } = environment;
    this.frames = new FrameTable(memory.size / 4096, {
      protect: (frame, on) => hypervisor.protectFrame(frame, on),
      forget: (frame) => hypervisor.forgetFrame(frame),
    });
    const validation = new TableValidation(this.frames, memory, bits, bits === 32 ? holeStart : undefined);
    this.frames.connect(validation);
    this.paging = new DirectPaging(this.frames, validation, memory);
    this.machToPhys = new MachToPhys(hypervisor, bits, memory.size / 4096, kind === "pv");
    this.shared = new SharedInfo(hypervisor, kind === "pv" ? bits : PVH_SHARED_BITS);
    this.frames.share(this.shared.frame);
    this.copy = new GuestCopy(hypervisor, bits, kind === "pv" ? undefined : memory);
    this.entry = new KernelEntry(hypervisor, this.copy, () => this.assists.has(vmAssists.architectural_iopl));
    this.vcpus = kind === "pv" ? this.#pvVcpus() : this.#pvhVcpus();
    this.upcalls = kind === "pv" ? undefined : new HvmUpcalls(this);
    this.physmap = new Physmap(this);
    this.#eventTargets = this.vcpus.map((vcpu) => this.#eventTarget(vcpu));
    this.events = new EventPorts(DOMAIN_ID, this.vcpus.length, this.#twoLevel(), (port) => this.#wakePollers(port));
    this.grants = new GrantTable(hypervisor, this.frames, this.machToPhys);
    this.reservation = new Reservation(this.frames, this.machToPhys, memory);
    this.grantMapper = kind === "pv" ? new GrantEntries(this.paging) : new GrantWindows(this);
    this.activeGrants = new ActiveGrants(this.grants, grantedFrames(this.frames));
    this.timers = this.vcpus.map((vcpu) => this.#timersOf(vcpu));
    this.runstates = this.vcpus.map((vcpu) => this.#runstateOf(vcpu));
    this.shared.setWallClock(this.#bootTime);
  }

  /** System time, in ns: guest time. */
  get now(): number {
    return this.environment.clock.nowNs();
  }

  /** An instruction came to the hypervisor: shows it to whoever watches. */
  showExit(vcpu: number, intercepted: InterceptedInstruction): void {
    const { taps, clock } = this.environment;
    if (taps.intercept === undefined && taps.hypercall === undefined) return;
    this.#exitNs = clock.nowNs();
    taps.intercept?.(this.#exitNs, vcpu, intercepted);
  }

  /** When that was, in ns: all that is shown of what it asked for carries this time. */
  get exitNs(): number {
    return this.#exitNs;
  }

  /** A PVH guest calls: what it gives and gets has the width of the code that it runs. */
  callsFrom({ registers }: VirtualCpu): void {
    const wide = (registers.get("efer") & EFER_LMA) !== 0n && (registers.segment("cs").access & CS_LONG) !== 0;
    this.bits = this.copy.bits = wide ? 64 : 32;
  }

  /**
   * The guest's drivers begin: what it shares with the hypervisor is laid out as for the width of the code that calls (Xen's
   * hvm_latch_shinfo_size).
   */
  latchWidth(): void {
    this.shared.layOut(this.bits, this.#bootTime);
  }

  /** Wall time at system time 0, in ns. */
  get #bootTime(): bigint {
    return BigInt(Math.floor(this.environment.wallClock.nowMs())) * 1_000_000n - BigInt(Math.floor(this.now));
  }

  /** Frame for the domain's own number, given out at the start or later. */
  give(frame: Mfn, pfn: number): void {
    this.reservation.build(frame, pfn);
  }

  /** Events are looked for on the way back to the guest: a plain store may have unmasked them. */
  recheckEvents(vcpu: VirtualCpu): void {
    if (this.upcalls !== undefined) this.upcalls.recheck(vcpu);
    else if (vcpu.online && vcpu.info.pending && vcpu.info.mask === 0) this.hypervisor.setPending(vcpu.id, true);
  }

  /**
   * PHYSDEVOP_pirq_eoi_gmfn: a page of the guest's says which physical interrupts want an end of interrupt by a call. There are none, so nothing
   * is ever set in it. 0; -EBUSY the second time, -EINVAL for a frame that is no plain page of the guest's.
   */
  shareInterruptBitmap(frame: Mfn): number {
    if (this.#interruptBitmap !== undefined) return -errno.EBUSY;
    if (this.frames.get(frame, frameTypes.writable) !== 0) return -errno.EINVAL;
    this.#interruptBitmap = frame;
    return 0;
  }

  /** SCHEDOP_block, and SCHEDOP_poll when there are `ports`: it sleeps until `wake`. */
  block(vcpu: VirtualCpu, ports?: readonly number[]): void {
    vcpu.blocked = true;
    vcpu.pollPorts = ports;
    this.runstates[vcpu.id]!.enter(runStates.blocked);
    this.operations.irq.halt.run(vcpu.core);
  }

  /** It has something to do. */
  wake(vcpu: VirtualCpu): void {
    if (!vcpu.blocked) return;
    if (vcpu.pollPorts !== undefined) this.timers[vcpu.id]!.stopPoll();
    vcpu.blocked = false;
    vcpu.pollPorts = undefined;
    if (!vcpu.online) return;
    this.runstates[vcpu.id]!.enter(runStates.running);
    this.hypervisor.wake(vcpu.id);
  }

  /** VCPUOP_up, of a vCPU with a state. One that slept when it went down sleeps on. */
  bringUp(vcpu: VirtualCpu): void {
    if (vcpu.online) return;
    vcpu.online = true;
    this.runstates[vcpu.id]!.enter(vcpu.blocked ? runStates.blocked : runStates.running);
    takeNmi(this, vcpu);
    this.recheckEvents(vcpu);
    if (!vcpu.blocked) this.operations.smp.vcpuUp.run(vcpu.core, vcpu.id);
  }

  /** VCPUOP_down: it does not run, whatever happens, until it is brought up. The last one takes the domain with it. */
  takeDown(vcpu: VirtualCpu): void {
    if (this.vcpus.every((other) => other === vcpu || !other.online)) {
      this.end("poweroff", "the domain's last vCPU went down");
      return;
    }
    if (!vcpu.online) return;
    vcpu.online = false;
    this.runstates[vcpu.id]!.enter(runStates.offline);
    this.hypervisor.setPending(vcpu.id, false);
    this.hypervisor.park(vcpu.id);
  }

  /** The domain is over. The first reason counts. */
  end(reason: ShutdownReason, detail: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.environment.shutdown(reason, detail);
    for (const vcpu of this.vcpus) vcpu.core.requestStop();
  }

  /** The machine lets go of the domain: what its backends do for it is called off. */
  close(): void {
    for (const device of this.devices.splice(0)) device.close();
  }

  /** The guest made itself impossible: what happened, and where. */
  crash(vcpu: VirtualCpu, why: string): void {
    const { registers } = vcpu;
    const names = ["rip", "rsp", "rflags", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11"] as const;
    const values = names.map((name) => `${name} ${registers.get(name).toString(16)}`).join(", ");
    const mode = vcpu.inKernel ? "kernel" : "user";
    this.end("crash", `domain crash on vCPU ${vcpu.id} (${mode}): ${why}; ${values}, cr2 ${vcpu.info.cr2(this.bits).toString(16)}`);
  }

  #pvVcpus(): VirtualCpu[] {
    const { hypervisor, bits, frames, environment } = this;
    const reserved = reservedDescriptors(hypervisor, bits);
    const empty = hypervisor.frames.allocate(1);
    return environment.vcpus.map((core) => {
      const parts = { hypervisor, frames, registers: core.registers, reserved, empty };
      const info = new VcpuInfo(hypervisor, core.id, this.shared);
      const space = new AddressSpace(core, hypervisor, this.paging, this.operations);
      return new VirtualCpu(core, bits, info, { tables: new DescriptorTables(core.id, bits, parts), space });
    });
  }

  #pvhVcpus(): VirtualCpu[] {
    const { hypervisor, bits, environment } = this;
    return environment.vcpus.map((core) => new VirtualCpu(core, bits, new VcpuInfo(hypervisor, core.id, this.shared, false), undefined));
  }

  #timersOf(vcpu: VirtualCpu): VcpuTimers {
    const timers = new VcpuTimers(vcpu.id, this.environment.time, {
      tick: () => this.events.raiseVirq(virqs.TIMER, vcpu.id),
      pollExpired: () => this.wake(vcpu),
    });
    timers.publish(vcpu.info);
    return timers;
  }

  #runstateOf(vcpu: VirtualCpu): RunState {
    return new RunState(vcpu.online, {
      bits: () => this.shared.bits,
      now: () => this.now,
      stolen: () => this.environment.time.clocksource.stolenNs(vcpu.id),
      write: (address, bytes) => void (vcpu.initialised && this.copy.write(vcpu.id, address, bytes)),
      marksUpdates: () => this.assists.has(vmAssists.runstate_update_flag),
    });
  }

  /** EVTCHNOP_init_control: FIFO events from the first vCPU on that has a control block. */
  initFifo(vcpu: number, frame: number, offset: number): number {
    const { delivery } = this.events;
    if (delivery instanceof Fifo) return delivery.addControlBlock(vcpu, frame, offset);
    const { frames, hypervisor } = this;
    const fifo = new Fifo(
      {
        take: (wanted) => (frames.get(wanted, frameTypes.writable) === 0 ? wanted : undefined),
        release: (taken) => frames.put(taken),
        bytes: (taken) => hypervisor.frames.bytes(taken),
      },
      this.#eventTargets,
    );
    const error = fifo.addControlBlock(vcpu, frame, offset);
    if (error === 0) this.events.show(fifo);
    return error;
  }

  /** EVTCHNOP_reset: no port is open, and the guest begins with the two-level bitmaps again. */
  resetEvents(): void {
    this.events.reset();
    this.events.show(this.#twoLevel());
  }

  #twoLevel(): TwoLevel {
    return new TwoLevel(this.shared, this.#eventTargets);
  }

  #eventTarget(vcpu: VirtualCpu): EventTarget {
    return {
      info: vcpu.info,
      notify: () => {
        if (this.upcalls !== undefined) this.upcalls.raise(vcpu);
        else if (vcpu.online) this.hypervisor.setPending(vcpu.id, true);
        this.wake(vcpu);
      },
    };
  }

  /** Whoever waits for the port goes on, whether it is masked or not, and whoever else is told of it. */
  #wakePollers(port: number): void {
    for (const vcpu of this.vcpus) if (vcpu.pollPorts?.includes(port) === true) this.wake(vcpu);
  }
}
