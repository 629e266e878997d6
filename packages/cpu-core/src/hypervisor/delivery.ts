/** Deliveries that come to the backend before any IDT is read, and what its answers do to the vCPU. */
import type { DeliveryEvent, DeliveryHandler, ResumeAt } from "@paravane/paravirt-ops";
import * as L from "../layout.js";
import { idOf, type LentState, levelOf } from "./state.js";

const PAGE_FAULT = 14;
const NO_ERROR = 0xffffffff;

export class Deliveries {
  handler: DeliveryHandler | undefined;

  constructor(private readonly state: LentState) {}

  /** An ANSWER_*: architectural or done. */
  run(cpu: number, kind: number, vector: number, error: number, length = 0): number {
    if (this.handler === undefined) return kind === L.DELIVER_EVENT ? L.ANSWER_DONE : L.ANSWER_ARCHITECTURAL;
    const answer = this.handler(idOf(cpu), this.#event(cpu, kind, vector, error, length));
    if (answer === "architectural") return kind === L.DELIVER_EVENT ? L.ANSWER_DONE : L.ANSWER_ARCHITECTURAL;
    if (answer !== "handled") {
      if ("crash" in answer) this.state.vcpus[idOf(cpu)]!.crash(answer.crash);
      else this.#resume(idOf(cpu), answer);
    }
    return L.ANSWER_DONE;
  }

  /** INT n of `length` bytes, with RIP at it. Its frame is to say what follows. */
  software(cpu: number, vector: number, length: number): number {
    const { view } = this.state;
    const rip = view.getBigUint64(cpu + L.RIP, true);
    view.setBigUint64(cpu + L.RIP, (rip + BigInt(length)) & view.getBigUint64(cpu + L.LIN_MASK, true), true);
    const answer = this.run(cpu, L.DELIVER_SOFTWARE, vector, NO_ERROR, length);
    if (answer === L.ANSWER_ARCHITECTURAL) view.setBigUint64(cpu + L.RIP, rip, true);
    return answer;
  }

  #event(cpu: number, kind: number, vector: number, error: number, length: number): DeliveryEvent {
    const { view } = this.state;
    const level = levelOf(view, cpu);
    switch (kind) {
      case L.DELIVER_EVENT:
        return { kind: "event", level };
      case L.DELIVER_SOFTWARE:
        return { kind: "software", vector, level, length };
      case L.DELIVER_EXCEPTION:
        if (vector === PAGE_FAULT)
          return { kind: "exception", vector, level, errorCode: error, address: view.getBigUint64(cpu + L.FAULT_ADDRESS, true) };
        return error === NO_ERROR ? { kind: "exception", vector, level } : { kind: "exception", vector, level, errorCode: error };
      default:
        return { kind: kind === L.DELIVER_NMI ? "nmi" : "interrupt", vector, level };
    }
  }

  #resume(vcpu: number, { rip, rsp, rflags, code, stack }: ResumeAt): void {
    const { registers } = this.state.vcpus[vcpu]!;
    if (code !== undefined) registers.setSegment("cs", code);
    if (stack !== undefined) registers.setSegment("ss", stack);
    registers.set("rip", rip);
    registers.set("rsp", rsp);
    registers.set("rflags", rflags);
  }
}
