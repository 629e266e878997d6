/**
 * What a PVH guest does that comes to the hypervisor: calls by VMCALL or VMMCALL, CPUID, HLT, ports, and a few MSRs. All else is the
 * processor's, under page tables of its own: the guest is alone at level 0.
 */
import {
  type DeliveryAnswer,
  type DeliveryEvent,
  generalProtection,
  type InterceptableInstruction,
  type InterceptAnswer,
  type InterceptedInstruction,
} from "@paravane/paravirt-ops";
import { errno } from "../abi/errno.js";
import { DOMAIN_ID, type Domain } from "../domain/domain.js";
import { callFromRegisters } from "../hypercalls/table.js";
import { hvmCpuid } from "./cpuid.js";
import { accessedRegister } from "./pvh-registers.js";
import { runStates, type VirtualCpu } from "./virtual-cpu.js";

const GENERAL_PROTECTION = 13;
const RFLAGS_IF = 1n << 9n;

const FROM_ALL: readonly InterceptableInstruction[] = ["vmcall", "vmmcall", "cpuid"];

/** Intercept sets of a guest's kernel and of its user code. A #GP of the kernel may be an access to a register of the hypervisor's. */
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
    domain.showExit(id, intercepted);
    this.#seen(vcpu);
    const answer = this.#answer(vcpu, intercepted);
    if (intercepted.instruction !== "hlt") domain.recheckEvents(vcpu);
    return answer;
  }

  /** One that its local APIC started is seen when it first does something. */
  #seen(vcpu: VirtualCpu): void {
    if (!vcpu.online) this.domain.runstates[vcpu.id]!.enter(runStates.running);
    vcpu.online = vcpu.initialised = true;
    this.domain.upcalls!.runs(vcpu);
  }

  #answer(vcpu: VirtualCpu, i: InterceptedInstruction): InterceptAnswer {
    switch (i.instruction) {
      case "vmcall":
      case "vmmcall":
        return this.#call(vcpu, i.level);
      case "cpuid":
        return vcpu.cpuidFaults && i.level !== 0 ? generalProtection : this.#cpuid(vcpu);
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
    domain.callsFrom(vcpu);
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
    vcpu.online = false;
    domain.runstates[vcpu.id]!.enter(runStates.offline);
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
    return event.kind === "exception" && event.vector === GENERAL_PROTECTION && accessedRegister(domain, vcpu)
      ? "handled"
      : "architectural";
  }
}
