/** Deliveries that come to the backend before any IDT is read, and what its answers do to the vCPU. */
import type { DeliveryEvent, DeliveryHandler, ResumeAt } from "@paravane/paravirt-ops";
import * as L from "../layout.js";
import { idOf, type LentState, levelOf } from "./state.js";

const KINDS: Readonly<Record<number, DeliveryEvent["kind"]>> = {
  [L.DELIVER_EXCEPTION]: "exception",
  [L.DELIVER_INTERRUPT]: "interrupt",
  [L.DELIVER_NMI]: "nmi",
  [L.DELIVER_SOFTWARE]: "software",
  [L.DELIVER_EVENT]: "event",
};
const PAGE_FAULT = 14;
const NO_ERROR = 0xffffffff;

export class Deliveries {
  handler: DeliveryHandler | undefined;

  constructor(private readonly state: LentState) {}

  /** An ANSWER_*: architectural or done. */
  run(cpu: number, kind: number, vector: number, error: number): number {
    if (this.handler === undefined) return kind === L.DELIVER_EVENT ? L.ANSWER_DONE : L.ANSWER_ARCHITECTURAL;
    const answer = this.handler(idOf(cpu), this.#event(cpu, kind, vector, error));
    if (answer === "architectural") return kind === L.DELIVER_EVENT ? L.ANSWER_DONE : L.ANSWER_ARCHITECTURAL;
    if (answer !== "handled") {
      if ("crash" in answer) this.state.vcpus[idOf(cpu)]!.crash(answer.crash);
      else this.#resume(idOf(cpu), answer);
    }
    return L.ANSWER_DONE;
  }

  #event(cpu: number, kind: number, vector: number, error: number): DeliveryEvent {
    const { view } = this.state;
    const level = levelOf(view, cpu);
    if (kind === L.DELIVER_EVENT) return { kind: "event", level };
    return {
      kind: KINDS[kind]!,
      vector,
      level,
      ...(error === NO_ERROR ? {} : { errorCode: error }),
      ...(kind === L.DELIVER_EXCEPTION && vector === PAGE_FAULT ? { address: view.getBigUint64(cpu + L.FAULT_ADDRESS, true) } : {}),
      ...(kind === L.DELIVER_SOFTWARE ? { length: view.getUint8(view.getUint32(cpu + L.INTERCEPT_UOP, true) + L.U_LEN) } : {}),
    };
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
