/** What wants to enter the guest: exceptions go to its trap table, events to its callback, and the machine's interrupts nowhere. */
import { type DeliveryAnswer, type DeliveryEvent, isGuestFault } from "@paravane/paravirt-ops";
import type { Domain } from "../domain/domain.js";
import { setTaskSwitched } from "../hypercalls/vcpu-state.js";
import { leafOf, throughGate } from "./call-gates.js";
import { takeNmi } from "./nmi.js";
import { readCounter } from "./time-counter.js";
import type { VirtualCpu } from "./virtual-cpu.js";

const DEBUG = 1;
const DEVICE_NOT_AVAILABLE = 7;
const DOUBLE_FAULT = 8;
const GENERAL_PROTECTION = 13;
const PAGE_FAULT = 14;
/** Of an error code: an interrupt's, and of something outside the program. */
const FROM_TABLE = 3;
const TF = 0x100n;
const DR6_STEP = 1n << 14n;
/** Of a #PF: the access was the user's. */
const USER_ACCESS = 4;

/** Deliveries into one domain. */
export class Deliveries {
  constructor(private readonly domain: Domain) {}

  /** DeliveryHandler */
  handle(id: number, event: DeliveryEvent): DeliveryAnswer {
    const { domain } = this;
    const vcpu = domain.vcpus[id]!;
    const { taps, clock } = domain.environment;
    taps.delivery?.(clock.nowNs(), id, event);
    const answer = this.#answer(vcpu, event);
    if (typeof answer === "object" && "crash" in answer) {
      domain.crash(vcpu, answer.crash);
      return "handled";
    }
    return answer;
  }

  #answer(vcpu: VirtualCpu, event: DeliveryEvent): DeliveryAnswer {
    switch (event.kind) {
      case "event":
        return this.#event(vcpu);
      case "nmi":
        vcpu.nmiPending = true;
        takeNmi(this.domain, vcpu);
        return "handled";
      // The machine's devices are not this guest's.
      case "interrupt":
        return "handled";
      default:
        return this.#exception(vcpu, event);
    }
  }

  #event(vcpu: VirtualCpu): DeliveryAnswer {
    this.domain.hypervisor.setPending(vcpu.id, false);
    const { event } = vcpu.callbacks;
    if (!vcpu.info.pending || vcpu.info.mask !== 0 || event === undefined) return "handled";
    const entered = this.domain.entry.enter(vcpu, { target: event });
    // The kernel's tables are in force now, in which its copy is mapped.
    this.domain.runstates[vcpu.id]!.publishStolen();
    return entered;
  }

  #exception(vcpu: VirtualCpu, { vector = 0, errorCode, address }: DeliveryEvent): DeliveryAnswer {
    if (vector === DOUBLE_FAULT) return { crash: "double fault" };
    if (vector === DEVICE_NOT_AVAILABLE && vcpu.taskSwitched) {
      vcpu.taskSwitched = false;
      setTaskSwitched(this.domain, vcpu, false);
    }
    if (
      vector === GENERAL_PROTECTION &&
      this.domain.bits === 32 &&
      errorCode !== undefined &&
      errorCode !== 0 &&
      (errorCode & FROM_TABLE) === 0
    )
      return this.#farTransfer(vcpu, errorCode);
    if (vector === GENERAL_PROTECTION && errorCode === 0 && readCounter(this.domain, vcpu)) return this.#afterStep(vcpu);
    return this.#bounce(vcpu, vector, errorCode, address);
  }

  /** A selector was refused: perhaps it is a call gate's. */
  #farTransfer(vcpu: VirtualCpu, errorCode: number): DeliveryAnswer {
    const { domain } = this;
    const through = throughGate(domain, vcpu, errorCode);
    if (isGuestFault(through)) return this.#bounce(vcpu, through.fault, through.errorCode, through.address);
    if ((through.rflags & TF) === 0n) return through;
    domain.entry.apply(vcpu, through);
    return this.#afterStep(vcpu);
  }

  /** An instruction was emulated: a guest that steps is told. */
  #afterStep(vcpu: VirtualCpu): DeliveryAnswer {
    const { registers } = vcpu;
    if ((registers.get("rflags") & TF) === 0n) return "handled";
    registers.set("dr6", registers.get("dr6") | DR6_STEP);
    return this.#bounce(vcpu, DEBUG, undefined, undefined);
  }

  /** Into the guest's handler. */
  #bounce(vcpu: VirtualCpu, vector: number, errorCode: number | undefined, address: bigint | undefined): DeliveryAnswer {
    let code = errorCode;
    if (vector === PAGE_FAULT && address !== undefined) {
      if (vcpu.tables.isLdtAddress(address) && vcpu.tables.takeLdtPage(address, leafOf(this.domain, vcpu))) return "handled";
      vcpu.info.setCr2(this.domain.bits, address);
      code = vcpu.inKernel ? (code ?? 0) & ~USER_ACCESS : (code ?? 0) | USER_ACCESS;
    }
    const target = vcpu.traps.get(vector);
    if (target === undefined)
      return { crash: `exception ${vector}${code === undefined ? "" : `, error code 0x${code.toString(16)}`}, without a handler` };
    return this.domain.entry.enter(vcpu, code === undefined ? { target } : { target, errorCode: code });
  }
}
