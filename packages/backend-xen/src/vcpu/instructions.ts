/**
 * Instructions of a PV guest that come to the hypervisor: calls, software interrupts, SYSCALL of user code, and the privileged ones that a
 * kernel at CPL 1 or 3 may use all the same, emulated as the manual has them. Everything else raises what the processor raises.
 */
import {
  generalRegisters,
  type GuestFault,
  generalProtection,
  type InterceptableInstruction,
  type InterceptAnswer,
  type InterceptedInstruction,
  isGuestFault,
  undefinedOpcode,
} from "@paravane/paravirt-ops";
import { FORCED_EMULATION_PREFIX, selectors } from "../abi/arch-x86.js";
import { errno } from "../abi/errno.js";
import { HYPERCALL_VECTOR } from "../abi/hypercalls.js";
import { wide } from "../abi/wide.js";
import { vmAssists } from "../abi/xen.js";
import { BOOT_CR0, BOOT_CR4, CR4_GUEST, kernelSegments } from "../domain/boot-vcpu.js";
import type { Domain } from "../domain/domain.js";
import { frameNumber } from "../hypercalls/call.js";
import { callFromRegisters } from "../hypercalls/table.js";
import { setTaskSwitched } from "../hypercalls/vcpu-state.js";
import { pvCpuid } from "./cpuid.js";
import { debugRegister, setDebugRegister } from "./debug-registers.js";
import type { Entry } from "./entry.js";
import { readModelRegister, writeModelRegister } from "./model-registers.js";
import { takeNmi } from "./nmi.js";
import { Ports } from "./ports.js";
import { stringPort } from "./string-ports.js";
import type { VirtualCpu } from "./virtual-cpu.js";

const DEBUG = 1;
const BREAKPOINT = 3;
const OVERFLOW = 4;
const GENERAL_PROTECTION = 13;
const RCX = generalRegisters.indexOf("rcx");
const R11 = generalRegisters.indexOf("r11");
const FLAT_KERNEL = kernelSegments[64];
const CPUID_INSTRUCTION = [0x0f, 0xa2];
const CR0_TS = 1n << 3n;

/** What comes to the hypervisor from kernel and user alike. */
const FROM_ALL: readonly InterceptableInstruction[] = [
  "syscall",
  "sysenter",
  "int",
  "int3",
  "into",
  "ud2",
  "cpuid",
  "in",
  "out",
  "ins",
  "outs",
  "cli",
  "sti",
];
/** And what a kernel may use beyond its real privilege. */
const FROM_KERNEL: readonly InterceptableInstruction[] = [
  "mov-from-cr",
  "mov-to-cr",
  "clts",
  "mov-from-dr",
  "mov-to-dr",
  "rdmsr",
  "wrmsr",
  "wbinvd",
  "xsetbv",
];
const ALL_EXCEPTIONS = Array.from({ length: 32 }, (_, vector) => vector);

/** Intercept sets of a guest's kernel and of its user code. */
export const interceptSets = {
  kernel: { instructions: [...FROM_ALL, ...FROM_KERNEL], exceptions: ALL_EXCEPTIONS, interrupts: true },
  user: { instructions: FROM_ALL, exceptions: ALL_EXCEPTIONS, interrupts: true },
} as const;

/** The instructions of one domain. */
export class Instructions {
  readonly #ports: Ports;

  constructor(private readonly domain: Domain) {
    this.#ports = new Ports(domain);
  }

  /** InterceptHandler */
  handle(id: number, intercepted: InterceptedInstruction): InterceptAnswer {
    const { domain } = this;
    const vcpu = domain.vcpus[id]!;
    domain.showExit(id, intercepted);
    const answer = this.#answer(vcpu, intercepted);
    domain.recheckEvents(vcpu);
    return vcpu.nmiPending ? this.#beforeNmi(vcpu, answer, intercepted.length) : answer;
  }

  /** An NMI that the instruction brought about comes after it. */
  #beforeNmi(vcpu: VirtualCpu, answer: InterceptAnswer, length: number): InterceptAnswer {
    if (vcpu.nmiMasked || (answer !== "next" && answer !== "resume")) return answer;
    if (answer === "next") vcpu.registers.set("rip", vcpu.registers.get("rip") + BigInt(length));
    takeNmi(this.domain, vcpu);
    return "resume";
  }

  #answer(vcpu: VirtualCpu, i: InterceptedInstruction): InterceptAnswer {
    switch (i.instruction) {
      case "syscall":
        return this.#syscall(vcpu, i.length);
      case "sysenter":
        return this.#sysenter(vcpu);
      case "int":
        return this.#softwareInterrupt(vcpu, i.index ?? 0, i.length);
      case "int3":
        return this.#inject(vcpu, BREAKPOINT, vcpu.registers.get("rip") + BigInt(i.length));
      case "into":
        return this.#inject(vcpu, OVERFLOW, vcpu.registers.get("rip") + BigInt(i.length));
      case "ud2":
        return this.#forcedEmulation(vcpu);
      case "cpuid":
        if (vcpu.cpuidFaults && !vcpu.inKernel) return generalProtection;
        this.#cpuid(vcpu);
        return "next";
      case "cli":
      case "sti":
        return this.#ports.hasPrivilege(vcpu) ? "next" : generalProtection;
      case "in":
      case "out":
        return this.#watched(vcpu, i, this.#port(vcpu, i));
      case "ins":
      case "outs":
        return this.#watched(vcpu, i, stringPort(this.domain, this.#ports, vcpu, i));
      default:
        return vcpu.inKernel ? this.#privileged(vcpu, i) : generalProtection;
    }
  }

  /** Into the kernel, by the registers. */
  #enter(vcpu: VirtualCpu, entry: Entry): InterceptAnswer {
    const entered = this.domain.entry.enter(vcpu, entry);
    if ("crash" in entered) this.domain.crash(vcpu, entered.crash);
    else this.domain.entry.apply(vcpu, entered);
    return "resume";
  }

  #inject(vcpu: VirtualCpu, vector: number, rip: bigint): InterceptAnswer {
    return this.#enter(vcpu, { target: vcpu.traps.get(vector) ?? { selector: 0, address: 0n, masksEvents: false }, rip });
  }

  #syscall(vcpu: VirtualCpu, length: number): InterceptAnswer {
    const { registers } = vcpu;
    if (vcpu.inKernel && this.domain.bits === 64) {
      this.#leaveFlat(vcpu);
      return callFromRegisters(this.domain, vcpu);
    }
    const long = this.domain.bits === 64 && (registers.segment("cs").access & 0x2000) !== 0;
    const callback = long ? vcpu.callbacks.syscall : vcpu.callbacks.syscall32;
    if (this.domain.bits === 32) this.#showUserCode(vcpu, false);
    if (callback === undefined || callback.address === 0n) return this.domain.bits === 64 ? undefinedOpcode : generalProtection;
    const rip = registers.get("rip") + wide(length);
    vcpu.general[RCX] = rip;
    vcpu.general[R11] = wide(registers.flags());
    this.#showUserCode(vcpu, long);
    return this.#enter(vcpu, { target: callback, rip, clearsDirection: true });
  }

  /** A call is a SYSCALL, so that the guest goes on in the flat segments whichever it came from. */
  #leaveFlat({ registers }: VirtualCpu): void {
    const { code, stack } = FLAT_KERNEL;
    if (registers.selector("cs") !== code.selector) registers.setSegment("cs", code);
    if (registers.selector("ss") !== stack.selector) registers.setSegment("ss", stack);
  }

  /** SYSCALL does not keep selectors: the frame shows the flat ones. */
  #showUserCode(vcpu: VirtualCpu, long: boolean): void {
    const { registers } = vcpu;
    const { bits } = this.domain;
    showSelector(registers, "cs", long ? selectors[64].userCode64 : selectors[bits].userCode32);
    showSelector(registers, "ss", selectors[bits].userData);
  }

  #sysenter(vcpu: VirtualCpu): InterceptAnswer {
    const callback = vcpu.callbacks.sysenter;
    if (vcpu.inKernel || callback === undefined || callback.address === 0n) return generalProtection;
    const { registers } = vcpu;
    registers.set("rsp", 0n);
    registers.setSegment("cs", { ...registers.segment("cs"), selector: 3 });
    registers.setSegment("ss", { ...registers.segment("ss"), selector: selectors[this.domain.bits].userData });
    return this.#enter(vcpu, { target: callback, rip: 0n });
  }

  #softwareInterrupt(vcpu: VirtualCpu, vector: number, length: number): InterceptAnswer {
    const { bits } = this.domain;
    if (vector === HYPERCALL_VECTOR && bits === 32) {
      return vcpu.inKernel ? callFromRegisters(this.domain, vcpu) : { fault: GENERAL_PROTECTION, errorCode: (vector << 3) | 2 };
    }
    const trap = vcpu.traps.get(vector);
    const kernelLevel = this.domain.assists.has(vmAssists.architectural_iopl) ? 0 : 1;
    const level = vcpu.inKernel ? kernelLevel : 3;
    // Xen's own gate for 0x80 is open to all; others are as open as the guest says.
    if (trap === undefined || (vector !== 0x80 && trap.level < level)) return { fault: GENERAL_PROTECTION, errorCode: (vector << 3) | 2 };
    return this.#enter(vcpu, { target: trap, rip: vcpu.registers.get("rip") + BigInt(length) });
  }

  /** ud2; "xen"; cpuid. */
  #forcedEmulation(vcpu: VirtualCpu): InterceptAnswer {
    const rip = vcpu.registers.get("rip");
    const wanted = [...FORCED_EMULATION_PREFIX, ...CPUID_INSTRUCTION];
    const code = this.domain.copy.read(vcpu.id, rip, wanted.length);
    if (code === undefined || !wanted.every((byte, index) => code[index] === byte)) return undefinedOpcode;
    if (vcpu.cpuidFaults && !vcpu.inKernel) {
      vcpu.registers.set("rip", rip + BigInt(FORCED_EMULATION_PREFIX.length));
      return generalProtection;
    }
    this.#cpuid(vcpu);
    vcpu.registers.set("rip", rip + BigInt(wanted.length));
    return "resume";
  }

  #cpuid(vcpu: VirtualCpu): void {
    const { registers } = vcpu;
    const { environment } = this.domain;
    const { eax, ebx, ecx, edx } = pvCpuid(Number(registers.get("rax") & 0xffff_ffffn), Number(registers.get("rcx") & 0xffff_ffffn), {
      bits: this.domain.bits,
      cr4: vcpu.cr4,
      tscKhz: Math.round(environment.time.clocksource.hz / 1000),
      machine: (leaf, subleaf) => environment.cpuid(leaf, subleaf),
    });
    registers.set("rax", BigInt(eax >>> 0));
    registers.set("rbx", BigInt(ebx >>> 0));
    registers.set("rcx", BigInt(ecx >>> 0));
    registers.set("rdx", BigInt(edx >>> 0));
  }

  /** A watched port was accessed: #DB, when the access is over. */
  #watched(vcpu: VirtualCpu, { length }: InterceptedInstruction, answer: InterceptAnswer): InterceptAnswer {
    const { debugHits, registers } = vcpu;
    vcpu.debugHits = 0n;
    if (debugHits === 0n || (answer !== "next" && answer !== "resume")) return answer;
    registers.set("dr6", registers.get("dr6") | debugHits);
    return this.#inject(vcpu, DEBUG, registers.get("rip") + BigInt(answer === "next" ? length : 0));
  }

  #port(vcpu: VirtualCpu, { instruction, port = 0, size = 1, operand = 0n }: InterceptedInstruction): InterceptAnswer {
    if (instruction === "out") return this.#ports.write(vcpu, port, size, Number(operand)) ?? "next";
    const value = this.#ports.read(vcpu, port, size);
    if (isGuestFault(value)) return value;
    const kept = size === 4 ? 0n : vcpu.registers.get("rax") & ~((1n << BigInt(8 * size)) - 1n);
    vcpu.registers.set("rax", kept | BigInt(value >>> 0));
    return "next";
  }

  #privileged(vcpu: VirtualCpu, i: InterceptedInstruction): InterceptAnswer {
    switch (i.instruction) {
      case "mov-from-cr":
        return this.#result(vcpu, i, this.#readControl(vcpu, i.control));
      case "mov-to-cr":
        return this.#writeControl(vcpu, i.control, i.operand ?? 0n);
      case "clts":
        vcpu.taskSwitched = false;
        setTaskSwitched(this.domain, vcpu, false);
        return "next";
      case "mov-from-dr":
        return this.#readDebug(vcpu, i);
      case "mov-to-dr":
        return this.#writeDebug(vcpu, i);
      case "rdmsr":
        return this.#readMsr(vcpu, i.index ?? 0);
      case "wrmsr":
        return writeModelRegister(this.domain, vcpu, i.index ?? 0, i.operand ?? 0n) ? "next" : generalProtection;
      case "xsetbv":
        // There is one extended control register.
        if ((i.index ?? 0) !== 0) return generalProtection;
        return this.#fault(this.domain.operations.cpu.writeXcr0.run(vcpu.core, i.operand ?? 0n));
      case "wbinvd":
        this.domain.operations.cpu.wbinvd.run(vcpu.core);
        return "next";
      default:
        return generalProtection;
    }
  }

  #readDebug(vcpu: VirtualCpu, i: InterceptedInstruction): InterceptAnswer {
    const value = debugRegister(vcpu, i.index ?? 0);
    return this.#result(vcpu, i, typeof value === "number" ? undefinedOpcode : value);
  }

  #writeDebug(vcpu: VirtualCpu, { index = 0, operand = 0n }: InterceptedInstruction): InterceptAnswer {
    const error = setDebugRegister(this.domain, vcpu, index, operand);
    if (error === 0) return "next";
    return error === -errno.ENODEV ? undefinedOpcode : generalProtection;
  }

  #fault(answer: unknown): InterceptAnswer {
    return isGuestFault(answer) ? answer : "next";
  }

  #result(vcpu: VirtualCpu, { destination = 0 }: InterceptedInstruction, value: bigint | undefined | GuestFault): InterceptAnswer {
    if (isGuestFault(value)) return value;
    if (value === undefined) return generalProtection;
    vcpu.registers.set(generalRegisters[destination & 15]!, value);
    return "next";
  }

  #readControl(vcpu: VirtualCpu, control: InterceptedInstruction["control"]): bigint | undefined {
    switch (control) {
      case "cr0":
        return vcpu.taskSwitched ? BOOT_CR0 | CR0_TS : BOOT_CR0;
      case "cr2":
        return vcpu.info.cr2(this.domain.bits);
      case "cr3": {
        const root = vcpu.space.root ?? 0;
        return this.domain.bits === 64 ? BigInt(root) << 12n : BigInt(((root << 12) | (root >>> 20)) >>> 0);
      }
      case "cr4":
        return BOOT_CR4 | vcpu.cr4;
      default:
        return undefined;
    }
  }

  #writeControl(vcpu: VirtualCpu, control: InterceptedInstruction["control"], value: bigint): InterceptAnswer {
    const { domain } = this;
    switch (control) {
      case "cr0":
        if (((value ^ BOOT_CR0) & ~CR0_TS) !== 0n) return generalProtection;
        vcpu.taskSwitched = (value & CR0_TS) !== 0n;
        setTaskSwitched(domain, vcpu, vcpu.taskSwitched);
        return "next";
      case "cr2":
        vcpu.info.setCr2(domain.bits, value);
        return "next";
      case "cr3": {
        const frame = domain.bits === 64 ? value >> 12n : (value >> 12n) | ((value & 0xfffn) << 20n);
        return vcpu.space.setKernel(frameNumber(frame), true) === 0 ? "next" : generalProtection;
      }
      case "cr4": {
        vcpu.cr4 = value & CR4_GUEST;
        return this.#fault(domain.operations.cpu.writeCr4.run(vcpu.core, BOOT_CR4 | vcpu.cr4));
      }
      default:
        return undefinedOpcode;
    }
  }

  #readMsr(vcpu: VirtualCpu, index: number): InterceptAnswer {
    let value = readModelRegister(vcpu, index);
    // A kernel without a #GP handler yet could not be told in any other way.
    if (value === undefined && (vcpu.traps.get(GENERAL_PROTECTION)?.address ?? 0n) === 0n) value = 0n;
    if (value === undefined) return generalProtection;
    vcpu.registers.set("rax", value & 0xffff_ffffn);
    vcpu.registers.set("rdx", (value >> 32n) & 0xffff_ffffn);
    return "next";
  }
}

/** The selector alone changes. */
function showSelector(registers: VirtualCpu["registers"], name: "cs" | "ss", selector: number): void {
  if (registers.selector(name) !== selector) registers.setSegment(name, { ...registers.segment(name), selector });
}
