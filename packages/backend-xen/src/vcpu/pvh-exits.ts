/**
 * What a PVH guest does that comes to the hypervisor: calls by VMCALL or VMMCALL, CPUID, HLT, ports, and one WRMSR. All else is the
 * processor's, under page tables of its own: the guest is alone at level 0.
 */
import type {
  DeliveryAnswer,
  DeliveryEvent,
  InterceptableInstruction,
  InterceptAnswer,
  InterceptedInstruction,
} from "@paravane/paravirt-ops";
import { XEN_HYPERCALL_MSR } from "../abi/arch-x86.js";
import { errno } from "../abi/errno.js";
import { DOMAIN_ID, type Domain } from "../domain/domain.js";
import { pvhHypercallPage } from "../domain/hypercall-page.js";
import { frameNumber } from "../hypercalls/call.js";
import { callFromRegisters } from "../hypercalls/table.js";
import { hvmCpuid } from "./cpuid.js";
import type { VirtualCpu } from "./virtual-cpu.js";

const GENERAL_PROTECTION = 13;
const RFLAGS_IF = 1n << 9n;
const CS_LONG = 0x2000;
const EFER_LMA = 1n << 10n;
const WRMSR = [0x0f, 0x30] as const;
const SUPERVISOR = { level: 0 } as const;
/** EBX of leaf 0: "Genu". */
const INTEL = 0x756e_6547;

const FROM_ALL: readonly InterceptableInstruction[] = ["vmcall", "vmmcall", "cpuid"];

/** Intercept sets of a guest's kernel and of its user code. A #GP of the kernel may be the WRMSR that asks for the page of calls. */
export const pvhInterceptSets = {
  kernel: { instructions: [...FROM_ALL, "hlt", "in", "out"], exceptions: [GENERAL_PROTECTION], interrupts: true },
  user: { instructions: FROM_ALL, exceptions: [], interrupts: true },
} as const;

/** Exits and deliveries of one domain. */
export class PvhExits {
  constructor(private readonly domain: Domain) {}

  /** InterceptHandler */
  handle(id: number, intercepted: InterceptedInstruction): InterceptAnswer {
    const { domain } = this;
    const vcpu = domain.vcpus[id]!;
    const { taps, clock } = domain.environment;
    taps.intercept?.(clock.nowNs(), id, intercepted);
    this.#seen(vcpu);
    const answer = this.#answer(vcpu, intercepted);
    if (intercepted.instruction !== "hlt") domain.recheckEvents(vcpu);
    return answer;
  }

  /** One that its local APIC started is seen when it first does something. */
  #seen(vcpu: VirtualCpu): void {
    vcpu.online = vcpu.initialised = true;
    this.domain.upcalls!.runs(vcpu);
  }

  #answer(vcpu: VirtualCpu, i: InterceptedInstruction): InterceptAnswer {
    switch (i.instruction) {
      case "vmcall":
      case "vmmcall":
        return this.#call(vcpu, i.level);
      case "cpuid":
        return this.#cpuid(vcpu);
      case "hlt":
        return this.#halt(vcpu);
      case "in":
        return this.#floatingPort(vcpu, i.size ?? 1);
      case "out":
        return "next";
      default:
        return "architectural";
    }
  }

  #call(vcpu: VirtualCpu, level: number): InterceptAnswer {
    const { domain } = this;
    const { registers } = vcpu;
    if (level !== 0) {
      registers.set("rax", BigInt.asUintN(64, BigInt(-errno.EPERM)));
      return "next";
    }
    const wide = (registers.get("efer") & EFER_LMA) !== 0n && (registers.segment("cs").access & CS_LONG) !== 0;
    domain.bits = domain.copy.bits = wide ? 64 : 32;
    return callFromRegisters(domain, vcpu);
  }

  #cpuid(vcpu: VirtualCpu): InterceptAnswer {
    const { registers } = vcpu;
    const low = (name: "rax" | "rcx"): number => Number(registers.get(name) & 0xffff_ffffn);
    const tscKhz = Math.round(this.domain.environment.time.clocksource.hz / 1000);
    const found = hvmCpuid(low("rax"), low("rcx"), { vcpu: vcpu.id, domain: DOMAIN_ID, tscKhz });
    if (found === undefined) return "architectural";
    registers.set("rax", BigInt(found.eax >>> 0));
    registers.set("rbx", BigInt(found.ebx >>> 0));
    registers.set("rcx", BigInt(found.ecx >>> 0));
    registers.set("rdx", BigInt(found.edx >>> 0));
    return "next";
  }

  /** One that nothing can wake is down, and when all are the domain has powered itself off. */
  #halt(vcpu: VirtualCpu): InterceptAnswer {
    const { domain } = this;
    if ((vcpu.registers.get("rflags") & RFLAGS_IF) !== 0n) {
      domain.recheckEvents(vcpu);
      domain.upcalls!.sleeps(vcpu);
      return "architectural";
    }
    const isDown = ({ core, registers }: VirtualCpu): boolean => core.halted && (registers.get("rflags") & RFLAGS_IF) === 0n;
    if (domain.vcpus.every((other) => other === vcpu || isDown(other))) domain.end("poweroff", "every vCPU halted with interrupts off");
    return "architectural";
  }

  /** A PVH guest has no devices on ports. */
  #floatingPort(vcpu: VirtualCpu, size: number): InterceptAnswer {
    const ones = (1n << BigInt(8 * size)) - 1n;
    vcpu.registers.set("rax", size === 4 ? ones : vcpu.registers.get("rax") | ones);
    return "next";
  }

  /** DeliveryHandler */
  deliver(id: number, event: DeliveryEvent): DeliveryAnswer {
    const { domain } = this;
    const vcpu = domain.vcpus[id]!;
    const { taps, clock } = domain.environment;
    taps.delivery?.(clock.nowNs(), id, event);
    if (event.kind === "interrupt") {
      this.#seen(vcpu);
      domain.upcalls!.delivered(vcpu, event.vector ?? 0);
    }
    return event.kind === "exception" && event.vector === GENERAL_PROTECTION && this.#asksForCalls(vcpu) ? "handled" : "architectural";
  }

  /** The #GP was a WRMSR that asks for the page of calls: fills it, steps over the instruction, and is true. */
  #asksForCalls(vcpu: VirtualCpu): boolean {
    const { registers } = vcpu;
    const { hypervisor, environment, frames } = this.domain;
    if ((registers.get("rcx") & 0xffff_ffffn) !== BigInt(XEN_HYPERCALL_MSR)) return false;
    const code = new Uint8Array(WRMSR.length);
    const rip = registers.get("rip");
    const linear = BigInt.asUintN(64, registers.segment("cs").base + rip);
    if (hypervisor.linear.read(vcpu.id, linear, code, SUPERVISOR) !== undefined) return false;
    if (!WRMSR.every((byte, index) => code[index] === byte)) return false;
    const value = ((registers.get("rdx") & 0xffff_ffffn) << 32n) | (registers.get("rax") & 0xffff_ffffn);
    const frame = frameNumber(value >> 12n);
    if ((value & 0xfffn) !== 0n || !frames.owns(frame)) return false;
    environment.memory.write(frame * 4096, pvhHypercallPage(environment.cpuid(0, 0).ebx === INTEL ? "intel" : "amd"));
    registers.set("rip", rip + BigInt(WRMSR.length));
    return true;
  }
}
