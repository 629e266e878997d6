/**
 * Ways into the guest's kernel: traps, callbacks and the frames on its stack (Xen's create_bounce_frame), and the way back by the iret call.
 * Each entry is an answer to delivery, or is put into the registers when an instruction led to it.
 */
import { generalRegisters, type HypervisorHandle, type ResumeAt, type SegmentCache } from "@paravane/paravirt-ops";
import { iret_context, VGCF_in_syscall } from "../abi/arch-x86.js";
import { StructView } from "../abi/struct.js";
import { wide } from "../abi/wide.js";
import { kernelSegments, userSegments } from "../domain/boot-vcpu.js";
import type { GuestCopy } from "../domain/guest-copy.js";
import type { Callback, VirtualCpu } from "./virtual-cpu.js";

const TF = 0x100;
const IF = 0x200;
const DF = 0x400;
const IOPL_SHIFT = 12;
const IOPL = 3 << IOPL_SHIFT;
const NT = 0x4000;
const RF = 0x1_0000;
const VM = 0x2_0000;
const AC = 0x4_0000;
/** VM in the third byte of flags. */
const VM_BYTE = 2;
const GENERAL_PROTECTION = 13;
/** Of an iret call to virtual-8086 mode: EAX, EIP, CS, EFLAGS, ESP, SS, ES, DS, FS, GS. */
const VM86_FRAME_BYTES = 40;
/** What no handler starts with. */
const ENTRY_CLEARS = TF | NT | RF | VM | AC;
const STACK_ALIGNMENT = 15n;
/** Type bits of code that runs at its caller's level. */
const CONFORMING_CODE = 0xc;

/** Levels by which the core tells a guest's kernel from its user. */
export const KERNEL_LEVEL = 1;
export const USER_LEVEL = 3;

/** The domain cannot go on. */
export interface Crash {
  readonly crash: string;
}

/** What an entry pushes and where it leads. */
export interface Entry {
  readonly target: Callback;
  readonly errorCode?: number;
  /** Where the frame says that the guest was; RIP when absent. */
  readonly rip?: bigint;
  /** SYSCALL: the direction flag is cleared too. */
  readonly clearsDirection?: boolean;
  /** Selectors that a failsafe frame carries: DS, ES, FS, GS. */
  readonly selectors?: readonly number[];
}

/** Most words of a frame: two registers, four selectors, an error code, and where the guest was. */
const MOST_WORDS = 12;
const RCX = generalRegisters.indexOf("rcx");
const RSP = generalRegisters.indexOf("rsp");
const RAX = generalRegisters.indexOf("rax");
const R11 = generalRegisters.indexOf("r11");
/** Where the members of a 64-bit frame that is returned to are. */
const RETURN = iret_context[64].fields;

/** Entries into one domain's kernel. */
export class KernelEntry {
  /** A frame on its way to or from the guest's stack. */
  readonly #frame = new DataView(new ArrayBuffer(MOST_WORDS * 8));
  /** Its first so many bytes, by quarters of that number. */
  readonly #images = Array.from({ length: MOST_WORDS * 2 + 1 }, (_, words) => new Uint8Array(this.#frame.buffer, 0, words * 4));

  constructor(
    private readonly hypervisor: HypervisorHandle,
    private readonly copy: GuestCopy,
    /** Virtual I/O privilege shows in pushed flags. */
    private readonly showsIopl: () => boolean,
  ) {}

  /** Pushes the frame; the guest goes on at the target. */
  enter(vcpu: VirtualCpu, entry: Entry): ResumeAt | Crash {
    const { registers, general } = vcpu;
    const rip = entry.rip ?? registers.get("rip");
    if (entry.target.address === 0n) return { crash: `no handler for what happened at 0x${rip.toString(16)}` };
    const fromKernel = vcpu.inKernel;
    const code = registers.selector("cs");
    const stack = registers.selector("ss");
    const oldStack = general[RSP]!;
    const flags = registers.flags();
    const shown = this.#shownFlags(vcpu, flags);
    if (vcpu.bits === 64 && !fromKernel) this.toKernel(vcpu);
    const mask = vcpu.info.mask;
    const bytes =
      vcpu.bits === 64
        ? this.#frame64(vcpu, entry, { rip, code: fromKernel ? code & ~3 : code, mask, flags: shown, stackPointer: oldStack, stack })
        : this.#frame32(entry, fromKernel, { rip, code, mask, flags: shown, stackPointer: oldStack, stack });
    const base = fromKernel ? oldStack : vcpu.kernelStack.pointer;
    const rsp = this.#push(vcpu, base, bytes);
    if (rsp === undefined) return { crash: `the kernel's stack at 0x${base.toString(16)} cannot take a frame` };
    if (entry.target.masksEvents) vcpu.info.mask = 1;
    const segments = this.#segments(vcpu, entry.target, fromKernel);
    if (segments === undefined) return { crash: `the kernel's selector 0x${entry.target.selector.toString(16)} is no code` };
    const rflags = (flags & ~(ENTRY_CLEARS | (entry.clearsDirection === true ? DF : 0) | IOPL)) | IF;
    const { address } = entry.target;
    const { code: handlerCode, stack: handlerStack } = segments;
    if (handlerStack === undefined) return { rip: address, rsp, rflags: wide(rflags), code: handlerCode };
    return { rip: address, rsp, rflags: wide(rflags), code: handlerCode, stack: handlerStack };
  }

  /** Puts an entry into the registers, for an instruction that led to it. */
  apply(vcpu: VirtualCpu, { rip, rsp, rflags, code, stack }: ResumeAt): void {
    const { registers, general } = vcpu;
    if (code !== undefined) registers.setSegment("cs", code);
    if (stack !== undefined) registers.setSegment("ss", stack);
    registers.set("rip", rip);
    general[RSP] = rsp;
    registers.setFlags(Number(rflags));
  }

  /** 64 bit: from user to kernel, before anything is pushed. */
  toKernel(vcpu: VirtualCpu): void {
    vcpu.kernelMode = true;
    vcpu.space.enterKernel();
    vcpu.swapGs();
    this.hypervisor.setVirtualLevel(vcpu.id, KERNEL_LEVEL);
  }

  /** The iret call: undefined when the guest goes on where its frame says; a crash; or "segments", for the failsafe callback. */
  iret(vcpu: VirtualCpu): Crash | "segments" | undefined {
    return vcpu.bits === 64 ? this.#iret64(vcpu) : this.#iret32(vcpu);
  }

  #iret64(vcpu: VirtualCpu): Crash | "segments" | undefined {
    const { registers, general } = vcpu;
    const frame = this.copy.readShort(vcpu.id, general[RSP]!, iret_context[64].size);
    if (frame === undefined) return { crash: "the frame of an iret call cannot be read" };
    const cs = frame.getUint32(RETURN.cs.offset, true);
    const toUser = (cs & 3) === 3;
    if (toUser && !vcpu.space.hasUser) return { crash: "a return to user mode without a page table for it" };
    const rip = frame.getBigUint64(RETURN.rip.offset, true);
    const rflags = frame.getUint32(RETURN.rflags.offset, true);
    const bySysret = (frame.getUint32(RETURN.flags.offset, true) & VGCF_in_syscall) !== 0;
    registers.set("rip", rip);
    general[RSP] = frame.getBigUint64(RETURN.rsp.offset, true);
    general[RAX] = frame.getBigUint64(RETURN.rax.offset, true);
    general[R11] = frame.getBigUint64((bySysret ? RETURN.rflags : RETURN.r11).offset, true);
    general[RCX] = bySysret ? rip : frame.getBigUint64(RETURN.rcx.offset, true);
    const code = (cs & 0xffff) | 3;
    const stack = (frame.getUint32(RETURN.ss.offset, true) & 0xffff) | 3;
    const segments = this.#returnSegments(vcpu, code, stack);
    // A return that fails has left the kernel all the same: the failsafe frame shows where it would have led.
    registers.setSegment("cs", segments?.code ?? { ...userSegments.code64, selector: code });
    registers.setSegment("ss", segments?.stack ?? { ...userSegments.stack, selector: stack });
    this.#returnFlags(vcpu, rflags);
    const outcome = segments === undefined ? "segments" : undefined;
    if (!toUser) return outcome;
    vcpu.kernelMode = false;
    vcpu.swapGs();
    vcpu.space.enterUser();
    this.hypervisor.setVirtualLevel(vcpu.id, USER_LEVEL);
    return outcome;
  }

  #iret32(vcpu: VirtualCpu): Crash | "segments" | undefined {
    const { registers } = vcpu;
    const stack = registers.get("rsp") & 0xffff_ffffn;
    const short = this.copy.read(vcpu.id, stack, 16);
    if (short === undefined) return { crash: "the frame of an iret call cannot be read" };
    if ((short[14]! & VM_BYTE) !== 0) return this.#iretToVm86(vcpu, stack);
    const level = short[8]! & 3;
    if (level === 0) return { crash: "a return to ring 0" };
    const bytes = level === 1 ? new Uint8Array(24) : this.copy.read(vcpu.id, stack, 24);
    if (bytes === undefined) return { crash: "the frame of an iret call cannot be read" };
    if (level === 1) bytes.set(short);
    const frame = new StructView(iret_context[32], bytes);
    const code = frame.get("cs") & 0xffff;
    const outer = level === 1 ? undefined : frame.get("ss") & 0xffff;
    const segments = this.#returnSegments(vcpu, code, outer);
    registers.setSegment("cs", segments?.code ?? { ...kernelSegments[32].code, selector: code });
    if (outer !== undefined) registers.setSegment("ss", segments?.stack ?? { ...kernelSegments[32].stack, selector: outer });
    registers.set("rip", frame.wide("rip"));
    registers.set("rsp", level === 1 ? stack + 16n : frame.wide("rsp"));
    registers.set("rax", frame.wide("rax"));
    this.#returnFlags(vcpu, frame.get("rflags"));
    if (segments === undefined) return "segments";
    dropKernelSegments(registers, level);
    return undefined;
  }

  /** There is no virtual-8086 mode: the kernel gets #GP as if its first instruction there had raised it, with the frame that it meant to leave by. */
  #iretToVm86(vcpu: VirtualCpu, stack: bigint): Crash | undefined {
    const { registers } = vcpu;
    const frame = this.copy.read(vcpu.id, stack, VM86_FRAME_BYTES);
    const trap = vcpu.traps.get(GENERAL_PROTECTION);
    const rsp = BigInt.asUintN(32, vcpu.kernelStack.pointer - BigInt(VM86_FRAME_BYTES));
    if (frame === undefined || trap === undefined) return { crash: "a return to virtual-8086 mode" };
    const view = new DataView(frame.buffer);
    registers.set("rax", BigInt(view.getUint32(0, true)));
    const rflags = view.getUint32(12, true);
    // Where RAX was is the error code.
    view.setUint32(0, 0, true);
    const code = this.#codeSegment(vcpu, trap);
    const ring = vcpu.tables.segment(vcpu.kernelStack.selector);
    if (code === undefined || ring === undefined || !this.copy.write(vcpu.id, rsp, frame))
      return { crash: "a return to virtual-8086 mode" };
    this.#returnFlags(vcpu, rflags & ~(RF | NT | TF));
    if (trap.masksEvents) vcpu.info.mask = 1;
    registers.setSegment("cs", code);
    registers.setSegment("ss", ring);
    registers.set("rip", trap.address);
    registers.set("rsp", rsp);
    return undefined;
  }

  #returnFlags(vcpu: VirtualCpu, rflags: number): void {
    if (this.showsIopl()) vcpu.iopl = (rflags & IOPL) >>> IOPL_SHIFT;
    vcpu.registers.setFlags((rflags & ~(VM | IOPL)) | IF);
    vcpu.info.mask = (rflags & IF) === 0 ? 1 : 0;
  }

  /** Segments of a frame that is returned to: flat ones are known, others are read from the guest's tables. */
  #returnSegments(vcpu: VirtualCpu, code: number, stack: number | undefined): { code: SegmentCache; stack?: SegmentCache } | undefined {
    const codeSegment = (vcpu.bits === 64 ? flatCode(code) : undefined) ?? vcpu.tables.segment(code);
    if (codeSegment === undefined || (codeSegment.access & 8) === 0 || levelOf(codeSegment) !== (code & 3)) return undefined;
    if (stack === undefined) return { code: codeSegment };
    const stackSegment = vcpu.bits === 64 && stack === userSegments.stack.selector ? userSegments.stack : vcpu.tables.segment(stack);
    if (stackSegment === undefined || (stackSegment.access & 0xa) !== 2 || levelOf(stackSegment) !== (code & 3)) return undefined;
    return { code: codeSegment, stack: stackSegment };
  }

  /** Segments that a handler starts with. 32-bit handlers name theirs; the stack changes only on the way in from user code. */
  #segments(vcpu: VirtualCpu, target: Callback, fromKernel: boolean): { code: SegmentCache; stack?: SegmentCache } | undefined {
    if (vcpu.bits === 64) return kernelSegments[64];
    const code = this.#codeSegment(vcpu, target);
    if (code === undefined || fromKernel) return code && { code };
    const { selector: stackSelector } = vcpu.kernelStack;
    const stack = stackSelector === kernelSegments[32].stack.selector ? kernelSegments[32].stack : vcpu.tables.segment(stackSelector);
    return stack === undefined ? undefined : { code, stack };
  }

  /** 32 bit: where a handler runs. */
  #codeSegment(vcpu: VirtualCpu, target: Callback): SegmentCache | undefined {
    const selector = target.selector | ((target.selector & 3) === 0 ? 1 : 0);
    const code = selector === kernelSegments[32].code.selector ? kernelSegments[32].code : vcpu.tables.segment(selector);
    const runs = code !== undefined && (code.access & 8) !== 0 && levelOf(code) === (selector & 3) && levelOf(code) !== 0;
    return runs ? code : undefined;
  }

  /** Flags as a frame shows them: the interrupt flag is the events' mask. */
  #shownFlags(vcpu: VirtualCpu, flags: number): number {
    return (flags & ~(IF | IOPL)) | (vcpu.info.mask === 0 ? IF : 0) | (this.showsIopl() ? vcpu.iopl << IOPL_SHIFT : 0);
  }

  /** Writes the frame down; its bytes. */
  #frame64({ general }: VirtualCpu, entry: Entry, at: FrameContent): number {
    const frame = this.#frame;
    frame.setBigUint64(0, general[RCX]!, true);
    frame.setBigUint64(8, general[R11]!, true);
    let end = 16;
    if (entry.selectors !== undefined) for (const selector of entry.selectors) end = this.#word(end, selector, 0);
    if (entry.errorCode !== undefined) end = this.#word(end, entry.errorCode, 0);
    frame.setBigUint64(end, at.rip, true);
    end = this.#word(end + 8, at.code, at.mask);
    end = this.#word(end, at.flags, 0);
    frame.setBigUint64(end, at.stackPointer, true);
    return this.#word(end + 8, at.stack, 0);
  }

  #frame32(entry: Entry, fromKernel: boolean, at: FrameContent): number {
    let end = 0;
    for (const selector of entry.selectors ?? []) end = this.#half(end, selector);
    if (entry.errorCode !== undefined) end = this.#half(end, entry.errorCode);
    end = this.#half(end, low32(at.rip));
    end = this.#half(end, at.code | (at.mask << 16));
    end = this.#half(end, at.flags);
    if (fromKernel) return end;
    end = this.#half(end, low32(at.stackPointer));
    return this.#half(end, at.stack);
  }

  /** 64 bits of the frame at `at`; where the next ones are. */
  #word(at: number, low: number, high: number): number {
    return this.#half(this.#half(at, low), high);
  }

  #half(at: number, value: number): number {
    this.#frame.setUint32(at, value, true);
    return at + 4;
  }

  /** The new stack pointer, or undefined when the stack is not there. */
  #push(vcpu: VirtualCpu, base: bigint, bytes: number): bigint | undefined {
    const top = vcpu.bits === 64 ? base & ~STACK_ALIGNMENT : base & 0xffff_ffffn;
    const pointer = BigInt.asUintN(vcpu.bits, top - wide(bytes));
    return this.copy.write(vcpu.id, pointer, this.#images[bytes / 4]!) ? pointer : undefined;
  }
}

/** Its low half. */
function low32(value: bigint): number {
  return Number(value & 0xffff_ffffn);
}

/** A flat code segment of 64-bit guests' user code. */
function flatCode(selector: number): SegmentCache | undefined {
  if (selector === userSegments.code64.selector) return userSegments.code64;
  return selector === userSegments.code32.selector ? userSegments.code32 : undefined;
}

interface FrameContent {
  readonly rip: bigint;
  readonly code: number;
  readonly mask: number;
  readonly flags: number;
  readonly stackPointer: bigint;
  readonly stack: number;
}

/** What IRET does to data segments of the kernel on the way to user code: they are null there. SDM Vol. 2A "IRET". */
function dropKernelSegments(registers: VirtualCpu["registers"], level: number): void {
  for (const name of ["ds", "es", "fs", "gs"] as const) {
    const segment = registers.segment(name);
    const conforming = (segment.access & CONFORMING_CODE) === CONFORMING_CODE;
    if (!conforming && levelOf(segment) < level) registers.setSegment(name, { selector: 0, base: 0n, limit: 0, access: 0 });
  }
}

/** Descriptor privilege level of a segment. */
function levelOf({ access }: SegmentCache): number {
  return (access >>> 5) & 3;
}
