/**
 * Address spaces on the bare machine. Page tables are ordinary memory that the processor reads: announcing one needs nothing, storing an
 * entry is a store, and batches are empty. SDM Vol. 3A §4.10 for what a flush must reach.
 */
import { architectural, type BackendEnvironment, isGuestFault, type MmuOps, nop, type Vcpu } from "@paravane/paravirt-ops";
import type { Architecture } from "../architecture.js";

const ACCESSED_DIRTY = 0x60n;

/** The mmu group of the bare machine. */
export function mmuOps(machine: Architecture, environment: BackendEnvironment): MmuOps {
  const copyEntries = (vcpu: Vcpu, table: number, source: number, first: number, entries: number): void => {
    const entryBytes = (vcpu.registers.get("cr4") & 0x20n) === 0n ? 4 : 8;
    const { memory } = environment;
    const from = source * 4096 + first * entryBytes;
    const length = entries * entryBytes;
    if (first < 0 || length > 4096 - first * entryBytes || !memory.contains(from, length) || !memory.contains(table * 4096, 4096)) return;
    memory.write(table * 4096 + first * entryBytes, memory.view(from, length).slice());
  };
  return {
    readCr2: architectural((vcpu) => vcpu.registers.get("cr2")),
    writeCr2: architectural((vcpu, address) => vcpu.registers.set("cr2", address)),
    readCr3: architectural((vcpu) => vcpu.registers.get("cr3")),
    writeCr3: architectural((vcpu, root) => machine.execute(vcpu, { instruction: "mov-to-cr", index: 3, operand: root })),
    activateMm: nop,
    dupMmap: nop,
    exitMmap: nop,
    flushTlbUser: architectural((vcpu) =>
      machine.execute(vcpu, { instruction: "mov-to-cr", index: 3, operand: vcpu.registers.get("cr3") }),
    ),
    flushTlbKernel: architectural((vcpu) => machine.handle.forgetAddress(vcpu.id, undefined)),
    flushTlbSingle: architectural((vcpu, address) => machine.handle.forgetAddress(vcpu.id, address)),
    flushTlbOthers: architectural((_vcpu, vcpus, address) => {
      for (const vcpu of vcpus) if (vcpu in environment.vcpus) machine.handle.forgetAddress(vcpu, address);
    }),
    pgdAlloc: nop,
    pgdFree: nop,
    allocTable: nop,
    cloneTable: architectural((vcpu, _level, table, source, first, entries) => copyEntries(vcpu, table, source, first, entries)),
    releaseTable: nop,
    setPte: architectural((vcpu, entry, value) => machine.storeEntry(vcpu, entry, value)),
    setPteAt: architectural((vcpu, entry, value) => machine.storeEntry(vcpu, entry, value)),
    setEntry: architectural((vcpu, _level, entry, value) => machine.storeEntry(vcpu, entry, value)),
    clearEntry: architectural((vcpu, _level, entry) => machine.storeEntry(vcpu, entry, 0n)),
    // The processor reads what the guest stored.
    pteUpdate: nop,
    protectionStart: architectural((vcpu, entry) => {
      const value = machine.loadEntry(vcpu, entry);
      return isGuestFault(value) ? value : (machine.storeEntry(vcpu, entry, 0n) ?? value);
    }),
    protectionCommit: architectural((vcpu, entry, _address, value) => {
      const now = machine.loadEntry(vcpu, entry);
      return isGuestFault(now) ? now : machine.storeEntry(vcpu, entry, value | (now & ACCESSED_DIRTY));
    }),
    entryValue: architectural((_vcpu, stored) => stored),
    makeEntry: architectural((_vcpu, value) => value),
    setLinearMapping: nop,
    enterLazy: nop,
    leaveLazy: nop,
    flushLazy: nop,
    // The entry has been stored by setPte; what is left is the flush.
    setFixmap: architectural((vcpu, _slot, address) => machine.handle.forgetAddress(vcpu.id, address)),
  };
}
