/** UpdateKernelStack: the stack for entries from user code, in the task state segment that is in force. */
import type { ParavirtOps, Vcpu } from "@paravane/paravirt-ops";
import type { Done } from "./kernel.js";

/** Without a task register there is no segment to store to: Linux calls before its first LTR, and has written its own TSS already. */
export function updateKernelStack(under: ParavirtOps, vcpu: Vcpu, selector: number, pointer: number): Done {
  if ((vcpu.registers.segment("tr").selector & 0xfffc) === 0) return undefined;
  return under.cpu.loadSp0.run(vcpu, selector, BigInt(pointer));
}
