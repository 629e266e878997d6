/**
 * Processor state on the bare machine. Where the instruction itself is the operation, the core owns its meaning (`architectural`); the
 * function beside it does the same through the core's handles, for layers above that received the request in another way.
 * What a kernel does by plain stores (descriptor tables, its TSS) is exactly those stores.
 */
import { architectural, type BackendEnvironment, type CpuOps, generalProtection, nop } from "@paravane/paravirt-ops";
import type { Architecture } from "../architecture.js";

const CR0_TS = 1n << 3n;
const RFLAGS_IOPL = 3n << 12n;
const EFER_LMA = 1n << 10n;
/** The first of three thread-local slots: Linux's GDT entry 6 on i386, 12 on x86-64. */
const TLS_SLOT = { bits32: 6, bits64: 12 } as const;

/** The cpu group of the bare machine. */
export function cpuOps(machine: Architecture, environment: BackendEnvironment): CpuOps {
  return {
    readCr0: architectural((vcpu) => vcpu.registers.get("cr0")),
    writeCr0: architectural((vcpu, value) => machine.execute(vcpu, { instruction: "mov-to-cr", index: 0, operand: value })),
    clts: architectural((vcpu) => vcpu.registers.set("cr0", vcpu.registers.get("cr0") & ~CR0_TS)),
    readCr4: architectural((vcpu) => vcpu.registers.get("cr4")),
    writeCr4: architectural((vcpu, value) => machine.execute(vcpu, { instruction: "mov-to-cr", index: 4, operand: value })),
    readCr8: architectural((vcpu) => vcpu.registers.get("cr8")),
    writeCr8: architectural((vcpu, value) => machine.execute(vcpu, { instruction: "mov-to-cr", index: 8, operand: value })),
    getDebugreg: architectural((vcpu, index) => machine.evaluate(vcpu, { instruction: "mov-from-dr", index })),
    setDebugreg: architectural((vcpu, index, value) => machine.execute(vcpu, { instruction: "mov-to-dr", index, operand: value })),
    loadGdt: architectural((vcpu, table) => vcpu.registers.setTable("gdtr", table)),
    storeGdt: architectural((vcpu) => vcpu.registers.table("gdtr")),
    loadIdt: architectural((vcpu, table) => vcpu.registers.setTable("idtr", table)),
    storeIdt: architectural((vcpu) => vcpu.registers.table("idtr")),
    setLdt: architectural((vcpu, selector) => machine.handle.loadSegment(vcpu.id, "ldtr", selector)),
    storeLdt: architectural((vcpu) => vcpu.registers.segment("ldtr").selector),
    loadTr: architectural((vcpu, selector) => machine.handle.loadSegment(vcpu.id, "tr", selector)),
    storeTr: architectural((vcpu) => vcpu.registers.segment("tr").selector),
    loadTls: architectural((vcpu, entries) => {
      const slot = (vcpu.registers.get("efer") & EFER_LMA) === 0n ? TLS_SLOT.bits32 : TLS_SLOT.bits64;
      return machine.store64(vcpu, vcpu.registers.table("gdtr").base + BigInt(8 * slot), entries);
    }),
    loadGsIndex: architectural((vcpu, selector) => {
      machine.execute(vcpu, { instruction: "swapgs" });
      const fault = machine.handle.loadSegment(vcpu.id, "gs", selector);
      machine.execute(vcpu, { instruction: "swapgs" });
      return fault;
    }),
    writeGdtEntry: architectural((vcpu, table, entry, descriptor) => machine.store64(vcpu, table + BigInt(8 * entry), [descriptor])),
    writeLdtEntry: architectural((vcpu, table, entry, descriptor) => machine.store64(vcpu, table + BigInt(8 * entry), [descriptor])),
    writeIdtEntry: architectural((vcpu, table, entry, gate) => machine.store64(vcpu, table + BigInt(8 * gate.length * entry), gate)),
    allocLdt: nop,
    freeLdt: nop,
    loadSp0: architectural((vcpu, stackSelector, stackPointer) => {
      const tss = vcpu.registers.segment("tr").base;
      if ((vcpu.registers.get("efer") & EFER_LMA) !== 0n) return machine.store64(vcpu, tss + 4n, [stackPointer]);
      return machine.store64(vcpu, tss + 4n, [stackPointer | (BigInt(stackSelector) << 32n)]);
    }),
    setIoplMask: architectural((vcpu, iopl) =>
      vcpu.registers.set("rflags", (vcpu.registers.get("rflags") & ~RFLAGS_IOPL) | BigInt((iopl & 3) << 12)),
    ),
    // The bitmap lies in the guest's own TSS, where the guest has written it.
    updateIoBitmap: nop,
    ioDelay: nop,
    readPort: architectural((_vcpu, port, size) => environment.pio.read(port, size)),
    writePort: architectural((_vcpu, port, size, value) => environment.pio.write(port, size, value)),
    // Memory is coherent: the instruction has nothing to write back.
    wbinvd: architectural(() => {}),
    cpuid: architectural((_vcpu, leaf, subleaf) => environment.cpuid(leaf, subleaf)),
    readMsr: architectural((vcpu, index) => vcpu.registers.msr(index) ?? generalProtection),
    writeMsr: architectural((vcpu, index, value) => (vcpu.registers.setMsr(index, value) ? undefined : generalProtection)),
    writeXcr0: architectural((vcpu, value) => machine.execute(vcpu, { instruction: "xsetbv", index: 0, operand: value })),
    readPmc: architectural((vcpu, counter) => machine.evaluate(vcpu, { instruction: "rdpmc", index: counter })),
    swapgs: architectural((vcpu) => machine.execute(vcpu, { instruction: "swapgs" })),
    iret: architectural((vcpu) => machine.execute(vcpu, { instruction: "iret" })),
    sysret: architectural((vcpu, bits) => machine.execute(vcpu, { instruction: "sysret", bits })),
    sysexit: architectural((vcpu) => machine.execute(vcpu, { instruction: "sysexit" })),
  };
}
