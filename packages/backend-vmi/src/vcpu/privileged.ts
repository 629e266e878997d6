/**
 * The kernel at CPL 0: nothing of its state is shadowed, calls are what their instructions do. What is left is that a fault of the ROM's IRET must
 * be seen at the guest's own return, whose address the kernel's table of exceptions has.
 */
import type { DeliveryAnswer, DeliveryEvent, InterceptAnswer, StoreAnswer, TableOperand, Vcpu } from "@paravane/paravirt-ops";
import type { StartImage } from "../calls/processors.js";
import type { CallAnswer, CallHandlers } from "../calls/rom-call.js";
import type { Done, Kernel, KernelParts } from "./kernel.js";
import { updateKernelStack } from "./kernel-stack.js";
import { returnSite } from "./return-site.js";
import { startRegisters, startSegments } from "./start.js";

/** Faults that IRET can raise: #TS, #NP, #SS, #GP, #PF. */
const RETURN_FAULTS = [10, 11, 12, 13, 14];

export class PrivilegedKernel implements Kernel {
  readonly calls: CallHandlers = {};

  constructor(private readonly parts: KernelParts) {}

  enter({ id }: Vcpu): CallAnswer {
    this.parts.hypervisor.setIntercepts(id, 0, { instructions: ["vmcall"], exceptions: RETURN_FAULTS, interrupts: false });
  }

  leave(): void {}

  start(vcpu: Vcpu, image: StartImage): Done {
    startRegisters(vcpu, image);
    vcpu.registers.setTable("gdtr", { base: image.gdtrBase, limit: Number(image.gdtrLimit) });
    vcpu.registers.setTable("idtr", { base: image.idtrBase, limit: Number(image.idtrLimit) });
    this.enter(vcpu);
    return startSegments(this.parts.hypervisor, vcpu, image);
  }

  writeMsr(vcpu: Vcpu, index: number, value: bigint): Done {
    return this.parts.under.cpu.writeMsr.run(vcpu, index, value);
  }

  loadGdt(vcpu: Vcpu, table: TableOperand): Done {
    return this.parts.under.cpu.loadGdt.run(vcpu, table);
  }

  storeGdt(vcpu: Vcpu) {
    return this.parts.under.cpu.storeGdt.run(vcpu);
  }

  loadIdt(vcpu: Vcpu, table: TableOperand): Done {
    return this.parts.under.cpu.loadIdt.run(vcpu, table);
  }

  storeIdt(vcpu: Vcpu) {
    return this.parts.under.cpu.storeIdt.run(vcpu);
  }

  loadLdt(vcpu: Vcpu, selector: number): Done {
    return this.parts.under.cpu.setLdt.run(vcpu, selector);
  }

  loadTr(vcpu: Vcpu, selector: number): Done {
    return this.parts.under.cpu.loadTr.run(vcpu, selector);
  }

  loadStack(vcpu: Vcpu, selector: number, pointer: number): Done {
    return updateKernelStack(this.parts.under, vcpu, selector, pointer);
  }

  setIopl(vcpu: Vcpu, iopl: number): Done {
    return this.parts.under.cpu.setIoplMask.run(vcpu, iopl);
  }

  intercept(): InterceptAnswer {
    return "architectural";
  }

  store(): StoreAnswer {
    return "store";
  }

  stored(): void {}

  deliver(vcpu: Vcpu, event: DeliveryEvent): DeliveryAnswer {
    if (event.kind !== "exception" || !this.parts.returnIsCalled || this.parts.returningAt(vcpu) !== "iret") return "architectural";
    const site = returnSite(this.parts.hypervisor, vcpu, -4);
    if (site !== undefined) vcpu.registers.set("rip", site);
    return "architectural";
  }
}
