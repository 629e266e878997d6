/**
 * Address spaces under VMI. The guest's page tables are the ones that the processor walks, so announcing one needs nothing and storing an
 * entry is a store; what ROM calls add is when a stale translation must be gone (../calls/mmu.ts).
 */
import type { MmuOps } from "@paravane/paravirt-ops";

/** The mmu group, over that of the layer beneath. */
export function mmuOps(under: MmuOps): MmuOps {
  return {
    readCr2: under.readCr2,
    writeCr2: under.writeCr2,
    readCr3: under.readCr3,
    writeCr3: under.writeCr3,
    activateMm: under.activateMm,
    dupMmap: under.dupMmap,
    exitMmap: under.exitMmap,
    flushTlbUser: under.flushTlbUser,
    flushTlbKernel: under.flushTlbKernel,
    flushTlbSingle: under.flushTlbSingle,
    flushTlbOthers: under.flushTlbOthers,
    pgdAlloc: under.pgdAlloc,
    pgdFree: under.pgdFree,
    allocTable: under.allocTable,
    cloneTable: under.cloneTable,
    releaseTable: under.releaseTable,
    setPte: under.setPte,
    setPteAt: under.setPteAt,
    setEntry: under.setEntry,
    clearEntry: under.clearEntry,
    pteUpdate: under.pteUpdate,
    protectionStart: under.protectionStart,
    protectionCommit: under.protectionCommit,
    entryValue: under.entryValue,
    makeEntry: under.makeEntry,
    setLinearMapping: under.setLinearMapping,
    enterLazy: under.enterLazy,
    leaveLazy: under.leaveLazy,
    flushLazy: under.flushLazy,
    setFixmap: under.setFixmap,
  };
}
