/**
 * Processor state under VMI. A ROM call ends in these; what they do is what the bare machine does, since guest-physical addresses are the
 * machine's and the processor reads the guest's own tables. At CPL 1 the calls keep shadows first (../vcpu/).
 */
import type { CpuOps } from "@paravane/paravirt-ops";

/** The cpu group, over that of the layer beneath. */
export function cpuOps(under: CpuOps): CpuOps {
  return {
    readCr0: under.readCr0,
    writeCr0: under.writeCr0,
    clts: under.clts,
    readCr4: under.readCr4,
    writeCr4: under.writeCr4,
    readCr8: under.readCr8,
    writeCr8: under.writeCr8,
    getDebugreg: under.getDebugreg,
    setDebugreg: under.setDebugreg,
    loadGdt: under.loadGdt,
    storeGdt: under.storeGdt,
    loadIdt: under.loadIdt,
    storeIdt: under.storeIdt,
    setLdt: under.setLdt,
    storeLdt: under.storeLdt,
    loadTr: under.loadTr,
    storeTr: under.storeTr,
    loadTls: under.loadTls,
    loadGsIndex: under.loadGsIndex,
    writeGdtEntry: under.writeGdtEntry,
    writeLdtEntry: under.writeLdtEntry,
    writeIdtEntry: under.writeIdtEntry,
    allocLdt: under.allocLdt,
    freeLdt: under.freeLdt,
    loadSp0: under.loadSp0,
    setIoplMask: under.setIoplMask,
    updateIoBitmap: under.updateIoBitmap,
    ioDelay: under.ioDelay,
    readPort: under.readPort,
    writePort: under.writePort,
    wbinvd: under.wbinvd,
    cpuid: under.cpuid,
    readMsr: under.readMsr,
    writeMsr: under.writeMsr,
    writeXcr0: under.writeXcr0,
    readPmc: under.readPmc,
    swapgs: under.swapgs,
    iret: under.iret,
    sysret: under.sysret,
    sysexit: under.sysexit,
  };
}
