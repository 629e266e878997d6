/**
 * The kernel at CPL 0: nothing of its state is shadowed, calls are what their instructions do. What is left is that a fault of the ROM's IRET must
 * be seen at the guest's own return, whose address the kernel's table of exceptions has.
 */
import type {
  DeliveryAnswer,
  DeliveryEvent,
  HypervisorHandle,
  InterceptAnswer,
  ParavirtOps,
  TableOperand,
  Vcpu,
} from "@paravane/paravirt-ops";
import type { StartImage } from "../calls/processors.js";
import type { CallAnswer, CallHandlers } from "../calls/rom-call.js";
import type { Done, Kernel } from "./kernel.js";
import { returnSite } from "./return-site.js";
import { startRegisters, startSegments } from "./start.js";

/** Faults that IRET can raise: #TS, #NP, #SS, #GP, #PF. */
const RETURN_FAULTS = [10, 11, 12, 13, 14];

/** What the kernel needs to know of the ROM: how far from its end of work an instruction of it is. */
export type ReturningAt = (vcpu: Vcpu) => "restore" | "drop" | "iret" | undefined;

export class PrivilegedKernel implements Kernel {
  readonly calls: CallHandlers = {};

  constructor(
    private readonly hypervisor: HypervisorHandle,
    private readonly under: ParavirtOps,
    private readonly returningAt: ReturningAt,
    /** The guest was told to call IRET, so that the place of the call is known. */
    private readonly returnIsCalled: boolean,
  ) {}

  enter({ id }: Vcpu): CallAnswer {
    this.hypervisor.setIntercepts(id, 0, { instructions: ["vmcall"], exceptions: RETURN_FAULTS, interrupts: false });
  }

  start(vcpu: Vcpu, image: StartImage): Done {
    startRegisters(vcpu, image);
    vcpu.registers.setTable("gdtr", { base: image.gdtrBase, limit: Number(image.gdtrLimit) });
    vcpu.registers.setTable("idtr", { base: image.idtrBase, limit: Number(image.idtrLimit) });
    this.enter(vcpu);
    return startSegments(this.hypervisor, vcpu, image);
  }

  writeMsr(vcpu: Vcpu, index: number, value: bigint): Done {
    return this.under.cpu.writeMsr.run(vcpu, index, value);
  }

  loadGdt(vcpu: Vcpu, table: TableOperand): Done {
    return this.under.cpu.loadGdt.run(vcpu, table);
  }

  storeGdt(vcpu: Vcpu) {
    return this.under.cpu.storeGdt.run(vcpu);
  }

  loadIdt(vcpu: Vcpu, table: TableOperand): Done {
    return this.under.cpu.loadIdt.run(vcpu, table);
  }

  storeIdt(vcpu: Vcpu) {
    return this.under.cpu.storeIdt.run(vcpu);
  }

  loadLdt(vcpu: Vcpu, selector: number): Done {
    return this.under.cpu.setLdt.run(vcpu, selector);
  }

  loadTr(vcpu: Vcpu, selector: number): Done {
    return this.under.cpu.loadTr.run(vcpu, selector);
  }

  writeGdtEntry(vcpu: Vcpu, table: bigint, index: number, descriptor: bigint): Done {
    return this.under.cpu.writeGdtEntry.run(vcpu, table, index, descriptor);
  }

  writeLdtEntry(vcpu: Vcpu, table: bigint, index: number, descriptor: bigint): Done {
    return this.under.cpu.writeLdtEntry.run(vcpu, table, index, descriptor);
  }

  loadStack(vcpu: Vcpu, selector: number, pointer: number): Done {
    return this.under.cpu.loadSp0.run(vcpu, selector, BigInt(pointer));
  }

  setIopl(vcpu: Vcpu, iopl: number): Done {
    return this.under.cpu.setIoplMask.run(vcpu, iopl);
  }

  intercept(): InterceptAnswer {
    return "architectural";
  }

  deliver(vcpu: Vcpu, event: DeliveryEvent): DeliveryAnswer {
    if (event.kind !== "exception" || !this.returnIsCalled || this.returningAt(vcpu) !== "iret") return "architectural";
    const site = returnSite(this.hypervisor, vcpu, -4);
    if (site !== undefined) vcpu.registers.set("rip", site);
    return "architectural";
  }
}
