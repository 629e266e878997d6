/**
 * The kernel at CPL 1: its interrupt flag is a word that it shares with the hypervisor, its descriptors are raised in shadows, and all that enters it
 * comes to the backend, since only the backend knows that flag. EFLAGS.IF stays set, IOPL is 1, so ports are the kernel's own and interrupts wait
 * for the word alone.
 */
import {
  type DeliveryAnswer,
  type DeliveryEvent,
  generalProtection,
  type InterceptAnswer,
  type InterceptedInstruction,
  type InterceptSet,
  isGuestFault,
  type ProtectedStore,
  type SegmentCache,
  type TableOperand,
  type Vcpu,
} from "@paravane/paravirt-ops";
import type { CallAnswer, CallHandlers, RomCall } from "../calls/rom-call.js";
import type { StartImage } from "../calls/processors.js";
import { enterGuest, FAULTS } from "./entry.js";
import { RFLAGS_IF } from "./flag-page.js";
import { HeldFrames } from "./held-frames.js";
import { deprivilegedIntercepts, KernelInstructions, userInstructions } from "./instructions.js";
import type { Done, Kernel, KernelParts } from "./kernel.js";
import { updateKernelStack } from "./kernel-stack.js";
import { returnSite } from "./return-site.js";
import { CpuShadow } from "./shadow.js";
import { startRegisters } from "./start.js";

const ALL_VECTORS = Array.from({ length: 256 }, (_, vector) => vector);
const MSR_SYSENTER = { cs: 0x174, esp: 0x175, eip: 0x176 } as const;
const RFLAGS_VM = 1n << 17n;
const USER_CODE = 0xc0fb;
const USER_DATA = 0xc0f3;
const KERNEL_CODE = 0xc0bb;
const KERNEL_DATA = 0xc0b3;
const FLAT = 0xffffffff;
const SUPERVISOR = { level: 0, implicit: true } as const;

export class DeprivilegedKernel implements Kernel {
  readonly calls: CallHandlers;
  readonly #cpus: readonly CpuShadow[];
  readonly #instructions: KernelInstructions;
  readonly #kernelSet: InterceptSet;

  /** `virtualTop` is the lowest address of the hole; undefined without one. */
  constructor(
    private readonly parts: KernelParts,
    virtualTop: bigint | undefined,
  ) {
    const { hypervisor, environment } = parts;
    const held = new HeldFrames(hypervisor, environment.memory);
    this.#cpus = environment.vcpus.map((vcpu) => new CpuShadow(hypervisor, vcpu, held, virtualTop));
    this.#instructions = new KernelInstructions(parts, this, this.#cpus);
    // Without a flag page the ROM's IRET is a call, and the kernel's own can be had too.
    const instructions = virtualTop === undefined ? [...deprivilegedIntercepts, "iret" as const] : deprivilegedIntercepts;
    this.#kernelSet = { instructions, exceptions: ALL_VECTORS, interrupts: true };
    this.calls = {
      EnableInterrupts: ({ vcpu }) => this.setInterruptFlag(vcpu, true),
      DisableInterrupts: ({ vcpu }) => this.setInterruptFlag(vcpu, false),
      GetInterruptMask: (call) => call.result(this.#cpu(call.vcpu).interruptFlag ? RFLAGS_IF : 0),
      SetInterruptMask: ({ vcpu, eax }) => this.setInterruptFlag(vcpu, (eax & RFLAGS_IF) !== 0),
      Halt: ({ vcpu }) => {
        this.setInterruptFlag(vcpu, true);
        hypervisor.park(vcpu.id);
      },
      IRET: (call) => this.#return(call),
      SYSEXIT: ({ vcpu }) => this.sysexit(vcpu) ?? "resume",
    };
  }

  #cpu({ id }: Vcpu): CpuShadow {
    return this.#cpus[id]!;
  }

  /** What waits for the flag is seen at the next instruction. */
  setInterruptFlag(vcpu: Vcpu, on: boolean): void {
    this.#cpu(vcpu).interruptFlag = on;
    this.#cpu(vcpu).watchFlag();
  }

  enter(vcpu: Vcpu): CallAnswer {
    const cpu = this.#cpu(vcpu);
    const { registers } = vcpu;
    const flags = registers.get("rflags");
    cpu.interruptFlag = (flags & BigInt(RFLAGS_IF)) !== 0n;
    cpu.loadGdt(registers.table("gdtr"));
    const local = registers.segment("ldtr").selector;
    if ((local & 0xfffc) !== 0) cpu.loadLdt(local);
    for (const name of ["ds", "es", "fs", "gs"] as const) registers.setSegment(name, raisedCache(registers.segment(name)));
    for (const name of ["cs", "ss"] as const) {
      const segment = raisedCache(registers.segment(name));
      registers.setSegment(name, { ...segment, selector: (segment.selector & ~3) | 1 });
    }
    this.#atKernelLevel(cpu);
  }

  /** The level has been set by SS: what comes to the backend from now on. */
  #atKernelLevel(cpu: CpuShadow): void {
    const { hypervisor } = this.parts;
    const { id } = cpu.vcpu;
    cpu.entered = true;
    cpu.settleFlags();
    cpu.updateUserSelectors();
    hypervisor.setIntercepts(id, 1, this.#kernelSet);
    hypervisor.setIntercepts(id, 3, { instructions: userInstructions, exceptions: ALL_VECTORS, interrupts: true });
    cpu.watchFlag();
  }

  leave(vcpu: Vcpu): void {
    this.#cpu(vcpu).entered = false;
    this.parts.hypervisor.setEventMask(vcpu.id, undefined);
  }

  start(vcpu: Vcpu, image: StartImage): Done {
    const cpu = this.#cpu(vcpu);
    const { registers } = vcpu;
    startRegisters(vcpu, image);
    cpu.loadGdt({ base: image.gdtrBase, limit: Number(image.gdtrLimit) });
    registers.setTable("idtr", { base: image.idtrBase, limit: Number(image.idtrLimit) });
    const ldt = cpu.loadLdt(Number(image.ldtr));
    if (ldt !== undefined) return ldt;
    for (const name of ["cs", "ss", "ds", "es", "fs", "gs"] as const) {
      const selector = Number(image[name]);
      const data = name !== "cs" && name !== "ss";
      if (data && (selector & 0xfffc) === 0) registers.setSegment(name, { selector, base: 0n, limit: 0, access: 0 });
      else {
        const segment = cpu.kernelSegment(selector, name === "cs" ? "code" : "data");
        if (isGuestFault(segment)) return segment;
        registers.setSegment(name, data ? { ...segment, selector } : segment);
      }
    }
    cpu.interruptFlag = (image.eflags & BigInt(RFLAGS_IF)) !== 0n;
    this.#atKernelLevel(cpu);
  }

  writeMsr(vcpu: Vcpu, index: number, value: bigint): Done {
    const fault = this.parts.under.cpu.writeMsr.run(vcpu, index, value);
    if (fault === undefined && index === MSR_SYSENTER.cs) this.#cpu(vcpu).updateUserSelectors();
    return fault;
  }

  loadGdt(vcpu: Vcpu, table: TableOperand): Done {
    this.#cpu(vcpu).loadGdt(table);
  }

  storeGdt(vcpu: Vcpu): TableOperand {
    return this.#cpu(vcpu).gdtr;
  }

  loadIdt(vcpu: Vcpu, table: TableOperand): Done {
    return this.parts.under.cpu.loadIdt.run(vcpu, table);
  }

  storeIdt(vcpu: Vcpu) {
    return this.parts.under.cpu.storeIdt.run(vcpu);
  }

  loadLdt(vcpu: Vcpu, selector: number): Done {
    return this.#cpu(vcpu).loadLdt(selector);
  }

  loadTr(vcpu: Vcpu, selector: number): Done {
    const cpu = this.#cpu(vcpu);
    return cpu.loadTr(selector, (descriptor) => {
      const index = selector >> 3;
      const fault = this.parts.under.cpu.writeGdtEntry.run(vcpu, cpu.gdtr.base, index, descriptor);
      if (isGuestFault(fault)) return fault;
      const at = BigInt.asUintN(32, cpu.gdtr.base + BigInt(8 * index));
      const physical = this.parts.hypervisor.linear.translate(vcpu.id, at, SUPERVISOR);
      if (typeof physical === "number") this.stored(physical, 8);
      return undefined;
    });
  }

  /** Memory has changed where tables may be. */
  stored(physical: number, bytes: number): void {
    for (const { gdt, ldt } of this.#cpus) {
      gdt.stored(physical, bytes);
      ldt.stored(physical, bytes);
    }
  }

  store(store: ProtectedStore): "done" | "fault" {
    if (!store.writable) return "fault";
    const { memory } = this.parts.environment;
    const bytes = Uint8Array.from({ length: store.size }, (_, index) => Number((store.value >> BigInt(8 * index)) & 0xffn));
    memory.write(store.physical, bytes);
    this.stored(store.physical, store.size);
    return "done";
  }

  loadStack(vcpu: Vcpu, selector: number, pointer: number): Done {
    return updateKernelStack(this.parts.under, vcpu, selector, pointer);
  }

  setIopl(vcpu: Vcpu, iopl: number): Done {
    this.#cpu(vcpu).iopl = iopl;
  }

  intercept(vcpu: Vcpu, intercepted: InterceptedInstruction): InterceptAnswer {
    return this.#instructions.run(vcpu, intercepted);
  }

  /** IRET as a call: the frame's flag becomes the kernel's. A fault is raised at the guest's own return, with ESP at the frame. */
  #return(call: RomCall): CallAnswer {
    const { vcpu, registers } = call;
    const site = call.discard ? returnSite(this.parts.hypervisor, vcpu, 0) : undefined;
    if (call.discard) registers.set("rsp", BigInt.asUintN(32, registers.get("rsp") + 4n));
    const fault = this.iret(vcpu);
    if (isGuestFault(fault) && site !== undefined) registers.set("rip", site);
    return fault ?? "resume";
  }

  /** The return itself. Virtual-8086 mode is entered as from CPL 0. */
  iret(vcpu: Vcpu): Done {
    const { hypervisor } = this.parts;
    const { registers } = vcpu;
    const at = BigInt.asUintN(32, registers.segment("ss").base + registers.get("rsp") + 8n);
    const word = new Uint8Array(4);
    const unread = hypervisor.linear.read(vcpu.id, at, word, { level: 1 });
    if (unread !== undefined) return unread;
    const flags = BigInt(new DataView(word.buffer).getUint32(0, true));
    const answer = hypervisor.execute(vcpu.id, { instruction: "iret", level: (flags & RFLAGS_VM) !== 0n ? 0 : 1 });
    if (isGuestFault(answer)) return answer;
    this.#cpu(vcpu).settleFlags();
    this.setInterruptFlag(vcpu, (flags & BigInt(RFLAGS_IF)) !== 0n);
  }

  /** SYSEXIT of a kernel at CPL 1 (SDM Vol. 2B): segments from SYSENTER_CS, EIP from EDX, ESP from ECX. */
  sysexit(vcpu: Vcpu): Done {
    const { registers } = vcpu;
    const base = Number(registers.msr(MSR_SYSENTER.cs) ?? 0n) & 0xfffc;
    if (base === 0) return generalProtection;
    registers.setSegment("cs", { selector: (base + 16) | 3, base: 0n, limit: FLAT, access: USER_CODE });
    registers.setSegment("ss", { selector: (base + 24) | 3, base: 0n, limit: FLAT, access: USER_DATA });
    registers.set("rip", registers.get("rdx") & 0xffffffffn);
    registers.set("rsp", registers.get("rcx") & 0xffffffffn);
    this.setInterruptFlag(vcpu, true);
  }

  /** SYSENTER from user code: to the kernel at its level, interrupts disabled. */
  sysenter(vcpu: Vcpu): Done {
    const { registers } = vcpu;
    const base = Number(registers.msr(MSR_SYSENTER.cs) ?? 0n) & 0xfffc;
    if (base === 0) return generalProtection;
    registers.setSegment("cs", { selector: base | 1, base: 0n, limit: FLAT, access: KERNEL_CODE });
    registers.setSegment("ss", { selector: (base + 8) | 1, base: 0n, limit: FLAT, access: KERNEL_DATA });
    registers.set("rip", registers.msr(MSR_SYSENTER.eip) ?? 0n);
    registers.set("rsp", registers.msr(MSR_SYSENTER.esp) ?? 0n);
    registers.set("rflags", this.#cpu(vcpu).realFlags(registers.get("rflags") & ~RFLAGS_VM));
    this.setInterruptFlag(vcpu, false);
  }

  deliver(vcpu: Vcpu, event: DeliveryEvent): DeliveryAnswer {
    const { hypervisor } = this.parts;
    const cpu = this.#cpu(vcpu);
    if (!cpu.entered || event.vector === undefined) return "architectural";
    const { kind, vector } = event;
    if (kind === "interrupt") hypervisor.setPending(vcpu.id, false);
    if (event.level === 1) {
      const step = this.parts.returningAt(vcpu);
      if (step !== undefined && kind === "exception") this.#returnFaulted(vcpu);
      else if (step !== undefined) this.#completeReturn(vcpu, step);
    }
    if (vector === 14 && event.address !== undefined) vcpu.registers.set("cr2", event.address);
    const software = kind === "software" || (kind === "exception" && (vector === 3 || vector === 4));
    const fault = kind === "exception" && FAULTS.has(vector);
    return enterGuest(hypervisor, cpu, { vector, errorCode: event.errorCode, software, fault });
  }

  /** The ROM's IRET has faulted: the flag is what it was when the guest went there, and the fault is the guest's own return's. */
  #returnFaulted(vcpu: Vcpu): void {
    this.#cpu(vcpu).interruptFlag = false;
    const site = this.parts.returnIsCalled ? returnSite(this.parts.hypervisor, vcpu, -4) : undefined;
    if (site !== undefined) vcpu.registers.set("rip", site);
  }

  /**
   * An interrupt between the flag's store and the return would nest on the kernel's stack, again and again: the return is made first, and the
   * interrupt enters from where it leads. One that cannot be made stays as it is.
   */
  #completeReturn(vcpu: Vcpu, from: "restore" | "drop" | "iret"): void {
    const { hypervisor } = this.parts;
    const { registers } = vcpu;
    let step: typeof from | undefined = from;
    while (step === "restore" || step === "drop") {
      const pointer = registers.get("rsp");
      if (step === "restore") {
        const word = new Uint8Array(4);
        const at = BigInt.asUintN(32, registers.segment("ss").base + pointer);
        if (hypervisor.linear.read(vcpu.id, at, word, { level: 1 }) !== undefined) return;
        registers.set("rax", BigInt(new DataView(word.buffer).getUint32(0, true)));
      }
      registers.set("rsp", BigInt.asUintN(32, pointer + 4n));
      registers.set("rip", registers.get("rip") + (step === "restore" ? 1n : 4n));
      step = this.parts.returningAt(vcpu);
    }
    if (step === "iret") this.iret(vcpu);
  }
}

/** A segment of level 0, one level out. */
function raisedCache(segment: SegmentCache): SegmentCache {
  return (segment.access & 0x60) === 0 && (segment.access & 0x10) !== 0 ? { ...segment, access: segment.access | 0x20 } : segment;
}
