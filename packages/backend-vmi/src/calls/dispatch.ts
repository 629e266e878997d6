/**
 * From a VMCALL to its handler. Which call it is says the physical address of the instruction: there is one for each call in the ROM, and none
 * outside of it is a call.
 */
import { generalProtection, type InterceptAnswer, type InterceptedInstruction, isGuestFault, type Vcpu } from "@paravane/paravirt-ops";
import { callByNumber, relocationTypes } from "../abi/calls.js";
import type { Guest, GuestCpu } from "../guest.js";
import { ROM_BYTES, type RomEntry } from "../rom/rom.js";
import { cpuCalls } from "./cpu.js";
import { mmuCalls } from "./mmu.js";
import { processorCalls } from "./processors.js";
import { type CallAnswer, type CallHandlers, RomCall } from "./rom-call.js";
import { timeCalls } from "./time.js";

const PAGE_OFFSET = 0xfffn;

/** The calls of one guest. */
export class Calls {
  readonly #handlers: CallHandlers;

  constructor(private readonly guest: Guest) {
    this.#handlers = { ...cpuCalls, ...mmuCalls, ...timeCalls, ...processorCalls, ...guest.kernel.calls };
  }

  /** Offset in the ROM of the instruction at RIP; undefined outside of it. */
  romOffset({ id, registers }: Vcpu): number | undefined {
    const { hypervisor, romBase } = this.guest;
    const rip = BigInt.asUintN(32, registers.segment("cs").base + registers.get("rip"));
    const physical = hypervisor.linear.translate(id, rip, { level: 0, execute: true });
    if (isGuestFault(physical)) return undefined;
    const offset = physical - romBase;
    return offset >= 0 && offset < ROM_BYTES ? offset : undefined;
  }

  /** How far the instruction at RIP is from the end of a return in the ROM. Most addresses are ruled out by their place in a page. */
  returningAt(vcpu: Vcpu): "restore" | "drop" | "iret" | undefined {
    const { returning } = this.guest.rom;
    if (!returning.has(Number(vcpu.registers.get("rip") & PAGE_OFFSET))) return undefined;
    const offset = this.romOffset(vcpu);
    return offset === undefined ? undefined : returning.get(offset);
  }

  /** Answers an intercepted instruction: a call, or what the kernel's level makes of it. */
  intercept(vcpu: number, intercepted: InterceptedInstruction): InterceptAnswer {
    const cpu = this.guest.cpus[vcpu]!;
    const { taps, clock } = this.guest.environment;
    taps.intercept?.(clock.nowNs(), vcpu, intercepted);
    if (intercepted.instruction !== "vmcall") {
      if (intercepted.level === 0) {
        const fault = this.guest.active ? this.#enter(cpu) : undefined;
        if (!this.guest.active || isGuestFault(fault)) return fault ?? "architectural";
      }
      return this.guest.kernel.intercept(cpu.vcpu, intercepted);
    }
    const offset = this.romOffset(cpu.vcpu);
    const exit = offset === undefined ? undefined : this.guest.rom.exits.get(offset);
    if (exit === undefined) return "architectural";
    const call = new RomCall(this.guest, cpu, exit.discard);
    if (taps.hypercall === undefined) return this.#run(exit.entry, offset!, call) ?? "next";
    const args = [call.eax, call.edx, call.ecx].map(BigInt);
    const answer = this.#run(exit.entry, offset!, call) ?? "next";
    const result = isGuestFault(answer) ? -BigInt(answer.fault) : BigInt(call.eax);
    taps.hypercall(clock.nowNs(), vcpu, tapName(exit.entry), args, result);
    return answer;
  }

  /** A processor that came up through real-address mode is at CPL 0 until its first call, or until it loads TR: its kernel's tables are there then. */
  #enter(cpu: GuestCpu): CallAnswer {
    if (cpu.entered) return undefined;
    const fault = this.guest.kernel.enter(cpu.vcpu);
    if (isGuestFault(fault)) return fault;
    cpu.entered = true;
  }

  #run(entry: RomEntry, offset: number, call: RomCall): CallAnswer {
    const { guest } = call;
    if (entry === "GetRelocationInfo") return this.#relocation(call, offset);
    if (entry === "Init" || guest.active) {
      const fault = this.#enter(call.cpu);
      if (isGuestFault(fault)) return fault;
      guest.active = true;
      if (entry === "Init") return call.result(0);
    }
    const handler = this.#handlers[entry];
    return handler === undefined ? generalProtection : handler(call);
  }

  /** GetRelocationInfo: EAX is a call's number; EDX:EAX becomes { u32 eip; u8 type; u8 reserved[3] }. */
  #relocation(call: RomCall, offset: number): CallAnswer {
    const { policy, rom } = call.guest;
    const name = callByNumber(call.eax);
    const answer = name === undefined ? "native" : policy[name];
    const target = name === undefined ? undefined : rom.targets.get(name);
    const base = call.registers.get("rip") - BigInt(offset);
    const eip = target === undefined || answer === "native" || answer === "nop" ? 0n : base + BigInt(target[answer]);
    return call.resultPair(BigInt.asUintN(32, eip) | (BigInt(relocationTypes[answer]) << 32n));
  }
}

/** As the guest's headers have it. */
function tapName(entry: RomEntry): string {
  return entry === "Init" || entry === "GetRelocationInfo" ? `VMI_${entry}` : `VMI_CALL_${entry}`;
}
